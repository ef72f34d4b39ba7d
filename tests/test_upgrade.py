"""What another kernel means for a machine, in words, and that what is named as its cause is one.

Expected values: by hand, from the addresses of the machines and from what the changes of the kernel do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import cases
import pytest
import wheels
from hypothesis import given
from hypothesis import strategies as st
from small_machines import ARM64, GIB, MIB, RAM, X86, machine, need, sp
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.changes import Changes
from softreserve.model.behaviours import HOTPLUG_FORGETS_NORMAL_MEMORY, SOFT_RESERVED_IN_OWN_TREE
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.plain import plain
from softreserve.model.release import Behaviour, Boundary
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection
from softreserve.views.upgrade.causes import Change
from softreserve.views.upgrade.consequences import Consequence, consequences
from softreserve.views.upgrade.facts import Difference, differences, holds
from softreserve.views.upgrade.kinds import DEATH, KINDS
from softreserve.views.upgrade.trial import Trial

pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")

OWN_TREE, BELOW, THREADS = "soft-reserved-in-own-tree", "hmem-below-its-platform", "node-threads-on-their-node"
FORGETS = "hotplug-forgets-normal-memory"
NOBODY = "nobody's"
KMEM = "System RAM by way of kmem, online"


class Noticed(NamedTuple):
    """A consequence as expected: the kernels that have it, what it is, why, and where."""

    when: str
    rule: str
    causes: tuple[str, ...]
    places: tuple[tuple[str | int, str, str], ...]


def upgraded(described: Machine | Scenario, *releases: str) -> list[Consequence]:
    """What a machine's owner notices from kernel to kernel."""
    scenario = described if isinstance(described, Scenario) else Scenario(described)
    selection = Selection((), scenario.plugins)
    machines = [Changes(kernel=release).apply(scenario, selection).machine for release in releases]
    return consequences([Trial(one, selection.hooks_for, "udev") for one in machines], releases)


def noticed(found: Iterable[Consequence]) -> set[Noticed]:
    """What matters: notes tell of new files and of words of the log, and what lint says it says in its own words."""
    return {
        Noticed(
            one.when,
            one.rule,
            tuple(change.name for change in one.causes),
            tuple((d.name if d.start is None else d.start, d.before, d.after) for d in one.differences),
        )
        for one in found
        if one.severity != "note" and one.rule != "upgrade-finding"
    }


def path(at: int, old: str, new: str) -> tuple[int, str, str]:
    return at, f"/sys/devices/platform/{old}", f"/sys/devices/platform/{new}"


# --- the examples


def test_two_node() -> None:
    """2 GiB from 4 GiB on, all of node 1; 6.12 of Debian 12 brings it online in zone Normal; blocks of 128 MiB."""
    need(X86)
    found = upgraded(load("example:two-node"), "6.12", "6.18.15", "7.3")
    start = 4 * GIB
    assert noticed(found) == {
        Noticed("6.18.15 and later", "upgrade-offline", (THREADS,), ((start, "goes offline", "stays online"),)),
        Noticed("6.18.15 only", "upgrade-node-state", (FORGETS,), (("has_normal_memory", "0-1", "0"),)),
        Noticed("7.3", "upgrade-soft-reserved-line", (OWN_TREE,), ((start, "a line", "no line"),)),
        Noticed("7.3", "upgrade-device-path", (BELOW,), (path(start, "hmem.0", "hmem_platform.0/hmem.0"),)),
    }
    sizes = {one.rule: one.size for one in found}
    assert (sizes["upgrade-offline"], sizes["upgrade-soft-reserved-line"]) == (128 * MIB, 2 * GIB)


def test_xeon_max() -> None:
    """Two ranges of 64 GiB, of nodes 2 and 3; above 64 GiB of RAM memory blocks have 2 GiB."""
    need(X86)
    first, second = 0x20080000000, 0x21080000000
    found = upgraded(load("example:xeon-max"), "6.12", "6.18.15", "7.3")
    stays = ("goes offline", "stays online")
    paths = path(first, "hmem.0", "hmem_platform.0/hmem.0"), path(second, "hmem.1", "hmem_platform.0/hmem.1")
    assert noticed(found) == {
        Noticed("6.18.15 and later", "upgrade-offline", (THREADS,), ((first, *stays), (second, *stays))),
        Noticed("6.18.15 only", "upgrade-node-state", (FORGETS,), (("has_normal_memory", "0-3", "0-1"),)),
        # the two ranges touch, and what becomes of them is the same
        Noticed("7.3", "upgrade-soft-reserved-line", (OWN_TREE,), ((first, "a line", "no line"),)),
        Noticed("7.3", "upgrade-device-path", (BELOW,), paths),
    }
    assert [one.size for one in found if one.rule == "upgrade-offline"] == [4 * GIB]


def test_arm64_server() -> None:
    """16 GiB from 1 TiB on, all of node 1, which has nothing else: without a device there is no node."""
    need(ARM64)
    start = 1 << 40
    found = upgraded(load("example:arm64-server"), "6.12", "6.18.15", "7.3")
    lost = ("has_memory", "0-1", "0")
    assert noticed(found) >= {
        Noticed("6.18.15 and later", "upgrade-offline", (THREADS,), ((start, "goes offline", "stays online"),)),
        Noticed("6.18.15 and later", "upgrade-node-state", (FORGETS,), (("has_normal_memory", "0-1", "0"),)),
        Noticed("7.3", "upgrade-memory-lost", (OWN_TREE,), ((start, KMEM, NOBODY),)),
        Noticed("7.3", "upgrade-node-state", (OWN_TREE,), (lost,)),
        Noticed("7.3", "upgrade-demotion", (OWN_TREE,), (("node 0", "1", "nowhere"),)),
    }
    told = next(one for one in found if one.rule == "upgrade-memory-lost")
    assert (told.severity, told.size, told.before, told.releases) == ("error", 16 * GIB, "6.18.15", ("7.3",))
    assert "[hmem-finds-nothing]" in told.words
    # arm64 goes on to show it, and there is no device whose path could change
    assert {one.rule for one in found} & {"upgrade-soft-reserved-line", "upgrade-device-path"} == set()


def test_unaligned() -> None:
    """Of five ranges one has a device: 290 MiB from 0x17a000000, of which 128 MiB are a whole memory block."""
    need(X86)
    start, block, rest = 0x17A000000, 0x180000000, 0x188000000
    found = upgraded(load("example:unaligned"), "6.1", "6.12", "6.18", "7.3")
    told = next(one for one in found if one.rule == "upgrade-finding" and one.severity == "warning")
    assert (told.differences[0].name, told.when) == ("ram-buffer 0x17a000000-0x17bffffff", "7.3")
    ranges = (0x1000FF000, 0x1601FF000, 0x1666FF000, 0x172EFF000, start)
    later = "6.12 and later"
    by_type = ("dax-match-by-type",)
    policy = ("MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO",)
    assert noticed(found) == {
        Noticed(later, "upgrade-memory-lost", by_type, ((start, "devdax", NOBODY), (rest, "devdax", NOBODY))),
        Noticed(later, "upgrade-memory-owner", by_type, ((block, "devdax", KMEM),)),
        Noticed(
            later,
            "upgrade-hmem-line",
            ("hmem-platform-device",),
            tuple((at, f"a line hmem.{number}", "") for number, at in enumerate(ranges)),
        ),
        Noticed(later, "upgrade-hotplug", policy, (("auto_online_blocks", "offline", "online"),)),
        # RAM ends at 0x17a000000, off a border of 64 MiB: its RAM buffer lies over the device
        Noticed("7.3", "upgrade-devdax", (OWN_TREE,), ((start, "can be mapped", "cannot be mapped"),)),
        Noticed(
            "7.3",
            "upgrade-soft-reserved-line",
            (OWN_TREE,),
            # the third and the fourth touch
            tuple((at, "a line", "no line") for at in ranges if at != 0x172EFF000),
        ),
        Noticed("7.3", "upgrade-device-path", (BELOW,), (path(start, "hmem.4", "hmem_platform.0/hmem.4"),)),
    }


# --- findings about kernels, on recorded machines


def test_a_ram_buffer_keeps_device_dax_away_from_7_0_on(tmp_path: Path) -> None:
    need(X86)
    scenario = load(cases.unpack("x86-7.3-devdax-ram-buffer", tmp_path))
    told = noticed(upgraded(scenario, "6.18", "7.3"))
    expected = (0x104200000, "can be mapped", "cannot be mapped")
    assert Noticed("7.3", "upgrade-devdax", (OWN_TREE,), (expected,)) in told


def test_memory_that_nobody_set_aside_notices_nothing(tmp_path: Path) -> None:
    need(X86)
    scenario = load(cases.unpack("x86-6.12-nosoftreserve", tmp_path))
    assert noticed(upgraded(scenario, "6.12", "7.3")) == set()


# --- causes


def test_where_nothing_by_itself_undoes_a_difference_a_smallest_set_does() -> None:
    """On 7.3 kmem takes the device, and a RAM buffer would keep device_dax away: 6.1 is had back by undoing both."""
    need(X86)
    found = upgraded(load("example:unaligned"), "6.1", "7.3")
    lost = next(one for one in found if one.rule == "upgrade-memory-lost")
    assert {change.name for change in lost.causes} == {OWN_TREE, "dax-match-by-type"}


def test_a_cause_tells_what_it_is_and_how_it_is_known() -> None:
    need(ARM64)
    found = upgraded(machine(ARM64), "6.18", "7.3")
    lost = next(one for one in found if one.rule == "upgrade-memory-lost")
    subject = "dax/hmem, e820, resource: Defer Soft Reserved insertion until hmem is ready"
    assert [str(change) for change in lost.causes] == [f'since 7.0: "{subject}" [{OWN_TREE}]']
    told = plain(lost)["causes"][0]
    assert (told["behaviour"], told["release"], told["subject"]) == (OWN_TREE, "7.0", subject)
    assert "captured arm64-7.3-two-node-hmat" in told["evidence"]["newer"]


def test_who_goes_back_to_an_older_kernel_is_told_the_opposite() -> None:
    need(ARM64)
    found = upgraded(machine(ARM64, cmdline=""), "7.3", "6.18")
    told = next(one for one in found if one.rule == "upgrade-memory-found")
    assert told.severity == "note"
    assert [str(change).partition(":")[0] for change in told.causes] == ["before 7.0"]
    assert [change.evidence for change in told.causes] == ["captured x86-6.18-two-node-hmat"]


CAME = Boundary("6.17", "mm: bring it", "captured old", "captured new", after="6.12")
WENT = Boundary("7.0", "", "source read 6.18", "source read 7.0")
SOME = Behaviour("some", "it is so", since=CAME, until=WENT, backported=("6.1",), dropped=("6.18.23",))
STABLE = " (also in 6.1; not in 6.18.23)"


@pytest.mark.parametrize(
    ("change", "words", "evidence"),
    [
        (
            Change("some", "it is so", SOME, CAME),
            f'since 6.17, or earlier, after 6.12{STABLE}: "mm: bring it" [some]',
            "captured new",
        ),
        (
            Change("some", "it is so", SOME, CAME, back=True),
            f'before 6.17, or earlier, after 6.12{STABLE}: "mm: bring it" [some]',
            "captured old",
        ),
        (Change("some", "it is so", SOME, WENT), f"since 7.0{STABLE}: no longer: it is so [some]", "source read 7.0"),
        (Change("some", "it is so", SOME, WENT, back=True), f"before 7.0{STABLE}: it is so [some]", "source read 6.18"),
        (Change("some", "it is so", SOME), "in this build: it is so [some]", ""),
        (Change("NUMA", "", before="n", after="y"), "built with CONFIG_NUMA=y, before n", ""),
    ],
)
def test_a_cause_says_when_it_came_or_went(change: Change, words: str, evidence: str) -> None:
    assert (str(change), change.evidence) == (words, evidence)


def test_levels_of_one_stable_series_are_releases_like_others() -> None:
    """6.18.23 mended what 7.0 did; who goes back to 6.18.15 is told so."""
    need(X86)
    for releases, back in ((("6.18.15", "6.18.30"), False), (("6.18.30", "6.18.15"), True)):
        state = next(one for one in upgraded(load("example:two-node"), *releases) if one.rule == "upgrade-node-state")
        assert [(change.name, change.back) for change in state.causes] == [(FORGETS, back)]


def test_two_builds_of_one_behaviour_are_told_by_their_options() -> None:
    """A kernel that brings memory online and one that leaves it offline differ in an option alone."""
    need(X86)
    described = machine(X86, cmdline="")
    quiet = {**described.kernel.config, "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "n"}
    other = attrs.evolve(described, kernel=attrs.evolve(described.kernel, config=quiet))
    hooks_for = Selection().hooks_for
    found = consequences([Trial(one, hooks_for, "udev") for one in (described, other)], ["one", "two"])
    owner = next(one for one in found if one.rule == "upgrade-memory-owner")
    assert [(d.start, d.end) for d in owner.differences] == [(6 * GIB, 8 * GIB)]
    assert [str(change) for change in owner.causes] == [
        "built with CONFIG_MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO=n, before y"
    ]


def test_debian_13_does_not_bring_memory_online_on_arm64() -> None:
    """Its 6.12.107 has no choice of policies yet, and is built without CONFIG_MEMORY_HOTPLUG_DEFAULT_ONLINE."""
    need(ARM64)
    found = upgraded(load("example:arm64-server"), "6.12.117+deb12-arm64", "6.12.107+deb13-arm64")
    owner = next(one for one in found if one.rule == "upgrade-memory-owner")
    assert [(d.start, d.before, d.after) for d in owner.differences] == [
        (1 << 40, KMEM, KMEM.replace("online", "offline"))
    ]
    assert {change.name for change in owner.causes} == {
        "mhp-online-types-by-config",
        "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO",
    }


def test_a_kernel_that_does_not_come_up_is_all_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    need(X86)
    described = machine(X86)
    trials = [Trial(described, Selection().hooks_for, "udev") for _ in range(2)]
    monkeypatch.setattr(trials[1], "_booted", "it dies", raising=False)
    told = consequences(trials, ["one", "two"])
    assert [(one.rule, one.severity, one.causes) for one in told] == [("upgrade-boot", "error", ())]


def test_a_kernel_that_dies_is_told_with_its_cause() -> None:
    """``mm/numa_emulation.c: numa_emulation`` of 6.12 reads distances that nobody gave."""
    need(X86)
    (died,) = upgraded(machine(X86, cmdline="numa=fake=1G"), "6.6", "6.12")
    assert (died.rule, [change.name for change in died.causes]) == ("upgrade-boot", ["numa-memblks-generic"])


def test_a_kernel_can_be_asked_what_it_were_with_one_behaviour_turned() -> None:
    kernel = Kernel("7.3", X86)
    turned = attrs.evolve(kernel, turned=frozenset({SOFT_RESERVED_IN_OWN_TREE}))
    assert (kernel.has(SOFT_RESERVED_IN_OWN_TREE), turned.has(SOFT_RESERVED_IN_OWN_TREE)) == (True, False)
    assert not turned.has(HOTPLUG_FORGETS_NORMAL_MEMORY)
    assert turned.asked == {SOFT_RESERVED_IN_OWN_TREE, HOTPLUG_FORGETS_NORMAL_MEMORY}


def test_a_kernel_turned_in_all_that_two_releases_have_unlike_is_the_other_one() -> None:
    """So nothing but behaviours and options tells releases apart."""
    need(X86)
    old, new = (attrs.evolve(machine(X86, r)) for r in ("6.1", "7.3"))
    apart = {b for b in everything() if b.applies_to(old.kernel.version) != b.applies_to(new.kernel.version)}
    mixed = attrs.evolve(new.kernel, config=old.kernel.config, turned=frozenset(apart))
    hooks_for = Selection().hooks_for
    first, second = (Trial(described, hooks_for, "udev") for described in (old, attrs.evolve(new, kernel=mixed)))
    assert consequences([first, second], ["6.1", "7.3 turned"]) == []


def everything() -> list[Any]:
    from softreserve.plugins.behaviours import behaviours

    return [behaviour for found in behaviours().values() for behaviour in found]


# --- the commands


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_diff_tells_of_several_releases(capsys: pytest.CaptureFixture[str]) -> None:
    need(ARM64)
    status, out, _ = run(capsys, "diff", "example:arm64-server", "--kernel", "6.12,6.18,7.3")
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "arm64-server: 6.12 -> 6.18 -> 7.3"
    assert (
        "7.3: LOST: all 16 GiB of specific purpose memory: set aside without a dax device [hmem-finds-nothing]" in lines
    )
    assert [line for line in lines if line.startswith("===")] == [
        "=== on 6.18 and later",
        "=== on 7.3",
        "=== side by side",
    ]
    at = next(number for number, line in enumerate(lines) if "[upgrade-memory-lost]" in line)
    assert lines[at].startswith("error: nobody can use specific purpose memory that was in use: no dax device: ")
    assert lines[at + 1] == f"    010000000000-0103ffffffff (16 GiB): {KMEM} -> nobody can use it"
    assert "since 7.0: " in lines[at + 2]
    assert "captured arm64-7.3-two-node-hmat" in lines[at + 2]


def test_the_documentation_lists_every_rule() -> None:
    page = (wheels.ROOT / "docs" / "upgrades.md").read_text()
    source = (wheels.package(wheels.ROOT / "core") / "views" / "upgrade" / "kinds.py").read_text()
    rules = set(re.findall(r'"(upgrade-[a-z-]+)"', source))
    assert len(rules) > 20
    assert set(re.findall(r"`(upgrade-[a-z-]+)`", page)) == rules


def test_diff_tells_programs(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    status, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "6.12,6.17,7.3", "--json")
    found = json.loads(out)
    assert (status, found["schema"], found["releases"]) == (1, "softreserve.diff", ["6.12", "6.17", "7.3"])
    state = next(one for one in found["consequences"] if one["rule"] == "upgrade-node-state")
    assert (state["before"], state["releases"]) == ("6.12", ["6.17"])
    assert [cause["behaviour"] for cause in state["causes"]] == [FORGETS]


def test_diff_under_another_kernel_tells_what_it_means_before_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    status, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "7.3")
    assert status == 1
    assert out.index("[upgrade-soft-reserved-line]") < out.index("=== iomem")
    assert "-100000000-17fffffff : Soft Reserved" in out
    _, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "7.3", "--json")
    found = json.loads(out)
    assert {"before", "after", "verdicts", "differences", "consequences"} <= found.keys()
    _, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "7.3", "--cmdline", "+quiet")
    assert "[upgrade-" not in out  # what of it the kernel brings would have to be guessed


def test_diff_of_the_same_releases_has_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    status, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "7.3,7.3")
    assert (status, out.splitlines()[-1]) == (0, "no consequence for this machine")


def test_diff_shows_the_files_of_several_releases_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    _, out, _ = run(capsys, "diff", "example:two-node", "--kernel", "6.12,6.18,7.3", "--emit", "iomem")
    assert "--- 6.18\n+++ 7.3\n" in out
    assert "--- 6.12\n" not in out


@pytest.mark.parametrize("command", ["boot", "explain", "kexec"])
def test_other_commands_take_one_release(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("4G",) if command == "explain" else ()
    status, _, err = run(capsys, command, "example:two-node", *arguments, "--kernel", "6.12,7.3")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "6.12,7.3" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kernel", "6.12,"), "a release is missing beside a comma"),
        (("--kernel", "6.12,,7.3"), "a release is missing beside a comma"),
        (("--kernel", "6.12,seven"), "unknown kernel release 'seven'"),
        (("example:xeon-max", "--kernel", "6.12,7.3", "--emit", "iomem"), "a table has no files"),
    ],
)
def test_diff_refuses_what_is_no_list(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "diff", "example:two-node", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_what_another_architecture_loses_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    need(ARM64)
    _, _, err = run(capsys, "diff", "example:two-node", "--arch", "arm64", "--kernel", "6.12,6.18,7.3")
    lines = err.splitlines()
    assert lines
    assert len(lines) == len(set(lines))


def test_lint_finds_what_breaks_by_an_upgrade(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    status, out, _ = run(capsys, "lint", "example:two-node", "--kernel", "7.3")
    assert status == 1
    rules = {line.rpartition("[")[2].rstrip("]") for line in out.splitlines() if line.startswith("warning")}
    assert rules == {"upgrade-offline", "upgrade-soft-reserved-line", "upgrade-device-path"}
    assert all("from 6.12.117+deb12-amd64 to 7.3: " in line for line in out.splitlines() if "[upgrade-" in line)
    status, out, _ = run(capsys, "lint", "example:two-node", "--kernel", "6.12")
    assert (status, "[upgrade-" in out) == (0, False)


def test_lint_looks_at_the_last_of_several_releases(capsys: pytest.CaptureFixture[str]) -> None:
    need(ARM64)
    status, out, _ = run(capsys, "lint", "example:arm64-server", "--kernel", "6.12,6.18,7.3", "--json")
    found = json.loads(out)
    assert status == 1
    errors = [finding["rule"] for finding in found["findings"] if finding["severity"] == "error"]
    assert errors == ["hmem-finds-nothing", "upgrade-memory-lost"]
    assert {"verdict", "consequences"} <= found.keys()


def test_what_a_log_lacks_is_said_of_upgrades_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    log = tmp_path / "dmesg.txt"
    log.write_text(
        "Linux version 6.12.1 (gcc)\nCommand line: quiet\n"
        "BIOS-e820: [mem 0x0000000000000000-0x000000007fffffff] usable\n"
        "BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft reserved\n"
    )
    status, out, err = run(capsys, "diff", f"dmesg:{log}", "--kernel", "6.12,7.3")
    assert status == 1
    assert "partial answer" in out
    assert "partial answer" in err
    assert "[upgrade-soft-reserved-line]" in out


# --- what a difference means


KIND = {kind.look.__name__: kind for kind in (DEATH, *KINDS)}
#: What is seen, before and after, and what is said of it: severity and rule.
MEANINGS = [
    ("death", "comes up", "it dies", ("error", "upgrade-boot")),
    ("death", "it dies", "comes up", ("note", "upgrade-boot")),
    ("uses", NOBODY, "devdax", ("note", "upgrade-memory-found")),
    ("uses", "ram", "devdax", ("warning", "upgrade-memory-owner")),
    ("uses", "devdax", "ram", ("warning", "upgrade-memory-owner")),
    ("uses", KMEM, "devdax", ("warning", "upgrade-memory-owner")),
    ("uses", KMEM.replace("online", "offline"), KMEM, ("warning", "upgrade-memory-owner")),
    ("uses_as_system_ram", "System RAM", "cannot be System RAM", ("warning", "upgrade-system-ram")),
    ("uses_as_system_ram", "cannot be System RAM", "System RAM", ("note", "upgrade-system-ram")),
    ("uses_as_devdax", "cannot be mapped", "can be mapped", ("note", "upgrade-devdax")),
    ("withdrawals", "stays online", "goes offline", ("note", "upgrade-offline")),
    ("zones", "zone Normal", "zone Movable", ("warning", "upgrade-zone")),
    ("soft_reserved_lines", "no line", "a line", ("note", "upgrade-soft-reserved-line")),
    ("hmem_lines", "", "a line hmem.0", ("note", "upgrade-hmem-line")),
    ("device_names", "dax0.0", "dax1.0", ("warning", "upgrade-device-name")),
    ("device_nodes", "node 1", "node 2", ("warning", "upgrade-target-node")),
    ("dax_files", "there", "", ("warning", "upgrade-dax-file")),
    ("node_files", "there", "", ("warning", "upgrade-node-file")),
    ("node_values", "10 20", "10 21", ("note", "upgrade-node-value")),
    ("tiers", "tier 4", "tier 5", ("warning", "upgrade-tier")),
    ("demotion", "1", "nowhere", ("warning", "upgrade-demotion")),
    ("hotplug", "8000000", "80000000", ("warning", "upgrade-hotplug")),
    ("ram", "System RAM", "", ("error", "upgrade-ram")),
    ("ram", "", "System RAM", ("note", "upgrade-ram")),
    ("firmware_map", "Soft Reserved", "", ("warning", "upgrade-firmware-map")),
    ("findings", "", "error: it burns", ("error", "upgrade-finding")),
    ("findings", "error: it burns", "", None),
    ("findings", "error: it burns", "note: it smokes", None),
    ("other_lines", "there", "", ("warning", "upgrade-iomem-line")),
    ("other_lines", "", "there", ("note", "upgrade-iomem-line")),
    ("drivers", "there", "", ("warning", "upgrade-driver")),
    ("drivers", "", "there", None),
    ("devices", "", "there", None),
    ("modules", "", "there", None),
    ("log", "there", "", ("note", "upgrade-log")),
]


@pytest.mark.parametrize(("seen", "before", "after", "meant"), MEANINGS)
def test_a_difference_has_a_meaning(seen: str, before: str, after: str, meant: tuple[str, str] | None) -> None:
    trial = Trial(machine(X86), Selection().hooks_for, "udev")  # never booted: only a loss asks it for the reason
    told = KIND[seen].tell(Difference("what", 0, 4096, before, after), trial)
    assert (told and told[:2]) == meant


def test_names_of_devices_go_by_the_address_from_6_3_on() -> None:
    """Before, ranges that the HMAT describes came first. ``drivers/dax/hmem/hmem.c: dax_hmem_platform_probe``."""
    need(X86)
    described = machine(X86, cmdline="", above=[RAM, sp(5 * GIB, 5 * GIB + GIB // 2), sp(6 * GIB, 8 * GIB)])
    found = upgraded(described, "6.1", "6.12")
    names = next(one for one in found if one.rule == "upgrade-device-name")
    assert [(d.start, d.before, d.after) for d in names.differences] == [
        (5 * GIB, "dax1.0", "dax0.0"),
        (6 * GIB, "dax0.0", "dax1.0"),
    ]
    assert [change.name for change in names.causes] == ["hmem-platform-device"]


@pytest.mark.parametrize("arch", [X86, ARM64])
def test_nodes_have_tiers_from_6_1_on(arch: str) -> None:
    """DRAM is in tier 4: an abstract distance of 4.5 chunks. ``include/linux/memory-tiers.h``."""
    need(arch)
    found = upgraded(machine(arch), "5.10", "6.1")
    tiers = next(one for one in found if one.rule == "upgrade-tier")
    assert ("node 0", "no tier", "tier 4") in [(d.name, d.before, d.after) for d in tiers.differences]
    assert [change.name for change in tiers.causes] == ["memory-tiers"]


def test_kexec_tools_find_another_map_where_memory_is_set_aside() -> None:
    need(X86)
    found = upgraded(machine(X86), "5.4", "5.5")
    rules = {one.rule: one for one in found}
    assert [(d.start, d.end, d.before, d.after) for d in rules["upgrade-firmware-map"].differences] == [
        (6 * GIB, 8 * GIB, "System RAM", "Soft Reserved")
    ]
    assert "upgrade-ram" not in rules  # that it is RAM no more is told of the memory itself
    assert rules["upgrade-memory-owner"].words.endswith("is ordinary RAM no more")


def test_a_boot_log_has_other_words_from_7_0_on() -> None:
    need(X86)
    found = upgraded(machine(X86), "6.18", "7.0")
    words = next(one for one in found if one.rule == "upgrade-log" and one.causes[0].name == "e820-reworked")
    told = dict(words.places)
    assert told["BIOS-e820: [mem N-N] usable"] == "gone"
    assert told["BIOS-e820: [mem N-N]  System RAM"] == "new"
    assert told["BIOS-e820: [gap N-N]"] == "new"


# --- comparing


def spans() -> st.SearchStrategy[list[tuple[int, int, str]]]:
    """Disjoint facts about 12 bytes, ascending."""
    return st.lists(st.sampled_from(["", "a", "b"]), min_size=12, max_size=12).map(
        lambda bytes_: [
            (run[0][0], run[-1][0] + 1, value)
            for value, run in ((v, list(g)) for v, g in groupby(enumerate(bytes_), key=itemgetter(1)))
            if value
        ]
    )


def at(found: list[tuple[int, int, str]], address: int, absent: str | None) -> str | None:
    return next((what for start, end, what in found if start <= address < end), absent)


@given(spans(), spans(), st.sampled_from([None, "", "a"]))
def test_differences_of_memory_are_those_of_each_byte(
    old: list[tuple[int, int, str]], new: list[tuple[int, int, str]], absent: str | None
) -> None:
    found = differences(old, new, absent)
    told = {byte: (d.before, d.after) for d in found for byte in range(d.start or 0, d.end or 0)}
    apart = {byte: (at(old, byte, absent), at(new, byte, absent)) for byte in range(12)}
    expected = {byte: pair for byte, pair in apart.items() if None not in pair and pair[0] != pair[1]}
    # beyond all facts there is nothing to tell
    inside = {byte for byte in range(12) if any(start <= byte for start, _, _ in [*old, *new])}
    inside &= {byte for byte in range(12) if any(byte < end for _, end, _ in [*old, *new])}
    assert told == {byte: pair for byte, pair in expected.items() if byte in inside}
    for d in found:
        assert holds(old, d, d.before, absent)
        assert holds(new, d, d.after, absent)
        for value in ("", "a", "b"):
            everywhere = all(at(new, byte, absent) == value for byte in range(d.start or 0, d.end or 0))
            assert holds(new, d, value, absent) is everywhere


def test_differences_of_names_need_both_where_absence_means_nothing() -> None:
    old, new = {"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"}
    assert [d.name for d in differences(old, new, None)] == ["b"]
    assert [(d.name, d.before, d.after) for d in differences(old, new, "")] == [
        ("a", "1", ""),
        ("b", "1", "2"),
        ("d", "", "1"),
    ]
