"""What alignment leaves of one specific purpose range on every kind of kernel that the installed plugins can boot.

Each answer comes from a boot of a small machine with that range: nothing here knows block sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from softreserve.config.builds import built, page_sizes
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.ranges import PhysRange, joined
from softreserve.model.release import RELEASES
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.plugins.hooks import hooks_of
from softreserve.plugins.selection import Selection

__all__ = ["HEADINGS", "Answer", "Row", "answer", "cells", "markdown"]

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


class Answer(NamedTuple):
    """Rows of the kernels that can address the range, and a sentence on each kind of kernel that cannot.

    ``refused`` has one on each kind that has memory blocks there from boot on, whatever alignment leaves.
    """

    rows: list[Row]
    notes: list[str]
    refused: list[str]


def answer(range_: PhysRange, selection: Selection) -> Answer:
    """The answers for a range (bytes), by architecture, page size and amount of RAM; releases that agree are joined.

    Machines with RAM beyond 64 GiB have rows of their own where that changes anything.

    :raises MachineError: no installed plugin boots anything or has a dax bus, or the range cannot be specific purpose
        memory anywhere.
    """
    if range_.start < _LOW_RAM_END or range_.start % EFI_PAGE_SIZE or range_.end % EFI_PAGE_SIZE:
        raise MachineError(
            f"the range must begin at {_LOW_RAM_END:#x} or above, and begin and end at multiples of 4096, the EFI page"
        )
    if not selection.arches:
        raise MachineError("no installed plugin boots an architecture")
    found: list[Row] = []
    notes: list[str] = []
    taken: dict[str, list[str]] = {}
    for arch in selection.arches:
        for page_size in page_sizes(arch):
            kernels = [built(name, arch, page_size) for name in RELEASES]
            ends = [_address_end(kernel, selection) for kernel in kernels]
            reaching = [(kernel, end) for kernel, end in zip(kernels, ends, strict=True) if range_.end <= end]
            beyond = {end: kernel.release for kernel, end in zip(kernels, ends, strict=True) if range_.end > end}
            notes += [
                f"{_kind(arch, page_size)}, up to {release}: memory ends at {end:#x}" for end, release in beyond.items()
            ]
            found += _rows(range_, reaching, selection, taken)
    if not found:
        raise MachineError(f"no kernel can have memory at {range_.last:#x}: {'; '.join(notes)}")
    refused = [
        f"{kind}, {releases[0]} to {releases[-1]}: kmem can add none of what is left (-EEXIST), as these kernels have "
        "memory blocks for soft reserved memory from boot on"
        for kind, releases in taken.items()
    ]
    return Answer(found, notes, refused)


def _rows(
    range_: PhysRange, kernels: Sequence[tuple[Kernel, int]], selection: Selection, taken: dict[str, list[str]]
) -> Iterator[Row]:
    """Rows of kernels that differ by their release only, each with the end of what it can address.

    ``taken`` is given the releases that have memory blocks there before anybody adds memory, by kind of kernel.
    """
    small = [_row(kernel, range_, selection, None, taken) for kernel, _ in kernels]
    yield from joined(small, _one)
    far = [(kernel, _far_ram(range_, end)) for kernel, end in kernels]
    large = [_row(kernel, range_, selection, ram) for kernel, ram in far if ram is not None]
    if [row._replace(large=False) for row in large] != small:
        yield from joined(large, _one)


def _far_ram(range_: PhysRange, end: int) -> PhysRange | None:
    """RAM above both the range and 64 GiB, or between them; ``None`` where there is no room."""
    top = -(-max(range_.end, _LARGE) // _LARGEST_BLOCK) * _LARGEST_BLOCK
    start = top if top + _LARGEST_BLOCK <= end else _LARGE
    ram = PhysRange.from_size(start, _LARGEST_BLOCK)
    return None if ram.overlaps(range_) else ram


def _address_end(kernel: Kernel, selection: Selection) -> int:
    """The first address that a kernel cannot have memory at, as it finds when it boots."""
    return _boot(kernel, selection, ()).memory.physmem_end + 1


def _boot(kernel: Kernel, selection: Selection, above: Iterable[tuple[PhysRange, int]]) -> System:
    machine = Machine("alignment", kernel, efi_map=_efi_map(above), hypervisor=False)
    return boot(machine, selection.hooks_for(machine), recording=False)


def _row(
    kernel: Kernel,
    range_: PhysRange,
    selection: Selection,
    far: PhysRange | None,
    taken: dict[str, list[str]] | None = None,
) -> Row:
    above = [(range_, int(EfiAttribute.SP)), *([(far, 0)] if far is not None else [])]
    system = _boot(kernel, selection, above)
    got = hooks_of(system).dax_capacity(system, range_)
    if got is None:
        raise MachineError("no installed plugin has a dax bus")
    reserved = (range_.start, range_.last) in ((res.start, res.end) for res in system.find_soft_reserved())
    devdax, kmem = (part.size if part is not None and reserved else 0 for part in got)
    block = system.memory.block_size
    if taken is not None and kmem and system.memory.blocks.between(-(-range_.start // block), range_.end // block):
        taken.setdefault(_kind(kernel.arch, kernel.page_size), []).append(kernel.release)
    return Row(kernel.arch, kernel.page_size, far is not None, (kernel.release,), block, devdax, kmem)


def _efi_map(above: Iterable[tuple[PhysRange, int]]) -> EfiMemoryMap:
    """RAM below 2 GiB, and ranges above it with attributes of their own."""
    low = [(PhysRange(0, 640 << 10), 0), (PhysRange(_MIB, _LOW_RAM_END), 0)]
    return EfiMemoryMap(
        EfiDescriptor(int(EfiType.CONVENTIONAL), r.start, r.size // EFI_PAGE_SIZE, _CACHEABLE | more)
        for r, more in sorted([*low, *above])
    )


def _one(row: Row, following: Row) -> Row | None:
    """Neighbouring releases with the same answer as one row."""
    releases = row.releases + following.releases
    return row._replace(releases=releases) if following._replace(releases=row.releases) == row else None


def cells(range_: PhysRange, row: Row) -> tuple[str, ...]:
    """An answer in words, one for each of :data:`HEADINGS`."""
    name = _kind(row.arch, row.page_size) + (", RAM beyond 64 GiB" if row.large else "")
    first, last = row.releases[0], row.releases[-1]
    releases = first if first == last else f"{first} to {last}"
    return (name, releases, *map(_mib, (row.memory_block, row.devdax, row.kmem, range_.size - row.kmem)))


def _kind(arch: str, page_size: int) -> str:
    return f"{arch}, {page_size >> 10}K pages"


def markdown(range_: PhysRange, found: list[Row]) -> Iterator[str]:
    """The answers as a table, line by line."""
    yield f"`{range_.start:#x}-{range_.last:#x}`, {range_.size >> 20} MiB:"
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---|---|---:|---:|---:|---:|"
    for row in found:
        yield f"| {' | '.join(cells(range_, row))} |"


def _mib(size: int) -> str:
    """Exactly: a page of 4 KiB has eight digits after the point."""
    return f"{size / _MIB:.8f}".rstrip("0").rstrip(".") + " MiB" if size else "nothing"
