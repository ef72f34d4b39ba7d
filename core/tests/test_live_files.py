"""Files of a live system as the mounted file system serves them, without mounting one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

import pytest
from softreserve.kernel.sysfs import Attribute
from softreserve.kernel.system import System
from softreserve.live import server
from softreserve.live.files import Conversation, LiveFiles, Opened
from softreserve.live.server import LiveSystem

TOY = "/sys/devices/toy0"
VALUE = f"{TOY}/value"


@pytest.fixture
def files(toy: System) -> LiveFiles:
    return LiveFiles(LiveSystem(toy))


def opened(files: LiveFiles, path: str, flags: int = os.O_RDWR) -> Opened:
    info = Opened(flags)
    assert files.open(path, info) == 0
    return info


def refused(call: Callable[[], object]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


def test_a_file_is_read_anew_from_its_beginning_and_otherwise_goes_on(files: LiveFiles) -> None:
    """As in ``seq_file``: what a reader has begun to read does not change before it reads from the beginning."""
    reader, writer = opened(files, VALUE), opened(files, VALUE)
    files.write(VALUE, b"first\n", 0, writer)
    assert files.read(VALUE, 3, 0, reader) == b"fir"
    files.write(VALUE, b"second\n", 0, writer)
    assert files.read(VALUE, 100, 3, reader) == b"st\n"
    assert files.read(VALUE, 100, 6, reader) == b""
    assert files.read(VALUE, 100, 0, reader) == b"second\n"
    files.write(VALUE, b"third\n", 0, writer)
    assert files.read(VALUE, 100, 0, reader) == b"third\n"


def test_what_a_server_keeps_of_what_it_was_told_does_not_grow_without_end(
    toy: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_TOLD_MOST", 10)
    toy.printk("the boot")
    live = LiveSystem(toy)

    def talk(data: bytes) -> int:
        toy.printk(data.decode())
        return len(data)

    toy.sysfs.add(f"{TOY}/talks", Attribute(0o200, store=talk))
    for number in range(100):
        assert live.write(f"{TOY}/talks", str(number).encode()) > 0
    assert (toy.log.lines[0], toy.log.lines[-1]) == ("the boot", "99")
    assert max(toy.log.sizes()) <= 12


def test_who_begins_in_the_middle_reads_what_is_there(files: LiveFiles) -> None:
    files.write(VALUE, b"value\n", 0, opened(files, VALUE))
    assert files.read(VALUE, 2, 1, opened(files, VALUE)) == b"al"


def test_each_opener_reads_for_itself(files: LiveFiles) -> None:
    one, two = opened(files, VALUE), opened(files, VALUE)
    assert one.fh != two.fh
    files.write(VALUE, b"first\n", 0, one)
    assert files.read(VALUE, 2, 0, one) == b"fi"
    files.write(VALUE, b"second\n", 0, two)
    assert (files.read(VALUE, 9, 0, two), files.read(VALUE, 9, 2, one)) == (b"second\n", b"rst\n")
    files.release(VALUE, one)
    assert files.read(VALUE, 9, 0, two) == b"second\n"


def test_caching_is_off_and_files_can_be_sought_in(files: LiveFiles) -> None:
    info = opened(files, VALUE)
    assert (info.direct_io, info.nonseekable) == (1, 0)


@pytest.mark.parametrize(
    ("name", "flags", "answer"),
    [
        ("value", os.O_RDWR, None),
        ("read_only", os.O_RDONLY, None),
        ("read_only", os.O_WRONLY, errno.EACCES),
        ("read_only", os.O_RDWR, errno.EACCES),
        ("write_only", os.O_WRONLY | os.O_TRUNC, None),
        ("write_only", os.O_RDONLY, errno.EACCES),
        ("write_only", os.O_RDWR, errno.EACCES),
        ("refusing", os.O_RDONLY, None),
        ("none", os.O_RDONLY, errno.ENOENT),
        ("", os.O_RDONLY, errno.EISDIR),
    ],
)
def test_a_file_opens_in_the_directions_that_it_has(
    files: LiveFiles, name: str, flags: int, answer: int | None
) -> None:
    path = f"{TOY}/{name}".rstrip("/")
    if answer is None:
        opened(files, path, flags)
    else:
        assert refused(lambda: opened(files, path, flags)) == answer


def test_answers_of_the_kernel_are_errors_of_the_call(files: LiveFiles) -> None:
    info = opened(files, VALUE)
    assert refused(lambda: files.write(VALUE, b"bad\n", 0, info)) == errno.EINVAL
    refusing = opened(files, f"{TOY}/refusing", os.O_RDONLY)
    assert refused(lambda: files.read(f"{TOY}/refusing", 10, 0, refusing)) == errno.ENXIO
    assert refused(lambda: files.getattr(f"{TOY}/none")) == errno.ENOENT
    assert refused(lambda: files.readlink(VALUE)) == errno.EINVAL
    assert refused(lambda: files.readdir(f"{TOY}/none")) == errno.ENOENT


def test_a_truncated_file_is_what_it_was(files: LiveFiles) -> None:
    files.write(VALUE, b"value\n", 0, opened(files, VALUE))
    files.truncate(VALUE)
    assert files.read(VALUE, 10, 0, opened(files, VALUE)) == b"value\n"
    assert refused(lambda: files.truncate(f"{TOY}/none")) == errno.ENOENT


def test_inodes_stay_with_their_paths_and_differ(files: LiveFiles) -> None:
    inodes = {name: files.getattr(f"{TOY}/{name}")["st_ino"] for name, _ in files.readdir(TOY) if name.strip(".")}
    assert {name: files.getattr(f"{TOY}/{name}")["st_ino"] for name in inodes} == inodes
    assert len({*inodes.values(), 0, 1}) == len(inodes) + 2  # readers skip inode 0; 1 is the root of a mount


def test_files_belong_to_root_or_to_who_was_named(files: LiveFiles) -> None:
    assert [files.getattr(VALUE)[key] for key in ("st_uid", "st_gid", "st_nlink")] == [0, 0, 1]
    files.owned_by(1000, 100)
    assert [files.getattr(VALUE)[key] for key in ("st_uid", "st_gid")] == [1000, 100]


def test_the_kernel_says_when_it_knows_us(toy: System) -> None:
    told: list[bool] = []
    LiveFiles(LiveSystem(toy), lambda: told.append(True)).init()
    assert told == [True]


# --- files that are more than attributes


def test_a_conversation_answers_each_opener_what_it_said_itself(toy: System) -> None:
    talk = Conversation(lambda said: b"you said " + said)
    files = LiveFiles(LiveSystem(toy, hidden={"talk": talk}))
    one, two = opened(files, "/sys/talk"), opened(files, "/sys/talk")
    assert one.nonseekable == 1
    assert files.write("/sys/talk", b"he", 0, one) == 2
    assert files.write("/sys/talk", b"llo", 0, one) == 3
    files.write("/sys/talk", b"other", 0, two)
    assert files.read("/sys/talk", 9, 0, one) == b"you said "
    assert files.read("/sys/talk", 100, 9, one) == b"hello"
    assert files.read("/sys/talk", 100, 14, one) == b""
    assert files.read("/sys/talk", 100, 0, two) == b"you said other"


def test_records_are_read_one_by_one_and_whole(toy: System) -> None:
    toy.printk("the first of two")
    toy.printk("second")
    files = LiveFiles(LiveSystem(toy))
    reader = opened(files, "/dev/kmsg")
    assert reader.nonseekable == 1
    records = list(iter(lambda: files.read("/dev/kmsg", 8192, 0, reader), b""))
    assert [record.partition(b";")[2] for record in records[-2:]] == [b"the first of two\n", b"second\n"]
    assert len({record.split(b",")[1] for record in records}) == len(records)  # numbered

    again = opened(files, "/dev/kmsg")
    size = len(records[0])
    assert refused(lambda: files.read("/dev/kmsg", size - 1, 0, again)) == errno.EINVAL
    assert files.read("/dev/kmsg", size, 0, again) == records[0]


def test_links_and_the_root_are_looked_at(files: LiveFiles) -> None:
    assert files.readlink("/sys/bus/toy/devices/toy0") == "../../../devices/toy0"
    names = [name for name, _ in files.readdir("/")]
    assert names[:2] == [".", ".."]
    assert {"sys", "proc", "dev"} <= set(names)
    listed = files.readdir(TOY)
    kinds = {name: stat.S_IFMT(files.getattr(f"{TOY}/{name}")["st_mode"]) for name, _ in listed}
    assert kinds == {
        **dict.fromkeys((".", ".."), stat.S_IFDIR),
        **dict.fromkeys(("value", "write_only", "read_only", "refusing", "secret"), stat.S_IFREG),
    }


def test_files_of_proc_that_are_files_of_sysfs_are_there_where_those_are(files: LiveFiles, toy: System) -> None:
    """What is missing cannot be mounted, and no program was run on a machine without it."""
    assert toy.sysfs.node("/sys/kernel/mm/hugepages") is None
    assert files.live.rootfs.node("/proc/sys/vm/nr_hugepages") is None
