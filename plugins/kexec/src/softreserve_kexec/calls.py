"""System calls that a kernel was built with, and what kexec-tools say of one that it was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.kexec import KexecImage

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel

__all__ = ["CALLS", "has_call", "missing"]

#: System calls, and the option that a kernel needs for each.
CALLS: Final = {"kexec_load": "KEXEC", "kexec_file_load": "KEXEC_FILE"}
#: What kexec says then, and its exit status.
_MISSING: Final = {
    "kexec_load": ("kexec_load failed: Function not implemented", 255),
    "kexec_file_load": ("syscall kexec_file_load not available.", 253),
}


def has_call(kernel: Kernel, syscall: str) -> bool:
    """Whether a kernel has the call; one whose options are not told has it."""
    return kernel.config.get(CALLS[syscall], "y") == "y"


def missing(system: System, syscall: str) -> KexecImage | None:
    """What is left where the running kernel has no such call: nothing is loaded. ``None``: it has it."""
    if has_call(system.kernel, syscall):
        return None
    words, status = _MISSING[syscall]
    return KexecImage(system.machine, (), status, (words,))
