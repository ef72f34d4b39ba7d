"""Soft reserved memory as resources, where the EFI map is all that tells of it.

Linux: ``drivers/firmware/efi/arm-runtime.c``, ``riscv-runtime.c``: it is done on the way to the runtime services.
Resources have inclusive ends, in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.resource import IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, Resource, insert_resource
from softreserve.model import behaviours
from softreserve.model.events import Rule
from softreserve.model.units import U32_MAX, U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.resource import ResourceTree
    from softreserve.kernel.state import KernelState
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.kernel import Kernel

__all__ = ["enable_runtime_services", "register_soft_reserved"]

REGISTERED: Final = Rule("soft-reserved-registered", "specific purpose memory is registered")
NOT_REGISTERED: Final = Rule("soft-reserved-not-registered", "specific purpose memory cannot be registered")


def enable_runtime_services(state: KernelState, efi: Efi, source: str, name: str, *, uefi: bool = True) -> Initcall:
    """The early initcall: soft reserved memory is registered even where runtime services stay off.

    :param source: the file of the architecture, and ``name`` its function.
    :param uefi: whether EFI started the kernel.
    """
    function = f"{source}: {name}"

    def call() -> None:
        if not uefi:
            state.printk("EFI services will not be available.", function)
            return
        if efi.soft_reserve_enabled:
            register_soft_reserved(state.iomem, efi, state.kernel, function)
        said = (
            "EFI runtime services will be disabled." if efi.runtime_disabled else "Remapping and enabling EFI services."
        )
        state.printk(said, function)

    return Initcall(Level.EARLY, source, name, call)


def register_soft_reserved(iomem: ResourceTree, efi: Efi, kernel: Kernel, function: str) -> None:
    """Insert ``Soft Reserved`` for each specific purpose descriptor, exactly as the firmware gives it.

    No rounding, no merging, and no word where a descriptor overlaps something in part: then there is no resource, and
    no dax device.
    """
    for descriptor in efi.memmap or ():
        if not descriptor.is_special_purpose:
            continue
        end = _last(descriptor, kernel)
        new = Resource(descriptor.start, end, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
        failed = insert_resource(iomem.root, new)
        iomem.log.record(
            REGISTERED if not failed else NOT_REGISTERED,
            function,
            descriptor.start,
            descriptor.start + descriptor.size,
            "EFI_MEMORY_SP",
            "no resource: it overlaps others in part, or its size is lost" if failed else f"Soft Reserved to {end:#x}",
        )


def _last(descriptor: EfiDescriptor, kernel: Kernel) -> int:
    """The last byte as this release computes it, modulo 2**64."""
    size = descriptor.size
    if kernel.has(behaviours.EFI_SOFT_RESERVED_SIZE_IS_INT):
        size &= U32_MAX
        size -= (size & 0x8000_0000) << 1
    return (descriptor.start + size - 1) & U64_MAX
