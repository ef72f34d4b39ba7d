from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.config.steps import read_steps
from softreserve.config.toml_text import toml_string
from softreserve.kernel.system import System
from softreserve.live.record import Recorder
from softreserve.live.recorded import about
from softreserve.live.server import LiveSystem
from softreserve.machine.steps import run_step
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import ConfigError, InputError
from softreserve.model.kernel import Kernel
from softreserve.model.profile import Profile
from softreserve.plugins.hooks import load

VALUE = "/sys/devices/toy0/value"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "steps.toml"


@pytest.fixture
def play(toy_systems: Callable[[], System], record: Path) -> Callable[..., LiveSystem]:
    """Boot a fresh toy, go on from the record, and write values to its one attribute."""

    def go(*values: bytes) -> LiveSystem:
        live = LiveSystem(toy_systems())
        with Recorder(record, live.system) as recorder:
            recorder.resume(lambda step: run_step(live.system, step))
            live.recorder = recorder
            for value in values:
                live.write(VALUE, value)
        return live

    return go


def steps(record: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(record.read_text("utf-8-sig")).get("step", [])
    return found


def refused(record: Path, system: System) -> str:
    """Why a record is not gone on with; it is untouched."""
    before = record.read_bytes(), record.stat().st_mtime_ns
    try:
        with Recorder(record, system) as recorder:
            recorder.resume(lambda step: run_step(system, step))
    except (InputError, ConfigError) as error:
        assert (record.read_bytes(), record.stat().st_mtime_ns) == before
        return str(error)
    raise AssertionError("it was taken")


def test_what_was_done_is_read_back_as_steps(toy: System, record: Path) -> None:
    with Recorder(record, toy) as recorder:
        live = LiveSystem(toy, recorder=recorder)
        live.write(VALUE, b"0x40000000\n\0")
        live.write(VALUE, b"bad")
        live.module_tool(["/sbin/modprobe", "kmem"])

    found, _ = read_steps(record, toy.kernel)

    assert [step.writes for step in found] == [((VALUE, "0x40000000\n\0"),), ((VALUE, "bad"),), None]
    assert found[2].run == "modprobe kmem"
    assert [step.get("result", step.get("status")) for step in steps(record)] == [0, -errno.EINVAL, 0]


def test_bytes_that_are_no_text_come_back_as_they_were(toy: System, record: Path) -> None:
    data = b"\xff\xfe\x80x\n"
    with Recorder(record, toy) as recorder:
        LiveSystem(toy, recorder=recorder).write(VALUE, data)

    found, _ = read_steps(record, toy.kernel)

    assert found[0].writes is not None
    assert found[0].writes[0][1].encode("utf-8", "surrogateescape") == data


def test_what_changes_nothing_is_not_recorded(toy: System, record: Path) -> None:
    with Recorder(record, toy) as recorder:
        live = LiveSystem(toy, recorder=recorder)
        before = record.read_bytes()
        for words in (["lsmod"], ["modprobe"], ["modprobe", "-n", "kmem"], ["rmmod", "nothing"]):
            live.module_tool(words)
        assert record.read_bytes() == before
        live.write(VALUE, b"1")

    assert [step["name"] for step in steps(record)] == ["0001"]


def test_a_record_says_what_it_is_and_of_which_machine(toy: System, record: Path) -> None:
    Recorder(record, toy).close()

    found = tomllib.loads(record.read_text())["record"]

    assert found.pop("digest").isalnum()
    assert found == {
        "schema": "softreserve.record",
        "version": 1,
        "machine": "toy",
        "kernel": "6.1",
        "arch": "x86_64",
        "command_line": "quiet toy=1",
        "modules": "",
    }


def test_whose_kernel_it_is_makes_no_other_machine_of_it(toy: System, record: Path) -> None:
    """A profile says where a kernel's options come from: the options count."""
    kernel = attrs.evolve(toy.kernel, profile=Profile("Own 1", "own"), options_of="Own 1")
    same = System(attrs.evolve(toy.machine, kernel=kernel), load([]))
    assert about(same)["digest"] == about(toy)["digest"]


@attrs.frozen
class Bank:
    """What a plugin may make of a section."""

    name: str
    where: Path = Path("/x")


def test_sections_of_plugins_make_another_machine_of_it_and_none_make_none(toy: System) -> None:
    def digest(**changes: Any) -> object:
        return about(System(attrs.evolve(toy.machine, **changes), load([])))["digest"]

    kernel = attrs.evolve(toy.kernel, config={"DEV_DAX": "m"})
    # of a record that was made before there were sections
    assert digest(kernel=kernel, cmdline=CommandLine("quiet")) == "0711fb0af88175449a290252137c6ef2"
    one, two = ({"bank": (Bank(name),)} for name in ("one", "two"))
    assert digest(sections=one) == digest(sections=MappingProxyType(one))
    assert len({digest(), digest(sections=one), digest(sections=two)}) == 3


# --- going on


def test_a_record_is_gone_on_with_after_it_was_done_again(play: Callable[..., LiveSystem], record: Path) -> None:
    play(b"1", b"bad")
    live = play(b"2")

    assert [step["name"] for step in steps(record)] == ["0001", "0002", "0003"]
    assert live.read(VALUE) == b"2"
    assert play().read(VALUE) == b"2"


def test_an_empty_file_becomes_a_record(play: Callable[..., LiveSystem], record: Path) -> None:
    record.touch()
    play(b"1")
    assert len(steps(record)) == 1


@pytest.mark.parametrize("change", [lambda data: data.replace(b"\n", b"\r\n"), lambda data: b"\xef\xbb\xbf" + data])
def test_what_an_editor_does_to_a_record_costs_no_step(
    play: Callable[..., LiveSystem], record: Path, change: Callable[[bytes], bytes]
) -> None:
    play(b"1", b"bad")
    record.write_bytes(change(record.read_bytes()))
    before = record.read_bytes()

    assert play().read(VALUE) == b"1"
    assert record.read_bytes() == before

    play(b"2")
    after = record.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\r\n") == (after.count(b"\n") if b"\r\n" in before else 0)
    assert [step["name"] for step in steps(record)] == ["0001", "0002", "0003"]


def test_a_record_that_lost_its_last_newline_is_whole(play: Callable[..., LiveSystem], record: Path) -> None:
    play(b"1", b"bad")
    whole = record.read_bytes()
    record.write_bytes(whole.rstrip(b"\n"))

    play(b"2")

    assert record.read_bytes().startswith(whole)
    assert [step["result"] for step in steps(record)] == [0, -errno.EINVAL, 0]


def test_steps_that_were_added_by_hand_are_done_too(play: Callable[..., LiveSystem], record: Path) -> None:
    play(b"1")
    with record.open("a") as file:
        file.write('# mine\n[[step]]\nname = "0002"\nwrites = [["/sys/devices/toy0/value", "7"]]  # without an answer')

    assert play(b"8").read(VALUE) == b"8"

    assert [step.get("result") for step in steps(record)] == [0, 0, 0]
    assert "# mine" in record.read_text()


@pytest.mark.parametrize(("data", "newline"), [(b"bad", b"\n"), (b"[[step]]\nresult = 3\n", b"\n"), (b"\xff", b"\r\n")])
def test_wherever_a_record_is_torn_all_steps_that_were_answered_are_there(
    play: Callable[..., LiveSystem], record: Path, data: bytes, newline: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda file: None)
    play(b"0", data)
    first = record.read_bytes().replace(b"\n", newline)
    play(data)
    both = record.read_bytes().replace(b"\n", newline)

    for cut in range(len(first), len(both) + 1):
        record.write_bytes(both[:cut])
        play()
        # A step that lacks no more than its answer was on the disk before it was done: it may have been done.
        assert record.read_bytes().strip() in (first.strip(), both.strip())
        play(b"2")
        found = steps(record)
        assert found[:2] == steps_of(first)
        assert [step["name"] for step in found] == [f"{number:04}" for number in range(1, len(found) + 1)]
        assert found[-1]["writes"] == [[VALUE, "2"]]


def steps_of(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(data.decode())["step"]
    return found


# --- what is no record, or another one


NO_RECORDS: dict[str, tuple[bytes, str]] = {
    "a machine file": (b'name = "mine"\n[[efi_map]]\nstart = 0\nsize = "1G"\n', "is no record, so nothing is written"),
    "no text": (b"\x7fELF\0\xff", "is no record"),
    "white space": (b"\n\n", "is no record"),
    "steps": (
        b'[[step]]\nname = "0001"\nwrites = [["/sys/x", "1"]]\nresult = 0\n\n',
        "holds steps but no record's header",
    ),
    "another table": (b'[about]\nschema = "softreserve.record"\n', "is no record"),
    "another schema": (b'[record]\nschema = "softreserve.recorder"\n', "is no record"),
    "a newer one": (b'[record]\nschema = "softreserve.record"\nversion = 2\n', "is a record of version 2, not 1"),
}


@pytest.mark.parametrize("what", NO_RECORDS)
def test_what_is_no_record_is_refused_untouched(toy: System, record: Path, what: str) -> None:
    data, said = NO_RECORDS[what]
    record.write_bytes(data)
    assert f"{record}: {said}" in refused(record, toy)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data + b"\0", "steps.toml: "),
        (lambda data: data.replace(b'name = "0001"\n', b'name = "0001"\nname'), "steps.toml: "),
        (lambda data: data.replace(b"writes", b"written", 1), "line 13: step[0].name: a step has either run or writes"),
        (lambda data: data + b"[[step]]\nname = 'x'\nfoo = ", "steps.toml: "),
        (lambda data: data + b'\n[[step]]\nname = "0003"\nwrites = [["a\0b', "steps.toml: "),
        (lambda data: data + b"\nmine, not a ste", "steps.toml: "),
        (lambda data: data.replace(b"result = 0", b"result = 'x'"), "step[0].result: wanted 0, a number"),
        (
            lambda data: data + b"\n[[step]]\nrun = 'touch /tmp/x; ls'\n",
            "step '03' needs programs: touch /tmp/x; ls; a record has no such steps",
        ),
    ],
)
def test_a_damaged_record_is_refused_untouched(
    play: Callable[..., LiveSystem],
    toy: System,
    record: Path,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    play(b"1", b"bad")
    record.write_bytes(damage(record.read_bytes()))
    assert said in refused(record, toy)


def test_only_regular_files_are_opened(toy: System, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, said in {
        "pipe": "is no regular file",
        "/dev/null": "is no regular file",
        ".": "is no regular file",
        "dangling": "cannot record: No such file",
        "missing/x": "cannot record: No such file",
    }.items():
        with pytest.raises(InputError, match=said):
            Recorder(tmp_path / name, toy)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "pipe"]


def changed(system: System, **changes: Any) -> System:
    return System(attrs.evolve(system.machine, **changes), load([]))


def test_a_record_of_another_machine_is_refused_untouched(
    play: Callable[..., LiveSystem], toy: System, record: Path
) -> None:
    play()
    said = f"{record}: it is the record of 'toy', another machine: "
    kernel = toy.kernel
    for other, what in (
        (changed(toy, kernel=Kernel("6.12", "x86_64", config=kernel.config)), "kernel '6.1', not '6.12'"),
        (changed(toy, cmdline=CommandLine("loud")), "command line 'quiet toy=1', not 'loud'"),
        (changed(toy, cpus=3), "its memory map, tables, CPUs or configuration are not the same"),
        (changed(toy, acpi={"SRAT": b"SRAT...!"}), "its memory map, tables, CPUs or configuration are not the same"),
    ):
        assert refused(record, other) == said + what
    assert toy.modules.load("kmem") == 0
    assert refused(record, toy) == f"{said}modules '', not 'kmem'"


def test_a_machine_is_the_same_by_another_name(play: Callable[..., LiveSystem], toy: System, record: Path) -> None:
    play()
    other = changed(toy, name="renamed")
    with Recorder(record, other) as recorder:
        recorder.resume(lambda step: run_step(other, step))


def test_the_first_step_with_another_answer_is_named(
    play: Callable[..., LiveSystem], toy: System, record: Path
) -> None:
    play(b"1", b"bad", b"2")
    other = changed(toy, cpus=3)  # it has no such attribute either
    assert refused(record, other) == (
        f"{record}: step '0001': {VALUE} <- 1 : -ENOENT, expected 0;"
        " it is the record of 'toy', another machine: its memory map, tables, CPUs or configuration are not the same"
    )
    record.write_text(record.read_text().replace("result = -22", "result = -16"))
    assert refused(record, toy) == (
        f"{record}: step '0002': {VALUE} <- bad : -EINVAL, expected -EBUSY;"
        " something else than the record changed the machine"
    )


def test_a_write_to_an_attribute_that_was_gone_is_done_again_as_that(
    toy_systems: Callable[[], System], record: Path
) -> None:
    live = LiveSystem(toy_systems())
    with Recorder(record, live.system) as recorder:
        live.recorder = recorder
        assert live.write("/sys/devices/toy1/value", b"1") == -errno.ENODEV
    with Recorder(record, toy_systems()) as recorder:
        recorder.resume(lambda step: run_step(toy_systems(), step))


# --- a disk that is full, and others


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_recorded_is_not_done(
    toy: System, play: Callable[..., LiveSystem], record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Recorder(record, toy) as recorder:
        live = LiveSystem(toy, recorder=recorder)
        live.write(VALUE, b"1")
        whole = record.read_bytes()
        with largest_file(len(whole) + 30):
            assert live.write(VALUE, b"2") == -errno.EIO
        assert record.read_bytes() == whole
        assert live.write(VALUE, b"3") == -errno.EIO
        reply = live.module_tool(["modprobe", "kmem"])
        assert (reply.status, reply.text) == (1, "modprobe kmem: cannot be recorded: Input/output error\n")
        assert live.module_tool(["lsmod"]).status == 0
        assert live.read(VALUE) == b"1"
        assert toy.modules.live() == []
        assert recorder.failed == "File too large"

    assert record.read_bytes() == whole
    said = f"softreserve: {record}: cannot record: File too large; the machine takes no more changes\n"
    assert capsys.readouterr().err == said
    assert play().read(VALUE) == b"1"


def test_what_was_done_is_recorded_even_if_its_answer_cannot_be(
    toy: System, play: Callable[..., LiveSystem], record: Path
) -> None:
    with Recorder(record, toy) as recorder:
        live = LiveSystem(toy, recorder=recorder)
        live.write(VALUE, b"1")
        step = f'\n[[step]]\nname = "0002"\nwrites = [["{VALUE}", "2"]]\n'
        with largest_file(record.stat().st_size + len(step) + 5):
            assert live.write(VALUE, b"2") == 1
        assert record.read_text().endswith(step)
        assert live.write(VALUE, b"3") == -errno.EIO

    assert play().read(VALUE) == b"2"
    assert record.read_text().endswith(f"{step}result = 0\n")


def test_a_header_that_cannot_be_written_leaves_no_file(toy: System, record: Path) -> None:
    with largest_file(10), pytest.raises(InputError, match="cannot record: File too large"):
        Recorder(record, toy)
    assert not record.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_record_that_did_not_begin_leaves_no_file_that_was_not_there(toy: System, record: Path, there: bool) -> None:
    if there:
        record.touch()
    with pytest.raises(InputError, match="no mount"), Recorder(record, toy):
        raise InputError("no mount")
    assert record.exists() == there


def test_a_record_that_has_begun_stays_whatever_happens(toy: System, record: Path) -> None:
    def fail() -> None:
        with Recorder(record, toy) as recorder:
            LiveSystem(toy, recorder=recorder).write(VALUE, b"1")
            raise InputError("umount")

    with pytest.raises(InputError, match="umount"):
        fail()
    assert len(steps(record)) == 1


@pytest.mark.parametrize(
    "meddle", [Path.unlink, lambda path: path.write_text("mine"), lambda path: os.truncate(path, 9)]
)
def test_a_record_that_somebody_else_changes_is_left_to_him(
    toy: System, record: Path, meddle: Callable[[Path], object]
) -> None:
    with Recorder(record, toy) as recorder:
        live = LiveSystem(toy, recorder=recorder)
        meddle(record)
        before = record.read_bytes() if record.exists() else None
        assert live.write(VALUE, b"2") == -errno.EIO
        assert live.read(VALUE) == b"0\n"
        assert (record.read_bytes() if record.exists() else None) == before
        assert recorder.failed == "somebody else changed or removed it"


def test_an_answer_is_on_the_disk_only_after_its_step(
    toy: System, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(os, "fdatasync", lambda file: seen.append((len(steps(record)), toy.sysfs.read(VALUE))))
    with Recorder(record, toy) as recorder:
        LiveSystem(toy, recorder=recorder).write(VALUE, b"1")
    assert seen == [(1, b"0\n")]


HOLDER = """
import sys
from softreserve.live.claims import take
file = open(sys.argv[1])
take(file.fileno())
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_record_has_one_recorder(toy: System, record: Path) -> None:
    Recorder(record, toy).close()
    command = [sys.executable, "-c", HOLDER, str(record)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        assert refused(record, toy) == f"{record}: is being recorded by process {owner.pid}"
        owner.kill()
    with Recorder(record, toy), pytest.raises(InputError, match=f"is being recorded by process {os.getpid()}$"):
        Recorder(record, toy)


@given(st.text())
def test_any_text_survives_as_a_toml_string(text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"key = {toml_string(encodable)}")["key"] == encodable


def test_what_is_no_text_is_marked_in_a_toml_string() -> None:
    assert tomllib.loads(f"key = {toml_string(chr(0xDCFF))}")["key"] == "\ufffd"
