"""The server of files as the kernel talks to it: requests and answers as in ``include/uapi/linux/fuse.h``, by hand."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from softreserve.kernel.sysfs import Attribute, Directory, Link
from softreserve.kernel.system import System
from softreserve.live import device
from softreserve.live.device import Server
from softreserve.live.files import LiveFiles
from softreserve.live.server import LiveSystem

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, OPEN, READ, WRITE, RELEASE = 1, 2, 3, 4, 5, 14, 15, 16, 18
STATFS, INIT, OPENDIR, READDIR, RELEASEDIR, CREATE, BATCH_FORGET, READDIRPLUS = 17, 26, 27, 28, 29, 35, 42, 44
SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, RENAME2 = 6, 8, 9, 10, 11, 12, 13, 45
GETXATTR, IOCTL, STATX = 22, 39, 52
ROOT = 1
INVAL_ENTRY = 3


class Entry(NamedTuple):
    """An answer to a lookup."""

    number: int
    #: For how many seconds and nanoseconds the name may be kept, and for how many seconds the attributes.
    kept: tuple[int, int]
    attributes_kept: int
    inode: int
    size: int
    mode: int


def entry(answer: bytes) -> Entry:
    number, _, seconds, attributes, nanoseconds, _ = struct.unpack_from("=4Q2I", answer)
    inode, size, *_ = struct.unpack_from("=6Q", answer, 40)
    return Entry(number, (seconds, nanoseconds), attributes, inode, size, *struct.unpack_from("=I", answer, 40 + 60))


class Kernel:
    """The other end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._unique = 0

    def tell(self, operation: int, number: int, body: bytes = b"") -> None:
        """A request; nobody waits for its answer here."""
        self._unique += 2
        header = struct.pack("=IIQQIIIHH", 40 + len(body), operation, self._unique, number, 0, 0, 0, 0, 0)
        self.connection.send(header + body)

    def heard(self) -> tuple[int, int, bytes]:
        """What comes next: error or code, whose answer it is (0: nobody's), and the rest."""
        message = self.connection.recv(1 << 18)
        length, error, unique = struct.unpack_from("=IiQ", message)
        assert length == len(message)
        return error, unique, message[16:]

    def ask(self, operation: int, number: int, body: bytes = b"") -> bytes | int:
        """What is answered: bytes, or ``-errno``."""
        self.tell(operation, number, body)
        error, unique, answer = self.heard()
        assert unique == self._unique
        return error or answer

    def told(self, operation: int, number: int, body: bytes = b"") -> bytes:
        """The same where it must go well."""
        answer = self.ask(operation, number, body)
        assert isinstance(answer, bytes), os.strerror(-answer)
        return answer

    def find(self, path: str) -> Entry:
        """Look a file up, name by name."""
        found = Entry(ROOT, (0, 0), 0, 0, 0, 0)
        for name in path.split("/")[1:]:
            found = entry(self.told(LOOKUP, found.number, name.encode() + b"\0"))
        return found

    def open(self, number: int, flags: int = os.O_RDWR) -> int:
        handle, *_ = struct.unpack("=QII", self.told(OPEN, number, struct.pack("=II", flags, 0)))
        return int(handle)

    def write(self, number: int, handle: int, data: bytes) -> bytes | int:
        return self.ask(WRITE, number, struct.pack("=QQIIQII", handle, 0, len(data), 0, 0, 0, 0) + data)

    def read(self, number: int, handle: int, size: int = 4096, offset: int = 0) -> bytes | int:
        return self.ask(READ, number, struct.pack("=QQIIQII", handle, offset, size, 0, 0, 0, 0))

    def listing(self, number: int, operation: int, room: int = 4096) -> list[tuple[str, int, Entry | None]]:
        """All of a directory, in pieces of at most ``room`` bytes: names, types, and what comes with them."""
        handle, *_ = struct.unpack("=QII", self.told(OPENDIR, number, bytes(8)))
        found: list[tuple[str, int, Entry | None]] = []
        offset = 0
        while piece := self.told(operation, number, struct.pack("=QQIIQII", handle, offset, room, 0, 0, 0, 0)):
            assert len(piece) <= room
            while piece:
                with_it = entry(piece) if operation == READDIRPLUS else None
                piece = piece[128:] if operation == READDIRPLUS else piece
                inode, offset, length, kind = struct.unpack_from("=QQII", piece)
                found.append((piece[24 : 24 + length].decode(), kind, with_it))
                assert inode
                piece = piece[24 + -(-length // 8) * 8 :]
        self.told(RELEASEDIR, number, struct.pack("=QIIQ", handle, 0, 0, 0))
        return found


class Talk(NamedTuple):
    kernel: Kernel
    server: Server


@pytest.fixture
def talk(toy: System) -> Iterator[Talk]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    server = Server(LiveFiles(LiveSystem(toy)), theirs.detach())
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    kernel = Kernel(ours)
    kernel.told(INIT, 0, struct.pack("=4I", 7, 45, 1 << 17, 0xFFFFFFFF).ljust(64, b"\0"))
    with ours:
        yield Talk(kernel, server)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def kernel(talk: Talk) -> Kernel:
    return talk.kernel


def test_it_is_agreed_upon_what_is_spoken(kernel: Kernel) -> None:
    old = kernel.told(INIT, 0, struct.pack("=4I", 7, 23, 4096, 0))
    assert struct.unpack_from("=4I", old) == (7, 23, 4096, 0)
    assert len(old) == 64


def test_a_file_is_looked_up_opened_read_and_written(kernel: Kernel) -> None:
    value = kernel.find("/sys/devices/toy0/value")
    assert (value.size, value.mode) == (4096, 0o100644)
    handle = kernel.open(value.number)
    assert kernel.read(value.number, handle) == b"0\n"
    assert kernel.write(value.number, handle, b"one\n") == struct.pack("=II", 4, 0)
    assert kernel.write(value.number, handle, b"bad\n") == -errno.EINVAL
    assert kernel.read(value.number, handle, 2, 1) == b"\n"  # of what it had read
    assert kernel.read(value.number, handle) == b"one\n"
    assert kernel.told(RELEASE, value.number, struct.pack("=QIIQ", handle, 0, 0, 0)) == b""
    assert (
        kernel.ask(OPEN, kernel.find("/sys/devices/toy0/read_only").number, struct.pack("=II", 1, 0)) == -errno.EACCES
    )
    assert kernel.ask(LOOKUP, ROOT, b"none\0") == -errno.ENOENT
    assert kernel.told(READLINK, kernel.find("/sys/bus/toy/devices/toy0").number) == b"../../../devices/toy0"


def test_what_was_looked_up_is_forgotten_when_the_kernel_has_forgotten_it(talk: Talk) -> None:
    kernel, server = talk
    toy = [kernel.find("/sys/devices/toy0").number for _ in range(3)]
    assert len(set(toy)) == 1
    devices = kernel.find("/sys/devices").number
    before = len(server._known)
    kernel.tell(FORGET, toy[0], struct.pack("=Q", 2))
    assert kernel.find("/sys/devices/toy0").number == toy[0]
    kernel.tell(BATCH_FORGET, 0, struct.pack("=II4Q", 2, 0, toy[0], 2, devices, 1))
    assert kernel.find("/sys/devices/toy0").number != toy[0]
    assert len(server._known) == len(server._by_path) == before


def test_all_of_a_directory_is_listed_in_pieces(kernel: Kernel) -> None:
    toy = kernel.find("/sys/devices/toy0").number
    names = {"value", "write_only", "read_only", "refusing", "secret"}
    for room in (72, 100, 4096):
        listed = kernel.listing(toy, READDIR, room)
        assert [name for name, *_ in listed[:2]] == [".", ".."]
        assert {name for name, *_ in listed[2:]} == names
        assert {kind for _, kind, _ in listed} == {4, 8}
    plus = kernel.listing(toy, READDIRPLUS, 200)
    assert [(name, kind) for name, kind, _ in plus] == [(name, kind) for name, kind, _ in listed]
    for name, _, with_it in plus[2:]:
        assert with_it == kernel.find(f"/sys/devices/toy0/{name}")
    assert [with_it.number for _, _, with_it in plus[:2] if with_it is not None] == [0, 0]


def test_what_goes_while_a_directory_is_listed_is_a_name_and_no_file(kernel: Kernel, toy: System) -> None:
    """Otherwise the kernel would keep a name that was taken back before."""
    devices = kernel.find("/sys/devices").number
    handle, *_ = struct.unpack("=QII", kernel.told(OPENDIR, devices, bytes(8)))
    listing = struct.Struct("=QQIIQII")
    kernel.told(READDIRPLUS, devices, listing.pack(handle, 0, 400, 0, 0, 0, 0))  # . and ..
    toy.sysfs.remove("/sys/devices/toy0")
    rest = kernel.told(READDIRPLUS, devices, listing.pack(handle, 2, 4096, 0, 0, 0, 0))
    found = {}
    while rest:
        length = struct.unpack_from("=I", rest, 128 + 16)[0]
        found[rest[152 : 152 + length].decode()] = entry(rest).number
        rest = rest[152 + -(-length // 8) * 8 :]
    assert found["toy0"] == 0
    assert found["system"] > 1


def test_nothing_is_made_moved_or_removed(kernel: Kernel) -> None:
    for operation in (SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, RENAME2, LINK):
        assert kernel.ask(operation, ROOT, b"\0" * 24 + b"new\0value\0") == -errno.EPERM
    assert kernel.ask(CREATE, ROOT, b"\0" * 16 + b"new\0") == -errno.EACCES
    value = kernel.find("/sys/devices/toy0/value").number
    mode, size = 1, 8
    assert kernel.ask(SETATTR, value, struct.pack("=I", mode).ljust(88, b"\0")) == -errno.EPERM
    assert (
        kernel.told(SETATTR, value, struct.pack("=I", size).ljust(88, b"\0"))[16:] == kernel.told(GETATTR, value)[16:]
    )


def test_what_is_not_spoken_is_said(kernel: Kernel) -> None:
    for operation in (GETXATTR, IOCTL, STATX, 4000):
        assert kernel.ask(operation, ROOT, bytes(64)) == -errno.ENOSYS
    assert len(kernel.told(STATFS, ROOT)) == 80


def test_a_failure_of_ours_is_told_and_no_answer_of_the_machine(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LiveFiles, "node", lambda files, path: 1 // 0)
    assert kernel.ask(LOOKUP, ROOT, b"sys\0") == -errno.EIO
    assert capfd.readouterr().err == "softreserve: ZeroDivisionError: integer division or modulo by zero\n"


# --- what the kernel may keep


def test_the_kernel_keeps_names_for_a_moment_files_not_at_all_and_what_they_are_for_good(kernel: Kernel) -> None:
    for path in ("/sys", "/sys/devices/toy0", "/sys/bus/toy/devices/toy0", "/dev/toy0"):
        assert kernel.find(path).kept == (0, device._KEPT)
    value = kernel.find("/sys/devices/toy0/value")
    assert (value.kept, value.attributes_kept) == ((0, 0), 1 << 32)


def test_names_that_changed_are_taken_back_before_the_change_is_answered(kernel: Kernel, toy: System) -> None:
    """The writer, and all whom it tells, find what is there now."""

    def rearrange(data: bytes) -> int:
        toy.sysfs.remove("/sys/devices/toy0")
        toy.sysfs.add("/sys/bus/toy/devices/toy0", Link("/sys/devices/other"))
        return len(data)

    toy.sysfs.add("/sys/devices/change", Attribute(0o200, store=rearrange))
    change = kernel.find("/sys/devices/change").number
    handle = kernel.open(change, os.O_WRONLY)
    devices, of_bus = kernel.find("/sys/devices").number, kernel.find("/sys/bus/toy/devices").number
    kernel.find("/sys/devices/toy0/value")
    link = kernel.find("/sys/bus/toy/devices/toy0")

    kernel.tell(WRITE, change, struct.pack("=QQIIQII", handle, 0, 1, 0, 0, 0, 0) + b"1")

    back = [kernel.heard() for _ in range(2)]
    assert {(error, unique) for error, unique, _ in back} == {(INVAL_ENTRY, 0)}
    assert {body for *_, body in back} == {
        struct.pack("=QII", parent, 4, 0) + b"toy0\0" for parent in (devices, of_bus)
    }
    assert kernel.heard()[::2] == (0, struct.pack("=II", 1, 0))
    assert kernel.ask(LOOKUP, devices, b"toy0\0") == -errno.ENOENT
    # another file of the same name is another file
    assert kernel.find("/sys/bus/toy/devices/toy0").number != link.number
    assert kernel.told(READLINK, kernel.find("/sys/bus/toy/devices/toy0").number) == b"../../../devices/other"


def test_names_that_changed_are_taken_back_whatever_is_asked_next(kernel: Kernel, toy: System) -> None:
    """Forgetting has no answer."""
    devices, proc = kernel.find("/sys/devices").number, kernel.find("/proc").number
    kernel.find("/sys/devices/toy0")
    toy.sysfs.remove("/sys/devices/toy0")
    kernel.tell(FORGET, proc, struct.pack("=Q", 1))
    assert kernel.heard()[::2] == (INVAL_ENTRY, struct.pack("=QII", devices, 4, 0) + b"toy0\0")


def test_a_directory_that_fails_ends_no_server(
    kernel: Kernel, toy: System, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "_CALM", 0)
    there = [True]

    def lookup(name: str) -> Directory | None:
        return Directory() if there[0] else 1 // 0  # type: ignore[return-value]

    toy.sysfs.add("/sys/plugin", Directory(names=lambda: ["its"], lookup=lookup))
    plugin = kernel.find("/sys/plugin").number
    kernel.find("/sys/plugin/its")
    there[0] = False
    toy.sysfs.add("/sys/other", Directory())
    kernel.tell(LOOKUP, ROOT, b"sys\0")
    assert kernel.heard()[::2] == (INVAL_ENTRY, struct.pack("=QII", plugin, 3, 0) + b"its\0")
    assert kernel.heard()[0] == 0
    assert kernel.ask(LOOKUP, plugin, b"its\0") == -errno.EIO
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_names_that_changed_otherwise_are_taken_back_when_that_is_asked_for(talk: Talk, toy: System) -> None:
    kernel, server = talk
    kernel.find("/sys/module")
    module = kernel.find("/sys/devices/toy0")
    toy.sysfs.remove("/sys/devices/toy0")
    server.refresh()
    error, unique, body = kernel.heard()
    assert (error, unique, body[16:]) == (INVAL_ENTRY, 0, b"toy0\0")
    assert kernel.ask(LOOKUP, kernel.find("/sys/devices").number, b"toy0\0") == -errno.ENOENT
    assert module.number


def test_a_server_that_has_ended_takes_nothing_back(talk: Talk, toy: System) -> None:
    kernel, server = talk
    kernel.find("/sys/devices/toy0")
    kernel.connection.shutdown(socket.SHUT_RDWR)
    while not server._ended:
        time.sleep(0.001)
    toy.sysfs.remove("/sys/devices/toy0")
    server.refresh()  # and does not wait for somebody to do it


def test_names_of_what_is_made_when_somebody_looks_are_not_kept_while_the_machine_changes(
    kernel: Kernel, toy: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every change they would have to be made again, to see whether they are as they were."""
    toy.sysfs.add("/sys/made", Directory(names=lambda: ["here"], lookup=lambda name: Directory({"below": Directory()})))
    monkeypatch.setattr(device, "_CALM", 0)
    made, fixed = ("/sys/made/here", "/sys/made/here/below"), ("/sys/made", "/sys/devices/toy0")
    assert {kernel.find(path).kept for path in (*made, *fixed)} == {(0, device._KEPT)}
    monkeypatch.setattr(device, "_CALM", 60)
    value = kernel.find("/sys/devices/toy0/value").number
    kernel.write(value, kernel.open(value), b"1")
    assert {kernel.find(path).kept for path in made} == {(0, 0)}
    assert {kernel.find(path).kept for path in fixed} == {(0, device._KEPT)}


def test_what_is_kept_is_not_more_than_can_be_looked_at_again(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_KEPT_MOST", 2)
    assert [kernel.find(path).kept for path in ("/sys", "/sys/devices", "/sys/devices/toy0")] == [
        (0, device._KEPT), (0, device._KEPT), (0, 0),
    ]  # fmt: skip
    monkeypatch.setattr(device, "_FORGOTTEN", -1)
    kernel.find("/sys/devices")
    assert kernel.find("/sys/devices/toy0").kept == (0, device._KEPT)


def test_what_is_no_request_ends_no_server(kernel: Kernel) -> None:
    for size in (1, 16, 39):
        kernel.connection.send(bytes(size))
    assert kernel.find("/sys").mode
    for operation in (*range(48), 4096, 2**32 - 1):
        if operation in (FORGET, BATCH_FORGET):  # nobody waits for these
            continue
        for body in (b"", b"\0", b"../\xff\0", bytes(40), b"\xff" * 64, bytes(4000)):
            for number in (0, ROOT, 77, 2**64 - 1):
                answer = kernel.ask(operation, number, body)
                assert isinstance(answer, bytes) or -200 < answer < 0
    assert kernel.find("/sys").mode
