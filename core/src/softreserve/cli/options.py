"""What the commands about a machine have in common: naming it, and changing it for a "what if"."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import attrs
import click

from softreserve import config
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection

__all__ = ["Changes", "asked", "change_options", "machine_argument", "plugin_option"]

F = TypeVar("F", bound=Callable[..., Any])

_CHANGES = (
    click.option("--arch", metavar="NAME", help="Boot it on this architecture, or on that of this plugin."),
    click.option("--kernel", metavar="RELEASE", help="Boot this kernel release (6.1, 6.12 ...)."),
    click.option("--cmdline", metavar="TEXT", help='Another command line; "+TEXT" appends to the one it has.'),
    click.option("--page-size", metavar="BYTES", help="Page size of the kernel: 4K, 16K or 64K."),
)

plugin_option = click.option(
    "-p", "--plugin", multiple=True, metavar="NAME", help="Load this plugin too; no:NAME leaves one out."
)


def machine_argument(name: str = "machine", *, required: bool = True) -> Callable[[F], F]:
    """The MACHINE argument."""
    return click.argument(name, required=required)


def change_options(function: F) -> F:
    """The options that change a machine: ``arch``, ``kernel``, ``cmdline``, ``page_size``."""
    for option in reversed(_CHANGES):
        function = option(function)
    return function


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


def asked(
    machine: str,
    plugin: tuple[str, ...],
    changes: Changes | None = None,
    *,
    with_steps: bool = False,
) -> tuple[Scenario, Selection]:
    """The machine that a person asked for, and the plugins for it.

    ``-p`` before the command counts too.
    """
    scenario = config.load(machine, with_steps=with_steps)
    return changed(scenario, plugin, changes or Changes())


def changed(scenario: Scenario, plugin: tuple[str, ...], changes: Changes) -> tuple[Scenario, Selection]:
    """A scenario with changes, and the plugins for it."""
    everywhere: tuple[str, ...] = click.get_current_context().find_root().params.get("plugin", ())
    selection = Selection(dict.fromkeys((*everywhere, *plugin)), scenario.plugins)
    machine = changes.apply(scenario.machine, selection)
    if machine.arch != scenario.machine.arch:
        from softreserve.machine.carry import lost_on

        for line in lost_on(scenario.machine, machine.arch):
            print(f"softreserve: {line}", file=sys.stderr)
    return attrs.evolve(scenario, machine=machine), selection
