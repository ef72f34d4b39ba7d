"""The EFI memory map as the ``memmap`` command of a UEFI shell prints it, also with ``-sfo``.

EDK II: ``ShellPkg/Library/UefiShellDebug1CommandsLib/MemMap.c``. The map is that of the moment: what the loader and the
kernel's stub change later (their own memory, above all) is not in it.
"""

from __future__ import annotations

import re
from typing import Final

from softreserve.model.efi import EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.errors import InputError, shown
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX

__all__ = ["is_shell_map", "parse_shell_map"]

#: Types by the names of columns, of ``-sfo``, and of older shells, which differ in upper and lower case.
_TYPES: Final = {
    "reserved": EfiType.RESERVED,
    "loadercode": EfiType.LOADER_CODE,
    "loaderdata": EfiType.LOADER_DATA,
    "bs_code": EfiType.BOOT_SERVICES_CODE,
    "bootservicecode": EfiType.BOOT_SERVICES_CODE,
    "bs_data": EfiType.BOOT_SERVICES_DATA,
    "bootservicedata": EfiType.BOOT_SERVICES_DATA,
    "rt_code": EfiType.RUNTIME_SERVICES_CODE,
    "runtimecode": EfiType.RUNTIME_SERVICES_CODE,
    "rt_data": EfiType.RUNTIME_SERVICES_DATA,
    "runtimedata": EfiType.RUNTIME_SERVICES_DATA,
    "available": EfiType.CONVENTIONAL,
    "unusable": EfiType.UNUSABLE,
    "unusablememory": EfiType.UNUSABLE,
    "acpi_recl": EfiType.ACPI_RECLAIM,
    "acpireclaimmemory": EfiType.ACPI_RECLAIM,
    "acpi_nvs": EfiType.ACPI_NVS,
    "acpimemorynvs": EfiType.ACPI_NVS,
    "mmio": EfiType.MMIO,
    "memorymappedio": EfiType.MMIO,
    "mmio_port": EfiType.MMIO_PORT,
    "memorymappedioportspace": EfiType.MMIO_PORT,
    "palcode": EfiType.PAL_CODE,
    "persistent": EfiType.PERSISTENT,
    "unaccepted": EfiType.UNACCEPTED,
}
_HEX: Final = r"([0-9A-Fa-f]{1,16})"
_ROW: Final = re.compile(rf"\s*(\w+) +{_HEX} *- *{_HEX} +{_HEX} +{_HEX}\s*$")
_SFO: Final = re.compile(rf'\s*MemoryMap, ?"(\w+)", ?"{_HEX}", ?"{_HEX}", ?"{_HEX}", ?"{_HEX}"\s*$')
_SFO_LINE: Final = re.compile(r'^\s*MemoryMap, ?"', re.MULTILINE)
_HEADING: Final = re.compile(r"^\s*Type +Start +End +(?:# )?Pages +Attributes", re.MULTILINE | re.IGNORECASE)
_LOOKS_LIKE_ROW: Final = re.compile(rf"\s*\w+ +{_HEX} *- *[0-9A-Fa-f]|\s*MemoryMap,")


def is_shell_map(text: str) -> bool:
    """Whether a text is one: its heading stands in it, or a line of ``-sfo``."""
    return _HEADING.search(text) is not None or _SFO_LINE.search(text) is not None


def parse_shell_map(text: str, *, path: object = None) -> EfiMemoryMap:
    """Read one; the sums below it, and what else stands around it, are passed over.

    :raises InputError: a line of the map that cannot be read, or no map at all.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _ROW.match(line) or _SFO.match(line)
        if row is not None:
            found.append(_descriptor(row, path, number))
        elif _LOOKS_LIKE_ROW.match(line):
            message = f"wanted type, start-end, pages and attributes in hexadecimal, not {shown(line.strip())}"
            raise InputError(message, path=path, place=f"line {number}")
    if not found:
        raise InputError("no EFI memory map in it (lines as memmap of a UEFI shell prints them)", path=path)
    return EfiMemoryMap(found)


def _descriptor(row: re.Match[str], path: object, number: int) -> EfiDescriptor:
    start, last, pages, attributes = (int(digits, 16) for digits in row.groups()[1:])
    kind = _type(row[1])
    if kind is None:
        raise InputError(f"unknown memory type {shown(row[1])}", path=path, place=f"line {number}")
    if (start + pages * EFI_PAGE_SIZE - 1) & U64_MAX != last:
        message = f"{pages:#x} pages from {start:#x} on do not end at {last:#x}"
        raise InputError(message, path=path, place=f"line {number}")
    return EfiDescriptor(kind, start, pages, attributes)


def _type(name: str) -> int | None:
    """A type by its name, or the number that stands for those of vendors."""
    kind = _TYPES.get(name.lower())
    if kind is None and re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return int(name, 16)
    return None if kind is None else int(kind)
