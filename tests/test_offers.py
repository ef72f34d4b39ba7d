"""Ranges that plugins bring to the dax bus: what the firmware would have told of becomes the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import click
import pytest
from small_machines import ARM64, GIB, LOW, MIB, NODE_1, RAM, X86, machine, memory, need, sp, srat
from softreserve.cli.output import print_summary
from softreserve.kernel.dax import OFFER_NOT_FREE
from softreserve.kernel.resource import IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.model.dax import DaxOffer
from softreserve.model.errors import PluginResultError
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import Machine
from softreserve.model.nodes import NodeOffer
from softreserve.model.plain import plain
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.plugins.selection import Selection
from softreserve.views.lint import lint
from softreserve.views.outcome import outcome
from softreserve.views.summary import summarize, why

RELEASES = ["5.10", "6.1", "6.12", "6.18", "7.3"]
CARD = "a card"
#: The SRAT knows the range of the card, too.
SRAT = {"SRAT": srat(*LOW, NODE_1, memory(1, 16 * GIB, 18 * GIB)), "HMAT": None}


def offer(start: int, end: int, node: int = 1, source: str = CARD) -> DaxOffer:
    return DaxOffer(start, end, node, source)


def card(*offers: DaxOffer, nodes: Sequence[NodeOffer] = ()) -> SimpleNamespace:
    @hookimpl
    def softreserve_dax_devices(system: System) -> list[DaxOffer]:
        return list(offers)

    @hookimpl
    def softreserve_nodes(system: System) -> list[NodeOffer]:
        return list(nodes)

    return SimpleNamespace(softreserve_dax_devices=softreserve_dax_devices, softreserve_nodes=softreserve_nodes)


def booted(described: Machine, *plugins: object) -> System:
    need(described.arch)
    extra = [(f"card{number}", plugin) for number, plugin in enumerate(plugins)]
    return boot(described, load(Selection().names(described.arch), extra=extra), userspace="udev")


def with_card(*offers: DaxOffer, nodes: Sequence[NodeOffer] = (), **changes: Any) -> System:
    return booted(machine(**{"tables": SRAT, **changes}), card(*offers, nodes=nodes))


def dax(system: System) -> list[str]:
    """Devices in readdir order: name, target node, driver, range."""
    found = system.sysfs.listdir("/sys/bus/dax/devices")
    return found if isinstance(found, list) else []


def tree(system: System, path: str) -> dict[str, object]:
    """All files below a path, with what they say."""
    return {where: system.sysfs.read(where) for where, _ in system.sysfs.walk(path)}


#: On arm64 5.10 sets nothing aside, 6.1 takes all memory that is no RAM for that of node 0, 7.3 makes no devices.
ALIKE = [*((X86, release, 1) for release in RELEASES), (ARM64, "6.1", 0), (ARM64, "6.12", 1), (ARM64, "6.18", 1)]


@pytest.mark.parametrize(("arch", "release", "node"), ALIKE)
def test_an_offer_is_as_good_as_the_word_of_the_firmware(arch: str, release: str, node: int) -> None:
    told = [RAM, sp(6 * GIB, 8 * GIB), sp(16 * GIB, 18 * GIB)]
    firmware = booted(machine(arch, release, tables=SRAT, above=told))
    plugin = with_card(offer(16 * GIB, 18 * GIB, node), arch=arch, release=release)
    assert dax(plugin) == ["dax0.0", "dax1.0"]
    assert plugin.iomem.lines() == firmware.iomem.lines()
    for path in ("/sys/bus", "/sys/devices"):
        assert tree(plugin, path) == tree(firmware, path)
    about = [line for line in firmware.log.lines if "dax" in line or "hmem" in line]
    assert [line for line in plugin.log.lines if "dax" in line or "hmem" in line] == about


def test_an_offer_gets_a_device_where_the_kernel_looks_in_vain_for_what_the_firmware_told_of() -> None:
    system = with_card(offer(16 * GIB, 18 * GIB), arch=ARM64, release="7.3")
    assert dax(system) == ["dax0.0"]
    assert system.sysfs.read("/sys/bus/dax/devices/dax0.0/resource") == b"0x400000000\n"
    assert {f.rule for f in lint(system)} >= {"hmem-finds-nothing"}


@pytest.mark.parametrize("release", ["6.1", "6.12", "6.18", "7.3"])
def test_a_card_can_bring_its_node_along(release: str) -> None:
    node = NodeOffer(2, CARD, (PhysRange(16 * GIB, 18 * GIB),), {0: 60})
    system = with_card(offer(16 * GIB, 18 * GIB, 2), nodes=[node], release=release, tables={"HMAT": None})
    assert system.sysfs.read("/sys/bus/dax/devices/dax1.0/target_node") == b"2\n"
    # numa_map_to_online_node: the nearest that is online, 60 away; node 1 is as far as all are, 20, and offline
    assert system.sysfs.read("/sys/bus/dax/devices/dax1.0/numa_node") == b"0\n"
    assert system.sysfs.read("/sys/devices/system/node/possible") == b"0-2\n"
    assert "node 2" not in "".join(f.message for f in lint(system) if f.rule.startswith("hmat-"))
    row = next(row for row in outcome(system).nodes if row.node == 2)
    assert (row.special, row.performance) == (2 * GIB, {})


def test_memory_of_a_node_without_hmat_goes_to_the_tier_of_kmem() -> None:
    node = NodeOffer(2, CARD, (PhysRange(16 * GIB, 18 * GIB),))
    system = with_card(offer(16 * GIB, 18 * GIB, 2), nodes=[node], cmdline="memhp_default_state=online_movable")
    # include/linux/memory-tiers.h: MEMTIER_DEFAULT_DAX_ADISTANCE is 5 times that of DRAM, in chunks of 128: 22
    assert system.sysfs.read("/sys/devices/virtual/memory_tiering/memory_tier22/nodelist") == b"1-2\n"
    assert system.sysfs.read("/sys/devices/system/node/has_memory") == b"0-2\n"


def test_who_brought_it_is_told() -> None:
    system = with_card(offer(16 * GIB, 18 * GIB))
    assert [(m.start, m.by, m.source) for m in outcome(system).ranges] == [
        (6 * GIB, "firmware", ""),
        (16 * GIB, "plugin", CARD),
    ]
    assert f"set aside for the dax bus, brought by a plugin: {CARD}" in [e.rule for e in why(system, 17 * GIB)]
    summary = summarize(system)
    assert summary.outcome.total == 4 * GIB
    (line,) = [r for r in summary.ranges if (r.start, r.owner) == (16 * GIB, "Soft Reserved")]
    assert line.why.endswith(CARD)


def test_the_summary_says_where_it_comes_from_and_what_was_not_taken(capsys: pytest.CaptureFixture[str]) -> None:
    system = with_card(offer(16 * GIB, 18 * GIB), offer(4 * GIB, 5 * GIB, source="another card"))
    with click.Context(click.Command("boot")):
        print_summary(summarize(system))
    shown = capsys.readouterr().out
    assert "dax1.0, kmem: system RAM, offline, from a card" in " ".join(shown.split())
    assert (
        "000100000000-00013fffffff: plugin card0: softreserve_dax_devices: another card is not taken: 0x100000000-"
        in shown
    )
    (refused,) = plain(summarize(system))["refused"]
    assert (refused["start"], refused["end"]) == (4 * GIB, 5 * GIB)


@pytest.mark.parametrize("release", ["5.10", "6.1", "6.12", "6.18"])
def test_a_plugin_may_put_its_memory_into_the_tree_itself(release: str) -> None:
    class Itself:
        @hookimpl
        def softreserve_register_resources(self, system: System) -> None:
            res = Resource(16 * GIB, 18 * GIB - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
            assert insert_resource(system.iomem.root, res) == 0

    described = machine(release=release, tables={"HMAT": None})  # no table says which node it is
    itself, offered = booted(described, Itself(), card(offer(16 * GIB, 18 * GIB))), with_card(offer(16 * GIB, 18 * GIB))
    assert itself.sysfs.read("/sys/bus/dax/devices/dax1.0/target_node") == b"1\n"
    assert [(m.start, m.source) for m in outcome(itself).ranges] == [
        (m.start, m.source) for m in outcome(offered).ranges
    ]
    assert not itself.log.of(OFFER_NOT_FREE)


TAKEN = {
    "System RAM": (offer(4 * GIB, 5 * GIB), r"is System RAM$"),
    "partly System RAM": (offer(5 * GIB - MIB, 6 * GIB), r"is System RAM$"),
    "partly soft reserved": (offer(7 * GIB, 9 * GIB), r"0x180000000-0x1ffffffff is Soft Reserved$"),
}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("what", TAKEN)
def test_what_is_not_free_is_not_taken_and_that_is_said(release: str, what: str) -> None:
    wrong, words = TAKEN[what]
    system, without = with_card(wrong, release=release), with_card(release=release)
    assert system.iomem.lines() == without.iomem.lines()
    assert dax(system) == dax(without)
    (event,) = system.log.of(OFFER_NOT_FREE)
    (finding,) = [finding for finding in lint(system) if finding.rule == "dax-offer-refused"]
    for found in (event, finding):
        assert (found.start, found.end) == (wrong.start, wrong.end)
    assert event.rule.startswith("plugin card0: softreserve_dax_devices: a card is not taken: ")
    assert re.search(words, event.rule)


def test_offers_that_overlap_are_a_mistake_of_the_plugins() -> None:
    first, second = card(offer(16 * GIB, 18 * GIB)), card(offer(17 * GIB, 19 * GIB))
    words = (
        r"plugin card1: softreserve_dax_devices: 0x440000000-.* overlaps 0x400000000-0x47.*, an offer of plugin card0"
    )
    with pytest.raises(PluginResultError, match=words):
        booted(machine(tables=SRAT), first, second)
    with pytest.raises(PluginResultError, match=r"overlaps .*, an offer of plugin card0"):
        with_card(offer(16 * GIB, 18 * GIB), offer(16 * GIB, 18 * GIB))


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_not_aligned_is_soft_reserved_and_gets_no_device(release: str) -> None:
    system = with_card(offer(16 * GIB + MIB, 18 * GIB), release=release)
    assert dax(system) == ["dax0.0"]
    (finding,) = [finding for finding in lint(system) if finding.rule == "dax-alignment"]
    assert (finding.start, finding.end) == (16 * GIB + MIB, 18 * GIB)
    assert finding.message.endswith("align both in what plugin card0 offers")


def test_what_is_not_possible_is_a_mistake_of_the_plugin() -> None:
    words = (
        r"plugin card0: softreserve_dax_devices: 0x400000000-0x47fffffff is of node 7, which is not possible; .* 0-1"
    )
    with pytest.raises(PluginResultError, match=words):
        with_card(offer(16 * GIB, 18 * GIB, 7))


@pytest.mark.parametrize("release", ["6.1", "7.3"])
def test_a_kernel_without_nodes_gives_the_device_no_node(release: str) -> None:
    system = with_card(offer(16 * GIB, 18 * GIB), release=release, cmdline="numa=off")
    assert system.sysfs.read("/sys/bus/dax/devices/dax1.0/target_node") in (b"-1\n", -2)
    assert "dax-offer-node" in {finding.rule for finding in lint(system)}


@pytest.mark.parametrize("more", [{"config": {"DEV_DAX_HMEM": "n"}}, {"cmdline": "device_hmem.disable=1"}])
def test_a_kernel_that_makes_no_devices_has_the_memory_set_aside(more: dict[str, Any]) -> None:
    system = with_card(offer(16 * GIB, 18 * GIB), **more)
    assert dax(system) == []
    assert [res.start for res in system.find_soft_reserved()] == [6 * GIB, 16 * GIB]
    assert "hmem-missing" in {finding.rule for finding in lint(system)}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (offer(2 * GIB, GIB), "start 0x80000000, end 0x40000000: no range"),
        (offer(-4096, GIB), "start -0x1000, end 0x40000000: no range"),
        (offer(GIB, GIB), "no range"),
        (offer(0, 1 << 65), "ends behind 0x.* bits"),
        (offer(16 * GIB, 18 * GIB + 512), "is no number of whole pages of 4096 bytes"),
        (offer(16 * GIB, 18 * GIB, -2), "node, or -1 for none"),
        (offer(16 * GIB, 18 * GIB, True), "is of node True: a node"),
        (offer(16 * GIB, 18 * GIB, source="\x1b[2J"), "a few printable words"),
        (offer("16G", "18G"), r"\(str and str\): bytes as integers are wanted"),  # type: ignore[arg-type]
    ],
)
def test_an_offer_that_is_none_is_a_mistake_of_the_plugin(wrong: DaxOffer, words: str) -> None:
    with pytest.raises(PluginResultError, match=rf"^plugin card0: softreserve_dax_devices: .*{words}"):
        with_card(wrong)


@pytest.mark.parametrize(("userspace", "state"), [("udev", b"online\n"), ("none", b"offline\n")])
def test_memory_of_built_in_drivers_is_told_to_udev_and_to_nobody_without_it(userspace: Any, state: bytes) -> None:
    class Rule:
        @hookimpl
        def softreserve_memory_added(self, nid: int) -> str | None:
            return "online_movable" if nid == 1 else None

    described = machine(tables=SRAT, config={"DEV_DAX_KMEM": "y", "DEV_DAX_HMEM": "y", "DEV_DAX": "y"})
    need(described.arch)
    hooks = load(Selection().names(described.arch), extra=[("rule", Rule())])
    system = boot(described, hooks, userspace=userspace)
    assert system.sysfs.read(f"/sys/devices/system/memory/memory{6 * GIB // system.memory.block_size}/state") == state
    # what would be if device_dax had it is tried on copies, where no user space onlines anything
    assert summarize(system).as_devdax["devdax"] == 2 * GIB


@pytest.mark.parametrize("release", ["6.1", "6.18", "7.3"])
def test_the_next_kernel_asks_its_plugins_anew(release: str) -> None:
    """No table tells it of the card: without the plugin it knows neither the memory nor the node."""
    need(X86)
    node = NodeOffer(2, CARD, (PhysRange(16 * GIB, 18 * GIB),), {0: 60})
    names = Selection().names(X86)
    hooks = load(names, extra=[("card", card(offer(16 * GIB, 18 * GIB, 2), nodes=[node]))])
    first = boot(machine(release=release, tables=SRAT | {"SRAT": srat(*LOW, NODE_1)}), hooks, userspace="udev")
    following = kexec.load(first, KexecRequest("kexec_file_load")).machine
    again, alone = (boot(following, found, userspace="udev") for found in (hooks, load(names)))
    for system in (first, again):
        assert (system.nodes.distance(0, 2), system.nodes.phys_to_target_node(16 * GIB)) == (60, 2)
        assert [(m.start, m.source) for m in outcome(system).ranges if m.source] == [(16 * GIB, CARD)]
    assert 2 not in alone.nodes.possible
    assert [m.start for m in outcome(alone).ranges] == [6 * GIB]


@pytest.mark.parametrize("state", ["online", "online_movable"])
def test_memory_that_comes_back_by_the_state_of_its_device_is_told_again(state: str) -> None:
    told: list[tuple[int, int]] = []

    class Rule:
        @hookimpl
        def softreserve_memory_added(self, start: int, size: int) -> None:
            told.append((start, size))

    system = booted(machine(release="7.3", tables=SRAT), Rule())
    for word in ("unplugged", state):
        assert system.sysfs.write("/sys/bus/dax/devices/dax0.0/state", word.encode()) == len(word)
    assert told == [(6 * GIB, 2 * GIB)] * 2
