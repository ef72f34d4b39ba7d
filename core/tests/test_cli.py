"""The command line, with riscv64 as the only architecture that is sure to be there."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from softreserve import __version__, config
from softreserve.cli import COMMANDS, main
from softreserve.plugins.selection import Selection

MACHINE = """
name = "small"
cmdline = "quiet"
[kernel]
arch = "riscv64"
[[efi_map]]
start = "2G"
size = "2G"
[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"
[[step]]
name = "01-look"
run = "echo online > /sys/devices/system/memory/auto_online_blocks"
"""


@pytest.fixture
def machine(demo: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine file of an architecture that an installed plugin boots."""
    monkeypatch.syspath_prepend(str(demo))
    path = demo / "small.toml"
    path.write_text(MACHINE)
    return str(path)


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version", capsys=capsys) == (0, f"softreserve {__version__}\n", "")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("--help", capsys=capsys)
    assert status == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("--help", capsys=capsys)
    assert shown[0] == 0
    assert run(capsys=capsys) == shown


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("arguments", [(), *((name, "--help") for name in COMMANDS)])
def test_help_fits_the_terminal(
    arguments: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    words = set(re.split(r"[\s|]+", run(*arguments, capsys=capsys)[1]))
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = run(*arguments, capsys=capsys)
    assert max(map(len, out.splitlines())) <= width
    assert all(line == line.rstrip() for line in out.splitlines())
    assert set(re.split(r"[\s|]+", out)) == words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(name, "--help", capsys=capsys)
    assert status == 0
    assert out.startswith(f"Usage: softreserve {name}")


#: Commands without a MACHINE, a line each.
NOT_ABOUT_A_MACHINE = {
    "align",
    "capture",
    "completion",
    "doctor",
    "examples",
    "fleet",
    "fleet-query",
    "inventory",
    "man",
    "new",
    "new-plugin",
    "plugins",
    "scenario",
    "schema",
}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in NOT_ABOUT_A_MACHINE])
def test_every_command_about_a_machine_takes_the_same_forms_of_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(run(name, "--help", capsys=capsys)[1].split())
    assert "MACHINE is a capture directory, a TOML machine file, example:NAME, dmesg:FILE" in words
    assert {"--from-dmesg", "--acpi"} <= set(words.split())
    assert ("--userspace" in words.split()) == (name not in ("kaslr", "show-input"))


def test_a_machine_is_summed_up(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("boot", machine, capsys=capsys)
    assert (status, err) == (0, "")
    assert "000100000000-00013fffffff" in out
    assert "Soft Reserved" in out
    assert "1 GiB of specific purpose memory" in out


def test_a_kernels_file_is_printed_and_no_more(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boot", machine, "--emit", "iomem", capsys=capsys)[:2] == (
        0,
        "80000000-ffffffff : System RAM\n100000000-13fffffff : Soft Reserved\n",
    )


def test_json_says_what_it_is(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run("boot", machine, "--json", capsys=capsys)
    found = json.loads(out)
    assert (found["schema"], found["version"], found["arch"]) == ("softreserve.boot", 1, "riscv64")
    marked = found["specific_purpose"]
    assert [(part["start"], part["end"]) for part in marked["ranges"]] == [(4 << 30, 5 << 30)]
    assert [sum(marked[name].values()) for name in ("totals", "as_system_ram", "as_devdax")] == [1 << 30] * 3
    assert found["verdict"]["total"] == 1 << 30
    assert [row["node"] for row in found["per_node"]] == [0, -1]  # without an SRAT only RAM has a node
    _, out, _ = run("boot", machine, "--json", "--emit", "iomem", capsys=capsys)
    assert len(json.loads(out)["lines"]) == 2


def test_the_command_line_is_replaced_or_appended_to(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("+efi=nosoftreserve", "efi=nosoftreserve"):
        _, out, _ = run("boot", machine, "--cmdline", text, "--emit", "iomem", capsys=capsys)
        assert "Soft Reserved" not in out


def test_hook_calls_are_traced(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run("boot", machine, "--emit", "iomem", "--trace", capsys=capsys)
    assert "softreserve_early_reserve riscv -> True" in err


def test_a_log_can_come_from_standard_input(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"no log\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("boot", "--from-dmesg", "-", capsys=capsys)[0] == 2


def test_a_difference_is_exit_code_1(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("diff", machine, "--cmdline", "+efi=nosoftreserve", capsys=capsys)
    assert status == 1
    assert "-100000000-13fffffff : Soft Reserved" in out
    status, out, _ = run("diff", machine, machine, capsys=capsys)
    assert (status, out.splitlines()[-1].partition(" in ")[0]) == (0, "no difference")
    status, out, _ = run("diff", machine, "--cmdline", "+x", "--emit", "iomem", "--json", capsys=capsys)
    assert (status, json.loads(out)["differences"]) == (0, {"iomem": []})


def test_an_address_is_explained(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("explain", machine, "4G", capsys=capsys)
    assert status == 0
    assert out.startswith("0x100000000 is Soft Reserved")
    assert "specific purpose memory is set aside" in out
    assert "drivers/firmware/efi/efi-init.c: reserve_regions" in out
    assert "0x0 is no resource" in run("explain", machine, "0", capsys=capsys)[1]
    assert json.loads(run("explain", machine, "4G", "--json", capsys=capsys)[1])["owners"] == ["Soft Reserved"]


def test_nothing_to_find_is_exit_code_0(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    without = ("-p", "no:hmem") if "hmem" in Selection().installed else ()  # its rules find that memory is in no device
    status, out, err = run("lint", machine, *without, capsys=capsys)
    assert (status, err) == (0, "")
    assert all(line.startswith("note: ") for line in out.splitlines()[1:-1])


def test_steps_are_carried_out(machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auto = "/sys/devices/system/memory/auto_online_blocks = online\n"
    assert auto in run("run", machine, "--emit", "memory-blocks", capsys=capsys)[1]
    steps = tmp_path / "steps.toml"
    steps.write_text('[[step]]\nname = "one"\nwrites = [["/sys/nowhere", "1"]]\n')
    status, out, _ = run("run", machine, str(steps), capsys=capsys)
    assert (status, out) == (0, "# one: 0\n/sys/nowhere <- 1 : -ENOENT\n")
    assert "same\n" in run("run", machine, str(steps), "--trace", capsys=capsys)[1]


def test_what_a_step_changed_is_shown(machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = tmp_path / "steps.toml"
    policy = "/sys/devices/system/memory/auto_online_blocks"
    steps.write_text(f'[[step]]\nname = "one"\nwrites = [["{policy}", "online_kernel"]]\n')
    changes = "-auto_online_blocks=offline\n+auto_online_blocks=online_kernel\n"
    assert run("run", machine, str(steps), capsys=capsys)[1] == f"# one: 0\n{policy} <- online_kernel : 0\n{changes}"
    whole = run("run", machine, str(steps), "--state", capsys=capsys)[1].splitlines()
    assert "auto_online_blocks=online_kernel" in whole
    assert any(line.startswith("nodes online=") for line in whole)


def test_steps_that_are_another_machines_record_are_told_from_ones_own(
    machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.toml"
    step = '[[step]]\nwrites = [["/sys/devices/system/memory/auto_online_blocks", "online"]]\nresult = 0\n'
    record.write_text(f'[record]\nschema = "softreserve.record"\nmachine = "big"\nkernel = "5.5"\n{step}')
    status, _, err = run("run", machine, str(record), capsys=capsys)
    assert (status, err.count("\n")) == (0, 1)
    assert f"{record}: it is the record of 'big', another machine: kernel '5.5', not '6." in err
    record.write_text(f'[about]\nmachine = "big"\n{step}')
    assert run("run", machine, str(record), capsys=capsys)[2] == ""


def test_a_case_is_observed(machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("observe", machine, "--out", str(tmp_path / "out"), capsys=capsys)
    assert (status, out) == (0, "")
    assert "Soft Reserved" in (tmp_path / "out" / "iomem.txt").read_text()
    assert (tmp_path / "out" / "steps" / "01-look" / "status").read_text() == "0\n"


def test_a_case_is_observed_into_an_empty_directory_and_not_into_another_run(
    machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run("observe", machine, "--out", str(out), capsys=capsys)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert any(path.name == "iomem.txt" for path in before)
    status, _, err = run("observe", machine, "--out", str(out), capsys=capsys)
    assert (status, err) == (
        2,
        f"softreserve: {out}: is not empty, it holds 'dax.txt'; wanted is a new or empty directory\n",
    )
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_an_observation_that_is_broken_off_leaves_nothing(
    machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("softreserve.views.observe.run_step", interrupted)
    assert run("observe", machine, "--out", str(tmp_path / "out"), capsys=capsys)[0] == 130
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".softreserve*"))


def test_the_current_directory_is_not_replaced_by_an_export(
    machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    status, _, err = run("export", machine, ".", "--replace", capsys=capsys)
    assert (status, err) == (2, "softreserve: .: is the current directory, or above it\n")
    assert sorted(tmp_path.iterdir()) == before


def test_what_lies_in_the_current_directory_is_no_plugin(demo: Path) -> None:
    """``python -m`` puts it first on the path. One that is on the path for another reason was asked for."""
    for module in ("signal", "gc", "click", "pluggy"):
        (demo / f"{module}.py").write_text("1 / 0")
    command = [sys.executable, "-m", "softreserve", "plugins"]
    there = subprocess.run(command, cwd=demo, capture_output=True, text=True, check=False)
    elsewhere = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert (there.returncode, there.stdout, there.stderr) == (0, elsewhere.stdout, elsewhere.stderr)


def test_a_directory_that_was_asked_for_has_plugins(demo: Path) -> None:
    command = [sys.executable, "-m", "softreserve", "plugins"]
    environment = {**os.environ, "PYTHONPATH": str(demo)}
    found = subprocess.run(command, cwd=demo, env=environment, capture_output=True, text=True, check=True)
    assert "\nriscv   softreserve-riscv " in found.stdout


def test_plugins_are_listed_with_hooks(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("plugins", "-p", "riscv", capsys=capsys)
    assert status == 0
    assert "\nriscv   softreserve-riscv 0.1.0    2  architecture riscv64  named by -p\n" in out
    assert "  hooks: softreserve_arch_info, softreserve_early_reserve, " in out
    found = json.loads(run("plugins", "-p", "riscv", "--json", capsys=capsys)[1])
    assert found["plugins"][0]["arches"] == ["riscv64"]


def test_a_broken_plugin_is_exit_code_3(machine: str, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = demo / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[softreserve.plugins]\nbroken = broken_plugin\n")
    (demo / "broken_plugin.py").write_text("1 / 0")
    status, out, _ = run("plugins", "-p", "broken", capsys=capsys)
    assert status == 3
    assert "broken: plugin 'broken' (broken_plugin) cannot be imported: ZeroDivisionError" in out
    status, _, err = run("boot", machine, "-p", "broken", capsys=capsys)
    assert status == 3
    assert err.startswith("softreserve: plugin 'broken'")


def test_plugins_bring_commands(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(demo))
    folder = demo / "greeter-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[softreserve.plugins]\ngreeter = greeter_plugin\n")
    (demo / "greeter_plugin.py").write_text(
        "import click\nfrom softreserve.plugins.hookspecs import hookimpl\n"
        "@hookimpl\ndef softreserve_cli(group):\n"
        "    @group.command()\n    def greet():\n        'Say hello.'\n        print('hello')\n"
    )
    assert run("-p", "greeter", "greet", capsys=capsys) == (0, "hello\n", "")
    assert "greet" in run("-p", "greeter", "--help", capsys=capsys)[1]


BAD = [
    (["boot"], "Missing argument 'MACHINE'"),
    (["boot", "nowhere"], "nowhere: no such machine"),
    (["boot", "example:two-nod"], "did you mean 'two-node'?"),
    (["boot", "{machine}", "--acpi", "x"], "--acpi goes with a kernel log"),
    (["boot", "{machine}", "--emit", "xomem"], "xomem"),
    (["boot", "{machine}", "--kernel", "six"], "unknown kernel release 'six': it begins with a version"),
    (["boot", "{machine}", "--kernel", "-1"], "unknown kernel release '-1'"),
    (["boot", "{machine}", "--arch", "vax"], "no installed plugin boots architecture 'vax'; known: "),
    (["boot", "{machine}", "--page-size", "5K"], "Linux has no pages of 5K"),
    (["boot", "{machine}", "--page-size", "-4K"], "is negative"),
    (["boot", "{machine}", "--cmdline", "x" * 10_000_000], "the kernel takes 2047"),
    (["boot", "{machine}", "-p", "nothing"], "no plugin 'nothing' is installed; installed: "),
    (["boot", "{machine}", "-p", "no:riscv"], "every plugin that boots riscv64 was left out"),
    (["boot", "--from-dmesg", "nowhere.log"], "nowhere.log: No such file or directory"),
    (["explain", "{machine}", "here"], "wanted an address"),
    (["diff", "{machine}"], "nothing to compare with"),
    (["run", "{machine}", "nowhere.toml"], "nowhere.toml: No such file or directory"),
    (["wot"], "No such command 'wot'"),
    (["bot", "{machine}"], "No such command 'bot'; did you mean 'boot'?"),
    (["boot", "{machine}", "--kernl", "6.1"], "--kernel"),
    (["boot", "{machine}", "--emit", "iomen"], "'log'; did you mean 'iomem'?"),
    (["boot", "{machine}", "--userspace", "udv"], "'opensuse'; did you mean 'udev'?"),
    (["boot", "{machine}", "-p", "risc"], "did you mean 'riscv'?"),
    (["boot", "{machine}", "--arch", "riscv46"], "did you mean 'riscv64'?"),
    (["boot", "two-node"], "did you mean 'example:two-node'?"),
    (["boot", "exmaple:two-node"], "did you mean 'example:two-node'?"),
    (["boot", "{machine}l"], "small.toml'?"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=range(len(BAD)))
def test_bad_usage_is_one_line_and_exit_code_2(
    machine: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*(argument.format(machine=machine) for argument in arguments), capsys=capsys)
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("softreserve: ")
    assert err.count("\n") == 1


def test_every_mistake_of_a_machine_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[kernel]\nrelease = "1.0"\n[[efi_map]]\nstart = "1GB"\nsize = 1\n')
    status, _, err = run("boot", str(path), capsys=capsys)
    assert status == 2
    assert all(line.startswith(f"softreserve: {path}: line ") for line in err.splitlines())


def test_a_mistake_of_ours_is_one_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(config, "load", broken)
    monkeypatch.setattr("softreserve.kernel.border._brought", {})  # other tests here have plugins
    status, _, err = run("boot", "x", capsys=capsys)
    assert status == 3
    assert err.startswith("softreserve: internal error: KeyError: 'oops'")
    assert err.count("\n") == 1
    monkeypatch.setenv("SOFTRESERVE_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["boot", "x"])


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    code = "import sys; from softreserve.cli import main; sys.exit(main(['--help']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()


@pytest.mark.parametrize(
    "arguments", [["--version"], ["boot", "{case}", "--emit", "iomem"], ["plugins", "-p", "riscv"]]
)
def test_fast_commands_import_nothing_slow(machine: str, demo: Path, arguments: list[str]) -> None:
    case = demo / "case"
    case.mkdir()
    (case / "cmdline.txt").write_text("quiet\n")
    (case / "kernel.toml").write_text('release = "6.12"\narch = "riscv64"\n')
    (case / "efi-memmap.txt").write_text("efi:   0x000080000000-0x0000ffffffff [Conventional|   |WB|  |  |  ]\n")
    code = (
        f"import sys; sys.path.insert(0, {str(demo)!r}); from softreserve.cli import main; "
        "status = main(sys.argv[1:]); print(*sys.modules, file=sys.stderr); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, *(argument.format(case=case) for argument in arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    slow = {"rich", "jinja2", "cattrs", "intervaltree", "importlib.metadata"}
    if arguments[0] != "plugins":
        slow |= {"attr", "attrs"}
    assert not slow & set(run.stderr.split())
