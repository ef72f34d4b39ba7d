"""Where the EFI stub puts the kernel. Linux: ``drivers/firmware/efi/libstub/arm64-stub.c``, ``asm/efi.h``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.efi import libstub
from softreserve.model.ranges import PhysRange

from softreserve_arm64.memblock import Layout
from softreserve_arm64.sizes import SZ_64K, kernel_image_align

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.model.placement import Placement

__all__ = ["place_image"]

#: EFI_ALLOC_LIMIT: what every CPU can address.
_ALLOC_LIMIT: Final = (1 << 48) - 1


def place_image(machine: Machine, seed: int | None) -> Placement:
    """See :func:`softreserve.kernel.efi.libstub.place_image`.

    :raises MachineError: there is no EFI map, or the size of the image is not known.
    """
    layout = Layout.of(machine.image, machine.kernel)
    return libstub.place_image(
        machine,
        None if layout is None else PhysRange(layout.text, layout.end),
        seed,
        image_align=kernel_image_align(machine.kernel),
        alloc_align=SZ_64K,
        alloc_limit=_ALLOC_LIMIT,
    )
