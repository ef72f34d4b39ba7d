"""The EFI memory map. Source: UEFI specification, GetMemoryMap(); Linux ``include/linux/efi.h``.

Descriptors keep the firmware's order: nothing in Linux sorts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum, IntFlag
from typing import Final

from softreserve.model import value
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX

__all__ = ["EfiAttribute", "EfiDescriptor", "EfiMemoryMap", "EfiType", "type_words"]


class EfiType(IntEnum):
    """Memory types. A descriptor may hold a number that is none of these."""

    RESERVED = 0
    LOADER_CODE = 1
    LOADER_DATA = 2
    BOOT_SERVICES_CODE = 3
    BOOT_SERVICES_DATA = 4
    RUNTIME_SERVICES_CODE = 5
    RUNTIME_SERVICES_DATA = 6
    CONVENTIONAL = 7
    UNUSABLE = 8
    ACPI_RECLAIM = 9
    ACPI_NVS = 10
    MMIO = 11
    MMIO_PORT = 12
    PAL_CODE = 13
    PERSISTENT = 14
    UNACCEPTED = 15


def type_words(number: int) -> str:
    """A memory type in the words of people: ``boot services code``; ``type 20`` where it is none of those above."""
    return EfiType(number).name.lower().replace("_", " ") if number in _TYPES else f"type {number}"


_TYPES: Final = frozenset(EfiType)


class EfiAttribute(IntFlag):
    """Attribute bits that Linux knows. A descriptor may hold others."""

    UC = 1 << 0
    WC = 1 << 1
    WT = 1 << 2
    WB = 1 << 3
    UCE = 1 << 4
    WP = 1 << 12
    RP = 1 << 13
    XP = 1 << 14
    NV = 1 << 15
    MORE_RELIABLE = 1 << 16
    RO = 1 << 17
    SP = 1 << 18
    CPU_CRYPTO = 1 << 19
    HOT_PLUGGABLE = 1 << 20
    RUNTIME = 1 << 63


@value.frozen
class EfiDescriptor:
    """One descriptor: ``start`` in bytes, ``pages`` in EFI pages of 4096 bytes on every architecture.

    Anything the firmware can say is allowed: empty, unaligned and overflowing descriptors too.
    """

    type: int
    start: int = value.field(repr=hex)
    pages: int = value.field(repr=hex)
    attribute: int = value.field(repr=hex)
    virt: int = value.field(default=0, repr=hex)

    def __init__(self, type: int, start: int, pages: int, attribute: int, virt: int = 0) -> None:
        put = value.put
        put(self, "type", type)
        put(self, "start", start)
        put(self, "pages", pages)
        put(self, "attribute", attribute)
        put(self, "virt", virt)

    @property
    def size(self) -> int:
        """Length in bytes, modulo 2**64 as the kernel computes it."""
        return (self.pages * EFI_PAGE_SIZE) & U64_MAX

    @property
    def end(self) -> int:
        """First byte after the range, modulo 2**64."""
        return (self.start + self.size) & U64_MAX

    @property
    def last(self) -> int:
        """Last byte of the range, modulo 2**64; ``start - 1`` when empty."""
        return (self.start + self.size - 1) & U64_MAX

    @property
    def is_special_purpose(self) -> bool:
        """Whether EFI_MEMORY_SP is set, whatever the type."""
        return bool(self.attribute & _SP)


_SP: Final = int(EfiAttribute.SP)


def _as_tuple(descriptors: Iterable[EfiDescriptor]) -> tuple[EfiDescriptor, ...]:
    return tuple(descriptors)


@value.frozen
class EfiMemoryMap:
    """Descriptors in the firmware's order. ``desc_size`` is the stride in bytes of the binary form."""

    descriptors: tuple[EfiDescriptor, ...] = value.field(converter=_as_tuple)
    desc_size: int = 48

    def __iter__(self) -> Iterator[EfiDescriptor]:
        return iter(self.descriptors)

    def __len__(self) -> int:
        return len(self.descriptors)

    def replaced(self, descriptors: Iterable[EfiDescriptor]) -> EfiMemoryMap:
        """The same map with other descriptors."""
        return EfiMemoryMap(descriptors, self.desc_size)
