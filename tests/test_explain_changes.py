"""What ``explain`` says would have changed something: each change, made the way that a person makes it, does.

Changes are applied to an unpacked capture by its files and by the options of the command line, and booted again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cases
import pytest
from small_machines import ARM64, X86, need
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.changes import Changes
from softreserve.machine.boot import boot
from softreserve.model.outcome import Part
from softreserve.model.userspace import Userspace
from softreserve.plugins.selection import Selection
from softreserve.views.explain.answers import Answer, answer
from softreserve.views.explain.edits.change import Change
from softreserve.views.explain.search import Found, search
from softreserve.views.explain.subjects import Subject, subjects
from softreserve.views.report import report
from softreserve.views.what_if import as_devdax, as_system_ram

pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")

#: Ranges of public captures, of all architectures, releases and fates.
RANGES = [
    ("x86-6.1-two-node-hmat", "0x100000000"),
    ("x86-6.1-many-small", "why not"),
    ("x86-6.1-fake-one", "Soft Reserved"),
    ("x86-6.12-two-node-hmat", "dax0.0"),
    ("x86-6.12-two-node-hmat", "node1"),
    ("x86-6.12-two-node-hmat", "memory32"),
    ("x86-6.12-nosoftreserve", "why not"),
    ("x86-6.12-srat-two-domains", "dax0.0"),
    ("x86-6.12-hmat-covers-more", "why not"),
    ("x86-6.12-memmap-types", "0x100000000+1G"),
    ("x86-6.12-cxl-window-sp", "why not"),
    ("x86-6.18-unaligned", "why not"),
    ("x86-6.18-two-node-hmat", "100000000-17fffffff"),
    ("x86-7.3-two-node-hmat", "dax0.0"),
    ("x86-7.3-devdax-ram-buffer", "ram-buffer"),
    ("x86-7.3-noefi", "0x100000000"),
    ("x86-7.3-adjacent", "dax0.0"),
    ("x86-7.3-block-of-two-nodes", "dax0.0"),
    ("arm64-6.1-two-node-hmat", "why not"),
    ("arm64-6.12-two-node-hmat", "dax0.0"),
    ("arm64-64k-aligned", "why not"),
    ("arm64-7.3-two-node-hmat", "why not"),
]
#: Changes of one effect that are looked at.
ALIKE = 2


def asked_about(path: Path, target: str) -> Iterator[tuple[Subject, Any, Any]]:
    """Each subject with the running kernel that it was found on, and what loads plugins."""
    scenario = load(path, with_steps=False)
    hooks_for = Selection(exactly=scenario.plugins).hooks_for
    need(scenario.machine.arch)
    system = boot(scenario.machine, hooks_for(scenario.machine), userspace="udev")
    for subject in subjects(system, report(system), target):
        yield subject, system, hooks_for


def applied(path: Path, change: Change, subject: Subject, where: Path) -> Answer:
    """What the subject is once a person has made the change: files are edited, options given."""
    if change.edits:
        path = Path(shutil.copytree(path, where))
        for edit in change.edits:
            edited(path / "input" / edit.file, edit.place, edit.before, edit.after)
    given = dict.fromkeys(Changes._fields)
    userspace: Userspace = "udev"
    config: list[str] = []
    words = iter(change.options)
    for option in words:
        name, value = option.removeprefix("--").replace("-", "_"), next(words)
        if name == "userspace":
            userspace = cast("Userspace", value)
        elif name == "config":
            config.append(value)
        else:
            given[name] = value
    scenario = load(path, with_steps=False)
    selection = Selection(exactly=scenario.plugins)
    machine = Changes(**given)._replace(config=tuple(config) or None).apply(scenario, selection).machine
    system = boot(machine, selection.hooks_for(machine), userspace=userspace)
    if change.devices:
        system = (as_system_ram if change.devices == "kmem" else as_devdax)(system)
    return answer(system, subject)


def edited(path: Path, place: str, before: str, after: str) -> None:
    """Change one place of a file: a line, bytes of a table, or all of it."""
    if place == "all of it":
        path.unlink()
    elif path.suffix == ".txt":
        text = path.read_text()
        assert text.count(before + "\n") == 1, before
        path.write_text(text.replace(before + "\n", after + "\n" if after else ""))
    else:
        data, at = path.read_bytes(), int(place.removeprefix("offset "), 16)
        old, new = bytes.fromhex(before), bytes.fromhex(after)
        assert data[at : at + len(old)] == old
        data = data[:at] + new + data[at + len(old) :]
        path.write_bytes(data[:4] + len(data).to_bytes(4, "little") + data[8:])


def few_of_each_effect(found: tuple[Found, ...], before: Answer) -> Iterator[Found]:
    seen: dict[tuple[str, str], int] = {}
    for one in found:
        kind = one.change.kind, one.answer.words_unlike(before)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= ALIKE:
            yield one


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), RANGES, ids=[f"{name}-{target}" for name, target in RANGES])
def test_each_change_that_is_told_does_what_is_told(name: str, target: str, tmp_path: Path) -> None:
    path = cases.unpack(name, tmp_path)
    looked_at = 0
    for subject, system, hooks_for in asked_about(path, target):
        result = search(system, subject, hooks_for, seconds=60)
        assert not result.cut
        assert result.tried
        for number, one in enumerate(few_of_each_effect(result.found, result.before)):
            then = applied(path, one.change, subject, tmp_path / f"{subject.kind}-{looked_at}-{number}")
            assert then.key == one.answer.key, one.change
            assert then.key != result.before.key, one.change
            looked_at += 1
    assert looked_at


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All changes are tried, however busy the machine is that the test runs on."""
    monkeypatch.setattr("softreserve.views.explain.search.SECONDS", 120.0)


# --- what is asked about


def found_on(machine: str, target: str) -> list[Subject]:
    return [subject for subject, *_ in asked_about(Path(machine), target)]


@pytest.mark.parametrize(
    ("target", "kind", "ranges"),
    [
        ("4G", "address", [(0x100000000, 0x100000001)]),
        ("0x100000000-0x1ffffffff", "range", [(0x100000000, 0x200000000)]),
        ("0x100000000-0x200000000", "range", [(0x100000000, 0x200000000)]),
        ("000100000000-0001ffffffff", "range", [(0x100000000, 0x200000000)]),
        ("[mem 0x100000000-0x17fffffff]", "range", [(0x100000000, 0x180000000)]),
        ("4G + 512M", "range", [(0x100000000, 0x120000000)]),
        ("4G-6G", "range", [(0x100000000, 0x180000000)]),
        ("dax0.0", "device", [(0x100000000, 0x180000000)]),
        ("/dev/dax0.0", "device", [(0x100000000, 0x180000000)]),
        ("/sys/devices/system/node/node1", "node", [(0x100000000, 0x180000000)]),
        ("node 1", "node", [(0x100000000, 0x180000000)]),
        ("memory32", "block", [(0x100000000, 0x108000000)]),
        ("memory2", "block", [(0x10000000, 0x18000000)]),
        ("Soft Reserved", "resource", [(0x100000000, 0x180000000)]),
        ("Kernel code", "resource", [(0x1600000, 0x2600000)]),
        ("auto-online", "finding", [(0x100000000, 0x180000000)]),
    ],
)
def test_many_things_can_be_asked_about(target: str, kind: str, ranges: list[tuple[int, int]]) -> None:
    need(X86)
    (subject,) = found_on("example:two-node", target)
    assert (subject.kind, [(where.start, where.end) for where in subject.ranges]) == (kind, ranges)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("dax3.0", "no dax device dax3.0 on this machine: it has dax0.0"),
        ("node7", "no node 7 on this machine: it has 0, 1"),
        ("6G-4G", "no range"),
        ("4G+0", "no range"),
        ("1-", "is nothing that this machine has"),
        ("dax-alignmen", "is nothing that this machine has"),
        ("soft reserved", "did you mean 'Soft Reserved'?"),
        ("why not free", "wanted one of usable"),
    ],
)
def test_what_is_not_there_is_said_to_be_so(target: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    assert main(["explain", "example:two-node", target]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_without_a_loss_there_is_nothing_to_ask_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    assert main(["explain", "example:two-node", "why not"]) == 0
    assert "nothing is lost of 2 GiB" in capsys.readouterr().out


def test_each_loss_is_a_question_of_its_own() -> None:
    """Three ranges have no device; the fourth has one, and is no System RAM."""
    need(X86)
    assert [s.rule for s in found_on("example:unaligned", "why not?")] == ["dax-alignment"]
    assert [(s.rule, s.size >> 20) for s in found_on("example:unaligned", "why not system RAM")] == [
        ("dax-alignment", 1325),
        ("", 290),
    ]


# --- what is found, and how it is told


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["explain", *arguments, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_device_tells_its_way_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    (answer_,) = explained(capsys, "example:two-node", "dax0.0", "--no-changes")["answers"]
    (way,) = answer_["ways"]
    decided = [(decision["stage"], decision["function"].rpartition(": ")[2]) for decision in way["decisions"]]
    assert decided[:7] == [
        ("firmware", ""),
        ("memory map", "do_add_efi_memmap"),
        ("NUMA", "numa_cleanup_meminfo"),
        ("resources", "e820__reserve_resources_late"),
        ("HMAT and hmem", "dax_hmem_probe"),
        ("dax", "dax_bus_probe"),
        ("memory blocks", "online_pages"),
    ]
    assert [(d["rule"], d["after"]) for d in way["decisions"][7:]] == [
        ("after kexec_load", "Reserved"),
        ("after kexec_file_load", "soft reserved, no dax device"),
    ]
    assert answer_["changes"] is None


@pytest.mark.usefixtures("patient")
def test_the_words_that_a_person_gives_are_told_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    (answer_,) = explained(capsys, "example:two-node", "dax0.0")["answers"]
    by_words = {found["words"]: found for found in answer_["changes"]["found"]}
    offline = by_words["memhp_default_state=offline"]
    assert offline["options"] == ["--cmdline", "+memhp_default_state=offline"]
    assert offline["then"] == "dax0.0, kmem: system RAM, offline, node 1"
    efi = by_words["efi=debug,nosoftreserve in place of efi=debug"]
    assert efi["options"] == ["--cmdline", "console=ttyS0 efi=debug,nosoftreserve nokaslr"]
    assert efi["then"] == "ordinary RAM, node 1"
    assert (efi["stage"], offline["stage"]) == ("memory map", "memory blocks")
    # the nearest release that leaves it to device_dax, not each of them
    assert [f["words"] for f in answer_["changes"]["found"] if f["kind"] == "release"] == ["Linux 6.1"]


def test_where_one_change_is_not_enough_two_are_told() -> None:
    """Linux 6.1 of arm64 has DAX as a module, and cannot map device memory: kmem has to be asked as well."""
    need(ARM64)
    scenario = load("example:arm64-server")
    selection = Selection(exactly=scenario.plugins)
    machine = Changes(kernel="6.1").apply(scenario, selection).machine
    system = boot(machine, selection.hooks_for(machine), userspace="udev")
    (subject,) = subjects(system, report(system), "why not")
    pairs = [
        one.change for one in search(system, subject, selection.hooks_for, seconds=60).found if ", " in one.change.kind
    ]
    assert [(pair.kind, pair.options) for pair in pairs] == [("kernel option, user space", ("--config", "DAX=y"))]
    alone = Changes(kernel="6.1", config=("DAX=y",)).apply(scenario, selection).machine
    now = answer(boot(alone, selection.hooks_for(alone), userspace="udev"), subject)
    assert not now.size_of(subject.wanted)


def test_a_search_that_runs_out_of_time_says_so() -> None:
    need(X86)
    ((subject, system, hooks_for),) = asked_about(Path("example:two-node"), "dax0.0")
    ticks = iter(range(1000))
    result = search(system, subject, hooks_for, seconds=20, clock=lambda: float(next(ticks)))
    assert result.cut
    assert 10 < sum(result.tried.values()) <= 20
    # each kind had its turn
    assert {"command line", "EFI descriptor", "SRAT entry", "release"} <= set(result.tried)


TOO_SMALL = """
[kernel]
release = "7.3"
[[efi_map]]
start = 0
size = "1G"
[[efi_map]]
start = "1G"
size = "1M"
attributes = "SP|WB"
[[efi_map]]
start = "1025M"
size = "1023M"
"""


@pytest.mark.usefixtures("patient")
def test_that_nothing_helps_is_said_with_what_was_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A range smaller than a huge page, between RAM: no option makes a device of it."""
    need(X86)
    path = tmp_path / "small.toml"
    path.write_text(TOO_SMALL)
    assert main(["explain", str(path), "why not dax"]) == 0
    assert "no single change helps (booted: user space" in capsys.readouterr().out


def test_an_option_of_the_build_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    told = explained(capsys, "example:two-node", "4G", "--config", "CONFIG_DEV_DAX_KMEM=n", "--no-changes")
    assert told["answers"][0]["words"] == "dax0.0, device_dax, node 1"
    assert main(["explain", "example:two-node", "4G", "--config", "DEV_DAX_KMEM"]) == 2
    assert "wanted NAME=VALUE" in capsys.readouterr().err


def test_an_answer_does_not_go_by_the_number_of_a_device() -> None:
    one, other = (Answer((Part(0, 4096, "devdax", device=name, driver="device_dax"),)) for name in ("dax0.0", "dax1.0"))
    assert one.key == other.key
    halves = Answer((Part(0, 2048, "devdax", driver="device_dax"), Part(2048, 4096, "devdax", driver="device_dax")))
    assert halves.key == one.key
    assert Answer((Part(0, 4096, "unused"),)).key != one.key


@pytest.mark.usefixtures("patient")
def test_what_cannot_be_known_without_the_firmwares_map_is_not_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log without efi=debug: e820 stands in for the map, and nobody knows what efi= would do."""
    need(X86)
    assert main(["boot", "example:two-node", "--cmdline", "nokaslr", "--emit", "log"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("efi: mem")]
    path = tmp_path / "boot.log"
    said = ["Linux version 6.12.117+deb12-amd64 (debian) #1 SMP", "Command line: nokaslr"]
    path.write_text("\n".join([*said, *lines]) + "\n")
    (answer_,) = explained(capsys, f"dmesg:{path}", "4G")["answers"]
    changes = answer_["changes"]
    assert {"command line", "SRAT entry"} <= set(changes["tried"])
    assert "EFI descriptor" not in changes["tried"]
    assert not [found for found in changes["found"] if "efi" in "".join(found["options"])]
