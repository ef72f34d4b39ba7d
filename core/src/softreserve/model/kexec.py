"""What passes through the hooks of a kexec: what somebody asks for, and what was loaded. Frozen."""

from __future__ import annotations

import attrs

from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

__all__ = ["KexecImage", "KexecRequest", "KexecSegment"]


@attrs.frozen
class KexecSegment:
    """One segment: where it goes (bytes, half open) and what it is."""

    range: PhysRange
    what: str


@attrs.frozen
class KexecRequest:
    """What somebody asks for.

    :param image: where the loader put the next kernel's image, and ``setup_data`` its nodes, where that is known;
        otherwise a place is found.
    :param kernel_size: bytes that the next kernel needs while it runs; ``None``: as the running one. ``initrd_size``
        likewise; 0 means no initrd.
    :param noefi: the loader's ``--noefi``: the next kernel is told nothing of EFI (x86).
    :param mem_min: lowest and highest address for segments (kexec-tools' ``--mem-min`` and ``--mem-max``), bytes.
    """

    syscall: str = "kexec_load"
    kernel: Kernel | None = None
    cmdline: CommandLine | None = None
    policy: str = "default"
    image: KernelImage | None = None
    setup_data: tuple[PhysRange, ...] = ()
    kernel_size: int | None = None
    initrd_size: int | None = None
    noefi: bool = False
    mem_min: int = 0
    mem_max: int = U64_MAX


@attrs.frozen
class KexecImage:
    """A loaded second kernel: the machine that it will see, segments, the text that the loader printed."""

    machine: Machine
    segments: tuple[KexecSegment, ...] = ()
    status: int = 0
    output: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
