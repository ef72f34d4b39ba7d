"""A "what if": what is to be different from a machine as it is described."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.selection import Selection

__all__ = ["Changes"]


class Changes(NamedTuple):
    """What is to be different from the machine as described. ``None``: nothing."""

    arch: str | None = None
    kernel: str | None = None
    cmdline: str | None = None
    page_size: str | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in self)

    def apply(self, machine: Machine, selection: Selection) -> Machine:
        """The machine with the changes.

        :raises SoftReserveError: a change that cannot be made.
        """
        kernel = self._kernel(machine.kernel, selection)
        cmdline = machine.cmdline
        if self.cmdline is not None:
            cmdline = self._cmdline(cmdline)
        return attrs.evolve(machine, kernel=kernel, cmdline=cmdline)

    def _kernel(self, kernel: Kernel, selection: Selection) -> Kernel:
        if (self.arch, self.kernel, self.page_size) == (None, None, None):
            return kernel
        from softreserve.config.builds import rebuilt

        arch = selection.arch(self.arch) if self.arch is not None else None
        return rebuilt(kernel, release=self.kernel, arch=arch, page_size=self._page_size())

    def _page_size(self) -> int | None:
        from softreserve.config.capture import PAGE_SIZES
        from softreserve.config.reader import parse_size

        if self.page_size is None:
            return None
        try:
            size = parse_size(int(self.page_size) if self.page_size.isdecimal() else self.page_size)
        except ValueError as error:
            raise MachineError(f"--page-size: {error}") from None
        if size not in PAGE_SIZES:
            raise MachineError(f"--page-size: Linux has no pages of {self.page_size}; 4K, 16K or 64K")
        return size

    def _cmdline(self, cmdline: CommandLine) -> CommandLine:
        from softreserve.config.parts import checked_cmdline

        text = self.cmdline or ""
        changed = cmdline.appended(text[1:].lstrip()) if text.startswith("+") else CommandLine(text)
        return checked_cmdline(changed.text)
