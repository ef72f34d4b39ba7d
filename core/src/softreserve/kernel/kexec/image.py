"""Loading a kernel that is one flat image: what architectures do that boot it from an EFI map.

kexec-tools: ``arch/arm64/kexec-arm64.c``. Linux: ``kernel/kexec_file.c``, ``arch/arm64/kernel/kexec_image.c``. The next
kernel is given the firmware's own map, so that it sees what a cold boot sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.kexec.holes import KernelHoles, NoHoleError, ToolHoles, contiguous_area
from softreserve.kernel.kexec.layout import (
    KERNEL_ALIGN,
    Layout,
    Plan,
    call_failed,
    moved_image,
    next_machine,
    recorded_layout,
    sizes_of,
    tool_failed,
)
from softreserve.kernel.kexec.ranges import ram_of_iomem
from softreserve.model import behaviours
from softreserve.model.kexec import KexecImage

if TYPE_CHECKING:
    from softreserve.kernel.kexec.ranges import MemoryRange
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest
    from softreserve.model.ranges import PhysRange

__all__ = ["image_file_load", "image_load"]

#: Bytes that kexec-tools and the kernel add; they decide which hole is found.
_PURGATORY: Final = 0x9000
_DTB: Final = 0x1000
_GIB: Final = 1 << 30


def image_load(system: System, request: KexecRequest) -> KexecImage:
    """``kexec_load``, by kexec-tools."""
    output: list[str] = []
    found = sorted(ram_of_iomem(system.iomem.lines(), output))
    try:
        layout = recorded_layout(request) or _tool_layout(system, request, found)
    except NoHoleError as error:
        return tool_failed(system, output, str(error), "locate_hole failed")
    except _TooBigError as error:
        return tool_failed(system, output, str(error))
    return KexecImage(next_machine(system, request, layout), layout.segments, 0, tuple(output))


class _TooBigError(Exception):
    """Kernel and initrd do not fit the window that the kernel can map."""


def _tool_layout(system: System, request: KexecRequest, found: list[MemoryRange]) -> Layout:
    """Everything as low as possible, the others behind the kernel."""
    sizes, page = sizes_of(system, request), system.kernel.page_size
    plan = Plan(ToolHoles(found, request.mem_min, request.mem_max).add)
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, top_down=False, page=page)
    initrd = plan.place("initrd", sizes.initrd, 0, kernel.end, top_down=False, page=page) if sizes.initrd else None
    if initrd is not None and -(-initrd.end // _GIB) * _GIB - kernel.start // _GIB * _GIB > 32 * _GIB:
        raise _TooBigError("kexec: Error: image + initrd too big.")
    plan.place("device tree", _DTB, 0, kernel.end, top_down=False, page=page)
    plan.place("purgatory", _PURGATORY, 0, kernel.end, top_down=False, page=page)
    return Layout(tuple(plan.segments), moved_image(system, kernel, initrd))


def image_file_load(system: System, request: KexecRequest) -> KexecImage:
    """``kexec_file_load``: holes are free memblock ranges; what a driver added is not among them."""
    try:
        layout = recorded_layout(request) or _kernel_layout(system, request)
    except NoHoleError as error:
        system.printk("kexec_file(Image): Could not find any suitable kernel location!")
        return call_failed(system, error)
    return KexecImage(next_machine(system, request, layout), layout.segments)


def _kernel_layout(system: System, request: KexecRequest) -> Layout:
    """The lowest place for the kernel from which the others find theirs, too."""
    sizes = sizes_of(system, request)
    upward = [(start, end - 1) for start, end in system.memblock.free_mem_ranges()]
    lowest, area = 0, contiguous_area(system)
    while True:
        exact_top = system.kernel.has(behaviours.KEXEC_FILE_EXACT_TOP)
        plan = Plan(KernelHoles(upward, exact_top=exact_top, both_ways=True, area=area).add)
        kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, lowest, top_down=False)
        try:
            initrd = _place_initrd(plan, sizes.initrd, kernel)
            plan.place("device tree", _DTB, 2 << 20, kernel.end, top_down=True)
        except NoHoleError:
            lowest = kernel.end
            continue
        return Layout(tuple(plan.segments), moved_image(system, kernel, initrd))


def _place_initrd(plan: Plan, size: int, kernel: PhysRange) -> PhysRange | None:
    """Behind the kernel, within 32 GiB from the 1 GiB that the kernel begins in."""
    if not size:
        return None
    window = kernel.start // _GIB * _GIB + 32 * _GIB
    return plan.place("initrd", size, 0, kernel.end, window, top_down=False)
