"""Hooks of the kexec plugin: loading a second kernel, the ways around what is lost, and what to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.system import System
    from softreserve.model.findings import Finding
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.outcome import Outcome


@hookimpl
def softreserve_kexec_load(system: System, request: KexecRequest) -> KexecImage | None:
    """As the architecture does, with a warning for what lands where it does harm."""
    loader = system.arch.kexec_loaders.get(request.syscall)
    if loader is None:
        return None
    from softreserve_kexec.calls import missing
    from softreserve_kexec.harm import with_warnings

    absent = missing(system, request.syscall)
    if absent is not None:
        return absent

    return with_warnings(system, loader(system, request))


@hookimpl
def softreserve_kexec_policies(system: System) -> Sequence[KexecPolicy]:
    """Policies by name."""
    from softreserve_kexec.policies import POLICIES

    return POLICIES


@hookimpl
def softreserve_lint(system: System, outcome: Outcome) -> Sequence[Finding]:
    """Soft reserved memory that the next kernel will not know."""
    from softreserve_kexec import lint

    return list(lint.lint(system, outcome))
