"""Inventories: a folder of machines, at any depth; an archive of one; a list; or a single machine."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from softreserve import config
from softreserve.config.fleet import is_directory_of_machine
from softreserve.config.inventory import lists
from softreserve.config.inventory import parcel as parcels
from softreserve.config.inventory.parcel import Parcel
from softreserve.config.inventory.unpacked import unpacked
from softreserve.model.errors import InputError, SoftReserveError

__all__ = ["Unread", "about", "machines"]

#: How deep folders lie in each other, links that lead back to one above included.
_DEEPEST: Final = 40


class Unread(NamedTuple):
    """A machine whose files cannot be had: what the inventory calls it, and why, with the exit code of that."""

    name: str
    why: str
    status: int = 2


def machines(inventory: str, but: Iterable[str] = ()) -> Generator[Parcel | Unread, None, None]:
    """All machines, in the order of the inventory: folders by name, lists line by line; hidden files are left out.

    What is no machine is among them: whoever reads it finds out.

    :param but: files that are written meanwhile, and may lie in the folder.
    :raises InputError: there is no such inventory, or it cannot be read as one.
    """
    if os.path.isdir(inventory) and not is_directory_of_machine(inventory):
        yield from _below(inventory, "", _DEEPEST, {os.path.basename(path): os.path.realpath(path) for path in but})
    elif inventory.endswith(lists.SUFFIXES) and os.path.lexists(inventory):
        yield from _of_list(inventory)
    elif os.path.isfile(inventory) and config.has_host_files(inventory):
        yield from _of_archive(inventory)
    elif os.path.lexists(inventory) or inventory == config.STDIN or re.match(config.PREFIXED, inventory):
        yield _one(inventory, inventory)
    else:
        raise InputError("no such inventory: wanted a folder of machines, or a machine", path=inventory)


def about(inventory: str) -> int:
    """About how many machines there are, at a glance; 0: nobody knows."""
    if not os.path.isdir(inventory) or is_directory_of_machine(inventory):
        return 0
    number = 0
    for folder, folders, files in os.walk(inventory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if folder != inventory and _is_machine(folder):
            folders.clear()
            number += 1
        else:
            number += sum(not name.startswith(".") for name in files)
    return number


def _of_archive(inventory: str) -> Iterator[Parcel | Unread]:
    """Machines in an archive; or the one that it is."""
    with unpacked(inventory) as folder:
        names = os.listdir(folder)
        if _is_machine(folder) or (len(names) == 1 and _is_machine(os.path.join(folder, names[0]))):
            yield _one(inventory, inventory)
        else:
            yield from _below(folder, "", _DEEPEST, {})


def _of_list(inventory: str) -> Iterator[Parcel | Unread]:
    """Machines that a list names; a file called "-" is one, and not standard input."""
    folder = os.path.dirname(inventory) or os.curdir
    for entry in lists.listed(inventory):
        if entry.problem is not None:
            yield Unread(entry.name, f"{inventory}: {entry.name}: {entry.problem}")
        elif entry.text is not None:
            yield parcels.of_text(entry.name, entry.text.encode("utf-8", "surrogateescape"))
        else:
            place = str(entry.machine)
            if not re.match(config.PREFIXED, place):
                place = os.path.join(folder, place)
            elif place.startswith(config.LOG):
                log = place.removeprefix(config.LOG)
                place = config.LOG + os.path.join(folder, log)
            yield _one(entry.name, place)


def _below(folder: str, above: str, deep: int, but: Mapping[str, str]) -> Iterator[Parcel | Unread]:
    """Machines in a folder and its folders.

    :param above: what their names begin with.
    :param but: real paths of files that are left out, by name.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        if not above:
            raise InputError(error.strerror or str(error), path=folder) from None
        yield Unread(above.removesuffix("/"), error.strerror or str(error))
        return
    for name in names:
        path, called = os.path.join(folder, name), above + name
        if os.path.isdir(path) and not _is_machine(path):
            if deep and not os.path.islink(path):
                yield from _below(path, f"{called}/", deep - 1, but)
        elif name in but and os.path.realpath(path) == but[name]:
            continue
        elif os.path.isdir(path) or os.path.isfile(path) or os.path.islink(path):
            yield _one(called, path)


def _is_machine(directory: str) -> bool:
    try:
        return os.path.isdir(directory) and is_directory_of_machine(directory)
    except OSError:  # told where it is listed
        return False


def _one(name: str, place: str) -> Parcel | Unread:
    """A machine as a person names one.

    :param name: what the inventory calls it.
    """
    name = name.encode("utf-8", "backslashreplace").decode()  # what is no text is none in a row
    try:
        if place.startswith(config.EXAMPLE):
            return parcels.of_file(name, config.example_file(place))
        if place.startswith(config.LOG):
            return parcels.of_file(name, place.removeprefix(config.LOG))
        if os.path.isdir(place):
            return parcels.of_directory(name, place)
        if place == config.STDIN or os.path.lexists(place):
            return parcels.of_file(name, place)
        return Parcel(name, place)
    except SoftReserveError as error:
        return Unread(name, str(error).replace(place, parcels.HERE), error.exit_code)
