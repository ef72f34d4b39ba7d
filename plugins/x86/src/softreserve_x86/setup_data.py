"""Nodes that a kexec loader hands to the next kernel. Linux: ``arch/x86/include/uapi/asm/setup_data.h``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.ranges import PhysRange

from softreserve_x86.behaviours import CLEARS_RNG_SEED

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest

__all__ = ["HEADER", "seed_node"]

#: Bytes before the data of a node.
HEADER: Final = 16


def seed_node(system: System, request: KexecRequest, node: PhysRange) -> PhysRange:
    """What the next kernel keeps of a node of random numbers: nothing but its header, once it has used them.

    Linux: ``arch/x86/kernel/setup.c: parse_setup_data``.
    """
    kernel = request.kernel or system.kernel
    return PhysRange.from_size(node.start, HEADER) if kernel.has(CLEARS_RNG_SEED) else node
