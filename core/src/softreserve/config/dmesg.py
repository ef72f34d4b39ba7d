"""A machine from a kernel log (``dmesg``, best with ``efi=debug``): map, command line, release, nodes, CPUs."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from softreserve.config.acpi_files import read_acpi
from softreserve.config.acpi_schema import Acpi, Size, SratCpus, SratMemory, SratTable, build_acpi
from softreserve.config.builds import default_config
from softreserve.config.parts import checked_cmdline
from softreserve.config.reader import StrPath, path_words, read_bytes
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError, MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import CPUS_MAX, E820Entry, Machine
from softreserve.model.names import name_problem
from softreserve.model.scenario import Scenario

__all__ = ["is_log", "parse_dmesg", "read_dmesg"]

T = TypeVar("T")

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


def is_log(data: bytes) -> bool:
    """Whether the content of a file is a kernel log, and no machine file that speaks of one."""
    text = data.decode("utf-8", "replace")
    if not any(pattern.search(text) for pattern in (_RELEASE, _E820, _EFI)):
        return False
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):  # ValueError: no TOML, or a number with too many digits
        return True
    return False


def read_dmesg(source: StrPath, acpi: StrPath | None = None, data: bytes | None = None) -> Scenario:
    """Read a log from a file or, for ``-``, from standard input; ACPI tables from a directory, if there is one.

    :param data: what stands in it, where somebody has read it already.
    :raises InputError: no memory map or no release in it; a directory of tables that is not there.
    """
    text = (read_bytes(source) if data is None else data).decode("utf-8-sig", "replace")
    if acpi is not None and not os.path.isdir(acpi):
        raise InputError("no such directory", path=acpi)
    tables = read_acpi(acpi) if acpi is not None else None
    path = path_words(source)
    return Scenario(parse_dmesg(text, tables, path), path=path)


def parse_dmesg(text: str, tables: dict[str, bytes] | None = None, path: object = None) -> Machine:
    """Make a machine from the text of a log. Without tables, an SRAT is made from what the kernel said of it.

    :raises InputError: no memory map or no release in it.
    """
    lines = [_STAMP.sub("", line) for line in text.splitlines()]
    release = _first(lines, _RELEASE)
    if release is None:
        raise InputError("no kernel log: no line 'Linux version ...' in it", path=path)
    e820 = tuple(_each(lines, _E820, _e820_entry, path))
    efi_map = None
    if any(map(_EFI.match, lines)):
        # Other lines become blank ones, so that a mistake is found by its number.
        efi_map = parse_efi_memmap("\n".join(x if x.startswith("efi:") else "" for x in lines), path=path)
    if efi_map is None and not e820:
        raise InputError("no memory map in the log: neither BIOS-e820 lines nor those of efi=debug", path=path)
    arch = "x86_64" if e820 else "arm64"
    cpus = max(_each(lines, _CPUS, _cpu_count, path), default=1)
    name = Path(str(path)).stem if path else "dmesg"
    wrong = name_problem(name)
    if wrong is not None:
        raise InputError(f"the file's name is the machine's: {wrong}", path=path)
    return Machine(
        name=name,
        kernel=_kernel(release, arch, path),
        cmdline=checked_cmdline(_first(lines, _CMDLINE) or "", path),
        efi_map=efi_map,
        e820=e820 if efi_map is None else None,
        acpi=build_acpi(Acpi(srat=_srat(lines, path)), arch, cpus) if tables is None else tables,
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


def _each(lines: list[str], pattern: re.Pattern[str], make: Callable[[re.Match[str]], T], path: object) -> list[T]:
    """What ``make`` makes of every line that fits; its ``ValueError`` becomes a mistake of that line."""
    made = []
    for number, line in enumerate(lines, 1):
        found = pattern.search(line)
        if found is None:
            continue
        try:
            made.append(make(found))
        except ValueError as error:
            raise InputError(str(error), path=path, place=f"line {number}") from None
    return made


def _kernel(release: str, arch: str, path: object) -> Kernel:
    try:
        return Kernel(release, arch, config=default_config(arch, release))
    except MachineError as error:
        raise InputError(str(error), path=path) from None


def _span(first: str, last: str) -> tuple[Size, Size]:
    """Start and size in bytes of a range that is printed with its last byte."""
    start, end = int(first, 16), int(last, 16) + 1
    if not start < end <= 1 << 64:
        raise ValueError(f"no range of memory: {shown(f'{first}-{last}')}")
    return Size(start), Size(end - start)


def _cpu_count(found: re.Match[str]) -> int:
    if len(found[1]) > len(str(CPUS_MAX)) or int(found[1]) > CPUS_MAX:
        raise ValueError(f"Linux has at most {CPUS_MAX} CPUs, not {shown(found[1])}")
    return int(found[1])


def _e820_entry(found: re.Match[str]) -> E820Entry:
    number = _E820_NUMBER.search(found[3])
    kind = _E820_TYPES.get(found[3].strip()) or (int(number[1]) if number else 2)
    if kind >> 32:
        raise ValueError(f"an e820 type has 32 bits, which do not hold {shown(kind)}")
    return E820Entry(*_span(found[1], found[2]), kind)


def _srat(lines: list[str], path: object) -> SratTable | None:
    memory = tuple(_each(lines, _SRAT_MEMORY, _srat_memory, path))
    cpus = tuple(_each(lines, _SRAT_CPU, lambda found: SratCpus(int(found[1]), 1), path))
    try:
        return SratTable(cpus, memory) if memory else None
    except ValueError as error:
        raise InputError(str(error), path=path) from None


def _srat_memory(found: re.Match[str]) -> SratMemory:
    start, size = _span(found[2], found[3])
    words = found[4]
    return SratMemory(int(found[1]), start, size, hotplug="hotplug" in words, non_volatile="non-volatile" in words)
