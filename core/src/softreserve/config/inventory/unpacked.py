"""An archive of many machines, unpacked into a folder that is gone afterwards. It may come from a stranger.

Files go where their names say, below the folder; links only where they stay in it; nothing else is made. What an
archive may be is up to :mod:`softreserve.config.host.archive`, which reads it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from softreserve.config.host.archive import FILES, HARD_LINK, LINK, SPARSE, Header, Reader, Stream
from softreserve.config.reader import LARGEST
from softreserve.model.errors import InputError

__all__ = ["unpacked"]

#: Limits: members, bytes of all that is unpacked, folders in each other.
_MEMBERS_MAX: Final = 5_000_000
_UNPACKED_MAX: Final = 32 << 30
_DEEPEST: Final = 100


@contextmanager
def unpacked(path: str) -> Iterator[str]:
    """A folder with what is in an archive.

    :raises InputError: it is damaged, or larger than an inventory can be; the message says where.
    """
    with tempfile.TemporaryDirectory(prefix="softreserve-") as folder:
        try:
            with (
                open(path, "rb") as file,
                contextlib.closing(Stream(file, path, _UNPACKED_MAX, "any inventory")) as stream,
            ):
                _unpack(Reader(stream, path, _MEMBERS_MAX), folder)
        except OSError as error:
            raise InputError(error.strerror or str(error), path=path) from None
        yield folder


def _unpack(reader: Reader, folder: str) -> None:
    links: list[tuple[str, str]] = []
    for header in reader.headers():
        if header.kind == SPARSE:
            raise reader.refused(header, "is a sparse file: pack it without --sparse")
        if header.kind in FILES and not header.name.endswith("/"):
            _write(reader.pieces(header), _place(reader, folder, header))
            continue
        reader.pass_over(header)
        if header.kind == LINK:
            links.append((_place(reader, folder, header), header.target))
        elif header.kind == HARD_LINK:
            place, other = (_place(reader, folder, header._replace(name=n)) for n in (header.name, header.target))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with suppress(FileExistsError):
                try:
                    os.link(other, place)
                except FileNotFoundError:
                    raise reader.refused(header, "is a link to a member that is not there before it") from None
    for place, target in links:
        _link(folder, place, target)


def _place(reader: Reader, folder: str, header: Header) -> str:
    """Where a member goes.

    :raises InputError: not below the folder, or there is no such place.
    """
    path = reader.path(header)
    if not path or "\0" in path:
        raise reader.refused(header, "has no name that a file can have")
    if path.count("/") > _DEEPEST:
        raise reader.refused(header, f"lies more than {_DEEPEST} folders deep")
    return os.path.join(folder, path)


def _write(pieces: Iterable[bytes], place: str) -> None:
    """Write a file; of one that is larger than a machine's can be, so much that whoever reads it sees that."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    left = LARGEST + 1
    with open(place, "wb") as file:
        for piece in pieces:
            if left > 0:
                left -= file.write(piece[:left])


def _link(folder: str, place: str, target: str) -> None:
    """Make a link if it stays in the folder, wherever links that are there already lead on the way."""
    root = os.path.realpath(folder)
    with suppress(OSError, ValueError):  # there is a file of that name; a name that none has
        os.makedirs(os.path.dirname(place), exist_ok=True)
        above = os.path.realpath(os.path.dirname(place))
        led = os.path.realpath(os.path.join(above, target))
        if f"{above}/".startswith(f"{root}/") and led.startswith(f"{root}/"):
            os.symlink(os.path.relpath(led, above), os.path.join(above, os.path.basename(place)))
