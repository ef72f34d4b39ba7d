"""How much page tables reach. Linux: ``arch/x86/include/asm/pgtable_64_types.h``, ``asm/sparsemem.h``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve_x86 import behaviours

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine

__all__ = ["builds_five_levels", "max_arch_pfn", "max_physmem_bits"]


def builds_five_levels(kernel: Kernel) -> bool:
    """Whether the kernel can use page tables of five levels."""
    return kernel.builtin("X86_5LEVEL") or kernel.has(behaviours.X86_FIVE_LEVELS_ALWAYS)


def _pgtable_l5_enabled(machine: Machine) -> bool:
    """Whether it does: on a CPU that has them. Linux: ``arch/x86/boot/compressed/pgtable_64.c``."""
    if not (machine.la57 and builds_five_levels(machine.kernel)):
        return False
    from softreserve_x86.kaslr_options import cmdline_find_option_bool

    return not cmdline_find_option_bool(machine.cmdline.text, "no5lvl")


def max_physmem_bits(machine: Machine) -> int:
    """Bits of a physical address that memory can have. Linux: ``MAX_PHYSMEM_BITS``."""
    return 52 if _pgtable_l5_enabled(machine) else 46


def max_arch_pfn(machine: Machine) -> int:
    """First page number that the direct map cannot reach. Linux: ``MAX_ARCH_PFN``, of ``MAXMEM``."""
    return 1 << (max_physmem_bits(machine) - 12)
