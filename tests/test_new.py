"""``softreserve new`` and ``softreserve examples``: machines to begin with."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softreserve import config
from softreserve.cli import main
from softreserve.config.new_machine import Plan, Speed, machine_text
from softreserve.live.whole import new_file
from softreserve.machine.boot import boot
from softreserve.model.errors import InputError
from softreserve.plugins.hooks import installed
from softreserve.plugins.selection import Selection
from softreserve.views.report import report

MISSING = sorted({"x86", "arm64", "hmem", "cxl", "kexec"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

MIB, GIB = 1 << 20, 1 << 30
RELEASES = ("6.1", "6.12", "6.18", "7.3")
#: What no machine file can do anything about, by architecture and release: Debian's 6.1 for arm64 is built without the
#: dax bus's hmem; from 7.0 on hmem finds nothing on arm64; before 6.7 there is one slow tier for all memory of kmem.
OF_THE_KERNEL = {
    ("arm64", "6.1"): {"hmem-missing"},
    ("arm64", "7.3"): {"hmem-finds-nothing"},
    ("x86_64", "6.1"): {"hmat-not-for-tiers"},
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty directory: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(list(arguments))
        return status, *capsys.readouterr()

    return command


speeds = st.builds(Speed, st.integers(1, 1000), st.integers(1000, 2_000_000))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    arch = draw(st.sampled_from(("x86_64", "arm64")))
    clusters = draw(st.sampled_from((1, 1, 2, 4)))
    sockets = draw(st.sampled_from((1, 2, 4) if arch == "x86_64" else (1, 2) if clusters == 1 else (1,)))
    sizes = st.sampled_from((0, 512 * MIB, GIB, 2 * GIB, 64 * GIB, 3 << 40))
    return Plan(
        name="any",
        arch=arch,
        kernel=draw(st.sampled_from(RELEASES)),
        sockets=sockets,
        cpus=clusters * draw(st.integers(1, 8)),
        clusters=clusters,
        dram=clusters * draw(st.sampled_from((GIB, 1152 * MIB, 2 * GIB, 3 * GIB, 62 * GIB, 1 << 40))),
        hbm=clusters * draw(sizes),
        cxl=draw(sizes),
        hmat=draw(st.booleans()),
        speeds=draw(st.fixed_dictionaries({"dram": speeds, "hbm": speeds, "cxl": speeds})),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans())
def test_whatever_is_asked_for_boots_and_the_firmware_is_without_fault(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> None:
    refused = "^--(hbm|cxl): wanted a multiple|TiB of memory; at most 32 TiB"
    try:
        text = machine_text(plan, command="a test")
    except InputError as error:
        if re.search(refused, str(error)):
            return
        raise
    path = tmp_path_factory.mktemp("new") / "any.toml"
    path.write_text(text)
    machine = config.load(path).machine
    found = report(boot(machine, Selection().hooks_for(machine), recording=True, userspace="udev"))
    marked = plan.sockets * (plan.hbm + plan.cxl)
    allowed = OF_THE_KERNEL.get((plan.arch, plan.kernel), set()) | (set() if plan.hmat else {"hmat-missing"})
    assert {finding.rule for finding in found.findings if finding.severity != "note"} <= allowed
    assert found.verdict.total == marked
    if not {"hmem-missing", "hmem-finds-nothing"} & allowed:
        assert (found.verdict.lost, found.verdict.lost_as_system_ram) == (0, 0)
    assert machine.efi_map is not None
    rows = sorted((descriptor.start, descriptor.last) for descriptor in machine.efi_map)
    assert all(last < start for (_, last), (start, _) in pairwise(rows))


def test_options_say_what_a_machine_has(run: Run) -> None:
    words = "--arch x86_64 --sockets 2 --cpus 8 --snc 2 --dram 64G --hbm 32G --cxl 128G --hbm-latency 140"
    arguments = shlex.split(words)
    status, out, err = run("new", "my.toml", *arguments, "--kernel", "6.18", "--cmdline", "quiet", "-p", "x86")
    assert (status, err) == (0, "")
    words = "x86_64, 2 sockets, 128 GiB DRAM, 2 x 32 GiB HBM, 2 x 128 GiB CXL memory as specific purpose memory"
    said, verdict, *others = out.splitlines()
    assert said == f"my.toml: {words}"
    assert verdict.startswith("nothing is lost of 320 GiB of specific purpose memory")
    assert others == [
        "softreserve lint my.toml has 3 notes",
        "see it: softreserve boot my.toml",
        "for an editor that knows TOML: softreserve schema machine > softreserve.schema.json",
    ]
    top = tomllib.loads(Path("my.toml").read_text())
    assert (top["name"], top["cmdline"], top["kernel"]) == ("my", "quiet", {"release": "6.18", "arch": "x86_64"})
    # four nodes with CPUs, four of HBM, two of CXL memory
    assert [cpus["count"] for cpus in top["acpi"]["srat"]["cpus"]] == [4] * 4
    assert {memory["domain"] for memory in top["acpi"]["srat"]["memory"]} == set(range(10))
    latency, bandwidth = top["acpi"]["hmat"]["locality"]
    assert latency["values"][0] == [110, 125, 190, 190, 140, 155, 220, 220, 250, 330]
    assert bandwidth["values"][0] == [128000, 128000, 64000, 64000, 256000, 256000, 96000, 96000, 32000, 16000]
    assert [proximity["initiator"] for proximity in top["acpi"]["hmat"]["proximity"]] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 2]
    assert run("lint", "my.toml")[0] == 0


def test_a_comment_of_a_file_makes_it_again(run: Run) -> None:
    assert run("new", "one.toml", "--cxl", "64G", "--no-hmat", "--cmdline", "a='b c'")[0] == 0
    text = Path("one.toml").read_text()
    made = next(line for line in text.splitlines() if line.startswith("# Made by"))
    words = shlex.split(made.removeprefix("# Made by: softreserve "))
    Path("one.toml").unlink()
    assert run(*words)[0] == 0
    assert Path("one.toml").read_text() == text


def test_a_file_that_is_there_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("precious")
    (tmp_path / "link.toml").symlink_to("nowhere")
    for name in ("mine.toml", "link.toml"):
        assert run("new", name, "--hbm", "8G")[::2] == (
            2,
            f"softreserve: {name}: is there already, and stays as it is\n",
        )
    assert (tmp_path / "mine.toml").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["link.toml", "mine.toml"]


def test_a_machine_that_cannot_be_written_whole_is_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        assert run("new", "m.toml", "--hbm", "8G")[::2] == (
            2,
            "softreserve: m.toml: cannot be written: No space left on device\n",
        )
    assert os.listdir(tmp_path) == []
    assert run("new", "none/m.toml", "--hbm", "8G")[2] == (
        "softreserve: none/m.toml: cannot be written: No such file or directory\n"
    )


def test_a_file_system_without_second_names_will_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    (tmp_path / "mine.toml").write_text("precious")
    assert run("new", "m.toml", "--hbm", "8G")[0] == 0
    with pytest.raises(InputError, match="is there already"):
        new_file(tmp_path / "mine.toml", b"other")
    assert (tmp_path / "mine.toml").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["m.toml", "mine.toml"]


BAD = [
    (["m.tom"], "'m.tom': wanted a name that ends in .toml"),
    (["-m.toml"], "No such option"),
    (["a;b.toml"], "the file's name is the machine's: wanted letters"),
    (["m.toml", "--arch", "arm46"], "no installed plugin boots 'arm46'; known: arm64, "),
    (["m.toml", "--kernel", "six"], "'--kernel': unknown kernel release 'six'"),
    (["m.toml", "--cmdline", "x" * 3000], "the kernel takes 2047"),
    (["m.toml", "--sockets", "0"], "--sockets: wanted a number from 1 to 16, not 0"),
    (["m.toml", "--sockets", "2", "--cpus", "5000"], "--cpus: wanted a number from 1 to 4096, not 5000"),
    (["m.toml", "--snc", "9"], "--snc: wanted a number from 1 to 8, not 9"),
    (["m.toml", "--snc", "-1"], "--snc: wanted a number from 1 to 8, not -1"),
    (["m.toml", "--snc", "3", "--cpus", "32"], "--cpus: 32 CPUs cannot be divided among 3 nodes"),
    (["m.toml", "--dram", "512M"], "--dram: each node needs 1 GiB at least"),
    (["m.toml", "--dram", "4GB"], "units are powers of 1024 here; write 4G or 4GiB"),
    (["m.toml", "--dram", "0x1234"], "--dram: wanted a multiple of 128 MiB, not 4.55 KiB"),
    (["m.toml", "--dram", "100T"], "of memory; at most 32 TiB are laid out"),
    (["m.toml", "--hbm", "1G"], "--hbm: wanted a multiple of 2 GiB, the size of its memory blocks, not 1 GiB"),
    (["m.toml", "--hbm", "4G", "--snc", "4"], "not 1 GiB for each of 4 nodes"),
    (["m.toml", "--hbm-latency", "0"], "--hbm-latency: wanted a number from 1 to 10000, not 0"),
    (["m.toml", "--cxl-bandwidth", "99999999"], "--cxl-bandwidth: wanted a number from 1000 to 10000000"),
    (["m.toml", "--arch", "arm64", "--sockets", "8", "--snc", "2"], "32 nodes; Debian's kernels for arm64 know 16"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_is_one_line_and_no_file(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    status, out, err = run("new", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert os.listdir(tmp_path) == []


def test_a_machine_goes_to_standard_output_too(run: Run, tmp_path: Path) -> None:
    status, out, err = run("new", "-", "--hbm", "8G")
    assert (status, err, os.listdir(tmp_path)) == (0, "", [])
    assert tomllib.loads(out)["name"] == "machine"


def test_what_was_made_is_told_to_programs(run: Run) -> None:
    found = json.loads(run("new", "m.toml", "--hbm", "8G", "--json")[1])
    assert (found["schema"], found["file"], found["name"]) == ("softreserve.new", "m.toml", "m")
    assert found["verdict"]["total"] == 16 * GIB
    assert {finding["severity"] for finding in found["findings"]} == {"note"}


def answered(directory: Path, *answers: str) -> str:
    """What ``softreserve new my.toml`` says on a terminal where somebody types these lines."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "softreserve", "new", "my.toml"],
        cwd=directory,
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
    ) as process:
        os.close(its)
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        said = io.BytesIO()
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if not data:
                break
            said.write(data)
        process.wait(timeout=60)
    os.close(ours)
    return said.getvalue().decode().replace("\r\n", "\n")


def test_on_a_terminal_it_asks_and_enter_takes_what_is_proposed(tmp_path: Path) -> None:
    said = answered(tmp_path, *[""] * 20)
    assert "architecture [x86_64]: " in said
    assert "bandwidth of HBM for its own socket, MB/s [512000]: " in said
    assert "CXL for its own socket" not in said
    assert "my.toml: x86_64, 2 sockets, 512 GiB DRAM, 2 x 64 GiB HBM as specific purpose memory" in said
    assert config.load(tmp_path / "my.toml").machine.cpus == 64


def test_an_answer_that_cannot_be_is_asked_for_again(tmp_path: Path) -> None:
    answers = ["vax", "arm64", "six", "6.12", "0", "1", "many", "6", "4", "3", "100M", "96G", "1K", "12G", "", "n"]
    said = answered(tmp_path, *answers)
    assert [line for line in said.split("Error: ")[1:] if line] != []
    for words in ("no installed plugin boots 'vax'", "unknown kernel release 'six'", "wanted a number from 1 to 16"):
        assert f"Error: {words}" in said or words in said
    assert "wanted a whole number, not 'many'" in said
    assert "6 CPUs cannot be divided among 4 nodes" in said
    assert "each node needs 1 GiB at least" in said or "wanted a multiple of 128 MiB" in said
    assert "wanted a multiple of 512 MiB" in said
    assert "my.toml: arm64, one socket, 96 GiB DRAM, 12 GiB HBM as specific purpose memory" in said
    assert "hmat" not in tomllib.loads((tmp_path / "my.toml").read_text())["acpi"]


def test_examples_are_listed_with_what_they_show(run: Run) -> None:
    status, out, err = run("examples")
    assert (status, err) == (0, "")
    lines = out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [f"example:{name}" for name in config.example_names()]
    assert "example:no-hmat" in out
    found = json.loads(run("examples", "--json")[1])["examples"]
    assert [example["name"] for example in found] == [line.split()[0] for line in lines]
    for example in found:
        machine = config.load(example["name"]).machine
        assert (machine.kernel.arch, machine.kernel.release) == (example["arch"], example["kernel"])
        assert Path(example["file"]).is_file()


#: What is the matter with each example: by hand, from what stands at the top of its file.
FAULTS: dict[str, set[str]] = {
    "arm64-server": set(),
    "broken-firmware": {
        "dax-alignment",
        "srat-missing",
        "hmat-ignored",
        "hmat-unknown-domain",
        "slit-invalid",
        "dax-without-driver",
    },
    "cxl-server": set(),
    "no-hmat": {"hmat-missing"},
    "two-node": set(),
    "unaligned": {"dax-alignment", "kmem-alignment", "sp-in-cpu-node"},
    "xeon-max": set(),
}


@pytest.mark.parametrize("name", config.example_names())
def test_an_example_has_the_faults_that_it_says(name: str) -> None:
    machine = config.load(f"example:{name}").machine
    found = report(boot(machine, Selection().hooks_for(machine), recording=True, userspace="udev"))
    assert {finding.rule for finding in found.findings if finding.severity != "note"} == FAULTS[name]
