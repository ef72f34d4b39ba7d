"""The memory maps in a log: e820, the firmware's EFI map, and whether they are whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from softreserve.config.log.found import map_of_found, read_node_ranges
from softreserve.config.log.map_lines import (
    E820,
    E820_GAP,
    E820_HEADING,
    EFI,
    NO_MAP,
    e820_ends,
    e820_entry,
    ends,
    looks_like_map,
)
from softreserve.config.log.messages import Messages
from softreserve.config.parts import EFI_DEBUG, efi_map_gap
from softreserve.model.e820 import ACPI, NVS, PMEM, RAM, SOFT_RESERVED
from softreserve.model.efi import EfiMemoryMap, EfiType
from softreserve.model.efi_text import parse_efi_messages
from softreserve.model.errors import shown
from softreserve.model.log_text import LogLine
from softreserve.model.machine import E820Entry
from softreserve.model.ranges import PhysRange, merged, uncovered

__all__ = ["MAP_LINES", "read_maps", "refuse_unread"]

#: What stands before the map of arm64 and others, and the first entry of x86's.
_EFI_HEADING: Final = re.compile("efi: Processing EFI memory map:")
_EFI_FIRST: Final = re.compile(r"(?:efi|EFI): +mem0+: ")
#: Why a kernel that was asked prints no EFI map.
_UNREAD: Final = re.compile("efi: (?:Could not map the memory map|(?:Memory map|EFI data) (?:is|located) above 4GB)")
#: Lines of a map.
MAP_LINES: Final = (E820, EFI)
#: What every x86 kernel says of its firmware, and what only those say that EFI firmware started.
#: Linux: ``arch/x86/kernel/setup.c: setup_arch()``.
_DMI: Final = re.compile(r"DMI: |DMI not present")
_EFI_SAYS: Final = re.compile(r"efi: |EFI")
#: What becomes of the firmware's memory in the e820 table of the EFI stub; other types loaders add by themselves.
_FROM_FIRMWARE: Final = frozenset((RAM, ACPI, NVS, PMEM, SOFT_RESERVED))
_LARGEST_PAGE: Final = 65536
#: What every firmware's own map has some of. Linux: ``arch/x86/platform/efi/efi.c: should_map_region``.
_OF_NO_SERVICE: Final = frozenset((EfiType.LOADER_CODE, EfiType.LOADER_DATA, EfiType.CONVENTIONAL))


def refuse_unread(log: Messages, others: Iterable[re.Pattern[str]]) -> None:
    """Look for lines of a map that stand behind something unknown, or are torn; ``others`` may look like a map, too.

    :raises InputError: there is one.
    """
    known = (*MAP_LINES, NO_MAP, *others)
    wrong = [
        line for line in log.said if looks_like_map(line) and not any(pattern.match(line.message) for pattern in known)
    ]
    if wrong:
        more = f" (and {len(wrong) - 1} more such lines)" if len(wrong) > 1 else ""
        raise log.error(f"a line of a memory map that cannot be read: {shown(wrong[0].line)}{more}", wrong[0])


def read_maps(
    log: Messages, *, moved: bool, cut: bool, table: bool
) -> tuple[EfiMemoryMap | None, tuple[E820Entry, ...]]:
    """The firmware's map if the log has it whole, else the e820 table; both, where kexec gave them to the kernel.

    :param moved: whether the command line changed what the kernel took for memory, which then tells nothing of maps.
    :param cut: whether the command line made the kernel leave some of it alone.
    :param table: whether this architecture's kernels boot from an e820 table; what others found is made a map, where
        there is no better one.
    :raises InputError: there is no map, or none that is whole.
    """
    e820 = tuple(dict.fromkeys(log.each(E820, e820_entry)))  # a log may say everything twice
    found = read_node_ranges(log)
    node_ranges = [] if moved else [range_ for _, range_ in found]
    efi_map = _efi_map(log, e820, node_ranges)
    if efi_map is None and not e820 and not table and found:
        if log.has("efi: UEFI not found"):
            log.gap("the memory of the device tree", "what the kernel found of it is taken instead")
        else:
            log.gaps.append(efi_map_gap(f"{EFI_DEBUG}; what it found is taken instead"))
        if cut:
            log.gap("memory beyond mem=", "the log tells of what was left, which mem= cuts again")
        return map_of_found(found), ()
    if efi_map is None and not e820:
        of = f" (of the last of {log.boots} boots)" if log.boots > 1 else ""
        others = "BIOS-e820 lines" if table else "ranges of nodes ('node   0: [mem ...]')"
        raise log.error(f"no memory map in the log{of}: neither {others} nor lines of efi=debug")
    if efi_map is None:
        lacking = _lost_e820(log) or _lacking("e820 table", node_ranges, map(_of_e820, e820))
        if lacking:
            raise log.error(lacking)
        if e820[0].start and not log.matching(E820_HEADING):
            log.gap(
                "the beginning of the e820 table", f"it begins at {e820[0].start:#x}, and no line says that it does"
            )
        return None, e820
    return efi_map, e820 if _from_kexec(efi_map) else ()


def _efi_map(log: Messages, e820: Sequence[E820Entry], node_ranges: Sequence[PhysRange]) -> EfiMemoryMap | None:
    """The firmware's map if the log has it whole; on x86 e820 stands in for one that is not whole."""
    lines = log.matching(EFI)
    if not lines:
        if e820 and not _without_efi(log):
            unread = log.matching(_UNREAD)
            why = f"the kernel could not read it ({unread[0].message})" if unread else EFI_DEBUG
            log.gaps.append(efi_map_gap(why))
        return None
    once = (line for line, before in zip(log.said, [None, *log.said], strict=False) if not _again(line, before))
    efi_map = parse_efi_messages(((line.number, line.message) for line in once), path=log.path)
    mapped = [PhysRange.from_size(d.start, d.size) for d in efi_map if d.pages and d.start + d.size <= 1 << 64]
    memory = [_of_e820(entry) for entry in e820 if entry.type in _FROM_FIRMWARE] or node_ranges
    wrong = _lost_number(lines) or _lacking("EFI map", memory, mapped)
    if wrong is None or (e820 and _from_kexec(efi_map) and _lost_number(lines) is None):
        if not log.has_version and not log.matching(_EFI_HEADING) and not _EFI_FIRST.match(lines[0].message):
            log.gap("the beginning of the EFI map", "no line says that the log has it")
        return efi_map
    if not e820:
        raise log.error(wrong)
    log.gaps.append(efi_map_gap(f"{wrong}; e820 is taken instead"))
    return None


def _without_efi(log: Messages) -> bool:
    """Whether no EFI firmware started this x86 kernel: of one that did it speaks before it looks for DMI."""
    return bool(log.matching(_DMI)) and not log.matching(_EFI_SAYS)


def _from_kexec(efi_map: EfiMemoryMap) -> bool:
    """Whether a map has only what a kernel gives to the next: no memory but that of services."""
    return not any(descriptor.type in _OF_NO_SERVICE for descriptor in efi_map)


def _again(line: LogLine, before: LogLine | None) -> bool:
    """Whether a line of the EFI map was just said: there are two consoles in one log."""
    return before is not None and line.message == before.message and EFI.match(line.message) is not None


def _lost_e820(log: Messages) -> str | None:
    """Where lines of e820 are absent, in words: newer kernels print what lies between entries, too."""
    lines = log.matching(E820, E820_GAP)
    if not any(E820_GAP.match(line.message) for line in lines):
        return None
    before = 0
    for line in lines:
        found = E820.match(line.message) or E820_GAP.match(line.message)
        assert found is not None
        try:
            start, end = e820_ends(found) if found.re is E820 else ends(found[1], found[2])
        except ValueError as error:
            raise log.error(str(error), line) from None
        if start > before:
            where = f"{before:#x}-{start - 1:#x}, before line {line.number}"
            return f"its e820 table is not whole: nothing tells of {where}"
        before = end
    return None


def _lost_number(lines: Iterable[LogLine]) -> str | None:
    """Where the numbers of x86's map jump, in words; a map that is printed again begins at 0 again."""
    last = -1
    missing = 0
    lost: list[str] = []
    for line in lines:
        found = EFI.match(line.message)
        if found is None or found[1] is None:
            continue
        number = int(found[1][:9])
        if number == 0 and last > 0:
            break
        if number > last + 1:
            after = f"mem{last:02}" if last >= 0 else "its beginning"
            lost.append(f"mem{number:02} (line {line.number}) follows {after}")
        missing += max(number - last - 1, 0)
        last = number
    if not lost:
        return None
    are = "is" if missing == 1 else "are"
    return f"its EFI map is not whole: of its first {last + 1} entries, {missing} {are} missing: {lost[0]}"


def _lacking(what: str, memory: Iterable[PhysRange], mapped: Iterable[PhysRange]) -> str | None:
    """In words, the first part of ``memory`` that nothing mapped covers; borders count in the largest pages."""
    page = _LARGEST_PAGE
    covers = merged((range_.start // page * page, -(-range_.end // page) * page) for range_ in mapped)
    for range_ in sorted(memory):
        for start, _ in uncovered(range_.start, range_.end, covers):
            return f"its {what} is not whole: it lacks {start:#x}-{range_.last:#x}, which the kernel has"
    return None


def _of_e820(entry: E820Entry) -> PhysRange:
    return PhysRange.from_size(entry.start, entry.size)
