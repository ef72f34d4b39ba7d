"""One machine of an inventory as bytes: what a boot needs of its files, to be read wherever there is time for it."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve import config
from softreserve.config.reader import check_inside, read_bytes
from softreserve.model.errors import InputError, SoftReserveError

if TYPE_CHECKING:
    from softreserve.model.scenario import Scenario

__all__ = ["HERE", "Parcel", "described", "of_directory", "of_file", "of_machine_file", "of_text"]

#: Stands in messages for what the inventory calls a machine: equal machines are read once, and called differently.
HERE: Final = "\0"
#: What the files of a machine are called where they are read.
_MACHINE: Final = "machine"
_SUFFIX: Final = ".toml"
#: Bytes of all files of a directory; packed it may be larger.
_LARGEST: Final = 256 << 20
#: Files and folders of a directory, each as often as links lead to it: they may lead in circles.
_MOST: Final = 20_000
#: Keys of a machine file that name others, as a line of it may begin.
_OTHERS: Final = re.compile(rb"""(?m)^[ \t]*["']?(?:efi_map_file|acpi_dir)\b""")

#: A comment on a line of its own; where the tables of a TOML file begin; a name that needs no quoting.
_COMMENT: Final = re.compile(rb"(?m)^[ \t]*#.*$")
_TABLE: Final = re.compile(rb"(?m)^[ \t]*\[")
_NAME: Final = re.compile(rb'(?m)^name[ \t]*=[ \t]*"[A-Za-z0-9][A-Za-z0-9._-]*"[ \t]*$')


class Parcel(NamedTuple):
    """A machine on its way to whoever reads it.

    :param name: what the inventory calls it.
    :param spec: what it is read by: a path below the folder that the files are put into, or ``PREFIX:PLACE`` where
        there are none.
    :param files: their paths below that folder, and what is in them.
    """

    name: str
    spec: str
    files: Sequence[tuple[str, bytes]] = ()

    @property
    def digest(self) -> str:
        """A hash of everything but the name: equal machines have the same."""
        found = sha256(self.spec.encode("utf-8", "surrogateescape"))
        for path, data in self.files:
            found.update(b"\0%s\0%d\0" % (path.encode("utf-8", "surrogateescape"), len(data)))
            found.update(data)
        return found.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(len(data) for _, data in self.files)


def described(parcel: Parcel) -> Scenario:
    """Read it. In messages, :data:`HERE` stands for its name.

    :raises SoftReserveError: as :func:`softreserve.config.load`.
    """
    if len(parcel.files) == 1 and parcel.spec.endswith(_SUFFIX) and not _OTHERS.search(parcel.files[0][1]):
        from softreserve.config.machine_file import read_machine_file

        with _called(parcel.spec):
            return read_machine_file(parcel.spec, parcel.files[0][1])
    with _unpacked(parcel) as folder:
        place = os.path.join(folder, parcel.spec)
        with _called(place, folder and f"{folder}/"):
            return config.load(place, with_steps=False)


@contextmanager
def _unpacked(parcel: Parcel) -> Iterator[str]:
    """The folder in which its files are as long as this lasts; empty: there are none."""
    if not parcel.files:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="softreserve-") as folder:
        for path, data in parcel.files:
            place = os.path.join(folder, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "xb") as file:
                file.write(data)
        yield folder


@contextmanager
def _called(place: str, folder: str = "") -> Iterator[None]:
    """See that messages say :data:`HERE` where they name the place, and nothing of the folder that it is in."""
    try:
        yield
    except SoftReserveError as error:
        said = str(error).replace(place, HERE)
        error.args = (said.replace(folder, "") if folder else said,)
        raise


def of_text(name: str, data: bytes) -> Parcel:
    """A log or machine file that somebody has at hand; by what stands in it."""
    return Parcel(name, _MACHINE, ((_MACHINE, data),))


def of_file(name: str, path: str) -> Parcel:
    """A machine file with the files that it names, a log, or a packed host.

    :raises InputError: it cannot be read.
    """
    data = read_bytes(path)
    if not path.endswith(_SUFFIX):
        return of_text(name, data)
    return of_machine_file(name, data, os.path.dirname(path))


def of_machine_file(name: str, data: bytes, folder: str | None = None) -> Parcel:
    """A machine file without what is no part of the machine: its name, and comments on lines of their own.

    :param folder: where the files are that it names.
    """
    data = _bare(data)
    files = [(_MACHINE + _SUFFIX, data)]
    if folder is not None and _OTHERS.search(data):
        files += _named_by(data, folder)
    return Parcel(name, _MACHINE + _SUFFIX, tuple(files))


def _bare(data: bytes) -> bytes:
    """A machine file with another name, and without comments; every line stays where it is."""
    if b'"""' in data or b"'''" in data:  # what looks like a comment may be text
        return data
    data = _COMMENT.sub(b"", data)
    table = _TABLE.search(data)
    head = table.start() if table is not None else len(data)
    return _NAME.sub(b'name = "%s"' % _MACHINE.encode(), data[:head]) + data[head:]


def _named_by(data: bytes, folder: str) -> Iterator[tuple[str, bytes]]:
    """The files beside a machine file that it names; what is wrong with them is told when it is read."""
    with suppress(ValueError, RecursionError):
        top = tomllib.loads(data.decode("utf-8-sig"))
        for key in ("efi_map_file", "acpi_dir"):
            beside = top.get(key)
            if isinstance(beside, str) and ".." not in beside.split("/") and not os.path.isabs(beside):
                path = os.path.normpath(beside)
                with suppress(InputError):
                    yield from _below(os.path.join(folder, path), path, folder)


def of_directory(name: str, path: str) -> Parcel:
    """A capture, or files of a host.

    :raises InputError: a file cannot be read, or all of them are larger than a machine can be.
    """
    if config.has_host_files(path):
        from softreserve.config.host.sources import host_case

        found = host_case(path).files
        files = [(f"{_MACHINE}/{file}", found[file]) for file in sorted(found) if not file.startswith("expected/")]
        return Parcel(name, _MACHINE, tuple(files))
    inside = os.path.join(path, "input")
    whole = os.path.isdir(inside)
    files = [*_below(inside if whole else path, f"{_MACHINE}/input", path)]
    if whole and os.path.isfile(about := os.path.join(path, "capture.toml")):
        files.append((f"{_MACHINE}/capture.toml", read_bytes(about, path)))
    return Parcel(name, _MACHINE, tuple(files))


def _below(path: str, called: str, inside: str) -> Iterator[tuple[str, bytes]]:
    """A file, or all regular files below a directory."""
    left, number = _LARGEST, 0
    todo = [(path, called)]
    while todo:
        place, name = todo.pop()
        number += 1
        if number > _MOST:
            raise InputError(f"more than {_MOST:,} files, the most that are read of a machine", path=path)
        if os.path.isdir(place):
            check_inside(place, inside)
            try:
                names = sorted(os.listdir(place))[::-1]
            except OSError as error:
                raise InputError(error.strerror or str(error), path=place) from None
            todo += [(os.path.join(place, entry), f"{name}/{entry}") for entry in names]
        elif os.path.isfile(place):
            data = read_bytes(place, inside)
            left -= len(data)
            if left < 0:
                raise InputError(f"larger than {_LARGEST >> 20} MiB, the most that is read of a machine", path=path)
            yield name, data
