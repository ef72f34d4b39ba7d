"""Lines of real kernels' logs that follow from the machine and that the masks of ``compare.py`` leave out."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
import cases
import pytest
from small_machines import ARM64, GIB, X86, memory, need
from softreserve.config import load
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.srat import Srat, X2apicAffinity
from softreserve.model.machine import KernelImage
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import sample_machine

LOGS = Path(__file__).with_name("data") / "logs"
#: Beginnings of the lines compared.
FOLLOWS: Final = re.compile(r"On node \d+, zone |Built \d+ zonelists|PM: .*Registered nosave memory: ")


def following(lines: Iterable[str], pattern: re.Pattern[str] = FOLLOWS) -> list[str]:
    """The lines compared, without the time in front of them."""
    return [line for line in (re.sub(r"^\[ *\d+\.\d+\] ", "", line) for line in lines) if pattern.match(line)]


def booted(path: Path) -> System:
    machine = load(path).machine
    need(machine.arch)
    return boot(machine, Selection().hooks_for(machine), recording=False)


@pytest.mark.parametrize("name", cases.names())
def test_pages_of_recorded_boots_are_counted(name: str, tmp_path: Path) -> None:
    case = cases.unpack(name, tmp_path)
    said = following((case / "expected" / "log.txt").read_text().splitlines())
    assert said
    # what hibernation leaves out was not kept of these logs
    assert [line for line in following(booted(case).log.lines) if not line.startswith("PM: ")] == said


@pytest.mark.parametrize("name", sorted(path.name for path in LOGS.iterdir()))
def test_lines_of_whole_logs_are_predicted(name: str, tmp_path: Path) -> None:
    log = tmp_path / name.removesuffix(".xz")
    log.write_bytes(lzma.decompress((LOGS / name).read_bytes()))
    said = following(log.read_text().splitlines())
    assert said
    assert following(booted(log).log.lines) == said


@pytest.mark.parametrize(
    ("release", "says"),
    [
        ("5.4.100", ["Zeroed struct page in unavailable ranges: 96 pages"]),
        ("5.10.0-30-arm64", ["On node 0, zone DMA: 96 pages in unavailable ranges"]),
        (
            "5.14",
            [
                "On node 0, zone DMA: 96 pages in unavailable ranges",
                "On node 0, zone DMA: 3840 pages in unavailable ranges",
            ],
        ),
    ],
)
def test_only_mapped_memory_of_arm64_had_pages(release: str, says: list[str]) -> None:
    """To 5.13 a hole had pages up to the end of the 2 MiB in which mapped memory ends.

    The one from 640 KiB on has all 96; the one behind the runtime services' memory, which is not mapped, has none.
    """
    need(ARM64)
    machine = sample_machine(ARM64, release=release)
    lines = boot(machine, Selection().hooks_for(machine)).log.lines
    assert [line for line in lines if "unavailable" in line] == says


#: Numbers made up; words and order those of 6.12.0 and of 7.0.
CHANGED = """\
Linux version {release} (x)
Command line: quiet
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff]{ram}
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff]{ram}
BIOS-e820: [mem 0x0000000080000000-0x000000008fffffff]{reserved}
BIOS-e820: [mem 0x0000000100000000-0x000000043fffffff]{ram}
{setup_data}\
efi: Remove mem57: MMIO range=[0x80000000-0x8fffffff] (256MB) from e820 map
e820: remove [mem 0x80000000-0x8fffffff]{removed}
efi: Not removing mem58: MMIO range=[0xfec00000-0xfec00fff] (4KB) from e820 map
e820: update [mem 0x00000000-0x00000fff]{to_reserved}
e820: remove [mem 0x000a0000-0x000fffff]{removed_ram}
last_pfn = 0x440000 max_arch_pfn = 0x400000000
e820: update [mem 0x90000000-0xffffffff]{to_reserved}
e820: update [mem 0x430000000-0x43fffffff]{to_reserved}
WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 256MB of RAM.
update e820 for mtrr
last_pfn = 0x430000 max_arch_pfn = 0x400000000
last_pfn = 0x80000 max_arch_pfn = 0x400000000
esrt: Reserving ESRT space from 0x0000000060000018 to 0x0000000060000090.
e820: update [mem 0x60000000-0x60000fff]{to_reserved}
ACPI: RSDP 0x000000006F000014 000024 (v02 NONAME)
Early memory node ranges
  node   0: [mem 0x0000000000001000-0x000000000009ffff]
  node   0: [mem 0x0000000000100000-0x000000007fffffff]
  node   0: [mem 0x0000000100000000-0x000000042fffffff]
Reserving Intel graphics memory at [mem 0x7c000000-0x7fffffff]
e820: update [mem 0x61000000-0x611fffff]{to_reserved}
smp: Brought up 1 node, 4 CPUs
"""
OLD_WORDS = {
    "ram": " usable",
    "reserved": " reserved",
    "removed": " reserved",
    "removed_ram": " usable",
    "to_reserved": " usable ==> reserved",
    "setup_data": "e820: update [mem 0x50000018-0x50002057] usable ==> usable\n" * 2,
}
NEW_WORDS = {
    "ram": "  System RAM",
    "reserved": "  device reserved",
    "removed": " device reserved",
    "removed_ram": " System RAM",
    "to_reserved": " System RAM ==> device reserved",
    "setup_data": "",
}
RESERVED = ["60000000-60000fff", "61000000-611fffff", "7c000000-7fffffff", "430000000-43fffffff"]


@pytest.mark.parametrize(
    ("release", "words", "cut"), [("6.5.3", OLD_WORDS, ["50000018-50002057"]), ("7.0.0", NEW_WORDS, [])]
)
def test_what_a_log_says_of_changes_in_e820_happens_again(
    release: str, words: dict[str, str], cut: list[str], tmp_path: Path
) -> None:
    need(X86)
    path = tmp_path / "boot.log"
    path.write_text(CHANGED.format(release=release, **words))
    system = booted(path)
    kinds = re.compile(r"e820: (?!re(serve|gister) RAM)|efi: |last_pfn|WARNING|update e820|Reserving|  node ")
    assert sorted(following(system.log.lines, kinds)) == sorted(following(path.read_text().splitlines(), kinds))
    ram = {f"{res.start:x}-{res.end:x}": res.name for res in system.iomem.find("System RAM")}
    assert set(cut) <= set(ram)
    assert "80000000-8fffffff" not in "".join(system.iomem.lines())
    found = [f"{res.start:x}-{res.end:x}" for res in system.iomem.find("Reserved") if res.start >= 1 << 20]
    assert found == RESERVED
    assert max(res.end for res in system.iomem.find("System RAM")) == 0x42FFFFFFF
    assert system.memblock.is_reserved(0x61000000)


def test_zones_and_hibernation_of_a_log_tell_options(tmp_path: Path) -> None:
    need(X86)
    path = tmp_path / "boot.log"
    shown = ("Zone ranges:", "  DMA32    [mem 0x0-0x7fffffff]", "  Normal   empty", "Movable zone start for each node")
    nothing = "[mem 0x90000000-0xffffffff] available for PCI devices\n"
    path.write_text(CHANGED.format(release="6.5.3", **OLD_WORDS) + "\n".join((*shown, nothing)))
    system = booted(path)
    config = system.kernel.config
    assert [config[f"ZONE_{name}"] for name in ("DMA", "DMA32", "DEVICE")] == ["n", "y", "n"]
    zones = [line.split()[0] for line in system.log.lines if line.startswith("  ") and "node " not in line]
    assert zones == ["DMA32", "Normal"]
    assert "nosave" not in "".join(system.log.lines)


@pytest.mark.parametrize(
    ("release", "says"), [("5.17", "[mem 0x0000000000000000-0x0000000000000000]"), ("5.18", "as memoryless")]
)
def test_a_node_that_has_only_processors_is_laid_out_last_before_5_18(release: str, says: str) -> None:
    need(X86)
    one = sample_machine(X86, release=release)
    cpus = [X2apicAffinity(proximity_domain=cpu, apic_id=cpu) for cpu in range(2)]
    srat = Srat([*cpus, memory(0, 0, 2 * GIB), memory(0, 4 * GIB, 5 * GIB)]).sealed()
    machine = attrs.evolve(one, acpi={"SRAT": srat})
    lines = boot(machine, Selection().hooks_for(machine)).log.lines
    last = max(index for index, line in enumerate(lines) if line.startswith("Initmem setup node "))
    assert lines[last] == f"Initmem setup node 1 {says}"
    assert (lines.index("Initmem setup node 0 [mem 0x0000000000001000-0x000000013fffffff]") < last) is True


@pytest.mark.parametrize(("release", "reserved"), [("5.12", 22), ("5.13", 159)])
def test_the_first_mib_was_free_memory_before_5_13(release: str, reserved: int) -> None:
    """RAM from 4 to 640 KiB: 15 pages up to 64 KiB, 6 for the trampoline, and one of the BIOS; or all."""
    need(X86)
    machine = attrs.evolve(sample_machine(X86, release=release), image=KernelImage())
    said = [line for line in boot(machine, Selection().hooks_for(machine)).log.lines if "pages reserved" in line]
    assert said == [f"  DMA zone: {reserved} pages reserved"]


OLD_LOG = """\
Linux version {release} (x)
Command line: quiet crashkernel=64M
e820: BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
Reserving Intel graphics memory at 0x000000007c000000-0x000000007fffffff
"""


@pytest.mark.parametrize(
    ("release", "prefix", "graphics"),
    [
        ("4.4", "e820: ", "0x000000007c000000-0x000000007fffffff"),
        ("4.15", "e820: ", "0x000000007c000000-0x000000007fffffff"),
        ("4.18", "", "[mem 0x7c000000-0x7fffffff]"),
    ],
)
def test_kernels_to_4_15_say_e820_more_often(release: str, prefix: str, graphics: str, tmp_path: Path) -> None:
    need(X86)
    path = tmp_path / "boot.log"
    path.write_text(OLD_LOG.format(release=release))
    lines = booted(path).log.lines
    assert lines[0] == f"{prefix}BIOS-provided physical RAM map:"
    assert f"{prefix}last_pfn = 0x80000 max_arch_pfn = 0x400000000" in lines
    assert f"{prefix}[mem 0x80000000-0xffffffff] available for PCI devices" in lines
    assert f"Reserving Intel graphics memory at {graphics}" in lines
    assert ("x86/mm: Memory block size: 128MB" in lines) is (release != "4.4")


@pytest.mark.parametrize(("release", "taken"), [("5.4", False), ("5.5", True), ("5.12", True), ("5.13", False)])
def test_a_crash_kernel_took_the_first_mib_before_all_did(release: str, taken: bool, tmp_path: Path) -> None:
    need(X86)
    path = tmp_path / "boot.log"
    path.write_text(OLD_LOG.format(release=release))
    system = booted(path)
    assert ("Reserving the low 1M of memory for crashkernel" in system.log.lines) is taken
    reserved = [line for line in system.log.lines if line.endswith("pages reserved")]
    assert reserved == [f"  DMA zone: {21 if release == '5.4' else 158} pages reserved"]
