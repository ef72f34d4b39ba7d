"""What README and docs tell people to type does what they say: every command, every example, every link."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import cases
import click
import pages
import pytest
import wheels
from hosts import PACKAGES, booted, unavailable
from pages import Piece, Typed
from softreserve.cli import COMMANDS, cli, main
from softreserve.live.fuse import FuseError
from softreserve.live.shell import Session, SessionError
from softreserve.plugins.selection import Selection
from test_host_archives import FILES
from test_importers import LOG, MAP, dumped, packed
from test_verify import SAID

#: What the pages take for granted.
NEEDED = {"x86", "arm64", "hmem", "cxl", "kexec"}

#: Words that a reader fills in.
FILLED_IN = {
    "ADDRESS": "4G",
    "CASE": "case",
    "COMMAND": "boot",
    "--acpi DIR": "--acpi tables",
    "--acpi /sys/firmware/acpi/tables": "--acpi tables",
    "--log FILE": "--log boot.log",
    "dmesg:FILE": "dmesg:dmesg.txt",
    "DIR": "tree",
    "FILE": "steps.toml",
    "KIND": "lint",
    "MACHINE": "example:two-node",
    "NAME": "tiny",
    "RELEASE": "7.3",
    "RULE": "auto-online",
    "SIZE": "1G",
    "START": "4G",
    "WHAT": "dax0.0",
}
_PLACE = re.compile(rf"(?<![\w])(?:{'|'.join(FILLED_IN)})(?![\w-])")

#: Options in the text that are those of other programs.
OF_OTHERS = {
    *("--softreserve-plugin", "--softreserve-limit", "--softreserve-keep", "--softreserve-require"),
    *("--noefi", "--device", "--security-opt"),
}

#: A machine to add to.
SMALL = """
efi_map = [{ start = 0, size = "640K" }, { start = "1M", size = "2047M" }, { start = "4G", size = "2G" }]
"""

#: What takes a shell: pipes, redirections, patterns, variables.
_SHELL = re.compile(r"[|<>&;*$]|\s#")
#: Commands that change the process they run in, or wait for somebody.
_APART = {"capture", "serve", "shell", "observe"}
#: Commands whose 1 is an answer.
_ANSWERS = re.compile(r"softreserve (?:audit|diff|doctor|kexec|lint|run|scenario run|verify)\b")
#: What only tells of machines that no page changes: what several pages say is typed once.
_TELLS = re.compile(
    r"softreserve doctor"
    r"|softreserve (?:boot|diff|explain|lint|verify) (?:example:[\w-]+|my-server/)[^-]*(?: --kernel [\w.,]+)?"
)
#: What runs programs on a machine.
_ON_A_MACHINE = re.compile(r"softreserve (?:serve|shell) |--run-programs|\.(?:run|json)\(")
_SECONDS = 60

pytestmark = pytest.mark.skipif(
    not set(Selection().installed) >= NEEDED, reason="needs all plugins: pip install ./plugins/*"
)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """``docs/commands.py``."""
    spec = importlib.util.spec_from_file_location("commands", wheels.ROOT / "docs" / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that pages take as given: a server, its log, copies of its files. It is only read."""
    top = tmp_path_factory.mktemp("shelf")
    case = cases.unpack("x86-6.12-two-node-hmat", top)
    case.rename(top / "case")
    shutil.copytree(top / "case", top / "my-server")
    shutil.copytree(top / "case", top / "other-server")
    tables = {name: (top / f"case/input/acpi/{name}.bin").read_bytes() for name in ("SRAT", "HMAT")}
    (top / "tables").mkdir()
    for name, data in tables.items():
        (top / "tables" / name).write_bytes(data)
    (top / "acpidump.out").write_text("".join(dumped(name, data) for name, data in tables.items()))
    (top / "memmap.txt").write_bytes(MAP.encode("utf-16"))
    packed(top / "my-server.tar.gz", {**FILES, "proc/cmdline": "quiet\n"})
    packed(top / "sosreport-db01.tar.xz", {"sosreport-db01/sos_commands/kernel/dmesg": LOG})
    log = lzma.decompress((Path(__file__).with_name("data") / "logs/x86-6.12-plain.txt.xz").read_bytes())
    for name in ("dmesg.txt", "other.log"):
        (top / name).write_bytes(log)
    (top / "boot.log").write_text(SAID)
    (top / "bin").mkdir()
    (top / "bin" / "dmesg").write_text(f"#!/bin/sh\ncat {top}/dmesg.txt\n")
    (top / "bin" / "dmesg").chmod(0o755)
    for name in ("my-machine", "rack-1", "rack-2"):
        (top / f"{name}.toml").write_text(SMALL)
    for name in ("servers", "my-servers"):
        (top / name).mkdir()
        (top / name / "rack-1.toml").write_text(SMALL)
    for name in ("core", "docs", "examples", "plugins", "tests"):
        (top / name).symlink_to(wheels.ROOT / name)
    (top / "steps.toml").write_text('[[step]]\nname = "1"\nrun = "modprobe kmem"\n')
    return top


class Reader:
    """Somebody who goes through a page in a folder of their own, and types what it says."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page = page
        self.folder = folder
        #: Why something cannot be typed here, and what does not do what the page says.
        self.missing: set[str] = set()
        self.problems: list[str] = []
        #: How to ask for the plugin that the page is about, if that is nobody's but its own.
        self.plugin = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SOFTRESERVE", "PYTEST"))},
            "PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "200",
        }

    def installs(self, project: Path) -> Path:
        """Make it look as if a plugin of this project were installed; returns where its metadata is."""
        metadata = self.folder / "installed"
        (about := metadata / f"{project.name}-1.0.dist-info").mkdir(parents=True)
        groups = wheels.project(project)["entry-points"]
        (about / "entry_points.txt").write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
                for group, entries in groups.items()
            )
        )
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project.name}\nVersion: 1.0\n")
        (name,) = groups["softreserve.plugins"]
        self.plugin = f" -p {name}"
        self.environment["PYTHONPATH"] = f"{metadata}:{wheels.package(project).parent}"
        return metadata

    def read(self) -> None:
        """Go through the page."""
        for piece in pages.typed(pages.pieces(self.page)):
            if isinstance(piece, Typed) and (piece.reason or is_mention(piece)):
                for words in commands_in(piece.text):
                    self.say(piece, wrong_words(words))
            elif piece.reason:
                continue
            elif isinstance(piece, Typed):
                self.type(piece)
            elif piece.file:
                (self.folder / piece.file).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / piece.file).write_text(piece.text)
            else:
                self.look(piece)

    def say(self, piece: Piece | Typed, problem: str | None) -> None:
        """Note what is wrong with a piece, if anything is."""
        if problem is not None:
            self.problems.append(f"{self.page}:{piece.line}: {piece.text.strip()}: {problem}")

    def look(self, piece: Piece) -> None:
        """See that an example is right by itself."""
        match piece.language:
            case "python":
                self.python(piece)
            case "toml":
                self.part(piece)
            case "pycon" | "text" | "json":
                pass  # doctests run where they stand; drawings, excerpts
            case language if not language.startswith("{"):  # what Sphinx puts in is no example
                self.say(piece, f"what is to be done with a block of {language!r}?")

    def part(self, piece: Piece) -> None:
        """Take an example for a part of a machine file."""
        file = self.folder / "my-machine.toml"
        file.write_text(SMALL + piece.text)
        status, printed = self.run(f"softreserve boot {file.name}{self.plugin}")
        self.say(piece, None if status == 0 else f"as a part of a machine file: exit code {status}\n{printed}")

    def python(self, piece: Piece) -> None:
        """Run an example, and the tests in it."""
        if not self.programs(piece.text):
            return
        names: dict[str, object] = {"__name__": "example"}
        try:
            exec(compile(piece.text, f"{self.page}:{piece.line}", "exec"), names)
            for test in [found for name, found in names.items() if name.startswith("test_") and callable(found)]:
                test()
        except Exception as error:
            self.say(piece, repr(error))

    def type(self, command: Typed) -> None:
        """Type a command, and compare what it prints."""
        if not self.programs(command.text):
            return
        status, printed = self.run(filled_in(command.text))
        if status not in ((0, 1) if _ANSWERS.search(command.text) else (0,)):
            self.say(command, f"exit code {status}\n{printed}")
        elif command.printed is not None:
            self.say(command, pages.difference(command.printed, printed, in_part=command.in_part))

    def programs(self, text: str) -> bool:
        """Whether all is there that a text takes: programs, and a machine to run them on."""
        named = {name for name in PACKAGES if re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", text)} - {"dmesg"}
        missing = {name for name in named if shutil.which(name, path=self.environment["PATH"]) is None}
        reasons = {f"needs {name}: apt install {PACKAGES[name]}" for name in missing}
        if _ON_A_MACHINE.search(text) and (reason := why_no_programs()):
            reasons.add(reason)
        if "softreserve report" in text and find_spec("jinja2") is None:
            reasons.add("needs jinja2: pip install 'softreserve[report]'")
        self.missing |= reasons
        return not reasons

    def run(self, words: str) -> tuple[int, str]:
        """Exit status, and both outputs."""
        if "pip install" in words:
            return 1, "this fills an environment: say above it why it is not run"
        name = words.split()[1] if words.startswith("softreserve ") else ""
        if name == "serve":
            return self.serve(shlex.split(words))
        if not name or name in _APART or _SHELL.search(words):
            return self.shell(words)
        return told(words) if _TELLS.fullmatch(words) else in_process(words)

    def shell(self, words: str) -> tuple[int, str]:
        """In bash, from an empty standard input."""
        with self.without_target(words) as folder:
            run = subprocess.run(
                ["bash", "-c", words],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_SECONDS,
            )
        return run.returncode, run.stdout

    @contextlib.contextmanager
    def without_target(self, words: str) -> Iterator[Path]:
        """The folder, without what a capture is about to write: pages have read of it before."""
        target = re.search(r"softreserve capture .*?-o (\S+)|capture\.sh (\S+)", words)
        there = target and self.folder / (target[1] or target[2]).rstrip("/")
        if not there or not there.exists():
            yield self.folder
            return
        aside = there.rename(there.with_name("aside"))
        try:
            yield self.folder
        finally:
            if there.is_dir():
                shutil.rmtree(there)
            aside.replace(there)

    def serve(self, words: list[str]) -> tuple[int, str]:
        """Serve a machine until its files are there, and end it."""
        files = self.folder / words[3] / "sys"
        files.parent.mkdir(exist_ok=True)
        with subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as server:
            end = time.monotonic() + _SECONDS
            while not files.exists() and server.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            served = files.exists()
            server.terminate()  # what is started in the background ignores SIGINT
            printed, _ = server.communicate(timeout=_SECONDS)
        return (0 if served else server.returncode or 1), printed


@functools.cache
def why_no_programs() -> str | None:
    """Why this host cannot run programs on a machine; ``None`` where it can."""
    try:
        with Session(booted("example:two-node")):
            return None
    except (FuseError, SessionError) as error:
        return str(error)


def in_process(words: str) -> tuple[int, str]:
    """Exit status and both outputs of a command of ours."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = main(shlex.split(words)[1:])
    return status, printed.getvalue()


told = functools.cache(in_process)


def filled_in(words: str) -> str:
    """Words as a reader types them: with something for words in capitals, without what may be left out."""
    return _PLACE.sub(lambda match: FILLED_IN[match[0]], re.sub(r" \[[^]]*[A-Z][^]]*\]", "", words))


def is_mention(piece: Piece | Typed) -> bool:
    """Whether a command in the text is only named, and not one to type: more has to stand behind it."""
    first, *rest = piece.text.split()
    command = command_of(rest[0]) if isinstance(piece, Typed) and first == "softreserve" and len(rest) == 1 else None
    return command is not None and (rest[0] == "capture" or any(isinstance(p, click.Argument) for p in command.params))


def commands_in(text: str) -> list[str]:
    """Commands of ours in a text."""
    return [match[0] for match in re.finditer(r"softreserve(?: [^|;&\n`]*)?", text)]


def command_of(name: str) -> click.Command | None:
    """The command of this name."""
    with click.Context(cli) as context:
        found: click.Command | None = cli.get_command(context, name)
    return found


def wrong_words(words: str) -> str | None:
    """What no command has in one that is not run: a name or an option."""
    try:
        first, *rest = shlex.split(words)
    except ValueError:
        return None
    if first != "softreserve" or not rest:
        return None
    name, *arguments = rest
    command = command_of(name)
    if command is None:
        return f"no such command: {name}"
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        if name not in command.commands:
            return f"no such command: {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given = [word.partition("=")[0] for word in arguments[:end] if re.match(r"--?[a-z]", word)]
    unknown = [word for word in given if word not in {*known, "--help"}]
    return f"no such options: {unknown}" if unknown else None


@pytest.mark.slow
@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_does_what_it_says(page: str, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(shelf, tmp_path / "session", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    reader = Reader(page, folder)
    if page.startswith("examples/"):
        monkeypatch.syspath_prepend(str(wheels.package((wheels.ROOT / page).parent).parent))
        monkeypatch.syspath_prepend(str(reader.installs((wheels.ROOT / page).parent)))
    reader.read()
    assert not reader.problems, "\n\n".join(reader.problems)
    if reader.missing:
        unavailable(f"not all of it was typed: {'; '.join(sorted(reader.missing))}")


def test_links_between_pages_lead_somewhere() -> None:
    lost = []
    for page in pages.PAGES:
        here = wheels.ROOT / page
        for line, target in pages.links(page):
            if not re.match(r"https?://", target):
                name, _, anchor = target.partition("#")
                path = (here.parent / name).resolve() if name else here
                if (
                    not path.exists()
                    or (page.startswith("docs/") and here.parent not in path.parents)
                    or (anchor and path.suffix == ".md" and anchor not in pages.anchors(path))
                ):
                    lost.append(f"{page}:{line}: {target}")
    assert lost == []


def test_the_page_of_commands_is_what_they_say_of_themselves(reference: ModuleType) -> None:
    assert reference.page() == reference.PAGE.read_text(), "run: python docs/commands.py"


def test_links_have_words_also_where_nobody_fills_them_in() -> None:
    assert [page for page in pages.PAGES if "[](" in (wheels.ROOT / page).read_text()] == []


def test_every_page_of_the_site_is_in_its_list() -> None:
    listed = {word for piece in pages.pieces("docs/index.md") for word in piece.text.split()}
    named = {target.removesuffix(".md") for _, target in pages.links("docs/index.md")}
    assert {path.stem for path in (wheels.ROOT / "docs").glob("*.md")} - {"index"} == listed & named


def test_addresses_of_other_sites_can_be_right() -> None:
    wrong = [
        f"{page}:{line}: {target}"
        for page in pages.PAGES
        for line, target in pages.links(page)
        if re.match(r"\w+:", target) and not re.fullmatch(r"https?://[\w.-]+\.[a-z]+(?:/[^\s<>\"]*)?", target)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", pages.PAGES)
def test_options_that_a_page_names_exist(page: str, reference: ModuleType) -> None:
    known = {
        option
        for name in COMMANDS
        for _, command in reference.commands(name, reference.command(name))
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    text = re.sub(r"```.*?```", "", (wheels.ROOT / page).read_text(), flags=re.DOTALL)
    named = set(re.findall(r"`(--[a-z][\w-]*)[^`]*`", text))
    assert named - known <= {"--help", "--version", *OF_OTHERS}


def test_a_page_that_shows_something_else_is_found() -> None:
    printed = "a: 1\nb: 2\nc: 3\n"
    for right in ("a: 1\nb: 2\nc: 3\n", "a: 1\n...\nc: 3\n", "...\nb: ...\n ...\n"):
        assert pages.difference(right, printed) is None
    for wrong in ("a: 1\n", "a: 1\nc: 3\n", "a: 2\n...\n", "...\nb: 2\n", "...\nc: 3\nb: 2\n", "a: 1\nb: 2\nc: 3\nd\n"):
        assert pages.difference(wrong, printed) is not None
    assert pages.difference("a: 1\nc: 3\n", printed, in_part=True) is None
    assert pages.difference("c: 3\na: 1\n", printed, in_part=True) is not None
