"""An archive of many machines, unpacked into a folder that is gone afterwards. It may come from a stranger.

Files go where their names say, below the folder; links only where they stay in it; nothing else is made.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

from softreserve.config.packed import Unpacked, packer
from softreserve.config.reader import LARGEST
from softreserve.model.errors import InputError, shown

__all__ = ["unpacked"]

#: Limits: members, bytes of all files, and how much larger they are than what they are packed into, once they are many.
_MEMBERS_MAX: Final = 5_000_000
_UNPACKED_MAX: Final = 32 << 30
_RATIO_MAX: Final = 1000
_LONG: Final = 64 << 20
_PIECE: Final = 1 << 20


@contextmanager
def unpacked(path: str) -> Iterator[str]:
    """A folder with what is in an archive.

    :raises InputError: it is damaged, or larger than an inventory can be; the message says where.
    """
    with tempfile.TemporaryDirectory(prefix="softreserve-") as folder:
        try:
            with open(path, "rb") as file:
                packed_by = packer(file.read(512))
                file.seek(0)
                source: IO[bytes] | Unpacked = file if packed_by is None else Unpacked(packed_by, file)
                try:
                    _unpack(path, source, folder, os.fstat(file.fileno()).st_size)
                finally:
                    source.close()
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise InputError(f"a damaged archive: {error}", path=path) from None
        except ModuleNotFoundError as error:  # what unpacks is not there
            raise InputError(str(error), path=path) from None
        except OSError as error:
            raise InputError(error.strerror or str(error), path=path) from None
        yield folder


def _unpack(path: str, source: Any, folder: str, size: int) -> None:
    links: list[tarfile.TarInfo] = []
    total = 0
    with tarfile.open(fileobj=source, mode="r|") as archive:
        for number, member in enumerate(archive):
            archive.members = []  # type: ignore[attr-defined] # they are not needed again, and are many
            if number >= _MEMBERS_MAX:
                raise InputError(f"it has more than {_MEMBERS_MAX:,} members", path=path)
            if member.issym():
                links.append(member)
            elif member.isreg():
                total += member.size
                if total > min(_UNPACKED_MAX, max(_LONG, size * _RATIO_MAX)):
                    raise InputError(f"unpacked it is larger than {total >> 20} MiB: unpack it yourself", path=path)
                content = archive.extractfile(member)
                assert content is not None
                _write(content, _place(path, folder, member), member.size)
    for link in links:
        place = _place(path, folder, link)
        led = os.path.realpath(os.path.join(os.path.dirname(place), link.linkname))
        if led.startswith(f"{os.path.realpath(folder)}/"):
            with suppress(OSError):  # there is a file of that name
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.symlink(os.path.relpath(led, os.path.dirname(place)), place)


def _place(path: str, folder: str, member: tarfile.TarInfo) -> str:
    """Where a member goes.

    :raises InputError: not below the folder.
    """
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or member.name.startswith("/"):
        raise InputError(f"member {shown(member.name)} leads out of the archive", path=path)
    return os.path.join(folder, *parts)


def _write(content: IO[bytes], place: str, size: int) -> None:
    """Write a file; of one that is larger than a machine's can be, so much that whoever reads it sees that."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    left = min(size, LARGEST + 1)
    with open(place, "wb") as file:
        while left and (piece := content.read(min(left, _PIECE))):
            left -= len(piece)
            file.write(piece)
