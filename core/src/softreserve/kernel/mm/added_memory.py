"""What user space does with memory that was just added: a udev rule of a distribution, or what a plugin stands for.

A kernel tells udev of each new memory block, and udev can write to its ``state`` only when whoever adds memory has let
go of the lock of device hotplug. So user space has its turn when the system call that added memory is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from softreserve.model.events import Rule
from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState

__all__ = ["USER_SPACE_ONLINES", "AddedMemory", "Written"]

#: Before: who does it; after: one of :data:`~softreserve.kernel.mm.memory_hotplug.ONLINE_TYPES`.
USER_SPACE_ONLINES: Final = Rule("user-space-onlines", "user space writes to the state of its memory blocks")


class Written(NamedTuple):
    """What is written to the ``state`` of memory blocks, and who does it, in words for people."""

    online_type: str
    who: str


class AddedMemory:
    """Ranges that were added, until user space was told of them. A context: what is in it is one system call.

    :param ask: what user space does with a range - node, first byte, bytes -; ``None``: nothing that anybody says.
    :param online: takes all blocks of a range - first byte, bytes - online that are offline: whether there were any.
    """

    def __init__(
        self,
        state: KernelState,
        ask: Callable[[int, int, int], Written | None],
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
        #: What was taken online as it was added, and by whom, by its first byte and its size in bytes.
        self.onlined: dict[tuple[int, int], Written] = {}
        #: What a distribution's udev rule does, where nobody else says anything.
        self.rule: Written | None = None

    def __enter__(self) -> None:
        self._calls += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._calls -= 1
        if self._untold and not self._calls and error is None:
            self._tell()

    def note(self, nid: int, start: int, size: int, online_type: str) -> None:
        """Memory of a node was added (bytes), and what the kernel's own policy wants was done with it."""
        if online_type != "offline":
            self.onlined[start, size] = Written(online_type, "the kernel (auto_online_blocks)")
        if self.has_user_space:
            (self._early if self._state.booting else self._untold).append((nid, start, size))

    def gone(self, start: int, size: int) -> None:
        """Memory (bytes) was removed again."""
        self.onlined = {place: by for place, by in self.onlined.items() if not start <= place[0] < start + size}

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
                written = self._ask(nid, start, size) or self.rule
                if written is None or written.online_type == "offline":
                    continue
                if self._online(start, size, written.online_type):
                    self.onlined[start, size] = written
                    where = "drivers/base/memory.c: state_store"
                    self._state.log.record(
                        USER_SPACE_ONLINES, where, start, start + size, written.who, written.online_type
                    )
        finally:
            self._calls -= 1
