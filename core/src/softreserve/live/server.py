"""A system that is being used by programs: one lock, one way to change it, one record."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from softreserve.live.rootfs import RootFs
from softreserve.machine import kmod

if TYPE_CHECKING:
    from softreserve.kernel.sysfs import Node
    from softreserve.kernel.system import System
    from softreserve.live.record import Recorder

__all__ = ["LiveSystem"]

T = TypeVar("T")


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

    def write(self, path: str, data: bytes) -> int:
        """One write() to an open file: bytes taken, or ``-errno``. A longer one is cut at a page, as in the kernel."""
        data = data[: self.system.kernel.page_size]
        with self.lock:
            # An attribute can go away while it is open. Linux: fs/kernfs/file.c: kernfs_get_active.
            gone = self.rootfs.tree.node(path) is None
            result = -errno.ENODEV if gone else guarded(lambda: self.rootfs.tree.write(path, data), path)
            if self.recorder is not None and data:
                self.recorder.wrote(path, data, result)
            return result

    def read(self, path: str) -> bytes | int:
        """What a read from the beginning gives: bytes, or ``-errno``."""
        with self.lock:
            if self.rootfs.tree.node(path) is None:
                return -errno.ENODEV
            return guarded(lambda: self.rootfs.tree.read(path), path)

    def module_tool(self, argv: Sequence[str]) -> kmod.Reply:
        """Run ``modprobe``, ``rmmod``, ``insmod``, ``lsmod`` or ``modinfo`` of this machine."""
        with self.lock:
            reply = kmod.run(self.system, argv)
            if self.recorder is not None and reply.changes:
                self.recorder.ran(reply.words, reply.status)
            return reply


def guarded(call: Callable[[], T], path: str) -> T | int:
    """Run ``call``; a failure of ours must not look like an answer of the machine, so it is EIO and told."""
    try:
        return call()
    except Exception as error:
        print(f"softreserve: {path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return -errno.EIO
