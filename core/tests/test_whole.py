from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from softreserve.live import whole
from softreserve.live.claims import Mount
from softreserve.live.whole import UNFINISHED, whole_directory
from softreserve.model.errors import InputError


def written(target: str | Path, **options: Any) -> None:
    with whole_directory(target, **options) as new:
        (new / "one").mkdir()
        (new / "one" / "file").write_text("1")
        (new / "two").write_text("2")


def anything_may_go(directory: str) -> None:
    return None


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


WHOLE = ["one", "one/file", "two"]


def test_a_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    written(tmp_path / "a" / "b" / "new")

    assert names(tmp_path / "a" / "b" / "new") == WHOLE
    assert names(tmp_path) == ["a", "a/b", "a/b/new", *(f"a/b/new/{name}" for name in WHOLE)]


def test_it_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    with whole_directory(tmp_path / "new") as new:
        (new / "file").touch()
        assert not (tmp_path / "new").exists()
        assert [path.name.startswith(UNFINISHED) for path in tmp_path.iterdir()] == [True]


def test_an_empty_directory_stays_the_same_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "empty"
    target.mkdir(mode=0o750)
    monkeypatch.chdir(target)
    before = target.stat()

    written(".")

    assert names(Path()) == WHOLE
    assert (target.stat().st_ino, target.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_link_to_an_empty_directory_leads_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")

    written(tmp_path / "link")

    assert names(tmp_path / "empty") == WHOLE
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("target", ["full", "full/", "full/.", "full/sub/..", "file", "dangling"])
def test_what_is_there_stays(tmp_path: Path, target: str) -> None:
    (tmp_path / "full" / "sub").mkdir(parents=True)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = names(tmp_path)

    with pytest.raises(InputError, match=r"is not empty, it holds 'sub'|is no directory|is a link to no directory"):
        written(f"{tmp_path}/{target}")

    assert names(tmp_path) == before


@pytest.mark.parametrize("target", ["link", "link/", "up/..", ".", "..", "here", "here/../here"])
def test_some_directories_are_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    (tmp_path / "other" / "below").mkdir(parents=True)
    (tmp_path / "here" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "here" / "up").symlink_to(tmp_path / "here" / "below")
    monkeypatch.chdir(tmp_path / "here")
    target = str(tmp_path / target) if target.startswith("here") else target

    with pytest.raises(InputError, match=r"is a link; what it leads to is .*/other|is the current directory, or above"):
        written(target, replaces=anything_may_go)

    assert names(tmp_path) == ["here", "here/below", "here/link", "here/up", "other", "other/below"]


def test_neither_the_root_nor_a_home_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "mine").mkdir(parents=True)
    monkeypatch.setenv("HOME", f"{tmp_path}/home/")

    with pytest.raises(InputError, match="is a home directory"):
        written(tmp_path / "home", replaces=anything_may_go)
    with pytest.raises(InputError, match="/: is the root directory"):
        written("/", replaces=anything_may_go)


@pytest.mark.parametrize(
    ("point", "said"), [("old", "is a mount point"), ("old/a b", "has a mount point in it, .*a b")]
)
def test_mount_points_are_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, said: str
) -> None:
    (tmp_path / "old" / "a b").mkdir(parents=True)
    monkeypatch.setattr(whole, "mounts", lambda: [Mount("/", "ext4", "/dev/vda"), Mount(f"{tmp_path}/{point}", "", "")])

    with pytest.raises(InputError, match=said):
        written(tmp_path / "old", replaces=anything_may_go)

    assert names(tmp_path) == ["old", "old/a b"]


@pytest.mark.parametrize("exchanges", [True, False], ids=["at once", "one after the other"])
def test_what_is_replaced_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub").chmod(0o500)
    if not exchanges:
        monkeypatch.setattr(whole, "_RENAME_EXCHANGE", 1 << 30)
    with whole_directory(tmp_path / "old", replaces=anything_may_go) as new:
        (new / "file").touch()
        assert (tmp_path / "old" / "sub").exists()

    assert names(tmp_path) == ["old", "old/file"]


def test_it_is_asked_again_when_it_has_lost_its_name(tmp_path: Path) -> None:
    (tmp_path / "old" / "mine").mkdir(parents=True)
    answers = [None, "holds something new"]

    with pytest.raises(InputError, match="old: holds something new"):
        written(tmp_path / "old", replaces=lambda _: answers.pop(0))

    assert names(tmp_path) == ["old", "old/mine"]


@pytest.mark.parametrize("target", ["new", "a/new", "empty"])
def test_a_failure_leaves_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()

    def fail() -> None:
        with whole_directory(tmp_path / target) as new:
            (new / "file").touch()
            new.write_text("")

    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        fail()

    assert names(tmp_path) == ["empty"]


@pytest.mark.parametrize("target", ["new", "empty"])
def test_somebody_who_was_faster_keeps_what_is_his(tmp_path: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()

    def be_slow() -> None:
        with whole_directory(tmp_path / target) as new:
            (new / "file").touch()
            (tmp_path / target / "his").mkdir(parents=True)

    with pytest.raises(InputError, match=r"Directory not empty|somebody else put 'his' there"):
        be_slow()

    assert names(tmp_path / target) == ["his"]


#: Whoever runs the tests may ignore signals, as shells do for what they start in the background.
SLOW = """
import signal, sys, time
from softreserve.live.whole import whole_directory
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
with whole_directory(sys.argv[1]) as new:
    (new / "sub").mkdir()
    (new / "sub" / "file").write_text("x")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("target", ["new", "a/new", "empty"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals, target: str) -> None:
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", SLOW, str(tmp_path / target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(number)
        assert writer.wait(10) == -number

    assert names(tmp_path) == ["empty"]


def test_a_signal_waits_while_names_are_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = whole._exchange
    (tmp_path / "old" / "mine").mkdir(parents=True)

    def interrupted(one: str, other: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        exchange(one, other)

    monkeypatch.setattr(whole, "_exchange", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            written(tmp_path / "old", replaces=anything_may_go)
    finally:
        signal.signal(signal.SIGINT, before)

    assert names(tmp_path) == ["old", *(f"old/{name}" for name in WHOLE)]


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    """As under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with whole_directory(tmp_path / "new") as new:
            os.kill(os.getpid(), signal.SIGHUP)
            (new / "file").touch()
    finally:
        signal.signal(signal.SIGHUP, before)

    assert names(tmp_path) == ["new", "new/file"]


# --- files


def ours(beginning: bytes) -> bool:
    return beginning.startswith(b"ours")


def test_a_file_takes_the_place_of_one_of_its_kind_and_of_no_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    whole.new_file(file, b"ours 1", replaces=ours)
    whole.new_file(file, b"ours 2", replaces=ours)
    with pytest.raises(InputError, match="is there already, and stays as it is; ask"):
        whole.new_file(file, b"ours 3", hint="; ask")
    assert file.read_bytes() == b"ours 2"
    file.write_bytes(b"theirs")
    with pytest.raises(InputError, match="written by something else"):
        whole.new_file(file, b"ours 3", replaces=ours)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    for name, why in (("link", "is a link"), ("folder", "is no file"), ("no/file", "cannot be written")):
        with pytest.raises(InputError, match=why):
            whole.new_file(tmp_path / name, b"ours 3", replaces=ours)
    assert names(tmp_path) == ["file", "folder", "link"]
    assert file.read_bytes() == b"theirs"


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(InputError, match="No space left on device"):
        whole.new_file(tmp_path / "file", b"ours")
    assert names(tmp_path) == []
