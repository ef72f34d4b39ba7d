"""A bare FUSE directory that shows another one, by way of mfusepy: ``bare_files.py FROM AT``.

Nothing is cached, as in a file system whose files change by themselves.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import mfusepy

_SHOWN = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_atime_ns", "st_mtime_ns", "st_ctime_ns")


class Bare:
    """The operations that reading takes."""

    use_ns = True

    def __init__(self, root: str) -> None:
        self.root = root

    def getattr(self, path: str, fh: Any = None) -> dict[str, int]:
        found = os.lstat(self.root + path)
        return {name.removesuffix("_ns"): getattr(found, name) for name in _SHOWN}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self.root + path)]

    def open(self, path: str, flags: int) -> int:
        return os.open(self.root + path, flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


if __name__ == "__main__":
    mfusepy.FUSE(
        Bare(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, direct_io=True,
        attr_timeout=0, entry_timeout=0, negative_timeout=0,
    )  # fmt: skip
