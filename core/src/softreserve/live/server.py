"""A system that is being used by programs: one lock, one way to change it, one record."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from softreserve.kernel.sysfs import Attribute
from softreserve.live.rootfs import RootFs
from softreserve.machine import kmod

if TYPE_CHECKING:
    from softreserve.kernel.sysfs import Node
    from softreserve.kernel.system import System
    from softreserve.live.record import Recorder

__all__ = ["LiveSystem"]

T = TypeVar("T")


#: Lines and events that are kept of what has happened since the boot: a server may run for months.
_TOLD_MOST = 1 << 15


class LiveSystem:
    """A system, the tree that shows it, and where its changes are recorded.

    Everything goes through :attr:`lock`, so that writers on several threads see a system that changes one write at a
    time.
    """

    def __init__(
        self, system: System, *, recorder: Recorder | None = None, hidden: Mapping[str, Node] | None = None
    ) -> None:
        self.system = system
        self.recorder = recorder
        self.lock = threading.RLock()
        self.rootfs = RootFs(system, hidden)
        self._booted = system.log.sizes()

    def write(self, path: str, data: bytes) -> int:
        """One write() to an open file: bytes taken, or ``-errno``. A longer one is cut at a page, as in the kernel.

        What cannot be recorded is not done, and fails with EIO.
        """
        data = data[: self.system.kernel.page_size]
        with self.lock:
            recorder = self.recorder if data else None
            if recorder is not None and not recorder.write(path, data):
                return -errno.EIO
            # An attribute can go away while it is open. Linux: fs/kernfs/file.c: kernfs_get_active.
            gone = self.rootfs.node(path) is None
            result = -errno.ENODEV if gone else guarded(lambda: self.rootfs.tree.write(path, data), path)
            if recorder is not None:
                # As in the outputs of steps: a write that was taken whole is 0.
                recorder.answer(0 if result == len(data) else result)
            self.system.log.shed(self._booted, _TOLD_MOST)
            return result

    def read(self, path: str) -> bytes | int:
        """What a read from the beginning gives: bytes, or ``-errno``."""
        with self.lock:
            node = self.rootfs.node(path)
            if node is None:
                return -errno.ENODEV
            if isinstance(node, Attribute):
                return guarded(lambda: node.read(path), path)
            return guarded(lambda: self.rootfs.tree.read(path), path)

    def module_tool(self, argv: Sequence[str]) -> kmod.Reply:
        """Run ``modprobe``, ``rmmod``, ``insmod``, ``lsmod`` or ``modinfo`` of this machine.

        What cannot be recorded is not done, and fails.
        """
        with self.lock:
            words = kmod.changing_words(argv)
            recorder = self.recorder if words else None
            if recorder is not None and not recorder.run(words):
                return kmod.Reply(1, f"{words}: cannot be recorded: {os.strerror(errno.EIO)}\n")
            reply = kmod.run(self.system, argv)
            if recorder is not None and reply.changes:
                recorder.answer(reply.status)
            elif recorder is not None:
                recorder.take_back()
            self.system.log.shed(self._booted, _TOLD_MOST)
            return reply


def guarded(call: Callable[[], T], path: str) -> T | int:
    """Run ``call``; a failure of ours must not look like an answer of the machine, so it is EIO and told."""
    try:
        return call()
    except Exception as error:
        print(f"softreserve: {path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return -errno.EIO
