"""What a loader puts where: segments, the next kernel's image, and its setup_data nodes."""

from __future__ import annotations

from collections.abc import Callable
from errno import EADDRNOTAVAIL
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.model.errors import MachineError
from softreserve.model.kexec import KexecImage, KexecSegment
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.placement import placed
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest

__all__ = [
    "KERNEL_ALIGN",
    "Layout",
    "Plan",
    "Sizes",
    "call_failed",
    "moved_image",
    "next_machine",
    "recorded_layout",
    "sizes_of",
    "tool_failed",
]

KERNEL_ALIGN: Final = 2 << 20
_PAGE: Final = 4096
#: kexec-tools ends with -1 when anything fails.
_FAILED: Final = 255
#: Where neither the request nor the running kernel says how large an image is.
_DEFAULT_KERNEL: Final = 48 << 20


@attrs.frozen
class Sizes:
    """Bytes that the kernel needs while it runs, and bytes of its initrd (0: none)."""

    kernel: int
    initrd: int


@attrs.frozen
class Layout:
    """Segments (whole pages), image, and setup_data nodes in list order."""

    segments: tuple[KexecSegment, ...]
    image: KernelImage
    setup_data: tuple[PhysRange, ...] = ()


class Plan:
    """Segments as they are placed one after the other by ``add(size, ...) -> address``."""

    def __init__(self, add: Callable[..., int]) -> None:
        self._add = add
        self.segments: list[KexecSegment] = []

    def place(self, what: str, size: int, *args: int, top_down: bool, **options: int) -> PhysRange:
        """Place ``size`` bytes (arguments as of the search); the exact range of the buffer."""
        address = self._add(size, *args, top_down=top_down, **options)
        self.segments.append(_segment(address, size, what))
        return PhysRange.from_size(address, size)


def _segment(address: int, size: int, what: str) -> KexecSegment:
    return KexecSegment(PhysRange.from_size(address, -(-size // _PAGE) * _PAGE), what)


def sizes_of(system: System, request: KexecRequest) -> Sizes:
    """What the request says; else what the running kernel's image takes.

    :raises MachineError: a size that is no size.
    """
    image = system.machine.image
    span = image.span
    kernel = request.kernel_size
    if kernel is None:
        kernel = span.size if span is not None else _DEFAULT_KERNEL
    initrd = request.initrd_size
    if initrd is None:
        initrd = image.initrd.size if image.initrd is not None else 0
    if kernel <= 0 or initrd < 0:
        raise MachineError(f"kexec: a kernel of {kernel} bytes with an initrd of {initrd} bytes cannot be loaded")
    return Sizes(kernel, initrd)


def moved_image(system: System, kernel: PhysRange, initrd: PhysRange | None) -> KernelImage:
    """The running kernel's image, moved to where the next one goes."""
    return attrs.evolve(placed(system.machine.image, kernel.start), initrd=initrd)


def recorded_layout(request: KexecRequest) -> Layout | None:
    """Where the loader put things, where the request knows; ``None``: a place is to be found."""
    image = request.image
    span = None if image is None else image.span
    if image is None or span is None:
        return None
    segments = [_segment(span.start, span.size, "kernel")]
    if image.initrd is not None:
        segments.append(_segment(image.initrd.start, image.initrd.size, "initrd"))
    return Layout(tuple(segments), image, request.setup_data)


def next_machine(system: System, request: KexecRequest, layout: Layout) -> Machine:
    """What the next kernel sees, as far as it is the same on every architecture."""
    return attrs.evolve(
        system.machine,
        kernel=request.kernel or system.kernel,
        cmdline=system.cmdline if request.cmdline is None else request.cmdline,
        image=layout.image,
        setup_data=layout.setup_data,
        crash_kernel=(),
        boot="kexec",
    )


def tool_failed(system: System, output: list[str], *messages: str) -> KexecImage:
    """What kexec-tools leaves when it gives up: nothing is loaded."""
    return KexecImage(system.machine, (), _FAILED, (*output, *messages))


def call_failed(system: System, error: Exception) -> KexecImage:
    """What is left when the kernel finds no place: the system call fails with -EADDRNOTAVAIL."""
    return KexecImage(system.machine, (), _FAILED, (f"kexec_file_load failed: {error}",), (f"errno {EADDRNOTAVAIL}",))
