"""``softreserve fleet``: a row for each machine and question, and the same bytes whoever does the work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import small_machines
import wheels
from jsonschema import Draft202012Validator
from many_nodes import machine_text as nodes_text
from softreserve.cli import main
from softreserve.cli.fleet.cluster import cluster as cluster_at
from softreserve.cli.fleet.journal import Journal
from softreserve.cli.fleet.output import read_rows
from softreserve.cli.fleet.schedulers import Batch, Processes, encoded
from softreserve.cli.fleet.work import Asked, answered, batch, killed, work
from softreserve.config.changes import Changes
from softreserve.config.inventory.made import FAULTS
from softreserve.config.inventory.parcel import Parcel, described, of_file, of_machine_file
from softreserve.config.inventory.sources import Unread, machines
from softreserve.config.new_machine import Plan, machine_text
from softreserve.model.errors import ConfigError, InputError, MachineError
from softreserve.plugins.selection import NOTHING, Layer, Wishes
from softreserve.views.fleet.question import Crossing, Question, crossing

GIB = 1 << 30


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Four machines, of which two are alike and one is broken, and things that are none."""
    small_machines.need("x86_64")
    folder = tmp_path / "fleet"
    (folder / "rack").mkdir(parents=True)
    (folder / "b.toml").write_text(nodes_text("beta", 1, 1))
    (folder / "rack" / "again.toml").write_text(nodes_text("beta", 1, 1))
    (folder / "rack" / "broken.toml").write_text("kernel = [\n")
    (folder / "a.toml").write_text(nodes_text("alpha", 1, 0, 2))
    (folder / "notes.txt").write_text("My machines\n")
    (folder / ".hidden.toml").write_text("kernel = [\n")
    os.mkfifo(folder / "pipe")
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_in_the_order_of_the_inventory_and_a_broken_machine_is_one_too(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["fleet", str(fleet), "--kernel", "6.12,7.3", "--jobs", "1", "-o", str(out), "--json"]) == 2
    summary = json.loads(capsys.readouterr().out)
    found = rows(out)
    names = ["a.toml", "b.toml", "rack/again.toml", "rack/broken.toml"]
    questions = ["--kernel 6.12", "--kernel 7.3"]
    assert [(row["machine"], row["question"]) for row in found] == [(n, q) for n in names for q in questions]
    assert (summary["machines"], summary["different"], summary["passed_over"]) == (4, 3, ["notes.txt"])
    assert [told["total"] for told in summary["questions"]] == [64 * GIB] * 2
    assert [told["failed"] for told in summary["questions"]] == [1, 1]
    assert summary["errors"] == {"rack/broken.toml: line 1: Invalid value": 2}
    assert {row["error"] for row in found[:-2]} == {None}
    assert [(row["status"], row["total"]) for row in found[-2:]] == [(2, None)] * 2
    assert [row["release"] for row in found[:2]] == ["6.12", "7.3"]
    one, same = found[2], found[4]
    assert one["digest"] == same["digest"] != found[0]["digest"]
    assert {**one, "machine": ""} == {**same, "machine": ""}
    assert one["firmware"] == {"conventional": 16 * GIB}
    assert one["total"] == sum(one["uses"].values()) == sum(one["owners"].values()) == 16 * GIB
    assert one["target_nodes"] == [1]


def test_a_row_says_of_a_machine_what_commands_about_it_alone_say(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    main(["fleet", str(fleet / "b.toml"), "--kexec", "default", "--jobs", "1", "-o", str(out)])
    (row,) = rows(out)
    capsys.readouterr()
    main(["boot", str(fleet / "b.toml"), "--json"])
    boot = json.loads(capsys.readouterr().out)
    assert row["verdict"] == boot["verdict"]["text"]
    assert row["lost_as_system_ram"] == boot["verdict"]["lost_as_system_ram"]
    assert (row["uses"], row["findings"]) == (boot["specific_purpose"]["totals"], boot["findings"])
    main(["lint", str(fleet / "b.toml"), "--json"])
    lint = json.loads(capsys.readouterr().out)
    assert row["lint"] == sorted({finding["rule"] for finding in lint["findings"]})
    main(["kexec", str(fleet / "b.toml"), "--json"])
    last = json.loads(capsys.readouterr().out)["generations"][-1]
    assert row["kexec_problems"] == last["problems"]
    assert row["kexec"] == ("changed" if last["problems"] else "kept")


def test_rows_are_what_their_schema_says(fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    main(["fleet", str(fleet), "--jobs", "1", "--time", "--kexec", "default,to-kernel=7.3", "-o", str(out)])
    capsys.readouterr()
    main(["schema", "fleet-row"])
    schema = json.loads(capsys.readouterr().out)
    found = rows(out)
    for row in found:
        Draft202012Validator(schema).validate(row)
    assert all(row["seconds"] > 0 for row in found if not row["error"])
    assert {row["kexec"] for row in found if not row["error"]} <= {"kept", "changed"}


def test_a_policy_that_nobody_knows_is_an_error_and_no_answer(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["fleet", str(fleet / "b.toml"), "--jobs", "1", "--kexec", "default1", "-o", str(out)]) == 2
    (row,) = rows(out)
    assert row["error"].startswith("unknown kexec policy 'default1'; known: ")
    assert "did you mean 'default'?" in capsys.readouterr().out


def test_several_processes_write_the_same_bytes_as_one(fleet: Path, tmp_path: Path) -> None:
    pytest.importorskip("joblib", reason="needs joblib: pip install 'softreserve[fleet]'")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert main(["fleet", str(fleet), "--kernel", "6.12,7.3", "--jobs", "1", "-o", str(one)]) == 2
    assert main(["fleet", str(fleet), "--kernel", "6.12,7.3", "--jobs", "2", "-o", str(two)]) == 2
    assert one.read_bytes() == two.read_bytes()


class Fragile(Executor):
    """Does the work at once, in this process, and breaks where a machine of this digest is asked."""

    def __init__(self, deadly: str, ended: list[int]) -> None:
        self._deadly = deadly
        self._ended = ended
        self._broken = False

    def submit(self, call: Any, /, *words: Any, **named: Any) -> Future[Any]:
        if self._broken:
            raise BrokenExecutor
        answer: Future[Any] = Future()
        (batch,) = words
        if self._deadly.encode() in batch:
            self._broken = True
            answer.set_exception(BrokenExecutor())
        else:
            answer.set_result(batch)
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, kill_workers: bool = False) -> None:
        self._ended.append(kill_workers)


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_a_machine_that_ends_a_process_is_found_among_others_and_nobody_is_lost(size: int) -> None:
    parcels = [Parcel(f"m{number}", f"spec {number}") for number in range(40)]
    deadly = parcels[23].digest
    batches = [Batch(tuple((one.digest, one) for one in parcels[start : start + size])) for start in range(0, 40, size)]
    ended: list[int] = []
    asked = Asked((Question(),), NOTHING)
    answers = b"".join(Processes(2, lambda _: Fragile(deadly, ended))(asked, iter(batches)))
    assert answers.count(killed(deadly, asked)) == 1
    assert [answers.count(one.digest.encode()) for one in parcels if one.digest != deadly] == [1] * 39
    assert all(ended)


KILLER = """
import os
from softreserve import hookimpl

@hookimpl
def softreserve_lint(system):
    if len(system.machine.efi_map) == 5:
        os._exit(9)
    return []
"""


@pytest.mark.slow
def test_a_machine_that_ends_every_process_is_a_row_and_the_others_have_theirs(fleet: Path, tmp_path: Path) -> None:
    pytest.importorskip("joblib", reason="needs joblib: pip install 'softreserve[fleet]'")
    (tmp_path / "killer.py").write_text(KILLER)
    out = tmp_path / "out.jsonl"
    assert main(["fleet", str(fleet), "--jobs", "2", "-p", str(tmp_path / "killer.py"), "-o", str(out)]) == 3
    assert [(row["machine"], row["status"], row["error"]) for row in rows(out)] == [
        ("a.toml", 3, "every process that asked it was killed"),
        ("b.toml", 0, None),
        ("rack/again.toml", 0, None),
        ("rack/broken.toml", 2, "rack/broken.toml: line 1: Invalid value"),
    ]


def test_a_run_goes_on_where_one_was_interrupted_and_asks_nobody_twice(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    main(["fleet", str(fleet), "--jobs", "1", "-o", str(whole)])
    asked: list[str] = []

    def interrupted(digest: str, parcel: Parcel, questions: Asked) -> bytes:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(digest)
        return answer(digest, parcel, questions)

    from softreserve.cli.fleet.work import answered as answer

    monkeypatch.setattr("softreserve.cli.fleet.run.MACHINES", 1)
    monkeypatch.setattr("softreserve.cli.fleet.work.answered", interrupted)
    capsys.readouterr()
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out)]) == 130
    journal = tmp_path / "out.jsonl.journal"
    assert capsys.readouterr().err.strip() == (
        f"softreserve: {journal}: has the answers of 2 machines; --resume goes on with them"
    )
    assert not out.exists()
    journal.write_bytes(journal.read_bytes() + b'{"digest": "was being wri')
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out)]) == 2
    assert f"{journal}: an interrupted run left it: --resume goes on with it" in capsys.readouterr().err
    monkeypatch.setattr("softreserve.cli.fleet.work.answered", answer)
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out), "--kernel", "7.3", "--resume"]) == 2
    assert f"{journal}: is no journal of this run: it has other questions" in capsys.readouterr().err
    before = [*asked]

    def noted(digest: str, parcel: Parcel, questions: Asked) -> bytes:
        asked.append(digest)
        return answer(digest, parcel, questions)

    monkeypatch.setattr("softreserve.cli.fleet.work.answered", noted)
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out), "--resume"]) == 2
    assert len(set(asked)) == len(asked) > len(before)
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()


def test_rows_take_the_place_of_nothing_but_rows(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    command = ["fleet", str(fleet / "b.toml"), "--jobs", "1", "-o", str(out)]
    assert main(command) == 0
    assert main(command) == 2
    assert f"{out}: is there already, and stays as it is; --replace" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0
    out.write_text("a letter\n")
    assert main([*command, "--replace"]) == 2
    assert out.read_text() == "a letter\n"


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    asked = Asked((Question(),), NOTHING)
    path = str(tmp_path / "journal")
    with Journal(path, asked), pytest.raises(InputError, match="another run is writing it"):
        Journal(path, asked)


def test_a_machine_file_brings_the_files_that_it_names_and_none_from_elsewhere(tmp_path: Path) -> None:
    small_machines.need("x86_64")
    line = "efi: mem00: [Conventional Memory|   |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[0x{:016x}-0x{:016x}]\n"
    (tmp_path / "map.txt").write_text(line.format(0, 4 * GIB - 1))
    path = tmp_path / "m.toml"
    path.write_text('efi_map_file = "map.txt"\n[kernel]\narch = "x86_64"\n')
    parcel = of_file("m", str(path))
    assert [name for name, _ in parcel.files] == ["machine.toml", "map.txt"]
    assert len(described(parcel).machine.efi_map or ()) == 1
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "m.toml"
    path.write_text('efi_map_file = "../map.txt"\n[kernel]\narch = "x86_64"\n')
    with pytest.raises(ConfigError, match=r"^\.\./map\.txt: leads out of the directory"):
        described(of_file("m", str(path)))


def test_what_a_machine_is_called_is_no_part_of_what_it_is(fleet: Path) -> None:
    found = {one.name: one.digest for one in machines(str(fleet)) if not isinstance(one, Unread)}
    assert [*found] == ["a.toml", "b.toml", "notes.txt", "rack/again.toml", "rack/broken.toml"]
    assert found["b.toml"] == found["rack/again.toml"]
    assert len(set(found.values())) == 4


def named(inventory: Path | str) -> list[tuple[str, str]]:
    """What machines of an inventory are called, and their digests, or why they cannot be read."""
    return [(one.name, one.why if isinstance(one, Unread) else one.digest) for one in machines(str(inventory))]


@pytest.mark.parametrize("packed", ["w", "w:gz", "w:xz"])
def test_an_archive_has_the_machines_of_the_folder(fleet: Path, tmp_path: Path, packed: Any) -> None:
    (fleet / "capture").mkdir()
    (fleet / "capture" / "kernel.toml").write_text("release = 1\n")
    (fleet / "linked.toml").symlink_to("rack/again.toml")
    path = tmp_path / "fleet.tar"
    with tarfile.open(path, packed) as archive:
        archive.add(fleet, ".")
    assert named(path) == named(fleet)
    assert len(named(path)) == 7


def test_an_archive_of_one_machine_is_that_machine() -> None:
    path = str(wheels.ROOT / "tests/data/captures/x86-7.3-unaligned.tar.xz")
    ((name, _),) = named(path)
    assert name == path


@pytest.mark.parametrize("name", ["../out.toml", "/tmp/out.toml", "a/../../out.toml"])
def test_nothing_leads_out_of_an_archive(name: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(InputError, match=r"has (an absolute path|'\.\.' in its path)"):
        named(path)


def test_a_link_that_leads_out_of_an_archive_is_none(tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_text("name = 1\n")
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for name, target in (("a.toml", str(tmp_path / "secret.toml")), ("b.toml", "../../secret.toml"), ("up", "..")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        archive.addfile(tarfile.TarInfo("real.toml"))
    assert [name for name, _ in named(path)] == ["real.toml"]


def test_a_damaged_archive_is_an_error(fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(fleet, ".")
    path.write_bytes(path.read_bytes()[:-20])
    assert main(["fleet", str(path), "--jobs", "1"]) == 2
    assert re.match(rf"softreserve: {path}: byte \d+: broken gzip data: ", capsys.readouterr().err)


ENTRIES = [
    "rack/again.toml",
    {"machine": "b.toml", "name": "bee"},
    {"text": nodes_text("beta", 1, 1), "name": "here"},
    "example:two-node",
    {"machine": "gone.toml"},
    {"machine": "b.toml", "text": "both"},
    7,
]


def test_a_list_names_machines_relative_to_itself_or_has_their_text(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fleet / "list.jsonl"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in ENTRIES) + "\n{\n")
    out = tmp_path / "out.jsonl"
    assert main(["fleet", str(path), "--jobs", "1", "-o", str(out)]) == 2
    found = {row["machine"]: row for row in rows(out)}
    assert [*found] == [
        *("rack/again.toml", "bee", "here", "example:two-node", "gone.toml", "line 6", "line 7", "line 9")
    ]
    assert found["bee"]["digest"] == found["rack/again.toml"]["digest"]
    assert found["here"]["total"] == found["bee"]["total"] == 16 * GIB
    assert "no such machine" in found["gone.toml"]["error"]
    assert found["line 6"]["error"].startswith(f"{path}: line 6: wanted a path, or ")
    assert found["line 9"]["error"].startswith(f"{path}: line 9: no JSON: ")


def test_a_list_may_be_parquet_and_so_may_be_the_rows(fleet: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'softreserve[fleet]'")
    import pyarrow.parquet as pq

    entries = [entry for entry in ENTRIES if isinstance(entry, dict)][:2]
    schema = pa.schema([(name, "string") for name in ("machine", "text", "name")])
    pq.write_table(pa.Table.from_pylist(entries, schema), fleet / "l.parquet")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.parquet"
    command = ["fleet", str(fleet / "l.parquet"), "--jobs", "1", "--kexec", "default"]
    assert main([*command, "-o", str(one)]) == main([*command, "-o", str(two)]) == 0
    lines, table = rows(one), pq.read_table(two).to_pylist()
    assert [row["machine"] for row in table] == ["bee", "here"]
    for line, row in zip(lines, table, strict=True):
        for name in ("firmware", "owners", "tiers", "tiers_as_system_ram"):
            row[name] = {str(key): value for key, value in row[name]}
        row["findings"] = {severity: count for severity, count in row["findings"].items() if count is not None}
        assert row == line


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_rows_are_asked_in_sql_and_sql_reads_nothing_else(
    fleet: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb", reason="needs duckdb: pip install 'softreserve[fleet]'")
    pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'softreserve[fleet]'")
    out = tmp_path / name
    assert main(["fleet", str(fleet), "--jobs", "1", "-o", str(out)]) == 2
    capsys.readouterr()
    sql = "SELECT machine, total, uses.kmem + uses.devdax AS used, list_contains(lint, 'auto-online'), tiers FROM fleet"
    assert main(["fleet-query", str(out), f"{sql} WHERE status = 0 ORDER BY total DESC, machine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"][:3] == ["machine", "total", "used"]
    assert found["rows"][0][:4] == ["a.toml", 32 * GIB, 32 * GIB, True]
    assert [row[0] for row in found["rows"]] == ["a.toml", "b.toml", "rack/again.toml"]
    for sql in (
        "SELECT * FROM read_text('/etc/passwd')",
        f"COPY fleet TO '{tmp_path}/copy.csv'",
        f"ATTACH '{tmp_path}/new.db'",
        "SET enable_external_access = true",
        "SELEC",
    ):
        assert main(["fleet-query", str(out), sql]) == 2
        assert capsys.readouterr().err.startswith("softreserve: SQL: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["fleet", name])
    (tmp_path / "letter.jsonl").write_text("Dear all\n")
    assert main(["fleet-query", str(tmp_path / "letter.jsonl"), "SELECT 1"]) == 2
    assert "no rows of softreserve fleet" in capsys.readouterr().err


def test_a_question_survives_the_way_to_a_worker_and_says_its_options() -> None:
    question = Question(Changes(kernel="7.3", cmdline="+a b", config=("X=n",)), "none", Crossing(to_kernel="6.12"))
    asked = Asked((question, Question()), NOTHING, timed=True)
    assert Asked.of_json(json.loads(json.dumps(asked.as_json()))) == asked
    assert question.words == (
        "--kernel 7.3 --cmdline '+a b' --config X=n --userspace none --kexec default,to-kernel=6.12"
    )
    assert Question().words == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("default", Crossing()),
        ("keep,to-kernel=7.3", Crossing("keep", to_kernel="7.3")),
        ("syscall=kexec_file_load", Crossing(syscall="kexec_file_load")),
    ],
)
def test_a_kexec_is_a_policy_and_options(text: str, wanted: Crossing) -> None:
    assert crossing(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "a,b", "to_kernels=7.3", "syscall=reboot", "policy=", "kexec-tools=new", "to-kernel=new"]
)
def test_a_kexec_that_cannot_be_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(MachineError):
        crossing(text)


def test_a_name_and_comments_are_no_part_of_a_machine_and_all_else_is() -> None:
    text = '# mine\nname = "one"\nwords = "x"\n[kernel]\nrelease = "6.12"\n[[efi_map]]\nname = 1\n'
    same = '# theirs\nname = "other-1"\nwords = "x"\n[kernel]\nrelease = "6.12"\n[[efi_map]]\nname = 1\n'
    one = of_machine_file("a", text.encode())
    assert one.digest == of_machine_file("b", same.encode()).digest
    assert one.files[0][1].count(b"\n") == text.count("\n")
    for change in ('"x"', "6.12", "efi_map", '"one"\n'):
        other = of_machine_file("a", text.replace(change, '"]" # ' + change, 1).encode())
        assert other.digest != one.digest, change
    quoted = f'{text}[deep]\nwords = """\n# text\n"""\n'
    assert of_machine_file("a", quoted.encode()).files[0][1] == quoted.encode()


def inventory(folder: Path, *options: str) -> dict[str, str]:
    assert main(["inventory", *options, "-o", str(folder)]) == 0
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.toml")}


def test_an_inventory_is_the_same_for_the_same_seed_and_machines_of_it_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_machines.need("x86_64")
    one = inventory(tmp_path / "one", "--count", "60", "--seed", "3", "--arch", "x86_64")
    assert one == inventory(tmp_path / "same", "--count", "60", "--seed", "3", "--arch", "x86_64")
    assert one != inventory(tmp_path / "other", "--count", "60", "--seed", "4", "--arch", "x86_64")
    assert sorted(one)[:2] == ["rack-1/server-01.toml", "rack-1/server-02.toml"]
    assert len(one) == 60
    # by a hash of the seed, not by what this Python draws
    text = "".join(line for name in sorted(one) for line in one[name].splitlines(True) if not line.startswith("#"))
    assert (
        sha256(text.encode()).hexdigest()[:16] == "5dc79f273aaa218b"
    )  # another one where machines are laid out otherwise
    out = tmp_path / "out.jsonl"
    capsys.readouterr()
    assert main(["fleet", str(tmp_path / "one"), "--jobs", "1", "-o", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["machines"], summary["errors"]) == (60, {})
    assert 1 < summary["different"] < 60


def test_each_kind_of_broken_firmware_is_one_that_lint_or_the_verdict_tells(tmp_path: Path) -> None:
    small_machines.need("x86_64")
    plan = Plan("m", "x86_64", sockets=2, dram=256 * GIB, hbm=64 * GIB, cxl=128 * GIB)
    sound = machine_text(plan, command="x").split("\n\n")
    asked = Asked((Question(),), NOTHING)

    def told(sections: list[str]) -> dict[str, Any]:
        parcel = of_machine_file("m", "\n\n".join(sections).encode())
        row: dict[str, Any] = json.loads(answered(parcel.digest, parcel, asked))["rows"][0]
        assert row["error"] is None
        return row

    before = told(sound)
    for name, change in FAULTS.items():
        row = told(change(sound))
        assert (row["lint"], row["severity"], row["total"]) != (before["lint"], before["severity"], before["total"]), (
            name
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler on this machine, and its two workers."""
    pytest.importorskip("distributed", reason="needs distributed: pip install 'softreserve[fleet]'")
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    own = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    log = (tmp_path / "cluster.log").open("wb")
    running = [subprocess.Popen([*dask, "scheduler", *own, "--port", "0"], cwd=tmp_path, stdout=log, stderr=log)]
    try:
        while not file.exists() or not file.read_text().endswith("}"):
            assert running[0].poll() is None, (tmp_path / "cluster.log").read_text()
            time.sleep(0.1)
        words = [*dask, "worker", *own, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
        workers = [subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log) for _ in range(2)]
        running += workers
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in running:
            process.kill()
            process.wait()
        log.close()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_writes_the_same_bytes_as_one_process(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_machines.need("x86_64")
    address, workers = cluster
    inventory(tmp_path / "made", "--count", "400", "--arch", "x86_64")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    command = ["fleet", str(tmp_path / "made"), "--kernel", "6.12,7.3"]
    assert main([*command, "--jobs", "1", "-o", str(one)]) == 0
    added: list[int] = []

    def add(journal: Journal, answers: bytes) -> list[bytes]:
        found = kept(journal, answers)
        added.append(len(journal))
        if len(added) == 5:
            workers[0].kill()
        return found

    kept = Journal.add
    monkeypatch.setattr(Journal, "add", add)
    monkeypatch.setattr("softreserve.cli.fleet.run.MACHINES", 2)
    assert main([*command, "--scheduler", address, "-o", str(two)]) == 0
    assert workers[0].wait() == -9
    assert len(added) > 15
    assert one.read_bytes() == two.read_bytes()


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs distributed: pip install 'softreserve[fleet]'")
    monkeypatch.setattr("softreserve.cli.fleet.cluster.PATIENCE", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1:9"):
        batches = iter([Batch((("0" * 64, Parcel("m", "x")),))])
        with pytest.raises(InputError, match=r"no scheduler of dask\.distributed answers"):
            next(cluster_at(address)(Asked((Question(),), NOTHING), batches))


def test_the_rows_of_a_fleet_are_drawn_as_a_page_with_those_together_that_are_alike(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    (fleet / "<script>alert(1)<").mkdir()
    (fleet / "<script>alert(1)<" / "script>.toml").write_text(nodes_text("gamma", 2, 1))
    out, page = tmp_path / "out.jsonl", tmp_path / "page.html"
    assert main(["fleet", str(fleet), "--jobs", "1", "--kernel", "6.12,7.3", "-o", str(out)]) == 2
    capsys.readouterr()
    assert main(["report", "--index", str(out), "-o", str(page), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["machines"], summary["different"], len(summary["questions"])) == (5, 4, 2)
    text = page.read_text()
    assert "5 machines, 4 different: none has lost specific purpose memory; some do not answer" in text
    assert text.count(">b.toml, rack/again.toml</th>") == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.toml" in text
    assert "<script>alert" not in text
    assert "rack/broken.toml: line 1: Invalid value" in text
    assert main(["report", "--index", str(out), "-o", str(page), "--replace"]) == 0


@pytest.mark.parametrize("change", [("lost", "much"), ("lost", None), ("lint", {}), ("machine", 1), ("more", 1)])
def test_what_is_no_row_is_not_drawn(
    fleet: Path, tmp_path: Path, change: tuple[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    out = tmp_path / "out.jsonl"
    assert main(["fleet", str(fleet / "b.toml"), "--jobs", "1", "-o", str(out)]) == 0
    (row,) = rows(out)
    out.write_text(f"{json.dumps(row)}\n{json.dumps(row | dict([change]))}\n")
    capsys.readouterr()
    assert main(["report", "--index", str(out), "-o", str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err == f"softreserve: {out}: line 2: no row of softreserve fleet\n"


def test_a_folder_without_machines_is_an_error_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    out = tmp_path / "out.jsonl"
    for name in ("", "notes.txt"):
        if name:
            (folder / name).write_text("My machines\n")
        assert main(["fleet", str(folder), "--jobs", "1", "-o", str(out)]) == 2
        assert capsys.readouterr().err == f"softreserve: {folder}: no machine in it\n"
    assert [*tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_names_that_are_no_text_are_told_as_far_as_they_are(fleet: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'softreserve[fleet]'")
    os.rename(os.fsencode(fleet / "rack"), os.fsencode(fleet) + b"/r\xffck")
    out = tmp_path / f"out.{suffix}"
    assert main(["fleet", str(fleet), "--jobs", "1", "--cmdline", "+x=\udcff", "-o", str(out)]) == 2
    assert "r\\udcffck/again.toml" in [row["machine"] for row in read_rows(str(out))]


def test_rows_go_to_standard_output(fleet: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["fleet", str(fleet / "b.toml"), "--jobs", "1", "-o", "-"]) == 0
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line)["total"] == 16 * GIB


def test_rows_may_lie_in_the_folder_that_they_are_about(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(fleet)
    for _ in range(2):
        assert main(["fleet", ".", "--jobs", "1", "-o", "rows.jsonl", "--replace", "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["passed_over"] == ["notes.txt"]
    assert {row["machine"] for row in rows(fleet / "rows.jsonl")} >= {"a.toml", "rack/again.toml"}


def test_threads_of_a_worker_do_not_ask_in_the_name_of_each_other(fleet: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from softreserve import Finding, hookimpl\n"
        "@hookimpl\n"
        "def softreserve_lint(system):\n"
        "    return [Finding('note', 'mine', 'seen')]\n"
    )
    parcel = of_file("b", str(fleet / "b.toml"))
    wanted = [Asked((Question(),), Wishes(above=(Layer("-p", words),))) for words in ((str(plugin),), ())] * 8
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(work, [batch(encoded(asked), [(parcel.digest, parcel)]) for asked in wanted])
        found = ["mine" in json.loads(answer)["rows"][0]["lint"] for answer in answers]
    assert found == [True, False] * 8
