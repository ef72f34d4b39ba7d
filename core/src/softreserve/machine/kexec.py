"""Loading a second kernel, with whatever plugin can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from softreserve.model.cmdline import COMMAND_LINE_MAX
from softreserve.model.errors import MachineError, nearest, shown
from softreserve.plugins.hooks import hooks_of

if TYPE_CHECKING:
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage, KexecRequest

__all__ = ["load", "policy_of"]


def load(system: System, request: KexecRequest) -> KexecImage:
    """Load a second kernel under the request's policy; its ``machine`` is what the next kernel sees.

    :raises MachineError: the policy is unknown, the command line is too long, or no plugin loads kernels for this
        architecture and system call.
    """
    hooks = hooks_of(system)
    policy = policy_of(system, request.policy)
    system.log.stage = "kexec"
    request = policy.prepare(system, request)
    if request.cmdline is not None and len(request.cmdline.text) > COMMAND_LINE_MAX:
        size = len(request.cmdline.text)
        raise MachineError(f"a command line of {size} characters; the next kernel takes {COMMAND_LINE_MAX}")
    image = hooks.kexec_load(system, request)
    if image is None:
        loaded = ", ".join(hooks.names) or "none"
        raise MachineError(f"no loaded plugin does {request.syscall} on {system.machine.arch}; loaded: {loaded}")
    machine = hooks.kexec_hardware(system, image.machine) or image.machine
    return attrs.evolve(image, machine=policy.finish(system, machine))


def policy_of(system: System, name: str) -> KexecPolicy:
    """What is done for specific purpose memory, by its name.

    :raises MachineError: nobody knows it.
    """
    policies = {policy.name: policy for policy in hooks_of(system).kexec_policies(system)}
    if name not in policies:
        known = ", ".join(sorted(policies)) or "none"
        raise MachineError(f"unknown kexec policy {shown(name)}; known: {known}{nearest(name, policies)}")
    return policies[name]
