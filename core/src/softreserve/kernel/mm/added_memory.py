"""What user space does with memory that was just added: a udev rule, ``daxctl online-memory``, an agent.

A kernel tells udev of each new memory block, and udev can write to its ``state`` only when whoever adds memory has let
go of the lock of device hotplug. So user space has its turn when the system call that added memory is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from softreserve.model.events import Rule

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState

__all__ = ["USER_SPACE_ONLINES", "AddedMemory"]

USER_SPACE_ONLINES: Final = Rule("user-space-onlines", "user space writes {} to the state of its memory blocks")


class AddedMemory:
    """Ranges that were added, until user space was told of them. A context: what is in it is one system call.

    :param ask: what user space does with a range - node, first byte, bytes -: one of
        :data:`~softreserve.kernel.mm.memory_hotplug.ONLINE_TYPES`, or ``None``.
    :param online: takes all blocks of a range - first byte, bytes - online that are offline: whether there were any.
    """

    def __init__(
        self,
        state: KernelState,
        ask: Callable[[int, int, int], str | None],
        online: Callable[[int, int, str], bool],
    ) -> None:
        self._state = state
        self._ask = ask
        self._online = online
        self._untold: deque[tuple[int, int, int]] = deque()
        self._early: list[tuple[int, int, int]] = []
        self._calls = 0  # that have begun and are not over
        #: Whether user space does anything by itself; a copy on which we try something out has none that does.
        self.has_user_space = True

    def __enter__(self) -> None:
        self._calls += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._calls -= 1
        if self._untold and not self._calls and error is None:
            self._tell()

    def note(self, nid: int, start: int, size: int) -> None:
        """Memory of a node was added (bytes), and what the kernel's own policy wants was done with it."""
        if self.has_user_space:
            (self._early if self._state.booting else self._untold).append((nid, start, size))

    def user_space_begins(self) -> None:
        """Udev looks for what was added before it ran. Linux: ``udevadm trigger --action=add``."""
        self._untold += self._early
        self._early.clear()
        self._tell()

    def _tell(self) -> None:
        """Tell user space, range by range; what is added meanwhile waits its turn."""
        self._calls += 1
        try:
            while self._untold:
                nid, start, size = self._untold.popleft()
                online_type = self._ask(nid, start, size)
                if online_type is not None and online_type != "offline" and self._online(start, size, online_type):
                    rule = USER_SPACE_ONLINES.of(online_type)
                    self._state.log.record(rule, "drivers/base/memory.c: state_store", start, start + size)
        finally:
            self._calls -= 1
