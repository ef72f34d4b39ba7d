"""A folder of machines: captures, machine files, logs, archives of hosts beside each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from softreserve import config

if TYPE_CHECKING:
    from softreserve.config.reader import StrPath

__all__ = ["is_directory_of_machine", "machines_in"]

#: What the directory of a capture, or its ``input``, has one of.
_CAPTURE: Final = frozenset({"input", "case.toml", "capture.toml", "kernel.toml", "efi-memmap.txt", "cmdline.txt"})


def machines_in(path: StrPath) -> tuple[str, ...] | None:
    """Names of what lies in a folder, hidden things left out; ``None``: it is a machine itself, or no directory.

    :raises OSError: the directory cannot be read.
    """
    directory = os.fspath(path)
    if not os.path.isdir(directory) or is_directory_of_machine(directory):
        return None
    return tuple(sorted(name for name in os.listdir(directory) if not name.startswith(".")))


def is_directory_of_machine(path: str) -> bool:
    """Whether a directory is one machine, of which something may be missing."""
    return not _CAPTURE.isdisjoint(os.listdir(path)) or config.has_host_files(path)
