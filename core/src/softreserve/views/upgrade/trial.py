"""A machine on one kernel, booted, and what is tried on it: each only when somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from softreserve.machine.boot import boot
from softreserve.model.errors import MachineError
from softreserve.views.outcome import outcome
from softreserve.views.report import Report, report
from softreserve.views.what_if import as_devdax, as_system_ram, taken_offline

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.outcome import Outcome
    from softreserve.model.userspace import Userspace
    from softreserve.plugins.hooks import Hooks

__all__ = ["Trial", "untraced"]

T = TypeVar("T")


class Trial:
    """One kernel on a machine. Where it does not come up, nothing but :attr:`death` can be asked."""

    def __init__(self, machine: Machine, hooks_for: Callable[[Machine], Hooks], userspace: Userspace) -> None:
        self.machine = machine
        self.hooks_for = hooks_for
        self.userspace: Userspace = userspace
        self._seen: dict[Callable[[Trial], Any], Any] = {}

    def seen(self, look: Callable[[Trial], T]) -> T:
        """What somebody sees who looks at it; who looks twice sees the same."""
        if look not in self._seen:
            self._seen[look] = look(self)
        found: T = self._seen[look]
        return found

    @cached_property
    def _booted(self) -> System | str:
        try:
            return boot(self.machine, self.hooks_for(self.machine), userspace=self.userspace)
        except MachineError as error:
            return str(error)

    @property
    def death(self) -> str:
        """Why the kernel does not come up; empty: it does."""
        return self._booted if isinstance(self._booted, str) else ""

    @property
    def system(self) -> System:
        """The running kernel.

        :raises MachineError: it does not come up.
        """
        if isinstance(self._booted, str):
            raise MachineError(self._booted)
        return self._booted

    @cached_property
    def outcome(self) -> Outcome:
        """What became of specific purpose memory, without the reasons."""
        return outcome(self.system)

    @cached_property
    def onlined(self) -> Outcome:
        """The same if kmem had every dax device, and all memory were online."""
        return outcome(as_system_ram(self.system))

    @cached_property
    def mapped(self) -> Outcome:
        """The same if device_dax had every dax device."""
        return outcome(as_devdax(self.system))

    @cached_property
    def withdrawn(self) -> Outcome:
        """The same after all memory that kmem added was online, and then was to go offline."""
        return outcome(taken_offline(self.system))

    @cached_property
    def report(self) -> Report:
        """What there is to say about it."""
        return report(self.system)


def untraced(hooks_for: Callable[[Machine], Hooks]) -> Callable[[Machine], Hooks]:
    """Loads the plugins for machines that nobody asked for: nothing is told of their calls."""

    def loaded(machine: Machine) -> Hooks:
        hooks = hooks_for(machine)
        hooks.trace = None
        return hooks

    return loaded
