from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.config.steps import read_steps
from softreserve.live.record import Recorder, toml_string, whole_steps
from softreserve.model.errors import InputError
from softreserve.model.kernel import Kernel

KERNEL = Kernel("6.12", "x86_64")
SIZE = "/sys/bus/dax/devices/dax0.0/size"


def test_what_was_written_is_read_back_as_steps(tmp_path: Path) -> None:
    record = tmp_path / "steps.toml"
    with Recorder(record) as recorder:
        recorder.wrote(SIZE, b"0x40000000\n\0", 12)
        recorder.wrote(SIZE, b"1", -16)
        recorder.ran("modprobe kmem", 0)

    steps, _ = read_steps(record, KERNEL)

    assert [step.writes for step in steps] == [((SIZE, "0x40000000\n\0"),), ((SIZE, "1"),), None]
    assert steps[2].run == "modprobe kmem"
    answers = tomllib.loads(record.read_text())["step"]
    assert [step.get("result", step.get("status")) for step in answers] == [0, -16, 0]


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    data = b"\xff\xfe\x80x\n"
    with Recorder(tmp_path / "steps.toml") as recorder:
        recorder.wrote(SIZE, data, -22)

    steps, _ = read_steps(tmp_path / "steps.toml", KERNEL)

    assert steps[0].writes is not None
    assert steps[0].writes[0][1].encode("utf-8", "surrogateescape") == data


def test_a_record_is_continued_behind_its_last_whole_step(tmp_path: Path) -> None:
    record = tmp_path / "steps.toml"
    with Recorder(record) as recorder:
        recorder.wrote(SIZE, b"0", 1)
    with record.open("a") as file:
        file.write('[[step]]\nname = "0002"\nwrites = [["/sys/bus')

    with Recorder(record) as recorder:
        resumed = recorder.resumed
        recorder.wrote(SIZE, b"2", 1)

    assert resumed == 1
    assert [step["name"] for step in tomllib.loads(record.read_text())["step"]] == ["0001", "0002"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing/steps.toml: cannot record: No such file or directory"):
        Recorder(tmp_path / "missing" / "steps.toml")


@given(st.text())
def test_any_text_survives_as_a_toml_string(text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"key = {toml_string(encodable)}")["key"] == encodable


@given(st.integers(min_value=0, max_value=200), st.sampled_from([b"1\n", b"0x200000\0", b"[[step]]\nresult = 3\n"]))
def test_a_torn_record_keeps_exactly_the_whole_steps(
    tmp_path_factory: pytest.TempPathFactory, cut: int, data: bytes
) -> None:
    record = tmp_path_factory.mktemp("torn") / "steps.toml"
    with Recorder(record) as recorder:
        recorder.wrote(SIZE, data, -22)
        first = record.read_text()
        recorder.wrote(SIZE, data, len(data))
    both = record.read_text()

    torn = both[: len(first) + min(cut, len(both) - len(first) - 2)]

    assert whole_steps(torn) == first
    assert whole_steps(both) == both
