"""Crossing into the next kernel: requests, policies and what was loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from softreserve.model.cmdline import COMMAND_LINE_MAX, CommandLine
from softreserve.model.errors import MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["KexecImage", "KexecPolicy", "KexecRequest", "KexecSegment", "load"]


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


@attrs.frozen
class KexecPolicy:
    """A policy by name: changes the request before, or the next machine after the load."""

    name: str
    words: str
    prepare: Callable[[System, KexecRequest], KexecRequest] = lambda system, request: request
    finish: Callable[[System, Machine], Machine] = lambda system, machine: machine


def load(system: System, request: KexecRequest) -> KexecImage:
    """Load a second kernel under the request's policy.

    :raises MachineError: the policy is unknown, the command line is too long, or no plugin loads kernels for this
        architecture and system call.
    """
    policies = {policy.name: policy for policy in system.hooks.kexec_policies(system)}
    policy = policies.get(request.policy)
    if policy is None:
        known = ", ".join(sorted(policies)) or "none"
        raise MachineError(f"unknown kexec policy {shown(request.policy)}; known: {known}")
    system.log.stage = "kexec"
    request = policy.prepare(system, request)
    if request.cmdline is not None and len(request.cmdline.text) > COMMAND_LINE_MAX:
        size = len(request.cmdline.text)
        raise MachineError(f"a command line of {size} characters; the next kernel takes {COMMAND_LINE_MAX}")
    image = system.hooks.kexec_load(system, request)
    if image is None:
        loaded = ", ".join(system.hooks.names) or "none"
        raise MachineError(f"no loaded plugin does {request.syscall} on {system.machine.arch}; loaded: {loaded}")
    return attrs.evolve(image, machine=policy.finish(system, image.machine))
