"""A machine from a kernel log (``dmesg``, best with ``efi=debug``): map, command line, release, nodes, CPUs.

A log says some things, and not others. What it does not say and an answer may need is a
:class:`~softreserve.model.scenario.Gap`; a line of a memory map that cannot be read is a mistake.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from softreserve.config.acpi_files import read_acpi
from softreserve.config.acpi_schema import Acpi, Size, SratCpus, SratMemory, SratTable, build_acpi
from softreserve.config.builds import default_config, page_sizes
from softreserve.config.parts import CPUS_GAP, IMAGE_GAP, checked_cmdline
from softreserve.config.reader import StrPath, path_words, read_bytes
from softreserve.model.cmdline import CommandLine
from softreserve.model.e820 import ACPI, NEW_TYPE_TEXT, NVS, PMEM, RAM, RESERVED_KERN, SOFT_RESERVED, TYPE_TEXT
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.efi_text import parse_efi_messages
from softreserve.model.errors import InputError, MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.log_text import LogLine, log_lines
from softreserve.model.machine import CPUS_MAX, E820Entry, Machine
from softreserve.model.names import name_problem
from softreserve.model.ranges import PhysRange, merged, uncovered
from softreserve.model.scenario import EFI_MAP, Gap, Scenario
from softreserve.plugins.architectures import arch_info, arch_infos

__all__ = ["is_log", "parse_dmesg", "read_dmesg"]

T = TypeVar("T")

_RELEASE: Final = re.compile(r"Linux version (\S+)")
_CMDLINE: Final = re.compile(r"(?:Kernel command line|Command line): ?(.*)")
#: Long command lines go on with the next such line; from 7.0 on.
_CONTINUED: Final = " \\"
_E820: Final = re.compile(r"(?:BIOS-e820|BIOS-e801|BIOS-88|Xen): \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] +(.*)")
#: What lies between entries; from 7.0 on.
_E820_GAP: Final = re.compile(r"(?:BIOS-e820|BIOS-e801|BIOS-88|Xen): \[gap (0x[0-9a-f]+)-(0x[0-9a-f]+)\]$")
_SRAT_MEMORY: Final = re.compile(r"(?:ACPI: )?SRAT: Node \d+ PXM (\d+) \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\](.*)")
_SRAT_CPU: Final = re.compile(r"(?:ACPI: )?(?:NUMA: )?SRAT: PXM (\d+) -> (?:APIC|MPIDR|CPU|HARTID) \S+ -> Node -?\d+$")
_CPUS: Final = re.compile(r"smp: Brought up \d+ nodes?, (\d+) CPUs?")
_EFI: Final = re.compile(r"efi: +(?:mem(\d+): |0x[0-9a-f]+-0x)(?!.*\(invalid\)$)")
_NODE_RANGE: Final = re.compile(r"node +\d+: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_TABLE: Final = re.compile(r"ACPI: (\w{4}) 0x[0-9A-Fa-f]+ [0-9A-Fa-f]+ \(v")
_HASH: Final = re.compile(r"\S.* hash table entries: \d+ \(order: (\d+), (\d+) bytes")
_LOST: Final = re.compile(r"\*\* \d+ printk messages dropped|Missed \d+ kernel messages")

#: What a line of a memory map looks like wherever it stands, and lines that look like one and are none.
_LOOKS_LIKE_MAP: Final = re.compile(
    r"BIOS-\w+: \[?mem|BIOS-\w+: [0-9a-f]{16}|\bmem\d+: ?(?:\[|type=)|efi: +0x[0-9a-f]+-|range=\[0x|"
    r"SRAT: (?:Node|PXM) \d"
)
_NO_MAP: Final = re.compile(
    r"efi: Remove mem|efi: +mem\d+: .*\(invalid\)$|(?:ACPI: )?(?:NUMA: )?SRAT: PXM \d+ .*(?:ignored|skipped)"
)

#: Types by their names in the log; what the kernel took of RAM for itself is called as RAM is.
_E820_TYPES: Final = {
    text: number for words in (TYPE_TEXT, NEW_TYPE_TEXT) for number, text in words.items() if number != RESERVED_KERN
}
_E820_NUMBER: Final = re.compile(r"type (\d+)")
#: What becomes of the firmware's memory in the e820 table of the EFI stub; other types loaders add by themselves.
_FROM_FIRMWARE: Final = frozenset((RAM, ACPI, NVS, PMEM, SOFT_RESERVED))


#: Releases that Debian builds.
_DEBIAN: Final = re.compile(r"(?:^\d[\d.]*-\d+|\+(?:deb|bpo)\d+)-(?:cloud-|rt-)?[a-z]+\d+[a-z]*$")
_PLAIN: Final = re.compile(r"\d+\.\d+(?:\.\d+)?")
_LARGEST_PAGE: Final = 65536
#: Tables that decide something here.
_TABLES: Final = ("SRAT", "SLIT", "HMAT", "CEDT")


def is_log(data: bytes) -> bool:
    """Whether the content of a file is a kernel log, and no machine file that speaks of one."""
    text = _text(data)
    if not any(_RELEASE.match(line.message) or _LOOKS_LIKE_MAP.search(line.line) for line in log_lines(text)):
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
    text = _text(read_bytes(source) if data is None else data)
    if acpi is not None and not os.path.isdir(acpi):
        raise InputError("no such directory", path=acpi)
    tables = read_acpi(acpi) if acpi is not None else None
    return parse_dmesg(text, tables, path_words(source))


def _text(data: bytes) -> str:
    """The text of a log, which need not be clean. Windows' own programs write UTF-16, with a mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def parse_dmesg(text: str, tables: dict[str, bytes] | None = None, path: object = None) -> Scenario:
    """Make a machine from the text of a log. Without tables, an SRAT is made from what the kernel said of it.

    :raises InputError: no memory map or no release in it, or a line of a map that cannot be read.
    """
    return _Log(text, tables, path).scenario()


class _Log:
    """The last boot that a log tells of, and what it does not tell of it."""

    def __init__(self, text: str, tables: dict[str, bytes] | None, path: object) -> None:
        self.path = path
        self.tables = tables
        everything = list(log_lines(text))
        starts = [index for index, line in enumerate(everything) if _RELEASE.match(line.message)]
        self.boots = len(starts)
        self.lines = everything[_beginning(everything, starts[-1]) :] if self.boots > 1 else everything
        self.gaps: list[Gap] = []
        self._refuse_unread()
        if not starts:
            raise self._error(
                "no line 'Linux version ...' in it: no kernel log, or one that does not begin at the boot"
            )

    def _error(self, message: str, line: LogLine | None = None) -> InputError:
        return InputError(message, path=self.path, place=f"line {line.number}" if line is not None else None)

    def _refuse_unread(self) -> None:
        """Look for lines of a map that stand behind something unknown, or are torn."""
        known = (_E820, _EFI, _SRAT_MEMORY, _SRAT_CPU, _NO_MAP)
        wrong = [
            line
            for line in self.lines
            if _LOOKS_LIKE_MAP.search(line.line) and not any(pattern.match(line.message) for pattern in known)
        ]
        if wrong:
            more = f" (and {len(wrong) - 1} more such lines)" if len(wrong) > 1 else ""
            raise self._error(f"a line of a memory map that cannot be read: {shown(wrong[0].line)}{more}", wrong[0])

    # --- the parts

    def scenario(self) -> Scenario:
        """The machine, and what is not known of it."""
        release = self._first(_RELEASE) or ""
        arch = self._arch()
        cmdline = self._cmdline()
        e820 = tuple(self._each(_E820, _e820_entry))
        node_ranges = [] if cmdline.has("memmap") else self._node_ranges()
        efi_map = self._efi_map(e820, node_ranges)
        if efi_map is None and not e820:
            of = f" (of the last of {self.boots} boots)" if self.boots > 1 else ""
            raise self._error(f"no memory map in the log{of}: neither BIOS-e820 lines nor those of efi=debug")
        if efi_map is None:
            lacking = self._lost_e820() or _lacking("e820 table", node_ranges, map(_of_e820, e820))
            if lacking:
                raise self._error(lacking)
        cpus = max(self._each(_CPUS, _cpu_count), default=0)
        if not cpus:
            self.gaps.append(CPUS_GAP)
        srat = self._srat()
        name = Path(str(self.path or "log")).stem
        machine = Machine(
            name=name if name_problem(name) is None else "log",
            kernel=self._kernel(release, arch),
            cmdline=cmdline,
            efi_map=efi_map,
            e820=e820 if efi_map is None else None,
            acpi=build_acpi(Acpi(srat=srat), arch_info(arch), cpus or 1) if self.tables is None else self.tables,
            cpus=cpus or 1,
            boot="stub" if efi_map is not None else "loader",
            hypervisor=self._has("Hypervisor detected"),
            cpu_vendor="GenuineIntel" if self._has("CPU0: Intel") else "AuthenticAMD",
            unknown=self._unknown_tables(srat),
        )
        self._log_gaps()
        return Scenario(machine, path=path_words(str(self.path)) if self.path else None, gaps=tuple(self.gaps))

    def _gap(self, missing: str, so: str) -> None:
        self.gaps.append(Gap(missing, so))

    def _has(self, words: str) -> bool:
        return any(words in line.message for line in self.lines)

    def _first(self, pattern: re.Pattern[str]) -> str | None:
        return next((found[1] for line in self.lines if (found := pattern.match(line.message))), None)

    def _each(self, pattern: re.Pattern[str], make: Callable[[re.Match[str]], T]) -> list[T]:
        """What ``make`` makes of every line that fits; its ``ValueError`` becomes a mistake of that line."""
        made = []
        for line in self.lines:
            found = pattern.match(line.message)
            if found is None:
                continue
            try:
                made.append(make(found))
            except ValueError as error:
                raise self._error(str(error), line) from None
        return made

    def _cmdline(self) -> CommandLine:
        pieces: list[str] = []
        for line in self.lines:
            found = _CMDLINE.match(line.message)
            if found is not None:
                pieces.append(found[1])
                if not found[1].endswith(_CONTINUED):
                    break
        if not pieces:
            self._gap("the command line", "an empty one is assumed")
        return checked_cmdline(" ".join([*(p.removesuffix(_CONTINUED) for p in pieces[:-1]), *pieces[-1:]]), self.path)

    def _arch(self) -> str:
        """The architecture whose kernel wrote this, by what only its kernels say."""
        known = tomllib.loads(Path(__file__).with_name("logs.toml").read_text())
        for what, marks in known["refused"].items():
            if any(re.match(marks, line.message) for line in self.lines):
                raise self._error(f"a log of a {what} kernel; only 64-bit ones are emulated")
        described = {info.name: info.log_marks for info in arch_infos() if info.log_marks}
        for arch, marks in {**known["marks"], **described}.items():
            if any(re.match(marks, line.message) for line in self.lines):
                return str(arch)
        names: dict[str, str] = {**known["names"], **{arch: arch for arch in described}}
        version = next(line.message for line in self.lines if _RELEASE.match(line.message))
        named = re.search(rf"[-._+( ]({'|'.join(map(re.escape, names))})(?![a-z0-9])", version)
        if named:
            return names[named[1]]
        assumed = str(known["assumed"])
        self._gap("the architecture", f"no line of the log tells it; {assumed} is assumed")
        return assumed

    def _kernel(self, release: str, arch: str) -> Kernel:
        sizes = set(self._each(_HASH, _page_size)) & set(page_sizes(arch))
        page_size = next(iter(sizes)) if len(sizes) == 1 else 4096
        if len(sizes) != 1 and len(page_sizes(arch)) > 1:
            self._gap("the page size", "4 KiB is assumed")
        if not _DEBIAN.search(release) and not _PLAIN.fullmatch(release):
            self._gap("the kernel's configuration", "the options of Debian's build are assumed")
        try:
            return Kernel(release, arch, page_size, default_config(arch, release, page_size))
        except MachineError as error:
            raise InputError(str(error), path=self.path) from None

    def _srat(self) -> SratTable | None:
        memory = tuple(self._each(_SRAT_MEMORY, _srat_memory))
        cpus = tuple(self._each(_SRAT_CPU, lambda found: SratCpus(int(found[1]), 1)))
        try:
            return SratTable(cpus, memory) if memory else None
        except ValueError as error:
            raise self._error(str(error)) from None

    # --- the EFI map

    def _efi_map(self, e820: Sequence[E820Entry], node_ranges: Sequence[PhysRange]) -> EfiMemoryMap | None:
        """The firmware's map if the log has it whole; on x86 e820 stands in for one that is not whole."""
        lines = [line for line in self.lines if _EFI.match(line.message)]
        if not lines:
            if e820:
                self._no_efi_map("efi=debug on the command line makes the kernel print it")
            return None
        efi_map = parse_efi_messages(((line.number, line.message) for line in self.lines), path=self.path)
        mapped = [PhysRange.from_size(d.start, d.size) for d in efi_map if d.pages and d.start + d.size <= 1 << 64]
        memory = [_of_e820(entry) for entry in e820 if entry.type in _FROM_FIRMWARE] or node_ranges
        wrong = _lost_number(lines) or _lacking("EFI map", memory, mapped)
        if wrong is None:
            return efi_map
        if not e820:
            raise self._error(wrong)
        self._no_efi_map(f"{wrong}; e820 is taken instead")
        return None

    def _no_efi_map(self, why: str) -> None:
        self._gap(
            EFI_MAP,
            f"{why}. What the firmware said of a range cannot be told or checked, and EFI words on the command line "
            "cannot be changed",
        )

    def _lost_e820(self) -> str | None:
        """Where lines of e820 are absent, in words: newer kernels print what lies between entries, too."""
        lines = [line for line in self.lines if _E820.match(line.message) or _E820_GAP.match(line.message)]
        if not any(_E820_GAP.match(line.message) for line in lines):
            return None
        before = 0
        for line in lines:
            found = _E820.match(line.message) or _E820_GAP.match(line.message)
            assert found is not None
            try:
                start, end = _ends(found[1], found[2])
            except ValueError as error:
                raise self._error(str(error), line) from None
            if start > before:
                where = f"{before:#x}-{start - 1:#x}, before line {line.number}"
                return f"its e820 table is not whole: nothing tells of {where}"
            before = end
        return None

    def _node_ranges(self) -> list[PhysRange]:
        """Memory as the kernel found it."""
        return self._each(_NODE_RANGE, lambda found: PhysRange(*_ends(found[1], found[2])))

    # --- what is missing

    def _unknown_tables(self, srat: SratTable | None) -> frozenset[str]:
        """ACPI tables that the machine has, or may have, and that are not at hand."""
        listed = set(self._each(_TABLE, lambda found: found[1]))
        have = set(self.tables or ()) | ({"SRAT"} if srat is not None else set())
        lacking = [name for name in _TABLES if name not in have and (name in listed or not listed)]
        if not lacking or not (listed or self.tables is None):
            return frozenset()
        self._gap(
            f"the ACPI tables {', '.join(lacking)} (--acpi DIR)",
            "nodes, distances, memory tiers and CXL windows are as on a machine without them",
        )
        return frozenset(lacking)

    def _log_gaps(self) -> None:
        self.gaps.append(IMAGE_GAP)
        if self.boots > 1:
            self._gap("the other boots", f"the log tells of {self.boots}; the last one is read")
        lost = sum(_LOST.match(line.message) is not None for line in self.lines)
        if lost:
            self._gap("some messages", f"{lost} lines say that messages were lost; lines of the maps may be among them")
        if any(pattern.match(self.lines[-1].message) for pattern in (_E820, _EFI, _SRAT_MEMORY)):
            self._gap("the end of the log", "it ends in a memory map, of which there may be more")


def _beginning(lines: Sequence[LogLine], version: int) -> int:
    """Where a boot begins: arm64 and others say something before their version."""
    return version - (version > 0 and lines[version - 1].message.startswith("Booting Linux on "))


def _lost_number(lines: Iterable[LogLine]) -> str | None:
    """Where the numbers of x86's map jump, in words; a map that is printed again begins at 0 again."""
    last = -1
    for line in lines:
        found = _EFI.match(line.message)
        if found is None or found[1] is None:
            continue
        number = int(found[1])
        if number == 0 and last >= 0:
            return None
        if number != last + 1:
            after = f"mem{last:02}" if last >= 0 else "its beginning"
            return f"its EFI map is not whole: mem{number:02} (line {line.number}) follows {after}"
        last = number
    return None


def _lacking(what: str, memory: Iterable[PhysRange], mapped: Iterable[PhysRange]) -> str | None:
    """In words, the first part of ``memory`` that nothing mapped covers; borders count in the largest pages."""
    page = _LARGEST_PAGE
    covers = merged((range_.start // page * page, -(-range_.end // page) * page) for range_ in mapped)
    for range_ in sorted(memory):
        for start, _ in uncovered(range_.start, range_.end, covers):
            return f"its {what} is not whole: it lacks {start:#x}-{range_.last:#x}, which the kernel has"
    return None


def _ends(first: str, last: str) -> tuple[int, int]:
    """Start and end (exclusive) of a range that is printed with its last byte."""
    start, end = int(first, 16), int(last, 16) + 1
    if not start < end <= 1 << 64:
        raise ValueError(f"no range of memory: {shown(f'{first}-{last}')}")
    return start, end


def _span(first: str, last: str) -> tuple[Size, Size]:
    """Start and size in bytes of a range that is printed with its last byte."""
    start, end = _ends(first, last)
    return Size(start), Size(end - start)


def _of_e820(entry: E820Entry) -> PhysRange:
    return PhysRange.from_size(entry.start, entry.size)


def _page_size(found: re.Match[str]) -> int:
    """Bytes of a page, of the size of a hash table in pages (as a power of two) and in bytes."""
    order, size = int(found[1][:3]), int(found[2][:20])
    return size >> order


def _cpu_count(found: re.Match[str]) -> int:
    if len(found[1]) > len(str(CPUS_MAX)) or int(found[1]) > CPUS_MAX:
        raise ValueError(f"Linux has at most {CPUS_MAX} CPUs, not {shown(found[1])}")
    return int(found[1])


def _e820_entry(found: re.Match[str]) -> E820Entry:
    number = _E820_NUMBER.fullmatch(found[3])
    kind = _E820_TYPES.get(found[3]) or (int(number[1][:20]) if number else None)
    if kind is None:
        raise ValueError(f"unknown e820 type {shown(found[3])}")
    if kind >> 32:
        raise ValueError(f"an e820 type has 32 bits, which do not hold {shown(kind)}")
    return E820Entry(*_span(found[1], found[2]), kind)


def _srat_memory(found: re.Match[str]) -> SratMemory:
    start, size = _span(found[2], found[3])
    words = found[4]
    return SratMemory(int(found[1]), start, size, hotplug="hotplug" in words, non_volatile="non-volatile" in words)
