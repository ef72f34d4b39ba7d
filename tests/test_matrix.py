"""What-ifs beside each other: what is not the same in all, and that it is what each of them is by itself.

Expected values: by hand, from the addresses of the examples and from what the words of the command line do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_machines import ARM64, X86, need
from softreserve.cli import main

pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")

TWO_NODE = "000100000000-00017fffffff (2 GiB)"
KMEM = "dax0.0, kmem: system RAM, online in zone Normal, node 1"


def table(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 1) -> dict[str, Any]:
    assert main(["diff", *arguments, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["matrix"]
    return found


def rows(found: dict[str, Any]) -> dict[str, list[str]]:
    return {row["what"]: row["values"] for row in found["rows"]}


def test_what_ifs_that_are_alike_share_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    words = ("+quiet", "+efi=nosoftreserve", "+memhp_default_state=offline")
    found = table(capsys, "example:two-node", *(word for text in words for word in ("--cmdline", text)))
    assert [column["names"] for column in found["columns"]] == [["as it is", "+quiet"], [words[1]], [words[2]]]
    told = rows(found)
    offline = "dax0.0, kmem: system RAM, offline, node 1"
    assert told[TWO_NODE] == [KMEM, "ordinary RAM [soft-reserve-off], node 1", offline]
    assert told["node 1: tier"] == ["28", "28", "-"]
    assert told["node 0"] == ["RAM 1.98 GiB"] * 3


def test_several_releases_are_the_same_facts_as_their_consequences(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    found = table(capsys, "example:two-node", "--kernel", "6.1,6.12,6.18,7.3")
    assert [column["names"] for column in found["columns"]] == [["6.1"], ["6.12"], ["6.18"], ["7.3"]]
    told = rows(found)
    assert told[TWO_NODE] == ["dax0.0, device_dax, node 1", KMEM, KMEM, KMEM]
    assert told[f"{TWO_NODE}: Soft Reserved in /proc/iomem"] == ["a line", "a line", "a line", "no line"]
    assert told[f"{TWO_NODE}: below"] == ["/sys/devices/platform/hmem.0"] * 3 + [
        "/sys/devices/platform/hmem_platform.0/hmem.0"
    ]
    # the first block, which a newer kernel puts threads' memory on
    first = "000100000000-000107ffffff (128 MiB): once online"
    assert told[first] == ["-", "goes offline", "stays online", "stays online"]


def test_several_machines_with_several_releases(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    need(ARM64)
    found = table(capsys, "example:two-node", "example:arm64-server", "--kernel", "6.18,7.3")
    names = [name for column in found["columns"] for name in column["names"]]
    assert names == ["two-node, 6.18", "two-node, 7.3", "arm64-server, 6.18", "arm64-server, 7.3"]
    device = rows(found)["010000000000-0103ffffffff (16 GiB)"]
    assert device[2:] == [KMEM, "soft reserved, no dax device [hmem-finds-nothing], node 1"]
    assert set(device[:2]) == {"in no resource"}


WITHOUT_SLIT = """
name = "without-slit"
[[efi_map]]
start = 0
size = "640K"
[[efi_map]]
start = "1M"
size = "2047M"
[[efi_map]]
start = "4G"
size = "2G"
attributes = "SP|WB"
[acpi.srat]
cpus = [{ domain = 0, count = 2 }]
memory = [{ domain = 0, start = 0, size = "2G" }, { domain = 1, start = "4G", size = "2G" }]
"""


def test_a_kernel_that_does_not_come_up_says_so_in_its_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Emulation reads the distances of a SLIT, which is not there: docs/kernel-findings.md."""
    need(X86)
    path = tmp_path / "without-slit.toml"
    path.write_text(WITHOUT_SLIT)
    found = table(capsys, str(path), "--cmdline", "+quiet", "--cmdline", "+numa=fake=1G")
    assert [column["names"] for column in found["columns"]] == [["as it is", "+quiet"], ["+numa=fake=1G"]]
    told = rows(found)
    assert told["verdict"][0].startswith("nothing is lost of 2 GiB")
    assert told["verdict"][1].startswith("kernel panic: numa=fake=")
    assert told[TWO_NODE][1] == "-"


def test_what_is_all_alike_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    assert main(["diff", "example:two-node", "--cmdline", "+quiet", "--cmdline", "+splash"]) == 0
    assert capsys.readouterr().out.startswith("no difference in ")


def test_the_table_has_a_line_for_each_row_that_differs(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    assert main(["diff", "example:two-node", "--cmdline", "+quiet", "--cmdline", "+numa=off"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[-1].strip() == "+numa=off"
    assert any(line.startswith("dax devices") and line.endswith("dax0.0 (no driver, node -1)") for line in lines)
    assert lines[-1].startswith("the same everywhere: ")


def test_files_are_compared_of_two(capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    arguments = ["diff", "example:two-node", "--cmdline", "+a", "--cmdline", "+b", "--emit", "iomem"]
    assert main(arguments) == 2
    assert "a table has no files" in capsys.readouterr().err
