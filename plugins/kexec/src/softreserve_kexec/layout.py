"""The second kernel's image: how large its parts are, and where they come to lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from softreserve.boot import placed
from softreserve.errors import MachineError
from softreserve.kexec import KexecSegment
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kexec import KexecRequest
    from softreserve.system import System

__all__ = ["KERNEL_ALIGN", "Sizes", "image_at", "segment", "sizes_of"]

KERNEL_ALIGN: Final = 2 << 20
_DEFAULT_KERNEL: Final = 48 << 20
_DEFAULT_INITRD: Final = 0


@attrs.frozen
class Sizes:
    """Bytes that the kernel needs while it runs, and bytes of its initrd (0: none)."""

    kernel: int
    initrd: int


def sizes_of(system: System, request: KexecRequest) -> Sizes:
    """What the request says; else what the running kernel's image takes.

    :raises MachineError: a size that is no size.
    """
    image = request.image or system.machine.image
    parts = [part for part in (image.code, image.rodata, image.data, image.bss) if part is not None]
    span = max(p.end for p in parts) - min(p.start for p in parts) if parts else _DEFAULT_KERNEL
    kernel = request.kernel_size if request.kernel_size is not None else span
    initrd = request.initrd_size
    if initrd is None:
        initrd = image.initrd.size if image.initrd is not None else _DEFAULT_INITRD
    if kernel <= 0 or initrd < 0:
        raise MachineError(f"kexec: a kernel of {kernel} bytes with an initrd of {initrd} bytes cannot be loaded")
    return Sizes(kernel, initrd)


def image_at(system: System, request: KexecRequest, kernel: int, initrd: int | None, sizes: Sizes) -> KernelImage:
    """The image at its new place: as the request says, else the running one's parts moved to ``kernel``."""
    if request.image is not None:
        return request.image
    moved = placed(system.machine.image, kernel)
    at = None if initrd is None or not sizes.initrd else PhysRange.from_size(initrd, sizes.initrd)
    return attrs.evolve(moved, initrd=at)


def segment(address: int, size: int, what: str) -> KexecSegment:
    """A segment of whole pages."""
    return KexecSegment(PhysRange.from_size(address, -(-size // 4096) * 4096), what)
