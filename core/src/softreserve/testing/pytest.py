"""The pytest plugin for authors of tools: machines for programs under test. Nothing is imported until it is asked for.

The fixture ``softreserve_machine`` is a machine, ``softreserve_host`` the running system, and a mark says which::

    @pytest.mark.softreserve("example:xeon-max", kernel=["6.12", "7.3"])
    def test_my_tool(softreserve_host):
        assert softreserve_host.run(["my-tool", "list"]).stdout == "dax0.0\\n"

PYTEST_DONT_REWRITE: no test is in here, and who asks for it twice is not warned that it is imported already.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from softreserve.live.session import Session
    from softreserve.model.machine import Machine
    from softreserve.model.scenario import Scenario

__all__: list[str] = []

_MARK: Final = "softreserve"
_MACHINE: Final = "machine"
_MODES: Final = ("live", "export")
#: Words of a mark as options of the command line; those of lists are given once for each of theirs.
_OPTIONS: Final = {
    "kernel": "--kernel",
    "cmdline": "--cmdline",
    "arch": "--arch",
    "page_size": "--page-size",
    "config": "--config",
    "acpi": "--acpi",
    "efi_map": "--efi-map",
    "userspace": "--userspace",
    "plugins": "--plugin",
}
_WORDS: Final = (*_OPTIONS, "mode")
#: Words of which several are one choice, and no list of choices.
_TOGETHER: Final = ("config", "plugins")
#: Words that are files, or may be.
_FILES: Final = (_MACHINE, "acpi", "efi_map", "plugins")
_KEEP, _REQUIRE = "--softreserve-keep", "--softreserve-require"
#: Bytes of a test in the name of a file that is kept.
_NAME_MOST = 200
#: Where a choice has the marks of a ``pytest.param(...)`` that was given for a word.
_MARKS: Final = "marks"
_Param: Final = type(pytest.param())
#: The private fixture with what the marks of a test say.
_WANTED: Final = "_softreserve_wanted"

#: What marks say of one run of a test: a machine, and the words.
Words = dict[str, Any]


class _WrongMark(ValueError):
    """What somebody wrote in a mark or a parameter; the message is for him."""


# --- what pytest calls


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("softreserve")
    group.addoption(_KEEP, metavar="DIR", help="keep what failed tests did to machines here, as steps to be run again")
    group.addoption(_REQUIRE, action="store_true", help="fail where programs cannot be run on machines, do not skip")


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the mark."""
    words = ", ".join(f"{word}=" for word in _WORDS)
    config.addinivalue_line(
        "markers",
        f'{_MARK}(machine, ...): which machine softreserve_machine and softreserve_host are, as "example:two-node";'
        f" {words}; a list runs the test for each",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each machine that its marks name."""
    with _in_words(metafunc.definition):
        found = _choices(_levels(metafunc.definition.iter_markers_with_node(_MARK)))
    if _WANTED in metafunc.fixturenames and (len(found) > 1 or any(_MARKS in words for words in found)):
        cases = [pytest.param(words, marks=words.pop(_MARKS, ())) for words in found]
        metafunc.parametrize(_WANTED, cases, indirect=True, ids=_ids(found))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is given for ``softreserve_machine``."""
    if argname not in ("softreserve_machine", "softreserve_host"):
        return None
    if isinstance(val, Mapping):
        return "-".join(_id_of(word, value) for word, value in val.items()) or None
    return _id_of(_MACHINE, val) if isinstance(val, str | os.PathLike) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say how to get a machine into the state in which a test failed."""
    report = yield
    wanted = item.stash.get(_OF_ITEM, None)
    if wanted is None:
        return report
    if report.failed and not wanted.failed and wanted.host is not None:
        wanted.failed = True
        report.sections.append(("softreserve", "\n".join(wanted.told())))
    if report.when == "teardown":
        if not wanted.failed:
            wanted.tidy_up()
        del item.stash[_OF_ITEM]  # tests are kept to the end of the run, and machines with them
    return report


# --- fixtures


@pytest.fixture(name=_WANTED)
def _wanted(request: pytest.FixtureRequest) -> _Wanted:
    """What the marks of a test say."""
    item = request.node
    given: Sequence[pytest.Mark] = getattr(getattr(item, "callspec", None), "marks", ())
    said = [(node, mark) for node, mark in item.iter_markers_with_node(_MARK) if mark not in given]
    own = [(item, mark) for mark in given if mark.name == _MARK]
    with _in_words(item):
        found = [request.param] if hasattr(request, "param") else _choices(_levels(said))
        found = [{**words, **more} for words in found for more in _choices(_levels(own))]
        if len(found) > 1:
            raise _WrongMark(
                "several machines, and a test that runs once: name the fixture among its arguments, or one machine"
            )
    item.stash[_OF_ITEM] = wanted = _Wanted(item, found[0])
    return wanted


@pytest.fixture(scope="session")
def _softreserve_trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for exported trees, which nothing changes: one for each machine, whoever reads it."""
    folder = tmp_path_factory.mktemp("softreserve-trees")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def softreserve_machine(request: pytest.FixtureRequest, _softreserve_wanted: _Wanted) -> Scenario:
    """The machine that the mark names, as ``softreserve.load`` gives it. Parameters (indirect) may name it, too."""
    with _in_words(request.node):
        return _softreserve_wanted.scenario(getattr(request, "param", _parameters(request).get("softreserve_host")))


@pytest.fixture
def softreserve_host(
    request: pytest.FixtureRequest,
    softreserve_machine: Scenario | Machine | str,
    _softreserve_wanted: _Wanted,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Session]:
    """The machine, booted: a ``softreserve.Session``, to run programs on, with files to read and write."""
    wanted = _softreserve_wanted
    with _in_words(request.node):
        others = softreserve_machine is not wanted.loaded or "softreserve_machine" in _parameters(request)
        if others and "softreserve_host" in _parameters(request):
            raise _WrongMark("softreserve_machine is given here, so softreserve_host takes no parameters")
        if softreserve_machine is not wanted.loaded:  # somebody else's fixture, or a direct parameter
            wanted.scenario(softreserve_machine)
        if (tree := wanted.tree_name) is not None:
            host = wanted.boot(request.getfixturevalue("_softreserve_trees") / tree)
        else:
            name = re.sub(r"\W", "_", request.node.name)[:40]
            host = wanted.boot(tmp_path_factory.mktemp(f"softreserve-{name}"), own=True)
    with host:
        yield host


def _parameters(request: pytest.FixtureRequest) -> Mapping[str, object]:
    return request.node.callspec.params if hasattr(request.node, "callspec") else {}


def _refuse(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)


@contextlib.contextmanager
def _in_words(item: pytest.Item) -> Iterator[None]:
    """What a person can mend is told in words, with the place of the test, and not by where we found it."""
    try:
        yield
    except Exception as error:
        from softreserve.model.errors import SoftReserveError

        if not isinstance(error, SoftReserveError | _WrongMark):
            raise
        raise pytest.fail.Exception(f"{_place(item)}: {error}", pytrace=False) from None


def _place(item: pytest.Item) -> str:
    """Where a test begins, its marks included: ``test_tool.py:12``."""
    file, line, _ = item.location
    return file if line is None else f"{file}:{line + 1}"


# --- marks


def _levels(marks: Iterable[tuple[Any, pytest.Mark]]) -> list[list[pytest.Mark]]:
    """Marks by what they stand at, the outermost first: module, class, function."""
    found: dict[Any, list[pytest.Mark]] = {}
    for node, mark in marks:
        found.setdefault(node, []).append(mark)
    return [*reversed(found.values())]


def _choices(levels: Iterable[Sequence[pytest.Mark]]) -> list[Words]:
    """Every machine that marks name. Those at one place are alternatives; what an inner one says counts before others.

    :raises _WrongMark: a word that no mark has, or a value that it cannot have.
    """
    found: list[Words] = [{}]
    for marks in levels:
        found = [{**outer, **inner} for outer in found for mark in marks for inner in _choices_of(mark)]
    return [words for number, words in enumerate(found) if words not in found[:number]]


def _choices_of(mark: pytest.Mark) -> list[Words]:
    values = {_MACHINE: [spec for given in mark.args for spec in _several(given)]} if mark.args else {}
    for word, value in mark.kwargs.items():
        values[word] = [value] if word in _TOGETHER else _several(value)
    for word, choices in values.items():
        if not choices:
            raise _WrongMark(f"@pytest.mark.{_MARK}: {word}: an empty list")
    found = []
    for row in product(*values.values()):
        params = [value for value in row if isinstance(value, _Param)]
        plain = (value.values[0] if isinstance(value, _Param) else value for value in row)
        words = _checked(dict(zip(values, plain, strict=True)))
        found.append({**words, _MARKS: [mark for param in params for mark in param.marks]} if params else words)
    return found


def _several(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) and not isinstance(value, _Param) else [value]


def _checked(words: Mapping[str, Any]) -> Words:
    """What a mark or a parameter says, as it is used: text, or tuples of text. ``None`` takes back what others say.

    :raises _WrongMark: a word that no mark has, or a value that it cannot have.
    """
    from softreserve.model.errors import nearest

    found: Words = {}
    for word, value in words.items():
        where = f"@pytest.mark.{_MARK}: {word}"
        if word != _MACHINE and word not in _WORDS:
            hint = nearest(word, (_MACHINE, *_WORDS))
            raise _WrongMark(f"{where}: no such word; known: {', '.join(_WORDS)}{hint}")
        if value is None:
            found[word] = None
            continue
        if word in _TOGETHER:
            given = [value] if isinstance(value, str) else value
            if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
                raise _WrongMark(f"{where}: wanted text, or a list of it, not {value!r}")
            found[word] = tuple(given)
            continue
        if word == "page_size" and type(value) is int:
            value = str(value)
        if not isinstance(value, str | os.PathLike):
            hint = f': write "{value}"' if isinstance(value, int | float) else ""
            raise _WrongMark(f"{where}: wanted text, not {value!r}{hint}")
        found[word] = os.fspath(value)
        if word == _MACHINE and not found[word]:
            raise _WrongMark(f"{where}: an empty name")
        if word == "mode" and value not in _MODES:
            raise _WrongMark(f"{where}: {value!r} is not one of {', '.join(_MODES)}{nearest(str(value), _MODES)}")
    return found


def _ids(choices: Sequence[Words]) -> list[str]:
    """What tells machines apart, a name for each."""
    words = [word for word in (_MACHINE, *_WORDS) if len({repr(choice.get(word)) for choice in choices}) > 1]
    return ["-".join(_id_of(word, choice.get(word)) for word in words) for choice in choices]


def _id_of(word: object, value: object) -> str:
    if value is None:
        return "as-is"
    if isinstance(value, list | tuple):
        return "+".join(_id_of(word, one) for one in value) or "none"
    text = str(value).removeprefix("+")
    if word == _MACHINE:
        text = Path(text.removeprefix("example:")).name.removesuffix(".toml")
    return re.sub(r"\s+", "_", text)


# --- one test


class _Wanted:
    """What one run of a test wants, and what it got."""

    def __init__(self, item: pytest.Item, words: Words) -> None:
        self._item = item
        self.words = {word: value for word, value in words.items() if word != _MARKS}
        #: What ``softreserve_machine`` gave.
        self.loaded: Scenario | None = None
        self.host: Session | None = None
        self.failed = False
        self._record: Path | None = None
        self._folder: Path | None = None
        #: Whether the words describe all of the machine.
        self._in_words = True

    def scenario(self, given: object) -> Scenario:
        """The machine.

        :param given: a name, words, or a machine by itself; ``None``: what marks say.
        :raises SoftReserveError: there is no such machine, or it cannot be so.
        """
        from softreserve.live.session import load
        from softreserve.model.machine import Machine
        from softreserve.model.scenario import Scenario

        if isinstance(given, str | os.PathLike):
            self.words = {**self.words, _MACHINE: os.fspath(given)}
        elif isinstance(given, Mapping):
            self.words = {**self.words, **_checked(given)}
        elif isinstance(given, Scenario | Machine):
            self._in_words = False
        elif given is not None:
            raise _WrongMark(f"softreserve_machine: wanted a name, words or a machine, not {given!r}")
        self.words = {word: self._located(word, value) for word, value in self.words.items() if value is not None}
        spec: Any = self.words.get(_MACHINE) if self._in_words else given
        if spec is None:
            raise _WrongMark(f'which machine? Name one: @pytest.mark.{_MARK}("example:two-node")')
        if spec == "-":
            raise _WrongMark(f"@pytest.mark.{_MARK}: a test has no machine on standard input: name a file")
        changes = {word: value for word, value in self.words.items() if word not in (_MACHINE, "userspace", "mode")}
        self.loaded = load(spec, **changes)
        return self.loaded

    @property
    def tree_name(self) -> str | None:
        """What the exported tree of this machine is called among others; ``None``: it is nobody else's, or is none."""
        if self.words.get("mode") != "export" or not self._in_words:
            return None
        import hashlib

        return hashlib.sha256(repr(sorted(self.words.items())).encode()).hexdigest()[:16]

    def boot(self, folder: Path, *, own: bool = False) -> Session:
        """The machine, running.

        :param folder: for what belongs to it; ``own``: that goes with it.
        :raises SoftReserveError: it does not boot.
        """
        from softreserve.live.session import boot
        from softreserve.testing.host import host

        assert self.loaded is not None
        how = {word: self.words[word] for word in ("plugins", "userspace") if word in self.words}
        system = boot(self.loaded, **how)
        unavailable = self._fail if self._item.config.getoption(_REQUIRE) else pytest.skip
        self._folder = folder if own else None
        self.host = host(system, folder, self.words.get("mode", _MODES[0]), unavailable)
        self._record = self.host.record
        return self.host

    def tidy_up(self) -> None:
        """Leave nothing of a test that passed."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fail(self, reason: str) -> NoReturn:
        _refuse(f"{reason} ({_REQUIRE})")

    def _located(self, word: str, value: Any) -> Any:
        """A file that a word names: beside the test, else where pytest has its root, or was started."""
        if isinstance(value, tuple):
            return tuple(self._located(word, one) for one in value)
        if word not in _FILES:
            return value
        before, name, after = "", value, ""
        if value.startswith("dmesg:"):
            before, name = "dmesg:", value.removeprefix("dmesg:")
        elif word == "plugins":
            name, colon, rest = value.partition(":")
            after = f"{colon}{rest}"
            if not name.endswith(".py"):
                return value
        config = self._item.config
        for place in (self._item.path.parent, config.rootpath, config.invocation_params.dir):
            if (place / name).exists():
                return f"{before}{place / name}{after}"
        return value

    # --- what is told of a test that failed

    def told(self) -> Iterator[str]:
        """Which machine it was, and how to have it as it is now."""
        assert self.loaded is not None
        machine = self.loaded.machine
        yield f"{machine.name}: Linux {machine.kernel.release}, {machine.arch}; {machine.cmdline.text}".rstrip("; ")
        yield from map(str, self.loaded.gaps)
        record = self._record
        is_changed = record is not None and b"[[step]]" in record.read_bytes()
        if record is not None and is_changed:
            record = self._kept(record)
        if not self._in_words:
            yield "the test made it, so no command does"
            yield from [f"what was done to it: {record}"] if is_changed else []
        elif record is None:
            yield f"a tree like that which programs read: {self._command('export', 'DIR')}"
        elif not is_changed:
            yield f"nothing was changed: {self._command('shell')}"
        else:
            yield f"to do again what was done to it: {self._command('run', str(record))}"
            yield f"to go on from there: {self._command('shell', '--record', str(record))}"

    def _kept(self, record: Path) -> Path:
        folder = self._item.config.getoption(_KEEP)
        if folder is None:
            return record
        place = self._item.config.invocation_params.dir / folder
        place.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.=+-]+", "-", self._item.nodeid.replace("::", "-").replace("/", "-")).strip("-")
        if len(whole := name.encode()) > _NAME_MOST:
            from hashlib import sha256

            mark = sha256(self._item.nodeid.encode("utf-8", "surrogateescape")).hexdigest()[:8]  # two may end alike
            name = f"{mark}-{whole[-_NAME_MOST:].decode('utf-8', 'ignore')}"
        return Path(shutil.copyfile(record, place / f"{name}.toml"))

    def _command(self, name: str, *rest: str) -> str:
        found = shutil.which("softreserve")
        # One of another environment is another softreserve, or none.
        places = [os.path.realpath(os.path.dirname(program)) for program in (found, sys.executable) if program]
        is_ours = len(places) == 2 and places[0] == places[1]
        program = ["softreserve"] if is_ours else [os.path.normpath(sys.executable), "-m", "softreserve"]
        words = [*program, name, self.words[_MACHINE], *rest]
        for word, option in _OPTIONS.items():
            value = self.words.get(word, ())
            for one in value if isinstance(value, tuple) else (value,):
                words += [f"{option}={one}"] if one.startswith("-") else [option, one]
        return shlex.join(words)


_OF_ITEM: Final = pytest.StashKey[_Wanted]()
