"""A machine from a kernel log (``dmesg``, best with ``efi=debug``): map, command line, release, nodes, CPUs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from softreserve.config.acpi_files import read_acpi
from softreserve.config.acpi_schema import Acpi, Size, SratCpus, SratMemory, SratTable, build_acpi
from softreserve.config.builds import default_config
from softreserve.errors import InputError
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, Machine
from softreserve.model.scenario import Scenario

__all__ = ["parse_dmesg", "read_dmesg"]

_STAMP = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[[^\]]*\])? ")
_RELEASE = re.compile(r"Linux version (\S+)")
_CMDLINE = re.compile(r"(?:Kernel command line|Command line): (.*)")
_E820 = re.compile(r"BIOS-e820: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] (.*)")
_SRAT_MEMORY = re.compile(r"ACPI: SRAT: Node \d+ PXM (\d+) \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\](.*)")
_SRAT_CPU = re.compile(r"(?:ACPI: )?SRAT: PXM (\d+) -> (?:APIC|MPIDR) ")
_CPUS = re.compile(r"smp: Brought up \d+ nodes?, (\d+) CPUs?")
_EFI = re.compile(r"efi: +(mem\d+: |0x[0-9a-f]+-0x)")

#: Names of e820 types in the log. Linux: ``arch/x86/kernel/e820.c: e820_print_type``.
_E820_TYPES = {
    "usable": 1,
    "reserved": 2,
    "ACPI data": 3,
    "ACPI NVS": 4,
    "unusable": 5,
    "persistent (type 7)": 7,
    "persistent (type 12)": 12,
    "soft reserved": 0xEFFFFFFF,
}
_E820_NUMBER = re.compile(r"type (\d+)")


def read_dmesg(source: str, acpi: str | None = None) -> Scenario:
    """Read a log from a file or, for ``-``, from standard input; ACPI tables from a directory, if there is one.

    :raises InputError: no memory map or no release in it; a directory of tables that is not there.
    """
    if source == "-":
        text, path = sys.stdin.buffer.read().decode("utf-8", "replace"), Path("standard input")
    else:
        path = Path(source)
        text = path.read_bytes().decode("utf-8", "replace")
    if acpi is not None and not Path(acpi).is_dir():
        raise InputError("no such directory", path=acpi)
    tables = read_acpi(Path(acpi)) if acpi is not None else None
    return Scenario(parse_dmesg(text, tables, path), path=path)


def parse_dmesg(text: str, tables: dict[str, bytes] | None = None, path: object = None) -> Machine:
    """Make a machine from the text of a log. Without tables, an SRAT is made from what the kernel said of it.

    :raises InputError: no memory map or no release in it.
    """
    lines = [_STAMP.sub("", line) for line in text.splitlines()]
    release = _first(lines, _RELEASE)
    if release is None:
        raise InputError("no kernel log: no line 'Linux version ...' in it", path=path)
    e820 = tuple(_e820_entry(found) for found in map(_E820.search, lines) if found)
    efi_lines = [line for line in lines if line.startswith("efi:")]
    efi_map = parse_efi_memmap("\n".join(efi_lines), path=path) if any(map(_EFI.match, efi_lines)) else None
    if efi_map is None and not e820:
        raise InputError("no memory map in the log: neither BIOS-e820 lines nor those of efi=debug", path=path)
    arch = "x86_64" if e820 else "arm64"
    cpus = int(_first(lines, _CPUS) or 1)
    return Machine(
        name=Path(str(path)).stem if path else "dmesg",
        kernel=Kernel(release, arch, config=default_config(arch, release)),
        cmdline=CommandLine(_first(lines, _CMDLINE) or ""),
        efi_map=efi_map,
        e820=e820 if efi_map is None else None,
        acpi=build_acpi(Acpi(srat=_srat(lines)), arch, cpus) if tables is None else tables,
        cpus=cpus,
        boot="stub" if efi_map is not None else "loader",
        hypervisor=any("Hypervisor detected" in line for line in lines),
        cpu_vendor="GenuineIntel" if any("CPU0: Intel" in line for line in lines) else "AuthenticAMD",
    )


def _first(lines: list[str], pattern: re.Pattern[str]) -> str | None:
    for line in lines:
        found = pattern.search(line)
        if found:
            return found[1]
    return None


def _e820_entry(found: re.Match[str]) -> E820Entry:
    start, last = int(found[1], 16), int(found[2], 16)
    number = _E820_NUMBER.search(found[3])
    kind = _E820_TYPES.get(found[3].strip()) or (int(number[1]) if number else 2)
    return E820Entry(start, last + 1 - start, kind)


def _srat(lines: list[str]) -> SratTable | None:
    memory, cpus = [], []
    for line in lines:
        if found := _SRAT_MEMORY.search(line):
            start, last = int(found[2], 16), int(found[3], 16)
            memory.append(
                SratMemory(
                    int(found[1]),
                    Size(start),
                    Size(last + 1 - start),
                    hotplug="hotplug" in found[4],
                    non_volatile="non-volatile" in found[4],
                )
            )
        elif found := _SRAT_CPU.search(line):
            cpus.append(SratCpus(int(found[1]), 1))
    return SratTable(tuple(cpus), tuple(memory)) if memory else None
