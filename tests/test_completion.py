"""``softreserve completion``: what shells complete, in the shells themselves where they are installed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from small_machines import X86, need
from softreserve import config
from softreserve.cli import COMMANDS, main
from softreserve.cli.completion import SHELLS, Files, Word, answers, completer
from softreserve.model.release import RELEASES
from softreserve.model.userspace import USERSPACES
from softreserve.plugins.hooks import installed

#: Values that are free text or numbers.
FREE = {"append", "cmdline", "cmdlines", "command", "kexec_tools", "kexecs", "policy", "query", "scheduler", "target"}
_METAVARS_OF_NUMBERS = {"BYTES", "MB/S", "N", "NS", "NUMBER", "SIZE", "START"}
_SECONDS = 30
#: What stands on a line when it was carried out, and not in the definition of what says it.
_SAID = re.compile(r"SAID<([^%>]*?) ?>")
MISSING = sorted({"x86", "arm64", "hmem", "cxl", "kexec"} - set(installed()))


def words(line: str) -> list[str]:
    """Words that may stand at the end of a line."""
    return [found.value for found in answers(line.split(" ")[1:]) if isinstance(found, Word)]


def test_commands_are_completed_without_importing_them() -> None:
    assert set(words("softreserve ")) >= set(COMMANDS)
    assert words("softreserve bo") == ["boot"]
    assert words("softreserve wo") == []
    program = "from softreserve.cli.completion import answers; import sys; answers(['']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"softreserve.cli.boot", "softreserve.cli.lint", "softreserve.machine.boot"} & set(loaded)


def test_options_are_completed_with_what_they_do() -> None:
    found = {word.value: word.words for word in answers(["boot", "example:two-node", "--"]) if isinstance(word, Word)}
    assert {"--emit", "--kernel", "--cmdline", "--json", "--help"} <= set(found)
    assert found["--kernel"].startswith("Boot this kernel release")
    assert not any(name.startswith("--line") for name in words("softreserve completion --"))
    assert words("softreserve boot -- --em") == []
    assert words("softreserve --pl") == ["--plugin"]


def test_values_are_completed_by_what_they_are() -> None:
    names = [f"example:{name}" for name in config.example_names()]
    assert words("softreserve boot ")[: len(names)] == names
    assert words("softreserve lint example:tw") == ["example:two-node"]
    assert words("softreserve diff example:two-node example:x") == ["example:xeon-max"]
    assert words("softreserve boot dme") == ["dmesg:"]
    assert answers(["boot", "dmesg:x"]) == [Files(before="dmesg:")]
    assert set(words("softreserve boot --kernel ")) >= set(RELEASES)
    assert words("softreserve diff m --kernel 6.12,7.3")[-1] == "6.12,7.3"
    assert "iomem" in words("softreserve boot --emit io")
    assert words("softreserve boot --emit=io") == ["--emit=iomem"]
    assert words("softreserve boot --userspace ") == [*USERSPACES, "help"]
    assert answers(["boot", "--userspace", "rhel9"]) == [
        Word("rhel9", "RHEL 9, CentOS Stream 9: online_movable on bare metal, online in a guest")
    ]
    assert words("softreserve new-plugin im") == ["importer"]
    assert words("softreserve boot --page-size 1") == ["16K"]
    assert answers(["boot", "example:two-node", "--acpi", ""]) == [Files()]
    assert answers(["capture", "-o", ""]) == [Files(directories=True)]
    assert answers(["run", "example:two-node", "st"])[-1] == Files()
    assert words("softreserve completion f") == ["fish"]
    assert set(words("softreserve boot -p ")) >= set(installed())
    assert set(words("softreserve -p ")) >= set(installed())
    assert words("softreserve scenario s") == ["show"]
    assert words("softreserve sweep m --over k") == ["kernel=", "kexec="]
    assert words("softreserve sweep m --over layout=s") == ["layout=search", "layout=split:"]
    assert "kernel=6.12,7.3" in words("softreserve sweep m --over kernel=6.12,7")
    assert words("softreserve scenario show ")


def test_options_of_kernels_are_completed_where_an_architecture_brings_some() -> None:
    need(X86)
    assert words("softreserve boot --config DEV_DAX_HM") == ["DEV_DAX_HMEM=", "DEV_DAX_HMEM_DEVICES="]


def parameters() -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter with a value, and its command."""

    def below(path: str, command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
        for param in command.params:
            flag = isinstance(param, click.Option) and (param.is_flag or param.count or param.hidden)
            if not flag:
                yield path, param
        for name, sub in getattr(command, "commands", {}).items():
            yield from below(f"{path} {name}", sub)

    for name, (place, _) in COMMANDS.items():
        module, _, attribute = place.partition(":")
        yield from below(name, getattr(import_module(module), attribute))


def test_a_value_of_every_command_is_completed_or_free_text() -> None:
    context = click.Context(click.Command("any"), resilient_parsing=True)
    lost = [
        f"{path} {param.name}"
        for path, param in parameters()
        if completer(param, path) is None
        and not param.type.shell_complete(context, param, "")
        and not isinstance(param.type, click.types.IntParamType | click.types.FuncParamType)
        and param.name not in FREE
        and param.metavar not in _METAVARS_OF_NUMBERS
        and f"{path} {param.name}" not in {"align start", "align size", "new-plugin name"}
    ]
    assert lost == []


def test_bash_gets_what_follows_the_last_of_its_separators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my machine.toml").touch()
    (tmp_path / "my dir").mkdir()
    (tmp_path / ".hidden").touch()

    def asked(line: str) -> list[str]:
        assert main(["completion", "bash", "--line", line, "--breaks", " \t\n\"'@><=;|&(:"]) == 0
        return capsys.readouterr().out.splitlines()

    assert asked("softreserve boot example:two") == ["words", "two-node"]
    assert asked("softreserve boot --emit=io") == ["words", "iomem"]
    assert asked("softreserve boot my") == ["paths", "my dir/", "my machine.toml"]
    assert asked("softreserve boot ")[-2:] == ["my\\ dir/", "my\\ machine.toml"]
    assert asked("softreserve boot 'my m") == ["paths", "my machine.toml"]
    assert asked("softreserve capture -o ") == ["paths", "my dir/"]
    assert asked("softreserve boot --acpi my\\ m") == ["paths", "my machine.toml"]
    assert asked("softreserve boot --acpi nowhere/") == ["paths"]
    assert asked("softreserve boot --nothing=") == ["paths"]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_line_that_somebody_types_makes_completion_fail(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "",
        "softreserve",
        "softreserve 'x",
        'softreserve "',
        "softreserve \\",
        "softreserve boot --x=",
        "a b c ' d",
    ]
    lines += [
        "softreserve nothing --x",
        "softreserve -p",
        "softreserve -p nothing boot ",
        "softreserve boot -p ./x.py ",
    ]
    lines += [
        "softreserve boot \x01\udcff",
        "softreserve boot ~nobody/",
        "softreserve scenario nothing ",
        "softreserve = :",
    ]
    for line in lines:
        assert main(["completion", shell, "--line", line, "--breaks", ":="]) == 0, line
        captured = capsys.readouterr()
        assert captured.err == "", line


# --- in the shells

#: How each is started, and the commands that come first; ``said`` shows what a line has become.
STARTS = {
    "bash": (
        ("--norc", "--noprofile", "-i"),
        ("bind 'set bell-style none'", "said() { printf 'SAID<%s>\\n' \"$*\"; }"),
    ),
    "zsh": (("-f", "-i"), ("autoload -U compinit; compinit -u -D", "said() { printf 'SAID<%s>\\n' \"$*\" }")),
    "fish": (("--no-config", "-i"), ("function said; printf 'SAID<%s>\\n' \"$argv\"; end",)),
}


class Shell:
    """An interactive shell on a terminal, in a directory with one machine file, with our completion."""

    def __init__(self, name: str, directory: Path) -> None:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"not installed here: {name}: apt install {name}")
        wrapper = directory / "bin" / "softreserve"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m softreserve "$@"\n')
        wrapper.chmod(0o755)
        script = subprocess.run([wrapper, "completion", name], capture_output=True, text=True, check=True).stdout
        (directory / "script").write_text(script)
        (directory / "work" / "machines").mkdir(parents=True)
        (directory / "work" / "machines" / "lab.toml").touch()
        flags, first = STARTS[name]
        environment = {
            **os.environ,
            "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "TERM": "xterm" if name == "fish" else "dumb",
        }
        self.terminal, its = pty.openpty()
        self.process = subprocess.Popen(
            [program, *flags],
            cwd=directory / "work",
            stdin=its,
            stdout=its,
            stderr=its,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # fish wants it to be its own
        )
        os.close(its)
        for line in (*first, f"source {directory / 'script'}"):
            os.write(self.terminal, f"{line}\n".encode())

    def read(self, until: re.Pattern[str]) -> str:
        """What it prints until it says something."""
        text, end = "", time.monotonic() + _SECONDS
        while not until.search(text) and select.select([self.terminal], [], [], max(end - time.monotonic(), 0))[0]:
            text += os.read(self.terminal, 4096).decode(errors="replace")
        return text

    def completed(self, line: str) -> str:
        """What becomes of a line when the key for completion is pressed behind it."""
        os.write(self.terminal, f"{line}\t\x01said \n".encode())
        found = _SAID.findall(self.read(_SAID))
        return str(found[-1]) if found else ""

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.mark.skipif(bool(MISSING), reason=f"not installed here: softreserve-{', softreserve-'.join(MISSING)}")
@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_what_somebody_types(name: str, tmp_path: Path) -> None:
    shell = Shell(name, tmp_path)
    try:
        assert shell.completed("softreserve boo") == "softreserve boot"
        assert shell.completed("softreserve boot example:xe") == "softreserve boot example:xeon-max"
        assert shell.completed("softreserve boot mach").rstrip("/") == "softreserve boot machines"
        assert shell.completed("softreserve boot machines/l") == "softreserve boot machines/lab.toml"
        assert (
            shell.completed("softreserve lint example:two-node --kern") == "softreserve lint example:two-node --kernel"
        )
        assert shell.completed("softreserve boot --emit=io") == "softreserve boot --emit=iomem"
    finally:
        shell.close()
