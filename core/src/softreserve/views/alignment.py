"""What alignment leaves of one specific purpose range on every kind of kernel that the installed plugins can boot.

Each answer comes from a boot of a small machine with that range: nothing here knows block sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from softreserve.config.builds import default_config, page_sizes
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.release import RELEASES
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.plugins.selection import Selection
from softreserve.views.capacity import Granules, soft_reserved_capacity

__all__ = ["HEADINGS", "Row", "cells", "markdown", "rows"]

HEADINGS = ("kernel", "releases", "memory block", "usable as devdax", "usable as kmem", "lost under kmem")

_MIB, _GIB = 1 << 20, 1 << 30
_CACHEABLE = int(EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC | EfiAttribute.UC)
_LOW_RAM_END = 2 * _GIB
#: Where x86 thinks a machine large enough for large memory blocks; RAM ends on a border of the largest ones.
_LARGE = 64 * _GIB
_LARGEST_BLOCK = 2 * _GIB


class Row(NamedTuple):
    """What is left on one kind of kernel, in bytes; ``releases`` are those that agree, oldest first."""

    arch: str
    page_size: int
    large: bool
    releases: tuple[str, ...]
    memory_block: int
    devdax: int
    kmem: int


def rows(range_: PhysRange, selection: Selection) -> list[Row]:
    """The answers for a range (bytes), by architecture, page size and amount of RAM; releases that agree are joined.

    Machines with RAM beyond 64 GiB have rows of their own where that changes anything.

    :raises MachineError: no installed plugin boots anything, or the range cannot be specific purpose memory.
    """
    if range_.start < _LOW_RAM_END or range_.start % EFI_PAGE_SIZE or range_.end % EFI_PAGE_SIZE:
        raise MachineError(
            f"the range must begin at {_LOW_RAM_END:#x} or above, and begin and end at multiples of 4096, the EFI page"
        )
    if not selection.arches:
        raise MachineError("no installed plugin boots an architecture")
    found: list[Row] = []
    for arch in selection.arches:
        for page_size in page_sizes(arch):
            small = list(_by_release(arch, page_size, range_, selection, large=False))
            large = list(_by_release(arch, page_size, range_, selection, large=True))
            found += _joined(small)
            if [row._replace(large=False) for row in large] != small:
                found += _joined(large)
    return found


def _by_release(arch: str, page_size: int, range_: PhysRange, selection: Selection, *, large: bool) -> Iterator[Row]:
    for release in RELEASES:
        kernel = Kernel(release, arch, page_size, default_config(arch, release, page_size))
        machine = Machine("alignment", kernel, efi_map=_efi_map(range_, large=large), hypervisor=False)
        system = boot(machine, selection.hooks_for(machine), recording=False)
        left = [got for got in soft_reserved_capacity(system) if got.range == range_]
        devdax = sum(got.devdax.size for got in left if got.devdax is not None)
        kmem = sum(got.kmem.size for got in left if got.kmem is not None)
        yield Row(arch, page_size, large, (release,), Granules.of(system).memory_block, devdax, kmem)


def _efi_map(range_: PhysRange, *, large: bool) -> EfiMemoryMap:
    """RAM below 2 GiB, and the range; a large machine has RAM above both the range and 64 GiB."""
    ranges = [(0, 640 << 10, 0), (_MIB, _LOW_RAM_END, 0), (range_.start, range_.end, int(EfiAttribute.SP))]
    if large:
        top = -(-max(range_.end, _LARGE) // _LARGEST_BLOCK) * _LARGEST_BLOCK
        ranges.append((top, top + _LARGEST_BLOCK, 0))
    return EfiMemoryMap(
        EfiDescriptor(int(EfiType.CONVENTIONAL), start, (end - start) // EFI_PAGE_SIZE, _CACHEABLE | more)
        for start, end, more in ranges
    )


def _joined(by_release: list[Row]) -> Iterator[Row]:
    """Neighbouring releases with the same answer as one row."""
    last: Row | None = None
    for row in by_release:
        if last is not None and row._replace(releases=last.releases) == last:
            last = last._replace(releases=last.releases + row.releases)
            continue
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


def cells(range_: PhysRange, row: Row) -> tuple[str, ...]:
    """An answer in words, one for each of :data:`HEADINGS`."""
    ram = ", RAM beyond 64 GiB" if row.large else ""
    name = f"{row.arch}, {row.page_size >> 10}K pages{ram}"
    first, last = row.releases[0], row.releases[-1]
    releases = first if first == last else f"{first} to {last}"
    return (name, releases, *map(_mib, (row.memory_block, row.devdax, row.kmem, range_.size - row.kmem)))


def markdown(range_: PhysRange, found: list[Row]) -> Iterator[str]:
    """The answers as a table, line by line."""
    yield f"`{range_.start:#x}-{range_.last:#x}`, {range_.size >> 20} MiB:"
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---|---|---:|---:|---:|---:|"
    for row in found:
        yield f"| {' | '.join(cells(range_, row))} |"


def _mib(size: int) -> str:
    return f"{size / _MIB:.6g} MiB" if size else "nothing"
