"""The EFI memory map as the kernel prints it (``efi=debug``) and as the firmware hands it over.

Linux: ``drivers/firmware/efi/efi.c: efi_md_typeattr_format``, ``arch/x86/platform/efi/efi.c: efi_print_memmap``,
``drivers/firmware/efi/efi-init.c: reserve_regions`` (arm64 and others). Printed ends are inclusive. Before 4.6 x86
printed ends that are not, and a round bracket; before 3.19 numbers for type and attributes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from typing import Final

from softreserve.model import behaviours
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import InputError
from softreserve.model.kernel import Kernel
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX

__all__ = [
    "DESCRIPTOR_SIZE",
    "native_line",
    "numbered_line",
    "parse_efi_memmap",
    "parse_efi_messages",
    "read_binary",
    "typeattr_format",
    "write_binary",
]

#: Bytes of ``efi_memory_desc_t``; a firmware's stride is this or more. Linux: ``include/linux/efi.h``.
DESCRIPTOR_SIZE: Final = 40

_LAYOUT: Final = struct.Struct("<IIQQQQ")  # type, padding, physical start, virtual start, pages, attribute
_PAGES_BITS: Final = 52  # an address range of 64 bits holds this many bits of page count

#: The buffer that every caller passes holds 64 bytes, the closing NUL included.
_BUFFER_CHARS: Final = 63
#: How many blanks there may be where the buffer ends, and nobody keeps.
_BLANKS: Final = 8

_NARROW_NAMES: Final = (
    "Reserved",
    "Loader Code",
    "Loader Data",
    "Boot Code",
    "Boot Data",
    "Runtime Code",
    "Runtime Data",
    "Conventional",
    "Unusable",
    "ACPI Reclaim",
    "ACPI Mem NVS",
    "MMIO",
    "MMIO Port",
    "PAL Code",
    "Persistent",
    "Unaccepted",
)
_WIDE_NAMES: Final = (
    *_NARROW_NAMES[:7],
    "Conventional Memory",
    "Unusable Memory",
    "ACPI Reclaim Memory",
    "ACPI Memory NVS",
    "Memory Mapped I/O",
    "MMIO Port Space",
    "PAL Code",
    "Persistent Memory",
)
_NARROW_WIDTH: Final = 12
_WIDE_WIDTH: Final = 19
_FIRST_UNACCEPTED: Final = 15

_HP: Final = ("HP", 20)
_CC: Final = ("CC", 19)
#: Columns in printing order: the text (its length is the width) and the bit.
_COLUMNS: Final = (
    ("RUN", 63),
    _HP,
    ("MR", 16),
    _CC,
    ("SP", 18),
    ("NV", 15),
    ("XP", 14),
    ("RP", 13),
    ("WP", 12),
    ("RO", 17),
    ("UCE", 4),
    ("WB", 3),
    ("WT", 2),
    ("WC", 1),
    ("UC", 0),
)

_TYPE_OF_NAME: Final = {name: number for names in (_WIDE_NAMES, _NARROW_NAMES) for number, name in enumerate(names)}
_BIT_OF_COLUMN: Final = {text: 1 << bit for text, bit in _COLUMNS}


# ------------------------------------------------------------------------------------------------------------ printing


@cache
def _columns(attribute: int, hot_pluggable: bool, crypto: bool) -> str:
    """The part after the type. A bit without a column replaces all columns by the number."""
    columns = [c for c in _COLUMNS if (c is not _HP or hot_pluggable) and (c is not _CC or crypto)]
    if attribute & ~sum(1 << bit for _, bit in columns):
        return f"|attr=0x{attribute:016x}]"
    cells = (text if attribute >> bit & 1 else " " * len(text) for text, bit in columns)
    return f"|{'|'.join(cells)}]"


def typeattr_format(descriptor: EfiDescriptor, kernel: Kernel) -> str:
    """Type and attributes between brackets, cut off where the callers' buffer of 64 bytes ends.

    Linux: ``drivers/firmware/efi/efi.c: efi_md_typeattr_format``.
    """
    crypto = kernel.has(behaviours.EFI_CRYPTO_COLUMN)
    names, width = (_NARROW_NAMES, _NARROW_WIDTH) if crypto else (_WIDE_NAMES, _WIDE_WIDTH)
    known = len(names) if kernel.has(behaviours.EFI_UNACCEPTED_MEMORY) else _FIRST_UNACCEPTED
    kind = descriptor.type
    text = f"[{names[kind]:{width}}" if kind < known else f"[type={kind}"
    return (text + _columns(descriptor.attribute, kernel.has(behaviours.EFI_HOT_PLUGGABLE), crypto))[:_BUFFER_CHARS]


def numbered_line(index: int, descriptor: EfiDescriptor, kernel: Kernel) -> str:
    """One line of x86's dump, with its prefix. Linux: ``arch/x86/platform/efi/efi.c: efi_print_memmap``."""
    where = f"range=[0x{descriptor.start:016x}-0x{descriptor.last:016x}]"
    return f"efi: mem{index:02}: {typeattr_format(descriptor, kernel)} {where} ({descriptor.pages >> 8}MB)"


def native_line(descriptor: EfiDescriptor, kernel: Kernel) -> str:
    """One line of the dump of arm64 (and all others but x86), with its prefix.

    Linux: ``drivers/firmware/efi/efi-init.c: reserve_regions``.
    """
    where = f"0x{descriptor.start:012x}-0x{descriptor.last:012x}"
    return f"efi:   {where} {typeattr_format(descriptor, kernel)}"


# ------------------------------------------------------------------------------------------------------------- parsing

_PREFIX: Final = re.compile(r"(?:efi|EFI): ")  # the latter before 3.6
_RUNTIME_HEADING: Final = "EFI runtime memory map:"
_INVALID: Final = "(invalid)"
_SHOWN: Final = 60  # characters of an unusable line that a message quotes


class _LineError(Exception):
    """What is wrong with a line; the caller adds file and line number."""


def parse_efi_memmap(text: str, *, path: object = None) -> EfiMemoryMap:
    """Read a dump in x86's or the other architectures' form, of any release, or what a UEFI shell printed.

    Blank lines, comments (``#``), what programs put before a line (:mod:`softreserve.model.log_text`) and a boot
    log's other ``efi:`` or time-stamped lines are passed over;
    so are the entries that x86 threw out as invalid. Where a log holds the map more than once the first one counts:
    the later ones show what the kernel made of it.

    :raises InputError: a line that is no part of a map or cannot be read (with its number), or no map at all.
    """
    if "Attributes" in text or "MemoryMap" in text:  # no kernel says so
        from softreserve.model.efi_shell import is_shell_map, parse_shell_map

        if is_shell_map(text):
            return parse_shell_map(text, path=path)
    return _read(enumerate(text.splitlines(), 1), _payload, path)


def parse_efi_messages(messages: Iterable[tuple[int, str]], *, path: object = None) -> EfiMemoryMap:
    """Read the dump among the messages of a log, each with the number of its line.

    :raises InputError: as :func:`parse_efi_memmap`.
    """
    return _read(messages, lambda said: said[found.end() :] if (found := _PREFIX.match(said)) else "", path)


def _read(lines: Iterable[tuple[int, str]], payload_of: Callable[[str], str | None], path: object) -> EfiMemoryMap:
    descriptors: list[EfiDescriptor] = []
    passed_over = False
    for number, line in lines:
        try:
            payload = payload_of(line)
            entry = _entry(payload) if payload else None
        except _LineError as error:
            raise InputError(str(error), path=path, place=f"line {number}") from None
        if entry is None:
            if payload == _RUNTIME_HEADING and descriptors:
                break
            passed_over = passed_over or payload is not None
            continue
        index, descriptor = entry
        if index == 0 and descriptors and passed_over:
            break
        passed_over = False
        descriptors.append(descriptor)
    if not descriptors:
        raise InputError("no EFI memory map in it (lines as efi=debug prints them)", path=path)
    return EfiMemoryMap(descriptors)


def _payload(line: str) -> str | None:
    """What follows ``efi: ``; ``""`` for another line of a log; ``None`` for a blank line or a comment."""
    stripped = line.strip()
    if not stripped or stripped[0] == "#":
        return None
    found = _PREFIX.match(stripped)
    if found:
        return stripped[found.end() :]
    from softreserve.model.log_text import message

    said = message(stripped)
    found = _PREFIX.match(said)
    if found:
        return said[found.end() :]
    if said == stripped or _PREFIX.search(said):
        raise _LineError(f"not a line of an EFI memory map: {_shown(stripped)}")
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _entry(payload: str) -> tuple[int | None, EfiDescriptor] | None:
    """The descriptor of a line and, on x86, its number; ``None`` for another line of the EFI code."""
    payload = payload.lstrip()
    if payload.startswith("0x") and "[" in payload:
        return None, _native_entry(payload)
    if payload.startswith("mem") and payload[3:4].isdigit():
        return None if payload.endswith(_INVALID) else _numbered_entry(payload)
    return None


def _numbered_entry(payload: str) -> tuple[int, EfiDescriptor]:
    head, colon, rest = payload.partition(": ")
    typeattr, separator, tail = rest.rpartition(" range=[")
    place, bracket, size = tail.partition("]")
    if not bracket:  # before 4.6
        place, bracket, size = tail.partition(")")
    if not (colon and head[3:].isdecimal() and len(head) < 16 and separator and bracket):
        raise _LineError(f"not of the form 'memNN: [type|attributes] range=[0x..-0x..] (..MB)': {_shown(payload)}")
    start, pages = _range(place, bracket)
    size = size.strip()
    if size:
        pages = _with_megabytes(pages, size)
    kind, attribute = _typeattr(typeattr)
    return int(head[3:]), EfiDescriptor(kind, start, pages, attribute)


def _native_entry(payload: str) -> EfiDescriptor:
    place, _, typeattr = payload.partition(" ")
    start, pages = _range(place)
    kind, attribute = _typeattr(typeattr.strip().removesuffix("*"))  # arm64 marked what it reserved, before 4.12
    return EfiDescriptor(kind, start, pages, attribute)


def _range(text: str, bracket: str = "]") -> tuple[int, int]:
    """Start in bytes and the low 52 bits of the page count of ``0x..-0x..``.

    Ends are printed modulo 2**64; before ``)`` they are exclusive.
    """
    first, _, last = text.partition("-")
    start, end = _hex(first), _hex(last)
    size = (end - start + (bracket == "]")) & U64_MAX
    if size % EFI_PAGE_SIZE:
        raise _LineError(f"{_shown(text)}: {size:#x} bytes are not a whole number of EFI pages")
    return start, size // EFI_PAGE_SIZE


def _hex(text: str) -> int:
    digits = text[2:]
    # int() takes underscores and digits of other scripts too
    if text.startswith("0x") and 0 < len(digits) <= 16 and digits.isascii() and digits.isalnum():
        with suppress(ValueError):
            return int(digits, 16)
    raise _LineError(f"{_shown(text)} is not a 64-bit number in hexadecimal with 0x")


def _with_megabytes(pages: int, text: str) -> int:
    """The whole page count: an end is printed modulo 2**64, the size in MB (``pages >> 8``) is not.

    A number that does not fit to the range is not ours to judge: people edit ranges and leave it.
    """
    digits = text.removeprefix("(").removesuffix("MB)")
    if not (digits.isdecimal() and digits.isascii() and len(digits) <= 20 and text == f"({digits}MB)"):
        raise _LineError(f"{_shown(text)} is not a size as in '(16MB)'")
    high, rest = divmod(int(digits) - (pages >> 8), 1 << (_PAGES_BITS - 8))
    whole = pages + (high << _PAGES_BITS)
    return whole if rest == 0 and high > 0 and whole <= U64_MAX else pages


@lru_cache(256)  # a map repeats itself
def _typeattr(text: str) -> tuple[int, int]:
    """Type and attribute of ``[type|columns]``; the closing bracket may be cut off by the kernel's short buffer.

    Before 3.19 both are numbers: ``type=7, attr=0xf,``.
    """
    if text.startswith("type="):
        name, _, attribute = text.removesuffix(",").partition(", ")
        return _type(name), _attribute(attribute)
    if text[:1] != "[" or "|" not in text:
        raise _LineError(f"not of the form '[type|attributes]': {_shown(text)}")
    if text[-1] != "]" and len(text) < _BUFFER_CHARS - _BLANKS:
        raise _LineError(f"ends too early: {_shown(text)}")
    name, _, columns = text[1:].removesuffix("]").partition("|")
    return _type(name.rstrip()), _attribute(columns)


def _type(name: str) -> int:
    number = _TYPE_OF_NAME.get(name)
    if number is not None:
        return number
    digits = name.removeprefix("type=")
    if digits != name and digits.isascii() and digits.isdecimal() and len(digits) <= 10 and int(digits) < 1 << 32:
        return int(digits)
    raise _LineError(f"unknown memory type {_shown(name)}")


def _attribute(columns: str) -> int:
    if columns.startswith("attr="):
        return _hex(columns.removeprefix("attr="))
    attribute = 0
    if len(columns) > _BUFFER_CHARS:
        raise _LineError(f"too many attribute columns: {_shown(columns)}")
    for cell in columns.split("|"):
        word = cell.strip()
        if word:
            bit = _BIT_OF_COLUMN.get(word)
            if bit is None:
                raise _LineError(f"unknown memory attribute {_shown(word)}")
            attribute |= bit
    return attribute


# ---------------------------------------------------------------------------------------------------------- binary form


def read_binary(data: bytes, desc_size: int = DESCRIPTOR_SIZE, *, path: object = None) -> EfiMemoryMap:
    """Read descriptors as GetMemoryMap() gives them: little endian, ``desc_size`` bytes apart.

    Bytes of the stride beyond the 40 known ones are not kept.

    :raises InputError: a stride shorter than a descriptor, or data that are not a whole number of descriptors.
    """
    if desc_size < DESCRIPTOR_SIZE:
        raise InputError(f"a descriptor has {DESCRIPTOR_SIZE} bytes, not {desc_size}", path=path)
    whole = len(data) - len(data) % desc_size
    if whole != len(data) or not data:
        raise InputError(
            f"{len(data)} bytes are not a whole number of descriptors of {desc_size} bytes",
            path=path,
            place=f"offset {whole:#x}",
        )
    return EfiMemoryMap(_descriptors(data, desc_size), desc_size)


def _descriptors(data: bytes, desc_size: int) -> Iterator[EfiDescriptor]:
    for offset in range(0, len(data), desc_size):
        kind, _, start, virt, pages, attribute = _LAYOUT.unpack_from(data, offset)
        yield EfiDescriptor(kind, start, pages, attribute, virt)


def write_binary(descriptors: Iterable[EfiDescriptor], desc_size: int = DESCRIPTOR_SIZE) -> bytes:
    """The binary form with zeros as padding; ``desc_size`` is the stride in bytes, at least 40."""
    return b"".join(
        _LAYOUT.pack(d.type, 0, d.start, d.virt, d.pages, d.attribute).ljust(desc_size, b"\0") for d in descriptors
    )
