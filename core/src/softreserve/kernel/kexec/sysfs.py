"""What a kernel says of kexec in ``/sys/kernel``. Linux: ``kernel/ksysfs.c``; from 6.19 on ``kernel/kexec_core.c``."""

from __future__ import annotations

from errno import EINVAL
from functools import partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.kexec.crash_reserve import CRASH
from softreserve.kernel.sysfs import Attribute, Link, c_text
from softreserve.model import behaviours
from softreserve.model.units import kstrtoull

if TYPE_CHECKING:
    from softreserve.kernel.kexec.crash_reserve import CrashReservation
    from softreserve.kernel.system import System

__all__ = ["publish"]

_KERNEL: Final = "/sys/kernel"
#: Names in ``/sys/kernel``, and in its directory ``kexec``.
_NAMES: Final = {
    "kexec_loaded": "loaded",
    "kexec_crash_loaded": "crash_loaded",
    "kexec_crash_size": "crash_size",
    "kexec_crash_cma_ranges": "crash_cma_ranges",
    "crash_elfcorehdr_size": "crash_elfcorehdr_size",
}
#: ``sizeof(Elf64_Phdr)``.
_PROGRAM_HEADER: Final = 56


def publish(system: System) -> None:
    """Make the files: nothing is loaded, and so much is kept for a crash kernel."""
    moved = system.kernel.has(behaviours.KEXEC_SYSFS_DIRECTORY)
    for name, attribute in _attributes(system).items():
        new = f"{_KERNEL}/kexec/{_NAMES[name]}"
        system.sysfs.add(new if moved else f"{_KERNEL}/{name}", attribute)
        if moved:
            system.sysfs.add(f"{_KERNEL}/{name}", Link(new))


def _attributes(system: System) -> dict[str, Attribute]:
    kernel, crash = system.kernel, system.stash.get(CRASH)
    nothing = Attribute(0o444, lambda: "0\n")
    found = {
        "kexec_loaded": nothing,
        "kexec_crash_loaded": nothing,
        "kexec_crash_size": Attribute(
            0o644, lambda: f"{crash.size if crash is not None else 0}\n", partial(_crash_size_store, crash)
        ),
    }
    if kernel.has(behaviours.KEXEC_SYSFS_DIRECTORY):
        found["kexec_crash_cma_ranges"] = Attribute(0o444, lambda: _cma_ranges(crash))
    if kernel.builtin("CRASH_HOTPLUG"):
        size = (2 + kernel.number("NR_CPUS", 8192) + kernel.number("CRASH_MAX_MEMORY_RANGES", 8192)) * _PROGRAM_HEADER
        found["crash_elfcorehdr_size"] = Attribute(0o444, lambda: f"{size}\n")
    return found


def _crash_size_store(crash: CrashReservation | None, data: bytes) -> int:
    """Keep less for the crash kernel. Linux: ``crash_size_store``."""
    size = kstrtoull(c_text(data))
    if size < 0:
        return -EINVAL
    if crash is None:
        return len(data) if not size else -EINVAL
    return crash.shrink(size) or len(data)


def _cma_ranges(crash: CrashReservation | None) -> str:
    ranges = crash.cma_ranges if crash is not None else []
    return "".join(f"{found.start:08x}-{found.last:08x}\n" for found in ranges)
