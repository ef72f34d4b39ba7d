"""What is to happen to a machine after its boot. Frozen."""

from __future__ import annotations

import attrs

from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.kexec import KexecTools
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange

__all__ = ["KexecScenario", "Step"]


@attrs.frozen
class Step:
    """One step: either shell words (``run``) or sysfs writes as ``(path, value)``, each value one write().

    Bytes that are no UTF-8 are in a value as Python's ``surrogateescape`` gives them.

    :param results: what each write is expected to give: 0 for one that is taken whole, ``-errno``, or the number of
        bytes that are taken; ``None``: anything.
    :param status: the exit status that the shell words are expected to end with; ``None``: any.
    :param output: what they are expected to print on both outputs; ``None``: anything.
    """

    name: str
    run: str | None = None
    writes: tuple[tuple[str, str], ...] | None = None
    results: tuple[int, ...] | None = None
    status: int | None = None
    output: str | None = None

    @property
    def expects(self) -> bool:
        """Whether it says what is to come of it."""
        return (self.results, self.status, self.output) != (None, None, None)


@attrs.frozen
class KexecScenario:
    """A kexec, the steps in the kernel that it starts, and the next kexec of a chain.

    :param syscall: ``"kexec_load"`` or ``"kexec_file_load"``.
    :param kernel: the kernel that is started, as built.
    :param cmdline: its whole command line; ``None``: made from the running one by ``reuse_cmdline`` and ``append``.
    :param load: the loader's whole command, for people.
    :param tools: the loader's version.
    :param setup_data: ranges (bytes) of the setup_data nodes of the loader, in list order (x86).
    """

    syscall: str
    kernel: Kernel
    cmdline: CommandLine | None = None
    load: str = ""
    tools: KexecTools = attrs.field(factory=KexecTools)
    reuse_cmdline: bool = True
    append: str = ""
    image: KernelImage = KernelImage()
    setup_data: tuple[PhysRange, ...] = ()
    steps: tuple[Step, ...] = ()
    kexec: KexecScenario | None = None
