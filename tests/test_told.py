"""What the commands say of specific purpose memory: the verdict first, and nothing that is not so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_machines import ARM64, GIB, LOW, MIB, RAM, X86, hmat, machine, memory, need, settled, sp, srat
from softreserve.cli import main
from softreserve.model.kexec import KexecRequest
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor
from softreserve.views.crossing import cross
from softreserve.views.report import report
from softreserve.views.summary import summarize

UNNAMED = {"SRAT": srat(*LOW), "HMAT": None}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard output."""
    need(X86)
    status = main(list(arguments))
    return status, capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(capsys, *arguments, "--json")[1])
    return found


# --- boot


def test_memory_that_kmem_refuses_is_not_promised() -> None:
    """Without an SRAT entry a device has no node: kmem takes none of it, and newer kernels try nobody else."""
    found = summarize(settled(machine(tables=UNNAMED)))
    assert (found.verdict.lost, found.outcome.totals["unused"], found.onlined.totals["kmem"]) == (2 * GIB, 2 * GIB, 0)
    assert found.verdict.text.startswith("LOST: all 2 GiB")
    assert found.as_devdax["devdax"] == 2 * GIB
    old = summarize(settled(machine(release="6.1", tables=UNNAMED)))
    assert (old.verdict.lost, old.verdict.lost_as_system_ram) == (0, 2 * GIB)


def test_without_the_plugin_of_the_dax_bus_nobody_gets_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = told(capsys, "boot", "example:two-node", "-p", "no:hmem")
    assert status == 0
    assert "2 GiB: soft reserved; who gets it is not known" in out
    assert "dax0.0" not in out
    assert told(capsys, "lint", "example:two-node", "-p", "no:hmem")[1].splitlines()[0] == out.splitlines()[3]


def test_the_verdict_comes_before_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "boot", "example:unaligned")[1].splitlines()
    assert lines[3] == (
        "LOST: 1.29 GiB of 1.58 GiB of specific purpose memory: "
        "290 MiB in dax devices for programs, 1.29 GiB set aside without a dax device [dax-alignment]"
    )
    assert "[dax-alignment]" in lines[4]
    assert lines[5] == "as system RAM, given to kmem: 1.45 GiB of 1.58 GiB would be lost"
    assert told(capsys, "lint", "example:unaligned")[1].splitlines()[0] == lines[3]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("example:two-node", "nothing is lost of 2 GiB of specific purpose memory: online as system RAM"),
        (
            "example:two-node --cmdline +memhp_default_state=offline",
            "OFFLINE: all 2 GiB of specific purpose memory: system RAM that is not online",
        ),
        (
            "example:two-node --cmdline +efi=nosoftreserve",
            "NOT SET ASIDE: all 2 GiB of specific purpose memory: ordinary RAM [soft-reserve-off]",
        ),
        (
            "example:two-node --userspace none",
            "NOT IN USE: all 2 GiB of specific purpose memory: set aside without a dax device [module-not-loaded]",
        ),
        (
            "example:broken-firmware",
            "LOST: all 128 GiB of specific purpose memory: 64 GiB set aside in dax devices that nobody can use "
            "[srat-missing], 64 GiB set aside without a dax device [dax-alignment]",
        ),
    ],
)
def test_one_line_says_what_is_usable_set_aside_and_lost_and_by_which_rule(
    words: str, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "boot", *words.split())[1].splitlines()[3] == verdict


def test_every_byte_of_a_json_summary_is_somewhere(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "boot", "example:unaligned")
    marked = found["specific_purpose"]
    for column in ("totals", "as_system_ram", "as_devdax"):
        assert sum(marked[column].values()) == found["verdict"]["total"]
    for whole in marked["ranges"]:
        assert sum(part["end"] - part["start"] for part in whole["parts"]) == whole["end"] - whole["start"]
    assert sum(row["special"] for row in found["per_node"]) == found["verdict"]["total"]
    assert found["verdict"]["lost"] == sum(item["size"] for item in found["verdict"]["shortfalls"])


@pytest.mark.parametrize(("arch", "release"), [(X86, "6.1"), (X86, "6.12"), (ARM64, "6.1"), (ARM64, "6.12")])
def test_a_range_over_several_nodes_is_cut_where_they_meet(arch: str, release: str) -> None:
    tables = {"SRAT": srat(*LOW, *(memory(n, (4 + n) * GIB, (5 + n) * GIB) for n in (1, 2, 3))), "HMAT": None}
    found = summarize(settled(machine(arch, release, above=[descriptor(4 * GIB, 4 * GIB)], tables=tables)))
    shares = [share for item in found.ranges for share in item.nodes if share.start >= 4 * GIB]
    assert [(share.node, share.end - share.start) for share in shares] == [(node, GIB) for node in range(4)]
    assert [(row.node, row.ram) for row in found.outcome.nodes][1:] == [(node, GIB) for node in (1, 2, 3)]


def test_nodes_are_told_with_tiers_and_whom_they_demote_to(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["node"]: row for row in as_json(capsys, "boot", "example:xeon-max")["per_node"]}
    assert {node: (row["tier"], row["demotes_to"]) for node, row in rows.items()} == {
        0: (4, []),
        1: (4, []),
        2: (2, [0]),
        3: (2, [1]),
    }
    assert (rows[1]["cpus"], rows[1]["ram"]) == ("56-111", 1 << 40)
    assert (rows[2]["special"], rows[2]["added"]) == (64 * GIB, 64 * GIB)
    out = told(capsys, "boot", "example:xeon-max", "--kernel", "6.1")[1]
    assert "   2  -                 -            64 GiB               -  (22)  -" in out
    assert "(in brackets: once the memory of all dax devices is online)" in out


def test_memory_of_no_node_is_in_the_table_of_nodes() -> None:
    assert [(row.node, row.special) for row in summarize(settled(machine(tables=UNNAMED))).outcome.nodes] == [
        (0, 0),
        (-1, 2 * GIB),
    ]


def test_only_the_boot_that_was_asked_for_is_traced(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    assert main(["boot", "example:two-node", "--trace"]) == 0
    assert capsys.readouterr().err.count("softreserve_early_reserve ") == 1


# --- lint


def test_findings_about_a_range_agree() -> None:
    """An unaligned range has no device; nothing is said of one, or of what it were as system RAM."""
    tables = {"SRAT": srat(*LOW, memory(0, 6 * GIB, 8 * GIB)), "HMAT": None}
    described = machine(above=[RAM, sp(6 * GIB + 4096, 7 * GIB), sp(7 * GIB, 8 * GIB)], tables=tables)
    found = [f for f in report(settled(described)).findings if f.start is not None and f.start < 7 * GIB]
    assert {f.rule for f in found if f.severity != "note"} == {"dax-alignment"}


def test_memory_that_the_hmat_offers_otherwise_is_told_as_it_is_offered() -> None:
    """The firmware's range is not aligned; what SRAT and HMAT make of it is, and there is a device."""
    tables = {"SRAT": srat(*LOW, memory(1, 6 * GIB + 2 * MIB, 8 * GIB)), "HMAT": hmat()}
    found = report(settled(machine(above=[RAM, sp(6 * GIB + 4096, 8 * GIB)], tables=tables)))
    uses = [(part.start, part.use, part.rule) for part in found.outcome.parts]
    assert uses[0] == (6 * GIB + 4096, "no-device", "hmat-covers-less")
    assert {use for _, use, _ in uses[1:]} <= {"kmem", "unused"}
    assert "dax-alignment" not in {finding.rule for finding in found.findings}


# --- kexec


def test_a_machine_without_dax_devices_keeps_none(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("kexec", "example:two-node", "-p", "no:hmem", "--syscall", "kexec_file_load")
    status, out = told(capsys, *arguments)
    assert status == 0
    assert ["dax", "devices", "none", "none"] in [line.split() for line in out.splitlines()]
    assert [generation["dax_kept"] for generation in as_json(capsys, *arguments)["generations"]] == [None, None]


def test_exit_code_1_comes_with_the_sentence_that_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = told(capsys, "kexec", "example:two-node")
    assert status == 1
    assert "was a dax device that is system RAM, is now Reserved: the kernel before handed this over as reserved" in out
    generations = as_json(capsys, "kexec", "example:two-node", "--chain", "3")["generations"]
    assert [len(generation["problems"]) for generation in generations] == [0, 1, 0, 0]
    assert [generation["verdict"]["lost"] for generation in generations] == [0, 2 * GIB, 2 * GIB, 2 * GIB]


def test_memory_that_is_kept_and_of_no_use_does_not_read_like_success(capsys: pytest.CaptureFixture[str]) -> None:
    """The range is soft reserved in both kernels; the second one makes no device of it."""
    arguments = ("kexec", "example:two-node", "--syscall", "kexec_file_load", "--append", "device_hmem.disable=1")
    status, out = told(capsys, *arguments)
    assert status == 1
    assert "was a dax device that is system RAM, is now soft reserved without a dax device: no dax device" in out
    assert "LOST: all 2 GiB of specific purpose memory" in out
    second = as_json(capsys, *arguments)["generations"][1]
    assert (second["ranges"][0]["state"], second["dax_kept"]) == ("soft reserved", False)


def test_a_newer_loader_keeps_what_the_older_one_loses(capsys: pytest.CaptureFixture[str]) -> None:
    """Recorded on 7.3.4: ``kexec -l`` of 2.0.32 took kexec_file_load, and the next kernel knew the memory."""
    arguments = ("kexec", "example:two-node", "--kernel", "7.3", "--kexec-tools")
    assert told(capsys, *arguments, "2.0.25")[0] == 1
    assert told(capsys, *arguments, "2.0.32")[0] == 0
    assert told(capsys, *arguments, "2.0.32", "--syscall", "kexec_load")[0] == 1


def test_ordinary_ram_that_stays_ordinary_ram_is_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = told(capsys, "kexec", "example:two-node", "--cmdline", "efi=nosoftreserve")
    assert status == 0
    assert "lies in EFI specific purpose memory, which is ordinary RAM to both kernels" in out


def test_a_next_kernel_that_dies_is_named_by_its_generation() -> None:
    system = settled(machine())
    with pytest.raises(Exception, match="generation 2: "):
        cross(system, KexecRequest("kexec_load", mem_max=1 << 20), Selection().hooks_for)


# --- explain, diff


def test_explain_ends_with_what_boot_and_lint_say(capsys: pytest.CaptureFixture[str]) -> None:
    last = told(capsys, "explain", "example:unaligned", "0x1000ff000", "--no-changes")[1].splitlines()[-1]
    assert last.startswith(
        "  in the end: soft reserved, no dax device [dax-alignment]: no dax device: start or size is no"
    )
    assert "in the end" not in told(capsys, "explain", "example:unaligned", "1M")[1]


def test_diff_tells_both_verdicts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out = told(capsys, "diff", "example:two-node", "--cmdline", "+device_hmem.disable=1")
    assert status == 1
    assert (
        out.splitlines()[0] == "- two-node: nothing is lost of 2 GiB of specific purpose memory: online as system RAM"
    )
    lost = ": LOST: all 2 GiB of specific purpose memory: set aside without a dax device [hmem-missing]"
    assert out.splitlines()[1].endswith(lost)
    assert "+000100000000-00017fffffff soft reserved, no dax device [hmem-missing], node 1" in out
