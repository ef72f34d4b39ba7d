"""Hooks of the kexec plugin: loading a second kernel, on x86-64 and arm64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.system import System
    from softreserve.model.findings import Finding
    from softreserve.model.kexec import KexecImage, KexecRequest


def _loader(arch: str, syscall: str) -> Callable[[System, KexecRequest], KexecImage] | None:
    from softreserve_kexec import file_load, load

    return {
        ("x86_64", "kexec_load"): load.x86_load,
        ("x86_64", "kexec_file_load"): file_load.x86_file_load,
        ("arm64", "kexec_load"): load.arm64_load,
        ("arm64", "kexec_file_load"): file_load.arm64_file_load,
    }.get((arch, syscall))


@hookimpl
def softreserve_kexec_load(system: System, request: KexecRequest) -> KexecImage | None:
    """kexec-tools' way for ``kexec_load``, the kernel's for ``kexec_file_load``."""
    loader = _loader(system.machine.arch, request.syscall)
    if loader is None:
        return None
    from softreserve_kexec.harm import with_warnings

    return with_warnings(system, loader(system, request))


@hookimpl
def softreserve_kexec_policies(system: System) -> Sequence[KexecPolicy]:
    """Policies by name."""
    from softreserve_kexec.policies import POLICIES

    return POLICIES


@hookimpl
def softreserve_lint(system: System) -> Sequence[Finding]:
    """Soft reserved memory that the next kernel will not know."""
    from softreserve_kexec import lint

    return list(lint.lint(system))
