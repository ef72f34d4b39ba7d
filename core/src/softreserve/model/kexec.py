"""What passes through the hooks of a kexec: what somebody asks for, and what was loaded. Frozen."""

from __future__ import annotations

import re
from typing import Final

import attrs

from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

__all__ = ["KEXEC_TOOLS", "KexecImage", "KexecRequest", "KexecSegment", "KexecTools"]

#: The version that is meant where none is told: Debian 12's.
KEXEC_TOOLS: Final = "2.0.25"


@attrs.frozen
class KexecTools:
    """A version of kexec-tools: the program that chooses the system call, and for ``kexec_load`` all the rest.

    Versions were compared from 2.0.25 to 2.0.32; others count as the nearer one of these. What they read of a machine's
    memory did not change.

    :param version: as ``kexec --version`` tells it.
    :raises MachineError: it is no version.
    """

    version: str = attrs.field(default=KEXEC_TOOLS)

    @version.validator
    def _is_version(self, _: object, version: str) -> None:
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}", version):
            raise MachineError(f"wanted a version of kexec-tools, such as {KEXEC_TOOLS}, not {shown(version)}")

    @property
    def tries_file_load_first(self) -> bool:
        """Whether ``kexec -l`` is ``kexec -a``. Change: "kexec: make -a the default"."""
        return self._from(2, 0, 27)

    @property
    def stays_above_pref_address(self) -> bool:
        """Whether ``kexec_load`` puts an x86 kernel no lower than the image prefers.

        Change: "kexec: x86: Include pref_address when looking for a memory hole".
        """
        return self._from(2, 0, 30)

    def syscall(self, kernel: Kernel) -> str:
        """The system call that ``kexec -l`` ends up with, where a kernel is running."""
        file_load = self.tries_file_load_first and kernel.builtin("KEXEC_FILE")
        return "kexec_file_load" if file_load else "kexec_load"

    def _from(self, *version: int) -> bool:
        return tuple(map(int, self.version.split("."))) >= version


@attrs.frozen
class KexecSegment:
    """One segment: where it goes (bytes, half open) and what it is."""

    JSON = ("start", "end", "what")
    range: PhysRange
    what: str

    @property
    def start(self) -> int:
        """The first byte."""
        return self.range.start

    @property
    def end(self) -> int:
        """The byte behind the last one."""
        return self.range.end


@attrs.frozen
class KexecRequest:
    """What somebody asks for.

    :param image: where the loader put the next kernel's image, and ``setup_data`` its nodes, where that is known;
        otherwise a place is found.
    :param kernel_size: bytes that the next kernel needs while it runs; ``None``: as the running one. ``initrd_size``
        likewise; 0 means no initrd.
    :param noefi: the loader's ``--noefi``: the next kernel is told nothing of EFI (x86).
    :param tools: the kexec-tools that ask.
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
    tools: KexecTools = KexecTools()
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
