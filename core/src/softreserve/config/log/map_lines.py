"""What single lines of the maps in a log say: e820, the firmware's EFI map, what the kernel found, and torn ones.

Linux: ``arch/x86/kernel/e820.c: e820__print_table`` (``e820_print_map`` before 4.12), ``model/efi_text.py`` for EFI.
"""

from __future__ import annotations

import re
from typing import Final

from softreserve.config.acpi_schema import Size
from softreserve.model.e820 import NEW_TYPE_TEXT, RESERVED_KERN, TYPE_TEXT
from softreserve.model.efi_text import parse_efi_messages
from softreserve.model.errors import InputError, shown
from softreserve.model.log_text import LogLine
from softreserve.model.machine import E820Entry

__all__ = [
    "E820",
    "E820_GAP",
    "E820_HEADING",
    "EFI",
    "LOOKS_LIKE_MAP",
    "NO_MAP",
    "e820_ends",
    "e820_entry",
    "ends",
    "is_of_map",
    "is_torn",
    "looks_like_map",
    "reading",
]

_WHO: Final = r"(?:BIOS-e820|BIOS-e801|BIOS-88|Xen): "
#: An entry, with its last byte or, before 3.5, with its end and with words in brackets.
E820: Final = re.compile(
    rf"{_WHO}(?:\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] +(.*)|"
    r"([0-9a-f]{16}) - ([0-9a-f]{16}) +(?:\((.*)\)|(type \d+)))$"
)
#: What lies between entries; from 7.0 on.
E820_GAP: Final = re.compile(rf"{_WHO}\[gap (0x[0-9a-f]+)-(0x[0-9a-f]+)\]$")
#: What stands before the table.
E820_HEADING: Final = re.compile(r"(?:e820: )?BIOS-provided physical RAM map:")
EFI: Final = re.compile(r"(?:efi|EFI): +(?:mem(\d+): |0x[0-9a-f]+-0x)(?!.*\(invalid\)$)")

#: Types by their names in the log; what the kernel took of RAM for itself is called as RAM is.
_E820_TYPES: Final = {
    text: number for words in (TYPE_TEXT, NEW_TYPE_TEXT) for number, text in words.items() if number != RESERVED_KERN
}
_E820_NUMBER: Final = re.compile(r"type (\d+)")
_E820_WORDS: Final = "|".join(map(re.escape, _E820_TYPES))
#: Tables that the kernel prints once it, or its command line, has changed them.
_DERIVED: Final = r"(?:(?:user|modified|extended|reserve setup_data|update e820 for mtrr): |e820: (?:update|remove) )"
#: The end of an entry, of either map, that has lost its beginning.
_ENDS: Final = re.compile(
    rf"(?!{_DERIVED}|{_WHO}).*[0-9a-f]\]  ?(?:{_E820_WORDS})$|(?!(?:efi|EFI): ).*\|(?:WB|  )(?:\|..){{3}}\]$"
)

#: What a line of a memory map looks like wherever it stands, and lines that look like one and are none.
LOOKS_LIKE_MAP: Final = re.compile(
    r"(?:BIOS-\w+|Xen): (?:\[?mem|[0-9a-f]{16} )|\bmem\d+: ?(?:\[|type=)|efi: +0x[0-9a-f]+-|range=\[0x|"
    r"SRAT: (?:Node|PXM) \d|(?:\bP?X)?M \d+ \[mem 0x"
)
NO_MAP: Final = re.compile(
    r"efi: (?:Remove|Not removing) mem|efi: memattr: |efi: +mem\d+: .*\(invalid\)$|"
    r"(?:ACPI: )?(?:NUMA: )?SRAT: PXM \d+ (?:-> ITS |.*(?:ignored|skipped))|"
    r"\(XEN\) "  # what the hypervisor says on the same console
)

_TABLES: Final = r"(?:user|modified|extended|reserve setup_data): "
#: What tells of a change of the map, and would look like a line of one where it is wrapped.
_CHANGES: Final = (
    r"efi: (?:Remove|Not removing) mem\d|(?:user|modified|extended|reserve setup_data): \[m|e820: update \[m"
)
_CHANGE: Final = re.compile(_CHANGES)
#: The beginning of a line of a map.
_BEGINS: Final = re.compile(rf"{_WHO}\[?(?:m|g|[0-9a-f])|(?:efi|EFI): +(?:mem\d|0x[0-9a-f])|node +\d+: \[m|{_CHANGES}")
#: Whole lines, as wide as they are printed; what is not printed in a certain width cannot be put together.
_WHOLE: Final = re.compile(
    rf"{_WHO}\[gap 0x[0-9a-f]{{16}}-0x[0-9a-f]{{16}}\]$|"
    rf"{_WHO}(?:\[mem 0x[0-9a-f]{{16}}-0x[0-9a-f]{{16}}\] |[0-9a-f]{{16}} - [0-9a-f]{{16}} ).*[a-z0-9A-Z)]$|"
    r"(?:efi|EFI): +mem(\d\d+): .* range=\[0x[0-9a-f]{16}-0x[0-9a-f]{16}[\])] \((\d+)MB\)$|"
    r"efi: +0x[0-9a-f]{12}-0x[0-9a-f]{12} \[[^|\]]+(?:\|[^|\]]*)+\]\*?$|"
    r"node +\d+: \[mem 0x[0-9a-f]{16}-0x[0-9a-f]{16}\]$|"
    r"efi: (?:Remove|Not removing) mem\d\d+: MMIO range=\[0x[0-9a-f]{8,}-0x[0-9a-f]{8,}\] \(\d+[KM]B\) from e820 map$|"
    rf"{_TABLES}\[gap 0x[0-9a-f]{{16}}-0x[0-9a-f]{{16}}\]$|"
    rf"{_TABLES}\[mem 0x[0-9a-f]{{16}}-0x[0-9a-f]{{16}}\] +(?:{_E820_WORDS}|type \d+)$|"
    rf"e820: update \[mem 0x[0-9a-f]{{8,}}-0x[0-9a-f]{{8,}}\] (?:{_E820_WORDS}) ==> (?:{_E820_WORDS})$"
)


def reading(message: str) -> object | None:
    """What a whole line of a map means; ``None`` for one that is not whole, or none."""
    whole = _WHOLE.match(message)
    if not whole:
        return None
    try:
        if found := E820.match(message):
            return e820_entry(found)
        if EFI.match(message) and not _CHANGE.match(message):
            (descriptor,) = parse_efi_messages([(1, message)])
            return (whole[1], descriptor) if whole[2] in (None, str(descriptor.pages >> 8)) else None
    except (InputError, ValueError):
        return None
    return re.sub(r" +", " ", message)


def looks_like_map(line: LogLine) -> bool:
    """Whether a line looks like one of a map, or like the end of one."""
    return LOOKS_LIKE_MAP.search(line.line) is not None or _ENDS.match(line.message) is not None


def is_of_map(line: LogLine) -> bool:
    """Whether a line has the beginning or the end of one of a map of e820 or EFI, or of memory that was found."""
    return (_BEGINS.match(line.message) is not None or looks_like_map(line)) and "SRAT: " not in line.message


def is_torn(line: LogLine) -> bool:
    """Whether a line has the beginning or the end of one of a map, and no whole one."""
    said = line.message
    if not is_of_map(line) or (NO_MAP.match(said) and not _CHANGE.match(said)):
        return False
    # what is wrong with the words of a whole line of EFI is no tear
    return not _WHOLE.match(said) or (E820.match(said) is not None and reading(said) is None)


def ends(first: str, last: str) -> tuple[int, int]:
    """Start and end (exclusive) of a range that is printed with its last byte.

    :raises ValueError: it ends before it begins, or beyond 64 bits.
    """
    start, end = int(first, 16), int(last, 16) + 1
    if not start < end <= 1 << 64:
        raise ValueError(f"no range of memory: {shown(f'{first}-{last}')}")
    return start, end


def e820_ends(found: re.Match[str]) -> tuple[int, int]:
    """Start and end (exclusive) of an entry of e820.

    :raises ValueError: as :func:`ends`.
    """
    if found[1] is not None:
        return ends(found[1], found[2])
    return ends(found[4], f"{int(found[5], 16) - 1:x}")


def e820_entry(found: re.Match[str]) -> E820Entry:
    """An entry of e820.

    :raises ValueError: a type that is none, or as :func:`ends`.
    """
    words = found[3] or found[6] or found[7] or ""
    number = _E820_NUMBER.fullmatch(words)
    kind = _E820_TYPES.get(words) or (int(number[1][:20]) if number else None)
    if kind is None:
        raise ValueError(f"unknown e820 type {shown(words)}: {shown(found[0])}")
    if kind >> 32:
        raise ValueError(f"an e820 type has 32 bits, which do not hold {shown(kind)}")
    start, end = e820_ends(found)
    return E820Entry(Size(start), Size(end - start), kind)
