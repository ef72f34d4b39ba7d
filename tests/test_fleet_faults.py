"""``softreserve fleet`` and what it reads, from strangers and where something fails: nothing lost, nothing let out."""

from __future__ import annotations

import io
import json
import lzma
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import small_machines
from many_nodes import machine_text as nodes_text
from softreserve.cli import main
from softreserve.cli.fleet.output import read_rows
from softreserve.config.inventory.sources import Unread, machines
from softreserve.model.errors import InputError

#: An answer for each machine as soon as it is there.
ONE_BY_ONE = "import sys; from softreserve.cli.fleet import run; run.MACHINES = 1; "
RUN = ONE_BY_ONE + "from softreserve.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Eight machines, none like another."""
    small_machines.need("x86_64")
    folder = tmp_path / "fleet"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.toml").write_text(nodes_text(f"m{number}", 1, number % 2, 1 + number // 2))
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The rows of a machine."""
    small_machines.need("x86_64")
    (tmp_path / "one.toml").write_text(nodes_text("one", 1, 1))
    path = tmp_path / "rows.jsonl"
    assert main(["fleet", str(tmp_path / "one.toml"), "--jobs", "1", "-o", str(path)]) == 0
    return path


def asked(fleet: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-c", RUN, "fleet", str(fleet), "--jobs", "1", "-o", str(out), *options]


# --- faults


@pytest.mark.parametrize("times", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_lost_whenever_a_run_is_killed(fleet: Path, tmp_path: Path, times: int) -> None:
    whole, out, journal = (tmp_path / name for name in ("whole.jsonl", "out.jsonl", "out.jsonl.journal"))
    began = time.monotonic()
    subprocess.run(asked(fleet, whole), check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    moments = random.Random(times)
    for _ in range(times):
        kept = journal.read_bytes() if journal.exists() else b""
        run = subprocess.Popen(asked(fleet, out, "--resume"), stdout=subprocess.DEVNULL)
        try:
            run.wait(moments.uniform(0, took))
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
        if out.exists():
            assert out.read_bytes() == whole.read_bytes()
            out.unlink()
            journal.unlink(missing_ok=True)  # where it was killed before it took that away
        else:
            assert journal.read_bytes().startswith(kept) if kept else True
    subprocess.run(asked(fleet, out, "--resume"), check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == whole.read_bytes()


def limited(what: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (most, most))


@pytest.mark.parametrize("room", [200, 4000])
def test_a_full_disk_is_told_and_a_run_goes_on_where_there_is_room(fleet: Path, tmp_path: Path, room: int) -> None:
    whole, out, journal = (tmp_path / name for name in ("whole.jsonl", "out.jsonl", "out.jsonl.journal"))
    subprocess.run(asked(fleet, whole), check=True, stdout=subprocess.DEVNULL)
    full = limited(resource.RLIMIT_FSIZE, room)
    ended = subprocess.run(asked(fleet, out), preexec_fn=full, text=True, capture_output=True)
    assert (ended.returncode, ended.stdout, out.exists()) == (2, "", False)
    assert "File too large" in ended.stderr.splitlines()[-1]
    assert str(out) in ended.stderr.splitlines()[-1]
    assert journal.exists() == ("--resume goes on with them" in ended.stderr)
    subprocess.run(asked(fleet, out, "--resume"), check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_process_and_unless_it_is_killed_no_file_but_its_journal(
    fleet: Path, tmp_path: Path, number: signal.Signals
) -> None:
    pytest.importorskip("joblib", reason="needs joblib: pip install 'softreserve[fleet]'")
    folder = tmp_path / "tmp"
    folder.mkdir()
    with tarfile.open(tmp_path / "fleet.tar", "w") as archive:
        archive.add(fleet, "fleet")
    command = ["fleet", str(tmp_path / "fleet.tar"), "-o", str(tmp_path / "out.jsonl"), "--jobs", "2"]
    # an answer is there, and others are waited for
    stuck = "import time; journal.Journal.add = lambda *of: (add(*of), print(flush=True), time.sleep(60))"
    code = f"from softreserve.cli.fleet import journal; add = journal.Journal.add; {stuck}; {RUN}"
    run = subprocess.Popen(
        [sys.executable, "-c", code, *command],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)],
    )
    assert run.stdout is not None
    assert run.stdout.readline() == b"\n"
    run.send_signal(number)
    assert run.wait() == -number
    with run.stdout:
        assert run.stdout.read() == b""  # all who could have written there are gone
    if number != signal.SIGKILL:
        assert [path.name for path in folder.iterdir() if path.name.startswith("softreserve")] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fleet", "fleet.tar", "out.jsonl.journal", "tmp"]


def test_without_descriptors_nothing_is_left(fleet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    few = limited(resource.RLIMIT_NOFILE, 3)
    ended = subprocess.run([*asked(fleet, out)], preexec_fn=few, text=True, capture_output=True)
    assert ended.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["fleet"]


DAMAGED: dict[str, Callable[[list[bytes]], bytes]] = {
    "zeros after it": lambda lines: b"".join(lines) + bytes(100) + b"\n",
    "a line of something else": lambda lines: b"".join([*lines[:3], b"something else\n", *lines[3:]]),
    "half a line": lambda lines: b"".join([*lines[:3], lines[3][:90] + b"\n", *lines[4:]]),
    "no rows": lambda lines: b"".join([*lines[:3], lines[3][:77] + b"}\n", *lines[4:]]),
    "other rows": lambda lines: b"".join([*lines[:3], lines[3][:77] + b', "rows": [{"x": 1}]}\n', *lines[4:]]),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_run_goes_on_with_what_is_whole_of_a_damaged_journal(fleet: Path, tmp_path: Path, damage: str) -> None:
    whole, out, journal = (tmp_path / name for name in ("whole.jsonl", "out.jsonl", "out.jsonl.journal"))
    main(["fleet", str(fleet), "--jobs", "1", "-o", str(whole)])
    full = limited(resource.RLIMIT_FSIZE, 5500)
    subprocess.run(asked(fleet, out), preexec_fn=full, capture_output=True)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 4
    journal.write_bytes(DAMAGED[damage](lines))
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out), "--resume"]) == 0
    assert out.read_bytes() == whole.read_bytes()


# --- strangers


def packed(path: Path, *members: tuple[str, bytes, bytes, str]) -> Path:
    """An archive of members: name, type, content, where it leads."""
    with tarfile.open(path, "w") as archive:
        for name, kind, data, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(data), target
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_link_by_way_of_another_leads_nowhere_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_text("name = 1\n")
    link = tarfile.SYMTYPE
    path = packed(
        tmp_path / "evil.tar",
        ("real.toml", tarfile.REGTYPE, b"name = 2\n", ""),
        ("a/b/c/d/e/f/g/h/way", link, b"", "../../../../../../../../there"),
        ("there/x", tarfile.REGTYPE, b"", ""),
        ("a/b/c/d/e/f/g/h/way/out.toml", link, b"", f"..{secret}"),
    )
    found = {one.name: one for one in machines(str(path))}
    assert isinstance(found.pop("real.toml"), Unread) is False
    assert all(isinstance(one, Unread) for name, one in found.items() if name.endswith("out.toml"))


def test_a_hard_link_is_the_same_machine_and_leads_to_a_member(tmp_path: Path) -> None:
    machine = nodes_text("one", 1, 1).encode()
    a, b = ("a.toml", tarfile.REGTYPE, machine, ""), ("b.toml", tarfile.LNKTYPE, b"", "a.toml")
    assert [one.name for one in machines(str(packed(tmp_path / "two.tar", a, b)))] == ["a.toml", "b.toml"]
    for target in ("/etc/hostname", "../x", "gone"):
        with pytest.raises(InputError, match=r"absolute path|'\.\.' in its path|not there before it"):
            [*machines(str(packed(tmp_path / "evil.tar", a, ("b.toml", tarfile.LNKTYPE, b"", target))))]


@pytest.mark.parametrize("keyword", ["GNU.sparse.major", ""])
def test_a_file_with_holes_is_refused_and_not_misread(tmp_path: Path, keyword: str) -> None:
    path = tmp_path / "holes.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.toml")
        member.pax_headers = {keyword: "1"} if keyword else {}
        member.type = tarfile.REGTYPE if keyword else tarfile.GNUTYPE_SPARSE
        archive.addfile(member)
        archive.addfile(tarfile.TarInfo("b.toml"))
    with pytest.raises(InputError, match="is a sparse file"):
        [*machines(str(path))]


def test_an_archive_fills_neither_memory_nor_the_depth_of_folders(tmp_path: Path) -> None:
    name = tarfile.TarInfo("name")
    name.type, name.size = tarfile.XHDTYPE, 3 << 30
    path = tmp_path / "bomb.tar.xz"
    path.write_bytes(lzma.compress(name.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20), preset=0))
    with pytest.raises(InputError, match="byte 512: a name of 3221225472 bytes"):
        [*machines(str(path))]
    deep = packed(tmp_path / "deep.tar", ("a/" * 1500 + "x.toml", tarfile.REGTYPE, b"", ""))
    with pytest.raises(InputError, match="lies more than 100 folders deep"):
        [*machines(str(deep))]


@pytest.mark.parametrize("end", [1024 + 300, 2048])
def test_an_archive_that_is_cut_off_is_not_taken_for_a_smaller_one(tmp_path: Path, end: int) -> None:
    path = packed(tmp_path / "two.tar", *((f"{n}.toml", tarfile.REGTYPE, b"name = 1\n", "") for n in "ab"))
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InputError, match="it is cut off"):
        [*machines(str(path))]


def test_links_of_a_capture_that_lead_in_circles_end(tmp_path: Path) -> None:
    inside = tmp_path / "fleet" / "capture" / "input"
    inside.mkdir(parents=True)
    for name in "ab":
        (inside / name).symlink_to(".")
    (tmp_path / "fleet" / "z.toml").write_text("name = 1\n")
    first, second = machines(str(tmp_path / "fleet"))
    assert isinstance(first, Unread)
    assert second.name == "z.toml"


SQL = {
    "": "nothing is asked",
    ";": "nothing is asked",
    "SELECT \udcff": "Parser Error",
    "SELECT * FROM read_text('/etc/hostname')": "Permission Error",
    "SELECT * FROM '/etc/hostname'": "Error",
    "SELECT * FROM glob('*')": "Permission Error",
    "COPY fleet TO 'out.csv'": "Permission Error",
    "ATTACH 'out.duckdb'": "Permission Error",
    "EXPORT DATABASE 'out'": "Permission Error",
    "INSTALL httpfs": "Permission Error",
    "LOAD 'evil.duckdb_extension'": "Permission Error",
    "SET enable_external_access = true": "Error",
    "SET temp_directory = 'out'": "Error",
    "PRAGMA profiling_output = 'out'": "Error",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')": "Error",
}


@pytest.mark.parametrize("query", SQL)
def test_sql_reads_and_writes_nothing_else_and_a_wrong_one_is_a_line(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb: pip install 'softreserve[fleet]'")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    capsys.readouterr()
    assert main(["fleet-query", str(rows), query]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("softreserve: SQL: ")
    assert SQL[query] in said.err
    assert [*folder.iterdir()] == []


def test_the_file_that_is_named_is_asked_and_no_other_that_a_pattern_means(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb: pip install 'softreserve[fleet]'")
    folder = rows.parent / "machine=another"
    folder.mkdir()
    (rows.parent / "r1.jsonl").write_bytes(rows.read_bytes().replace(b"one.toml", b"r1.toml"))
    for name in ("r[1].jsonl", "r?.jsonl", "r*.jsonl", "machine=another/r.jsonl"):
        (rows.parent / name).write_bytes(rows.read_bytes().replace(b"one.toml", b"this"))
        capsys.readouterr()
        assert main(["fleet-query", str(rows.parent / name), "SELECT machine FROM fleet", "--json"]) == 0
        ((machine,),) = json.loads(capsys.readouterr().out)["rows"]
        assert machine.endswith("this"), name


def test_numbers_that_json_has_no_word_for_are_text(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb: pip install 'softreserve[fleet]'")
    capsys.readouterr()
    assert main(["fleet-query", str(rows), "SELECT 'inf'::DOUBLE, 'nan'::DOUBLE, 0.5::DOUBLE", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=lambda word: 1 / 0)["rows"] == [["inf", "nan", 0.5]]


@pytest.mark.parametrize(
    "wrong", [{"uses": {"kmem": "x"}}, {"lint": [{}]}, {"firmware": {"hbm": []}}, {"tiers": {"1": "x"}}]
)
def test_what_is_wrong_inside_a_row_is_no_row(
    rows: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, object]
) -> None:
    row = json.loads(rows.read_text())
    assert [*read_rows(str(rows))] == [row]
    rows.write_text(json.dumps(row | wrong) + "\n")
    capsys.readouterr()
    assert main(["report", "--index", str(rows), "-o", os.fspath(rows.parent / "page.html")]) == 2
    assert capsys.readouterr().err == f"softreserve: {rows}: line 1: no row of softreserve fleet\n"


def test_text_in_parquet_that_is_none_is_a_line(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'softreserve[fleet]'")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'softreserve[fleet]'")
    path = tmp_path / "broken.parquet"
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"], pa.binary()).buffers())
    pq.write_table(pa.table({"machine": broken, "text": broken}), path)
    for command in (
        ["fleet", str(path), "--jobs", "1"],
        ["report", "--index", str(path), "-o", str(tmp_path / "p.html")],
    ):
        capsys.readouterr()
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"softreserve: {path}: ")
        assert said.count("\n") == 1


def test_a_list_reads_no_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.jsonl").write_text('"-"\n"dmesg:-"\n')
    monkeypatch.setattr("sys.stdin", None)
    assert [one.name for one in machines("list.jsonl")] == ["-", "dmesg:-"]
