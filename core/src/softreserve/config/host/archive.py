"""Tar archives of a host's files, read without unpacking: what is wanted is kept, and members are found by name only.

An archive may come from a stranger. Nothing in it becomes a path of this system, every size has a limit, and what is
refused is refused before it is read. Formats: tar as POSIX (ustar, pax) and GNU write it, plain or packed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import re
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from softreserve.config.host.tree import LARGEST_FILE, Entry, Tree
from softreserve.config.packed import Unpacked, packer
from softreserve.model.errors import InputError, shown

__all__ = [
    "FILES",
    "HARD_LINK",
    "LINK",
    "SPARSE",
    "ArchiveTree",
    "Header",
    "Reader",
    "Stream",
    "is_archive",
    "read_archive",
]

_BLOCK: Final = 512
#: Limits: members; bytes of all that is unpacked; bytes that are kept; bytes of a name, or of a header of pax.
_MEMBERS_MAX: Final = 500_000
_UNPACKED_MAX: Final = 8 << 30
_KEPT_MAX: Final = 256 << 20
_HEADER_MAX: Final = 1 << 20
#: How much longer something is at most than what it is packed into, once it is long: files of sysfs come to 100.
_RATIO_MAX: Final = 1000
_LONG: Final = 64 << 20
_PIECE: Final = 1 << 16

#: Types of members. POSIX: ``pax``, "ustar Interchange Format"; GNU tar: "Basic Tar Format".
FILES: Final = b"0\x007"
HARD_LINK, LINK, _DIRECTORY, SPARSE = b"1", b"2", b"5", b"S"
_SPECIAL: Final = {
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    SPARSE: "a sparse file: pack it without --sparse",
}
#: What keywords of pax begin with that say where the holes of a file are. GNU tar: "Storing Sparse Files".
_HOLES: Final = "GNU.sparse."
_GNU_NAME, _GNU_TARGET, _PAX, _PAX_ALL = b"L", b"K", b"x", b"g"
_PAX_RECORD: Final = re.compile(rb"(\d{1,7}) ([^=\n]+)=")

#: Files that are wanted, wherever the archive has its root: their paths on the host.
_WANTED: Final = re.compile(
    r"(?:^|/)(?:"
    r"proc/(?:iomem|cmdline|version|cpuinfo|meminfo|modules|config\.gz|sys/kernel/(?:osrelease|arch))"
    r"|sys/(?:bus/dax|firmware|devices/platform/hmem[^/]*|devices/system/(?:node|memory)|devices/virtual/memory_tiering)"
    r"(?:/.*)?"
    r"|sys/devices/(?:.*/)?dax\d+\.\d+(?:/.*)?|sys/devices/system/cpu/online"
    r"|sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
    r"|boot/config-[^/]+|(?:usr/)?lib/modules/[^/]+/config|dev/kmsg"
    r"|var/log/(?:dmesg|boot\.dmesg|boot\.msg|kern\.log|messages|syslog)"
    r"|sos_commands/(?:kernel|general|logs)/(?:dmesg|uname|journalctl)[^/]*"
    r"|(?:input|expected)/.*)$"
    r"|^(?:[^/]+/)?(?:dmesg|uname|uname-m|pagesize|acpi-tables|capture\.toml|[^/]+\.txt)$"
)
#: What the paths above begin with; a link of such a name would lead to them.
_ROOTS: Final = ("proc", "sys", "boot", "lib", "usr", "dev", "var", "sos_commands", "input", "expected")


class Header(NamedTuple):
    """A member: what it is called, bytes of its content, what it is, and where a link leads."""

    name: str
    mode: int
    size: int
    kind: bytes
    target: str


def is_archive(path: str) -> bool:
    """Whether a file is a tar archive, packed or not. One that cannot be read is none."""
    try:
        with (
            open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file,
            contextlib.closing(Stream(file, path)) as stream,
        ):
            return _is_header(stream.read(_BLOCK))
    except (OSError, InputError):
        return False


def read_archive(path: str) -> ArchiveTree:
    """The tree in an archive.

    :raises InputError: it is no archive, is cut off or damaged, has members that no host's tree has, or is larger than
        what is read.
    """
    try:
        with open(path, "rb") as file, contextlib.closing(Stream(file, path)) as stream:
            return ArchiveTree(path, dict(Reader(stream, path).members()))
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from None


class ArchiveTree(Tree):
    """What was wanted of an archive.

    :param members: what is at each path (``/sys/...``) of the archive, and the content of files.
    """

    def __init__(self, name: str, members: dict[str, tuple[Entry, bytes | None]]) -> None:
        super().__init__(name)
        self._entries: dict[str, Entry] = {}
        self._data: dict[str, bytes | None] = {}
        self._names: dict[str, set[str]] = {"/": set()}
        self.root = ""
        for path, (entry, data) in members.items():
            self._entries[path] = entry
            self._data[path] = data
            self._grow(path)

    def _grow(self, path: str) -> None:
        """Make the directories above a path, which an archive need not have."""
        while path != "/":
            path, name = posixpath.split(path)
            known = path in self._names
            self._names.setdefault(path, set()).add(name)
            self._entries.setdefault(path, Entry("directory"))
            if known:
                return

    def rooted(self, root: str) -> ArchiveTree:
        """The same with ``/`` at a directory of it."""
        self.root = root.rstrip("/")
        return self

    def entry(self, path: str) -> Entry | None:
        """See :meth:`Tree.entry`."""
        return self._entries.get(self.root + path)

    def listing(self, path: str) -> list[str]:
        """See :meth:`Tree.listing`."""
        return list(self._names.get((self.root + path).rstrip("/") or "/", ()))

    def content(self, path: str) -> bytes | int:
        """See :meth:`Tree.content`."""
        data = self._data.get(self.root + path)
        return -errno.EFBIG if data is None else data


class Stream:
    """The bytes of an archive, unpacked piece by piece, as far as there may be.

    :param most: bytes that there may be.
    :param whose: in whose files there are no more.
    """

    def __init__(self, file: IO[bytes], name: str, most: int = _UNPACKED_MAX, whose: str = "any host's files") -> None:
        self._most = most
        self._whose = whose
        self._file = file
        self._name = name
        self.position = 0
        beginning = file.read(_BLOCK)
        file.seek(0)
        self.packed_by = packer(beginning)
        self._size = os.fstat(file.fileno()).st_size
        try:
            self._source: IO[bytes] | Unpacked = file if self.packed_by is None else Unpacked(self.packed_by, file)
        except ModuleNotFoundError as error:
            raise InputError(str(error), path=name) from None

    def error(self, message: str, position: int | None = None) -> InputError:
        """A mistake at a place in what is unpacked: the current one where none is given."""
        return InputError(message, path=self._name, place=f"byte {self.position if position is None else position}")

    def read(self, size: int) -> bytes:
        """The next bytes; fewer where it ends."""
        try:
            data = self._source.read(size)
        except ValueError as error:
            raise self.error(f"broken {self.packed_by} data: {error}") from None
        self.position += len(data)
        if self.position > self._most or self.position > max(_LONG, self._size * _RATIO_MAX):
            raise self.error(f"unpacked it is larger than {self._whose}: {self.position >> 20} MiB and more")
        return data

    def skip(self, size: int) -> int:
        """Pass over bytes; returns how many there were."""
        left = size
        while left and (passed := len(self.read(min(left, _PIECE)))):
            left -= passed
        return size - left

    def close(self) -> None:
        """End what unpacks."""
        if isinstance(self._source, Unpacked):
            self._source.close()


class Reader:
    """The members of an archive, one after the other.

    :param name: of the archive, for messages.
    :param most: members that there may be; ``None``: as many as a host's archive has.
    """

    def __init__(self, stream: Stream, name: str, most: int | None = None) -> None:
        self._stream = stream
        self._name = name
        self._most = _MEMBERS_MAX if most is None else most
        self._kept = 0

    def members(self) -> Iterator[tuple[str, tuple[Entry, bytes | None]]]:
        """Each member that is wanted: its path, what it is, its content."""
        for header in self.headers():
            path = self.path(header)
            wanted = _WANTED.search(path) is not None
            if header.kind in FILES and not header.name.endswith("/"):
                if wanted:
                    yield f"/{path}", (Entry("file", header.mode), self._data(header))
                else:
                    self.pass_over(header)
                continue
            self.pass_over(header)
            if header.kind == _DIRECTORY or header.kind in FILES:
                if path:
                    yield f"/{path}", (Entry("directory"), None)
            elif header.kind in (LINK, HARD_LINK):
                if wanted or path.rsplit("/", 1)[-1] in _ROOTS:
                    yield f"/{path}", (Entry("link", target=self._target(header, path)), None)
            elif header.kind in _SPECIAL and wanted:
                raise self.refused(header, f"is {_SPECIAL[header.kind]}")

    def refused(self, header: Header, why: str) -> InputError:
        """That a member cannot be had."""
        return InputError(f"member {shown(header.name)} {why}", path=self._name)

    def path(self, header: Header) -> str:
        """A member's path below the archive's top."""
        parts = [part for part in header.name.split("/") if part not in ("", ".")]
        if header.name.startswith("/"):
            raise self.refused(header, "has an absolute path")
        if ".." in parts:
            raise self.refused(header, "has '..' in its path")
        return "/".join(parts)

    def _target(self, header: Header, path: str) -> str:
        """Where a link leads: a relative path, or that of another member."""
        if header.kind == HARD_LINK:
            return f"/{posixpath.normpath(header.target)}"
        led = posixpath.normpath(posixpath.join(posixpath.dirname(path), header.target))
        if header.target.startswith("/") or led == ".." or led.startswith("../"):
            raise self.refused(header, f"is a link that leads out of the archive, to {shown(header.target)}")
        return header.target

    def _data(self, header: Header) -> bytes | None:
        """Content of a file; ``None`` where that is more than is read of one."""
        if header.size > LARGEST_FILE or self._kept + header.size > _KEPT_MAX:
            self.pass_over(header)
            return None
        self._kept += header.size
        data = self._stream.read(header.size)
        if len(data) < header.size:
            raise self._stream.error("it is cut off")
        self._pad(header.size)
        return data

    def pieces(self, header: Header) -> Iterator[bytes]:
        """Content of a file, piece by piece, to its end."""
        left = header.size
        while left:
            piece = self._stream.read(min(left, _PIECE))
            if not piece:
                raise self._stream.error("it is cut off")
            left -= len(piece)
            yield piece
        self._pad(header.size)

    def pass_over(self, header: Header) -> None:
        """Leave the content of a member out."""
        if self._stream.skip(header.size) < header.size:
            raise self._stream.error("it is cut off")
        self._pad(header.size)

    def _pad(self, size: int) -> None:
        padding = -size % _BLOCK
        if self._stream.skip(padding) < padding:
            raise self._stream.error("it is cut off")

    # --- headers

    def headers(self) -> Iterator[Header]:
        """The header of each member, with what headers of pax and GNU before it say of it.

        Whoever takes one reads the content, or passes over it, before the next.
        """
        said: dict[str, str] = {}
        said_of_all: dict[str, str] = {}
        count = 0
        while (block := self._block()) is not None:
            header = self._header(block)
            count += 1
            if count > self._most:
                raise self._stream.error(f"it has more than {self._most} members")
            if header.kind in (_GNU_NAME, _GNU_TARGET):
                text = self._long(header).rstrip(b"\0").decode("utf-8", "replace")
                said["path" if header.kind == _GNU_NAME else "linkpath"] = text
            elif header.kind in (_PAX, _PAX_ALL):
                (said if header.kind == _PAX else said_of_all).update(self._records(self._long(header)))
            else:
                yield self._completed(header, said_of_all | said)
                said = {}

    def _block(self) -> bytes | None:
        """The next block; ``None`` at the end of the archive, which is a block of zeros."""
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK:
            first = self._stream.position == len(block)
            raise self._stream.error("no tar archive" if first else "it is cut off: an archive's end is missing")
        if any(block):
            return block
        while self._stream.read(_PIECE):  # what follows says nothing; whether the whole file is there does
            pass
        return None

    def _header(self, block: bytes) -> Header:
        position = self._stream.position - _BLOCK
        if not _is_header(block):
            what = "no tar archive" if position == 0 else "it is damaged: this is no member's header"
            raise self._stream.error(what, position)
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:
            name = f"{_text(block[345:500])}/{name}"
        mode, size = _number(block[100:108]), _number(block[124:136])
        if mode is None or size is None:
            raise self._stream.error("it is damaged: a member's size is no number", position)
        kind = block[156:157]
        return Header(
            name, mode & 0o777, 0 if kind in (LINK, HARD_LINK, _DIRECTORY) else size, kind, _text(block[157:257])
        )

    def _long(self, header: Header) -> bytes:
        """Content of a header that belongs to the next one."""
        if header.size > _HEADER_MAX:
            raise self._stream.error(f"a name of {header.size} bytes")
        data = self._stream.read(header.size)
        if len(data) < header.size:
            raise self._stream.error("it is cut off")
        self._pad(header.size)
        return data

    def _records(self, data: bytes) -> Iterator[tuple[str, str]]:
        """Keywords and values: ``30 path=some/where``, the length first."""
        at = 0
        while at < len(data):
            found = _PAX_RECORD.match(data, at)
            length = int(found[1]) if found else 0
            if found is None or length <= found.end() - at or at + length > len(data):
                raise self._stream.error("it is damaged: this is no header of pax")
            yield found[2].decode("utf-8", "replace"), data[found.end() : at + length - 1].decode("utf-8", "replace")
            at += length

    def _completed(self, header: Header, said: dict[str, str]) -> Header:
        size = said.get("size", "")
        if size and not (size.isascii() and size.isdecimal() and len(size) < 20):
            raise self._stream.error("it is damaged: a member's size is no number")
        return header._replace(
            name=said.get("path", header.name),
            target=said.get("linkpath", header.target),
            size=int(size) if size else header.size,
            kind=SPARSE if any(word.startswith(_HOLES) for word in said) else header.kind,
        )


def _is_header(block: bytes) -> bool:
    """Whether a block is a header: the sum over it stands in it."""
    if len(block) < _BLOCK or not block[0]:
        return False
    said = _number(block[148:156])
    return said == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(field: bytes) -> int | None:
    """A number in octal digits or, where those are too few, in bytes; ``None`` where it is none."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big") if field[0] == 0x80 else None
    digits = field.strip(b" \0")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else 0 if not digits else None
