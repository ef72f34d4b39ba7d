"""Loading a kernel that is one flat image: what architectures do that boot it from an EFI map.

kexec-tools: ``arch/*/kexec-*.c: load_other_segments, load_extra_segments``. Linux: ``kernel/kexec_file.c``,
``arch/*/kernel/{kexec_image,machine_kexec_file}.c``. The next kernel is given the firmware's own map, so that it sees
what a cold boot sees. The kernel goes to the lowest place, and the rest behind it: right behind it and within what the
kernel can map, or ``top_down``, from the top of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from softreserve.model.units import U64_MAX

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


def image_load(
    system: System, request: KexecRequest, *, top_down: bool = False, says: Sequence[str] | None = None
) -> KexecImage:
    """``kexec_load``, by kexec-tools.

    :param says: what ``kexec -d`` says; ``None``: it lists System RAM.
    """
    output: list[str] = []
    found = sorted(ram_of_iomem(system.iomem.lines(), output))
    if says is not None:
        output[:] = says
    place = _tool_layout_top_down if top_down else _tool_layout
    try:
        layout = recorded_layout(request) or place(system, request, found)
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


def _tool_layout_top_down(system: System, request: KexecRequest, found: list[MemoryRange]) -> Layout:
    """The kernel as low as possible, the device tree below the initrd, and that as high as possible."""
    sizes, page = sizes_of(system, request), system.kernel.page_size
    plan = Plan(ToolHoles(found, request.mem_min, request.mem_max).add)
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, top_down=False, page=page)
    # where the kernel ends, had it been loaded to the lowest address that it can be loaded to
    low, initrd = KERNEL_ALIGN + sizes.kernel, None
    if sizes.initrd:
        initrd = plan.place("initrd", sizes.initrd, 0, low, top_down=True, page=page)
    plan.place("device tree", _DTB, 0, low, initrd.start if initrd else U64_MAX, top_down=True, page=page)
    return Layout(tuple(plan.segments), moved_image(system, kernel, initrd))


def image_file_load(system: System, request: KexecRequest, *, top_down: bool = False) -> KexecImage:
    """``kexec_file_load``: holes are free memblock ranges; what a driver added is not among them."""
    place = _kernel_layout_top_down if top_down else _kernel_layout
    try:
        layout = recorded_layout(request) or place(system, request)
    except NoHoleError as error:
        system.printk("kexec_file(Image): Could not find any suitable kernel location!")
        return call_failed(system, error)
    return KexecImage(next_machine(system, request, layout), layout.segments)


def _kernel_plan(system: System) -> Plan:
    upward = [(start, end - 1) for start, end in system.memblock.free_mem_ranges()]
    exact_top = system.kernel.has(behaviours.KEXEC_FILE_EXACT_TOP)
    return Plan(KernelHoles(upward, exact_top=exact_top, both_ways=True, area=contiguous_area(system)).add)


def _kernel_layout_top_down(system: System, request: KexecRequest) -> Layout:
    """The kernel as low as possible; purgatory, initrd and device tree as high as possible, one below the other."""
    sizes, plan = sizes_of(system, request), _kernel_plan(system)
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, top_down=False)
    rest = {"purgatory": _PURGATORY, "initrd": sizes.initrd, "device tree": _DTB}
    placed = {what: plan.place(what, size, 0, kernel.end, top_down=True) for what, size in rest.items() if size}
    return Layout(tuple(plan.segments), moved_image(system, kernel, placed.get("initrd")))


def _kernel_layout(system: System, request: KexecRequest) -> Layout:
    """The lowest place for the kernel from which the others find theirs, too."""
    sizes = sizes_of(system, request)
    lowest = 0
    while True:
        plan = _kernel_plan(system)
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
