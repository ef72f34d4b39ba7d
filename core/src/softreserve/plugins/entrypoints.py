"""Entry points of installed distributions, read straight from their ``*.dist-info`` folders.

``importlib.metadata`` answers the same question, but importing it (``email``, ``zipfile`` and ``csv`` come with it)
takes longer than a boot. Format: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from softreserve.model.value import NamedTuple

__all__ = ["EntryPoint", "attribute", "entry_points", "look_elsewhere", "mistakes"]

_FOLDERS = (".dist-info", ".egg-info")
#: What a folder or an archive ``*.egg`` on the path has in the place of a folder of metadata.
_EGG = "EGG-INFO"
_FILE = "entry_points.txt"
#: Groups that are ours begin with it: what is wrong with others is for others to say.
_OURS = "softreserve."

#: Folders that are on the path for the sake of a module, not of the distributions that may lie there.
_modules_only: set[str] = set()


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
        return attribute(import_module(module.strip()), names)


def attribute(module: Any, names: str) -> Any:
    """The object in a module that ``a.b`` names; the module itself where nothing does."""
    for name in filter(None, names.strip().split(".")):
        module = getattr(module, name)
    return module


def entry_points(groups: Sequence[str], path: Sequence[str] | None = None) -> list[EntryPoint]:
    """All entries of some groups of ours.

    A distribution that is on the path more than once counts where it is found first, as for an import.

    :param path: where to look; ``sys.path`` where it is not given.
    """
    return [entry for entry in _found(path)[0] if entry.group in groups]


def mistakes() -> list[str]:
    """What is wrong with the metadata of distributions, so that it is not among the entries; for people."""
    return list(_found(None)[1])


def look_elsewhere(folder: str) -> None:
    """Put a folder on the path, last, for its modules only: distributions in it do not count."""
    if folder not in sys.path:
        _modules_only.add(folder)
        sys.path.append(folder)


def _found(path: Sequence[str] | None) -> tuple[tuple[EntryPoint, ...], tuple[str, ...]]:
    """All entries, and what is wrong with metadata."""
    directories = [folder for folder in sys.path if folder not in _modules_only] if path is None else path
    return _search(tuple((directory or ".", _changed(directory or ".")) for directory in directories))


def _changed(directory: str) -> int:
    """When a directory changed last; installing something changes it."""
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return -1


@cache
def _search(directories: tuple[tuple[str, int], ...]) -> tuple[tuple[EntryPoint, ...], tuple[str, ...]]:
    """All entries of groups of ours, and mistakes. A process asks several times, and it takes dozens of files."""
    entries: list[EntryPoint] = []
    wrong: list[str] = []
    seen: set[str] = set()
    for directory, changed in directories:
        for folder in _folders(directory) if changed != -1 else ():
            base = os.path.basename(directory) if folder == _EGG else folder
            distribution, _, version = base.rpartition(".")[0].partition("-")
            distribution = distribution.replace("_", "-").lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            path = os.path.join(directory, folder, _FILE)
            try:
                text = _text(directory, folder)
            except (OSError, ValueError) as error:
                wrong.append(f"{path}: {getattr(error, 'strerror', None) or error}")
                continue
            for entry in _parsed(text, distribution, version.partition("-py")[0]):
                if isinstance(entry, str):
                    wrong.append(f"{path}: {entry}")
                else:
                    entries.append(entry)
    return tuple(entries), tuple(wrong)


def _folders(directory: str) -> list[str]:
    """Folders of metadata in a directory, or in an archive that is on the path."""
    try:
        names = os.listdir(directory)
    except NotADirectoryError:
        names = [name.partition("/")[0] for name in _members(directory) if name.count("/") == 1]
    except OSError:
        return []
    found = [name for name in names if name.endswith(_FOLDERS)]
    if directory.endswith(".egg") and _EGG in names:
        found.append(_EGG)
    return sorted(set(found))


def _text(directory: str, folder: str) -> str:
    """What stands in a folder's file of entry points; nothing where it has none.

    :raises OSError: it cannot be read.
    :raises ValueError: it is no text, or the archive is broken.
    """
    try:
        with open(os.path.join(directory, folder, _FILE), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return ""
    except NotADirectoryError:
        if os.path.isdir(directory):  # the metadata is a file, as it once was
            return ""
        data = _unpacked(directory, f"{folder}/{_FILE}")
    try:
        return data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 at byte {error.start}") from None


def _members(path: str) -> list[str]:
    """Names in an archive on the path; none where it is something else."""
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, BadZipFile):
        return []


def _unpacked(path: str, name: str) -> bytes:
    """A member of an archive; empty where there is none.

    :raises ValueError: it cannot be unpacked.
    """
    from zipfile import ZipFile

    try:
        with ZipFile(path) as archive:
            return archive.read(name)
    except KeyError:
        return b""
    except Exception as error:  # there is one for each kind of damage
        raise ValueError(f"cannot be unpacked: {error}") from None


def _parsed(text: str, distribution: str, version: str) -> Iterator[EntryPoint | str]:
    """The entries of a file in groups of ours; words for lines that are none."""
    group = ""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group.startswith(_OURS) and line and not line.startswith(("#", ";")):
            name, _, value = map(str.strip, line.partition("="))
            value = value.partition("[")[0].strip()
            if name and value:
                yield EntryPoint(group, name, value, distribution, version)
            else:
                yield f"line {number}: {line[:60]!r} in [{group}]: wanted NAME = package.module"
