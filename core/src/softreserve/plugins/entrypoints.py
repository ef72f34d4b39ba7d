"""Entry points of installed distributions, read straight from their ``*.dist-info`` folders.

``importlib.metadata`` answers the same question, but importing it (``email``, ``zipfile`` and ``csv`` come with it)
takes longer than a boot. Format: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["EntryPoint", "entry_points"]

_FOLDERS = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """One entry: ``name`` in ``group`` stands for the object ``value`` (``package.module`` or ``package.module:x``)."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import the object."""
        module, _, names = self.value.partition(":")
        found: Any = import_module(module.strip())
        for name in filter(None, names.strip().split(".")):
            found = getattr(found, name)
        return found


def entry_points(groups: Sequence[str], path: Sequence[str] | None = None) -> list[EntryPoint]:
    """All entries of some groups.

    A distribution that is on the path more than once counts where it is found first, as for an import.

    :param path: where to look; ``sys.path`` where it is not given.
    """
    directories = sys.path if path is None else path
    entries = _entries(tuple((directory or ".", _changed(directory or ".")) for directory in directories))
    return [entry for entry in entries if entry.group in groups]


def _changed(directory: str) -> int:
    """When a directory changed last; installing something changes it."""
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return -1


@cache
def _entries(directories: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """All entries of all groups. A process asks several times, and dozens of files are read for it."""
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for directory, _ in directories:
        for folder in _folders(directory):
            distribution, _, version = folder.rpartition(".")[0].partition("-")
            distribution = distribution.replace("_", "-").lower()
            if distribution not in seen:
                seen.add(distribution)
                found += _read(os.path.join(directory, folder, "entry_points.txt"), distribution, version)
    return tuple(found)


def _folders(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(_FOLDERS))
    except OSError:
        return []


def _read(path: str, distribution: str, version: str) -> Iterator[EntryPoint]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    group = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            group = line.strip("[] ")
        elif "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPoint(group, name.strip(), value.partition("[")[0].strip(), distribution, version)
