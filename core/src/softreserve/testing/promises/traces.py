"""What a plugin leaves behind: on standard output, in what it was given, in the process; and what it costs to load."""

from __future__ import annotations

import builtins
import gc
import locale
import os
import random
import signal
import sys
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from softreserve.model.arch import ArchInfo
from softreserve.model.errors import SoftReserveError
from softreserve.plugins.entrypoints import look_elsewhere
from softreserve.testing.booting import selection_of
from softreserve.testing.exercise import exercise
from softreserve.testing.fresh import fresh
from softreserve.testing.promises.every import exercised
from softreserve.testing.watch import Observer, watched

if TYPE_CHECKING:
    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = [
    "changes_nothing_it_is_given",
    "imports_little",
    "leaves_the_process_as_it_was",
    "prints_nothing",
]

Beginner = Callable[[str, tuple[Any, ...]], None]


def _used(subject: Subject, board: Board, observer: Observer, begin: Beginner | None = None) -> None:
    """Import it and do everything, with somebody who looks after every call, and perhaps before."""
    board.doing = "import"
    subject.alone()
    observer("import", None)
    with watched(board, subject.name, observer, begin=begin):
        for machine in exercised(subject)[:1]:
            system = subject.boot(machine)
            try:
                exercise(subject, system)
            except SoftReserveError as error:
                raise subject.because(error) from error
    observer("", None)


# --- printing


def prints_nothing(subject: Subject, board: Board) -> None:
    """Standard output is for what commands print: kernel files, JSON."""
    told: list[str] = []

    class Told(type(sys.stderr)):  # type: ignore[misc]
        """What the core tells of plugins that print."""

        def write(self, text: str) -> int:
            if text.startswith(f"plugin {subject.name}: "):
                told.append(text.removeprefix(f"plugin {subject.name}: "))
            return len(text)

    sys.stderr = Told(sys.stderr.buffer, encoding="utf-8", write_through=True)

    def look(where: str, answer: object) -> None:
        for stream in (sys.stdout, sys.__stdout__):
            if stream is not None and not stream.closed:
                stream.flush()
        try:
            size = os.fstat(1).st_size
        except OSError as error:
            raise subject.broken(where, "closed the descriptor of standard output") from error
        if told or size:
            printed = told[0] if told else os.pread(1, 200, 0).decode("utf-8", "replace")
            raise subject.broken(where, f"printed {printed.strip()!r} to standard output, wanted nothing")

    _used(subject, board, look)


# --- what it is given


def changes_nothing_it_is_given(subject: Subject, board: Board) -> None:
    """Machines, kernels, requests and descriptions of architectures are frozen, and what is in them, too."""
    machine = exercised(subject)[0]
    before = list(_deep(machine, "machine"))
    given: list[tuple[Any, list[tuple[str, str]]]] = []
    infos: dict[int, tuple[ArchInfo, list[tuple[str, str]]]] = {}
    system = None

    def begin(where: str, arguments: tuple[Any, ...]) -> None:
        frozen = [value for value in arguments if attrs.has(type(value)) and value is not machine]
        given[:] = [(value, list(_deep(value, type(value).__name__))) for value in frozen]

    def look(where: str, answer: object) -> None:
        if isinstance(answer, ArchInfo):
            infos.setdefault(id(answer), (answer, list(_deep(answer, "arch"))))
        for value, held in ((machine, before), *given):
            found = list(_deep(value, held[0][0].partition(".")[0]))
            if found != held:
                place, was, now = next((a[0], a[1], b[1]) for a, b in zip(held, found, strict=False) if a != b)
                raise subject.broken(where, f"changed what it was given: {place} was {was}, is now {now}")
        given.clear()  # calls within calls have looked at theirs

    with watched(board, subject.name, look, begin=begin):
        system = subject.boot(machine)
        info = list(_deep(system.arch, "arch"))
        try:
            exercise(subject, system)
        except SoftReserveError as error:
            raise subject.because(error) from error
    if system.machine is not machine:
        raise subject.broken("", "put another machine in the place of that of a running system")
    if list(_deep(system.arch, "arch")) != info or any(list(_deep(a, "arch")) != held for a, held in infos.values()):
        raise subject.broken("", "changed what the architecture is (ArchInfo)")


def _deep(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Everything in a value, each with its place; caches, whose names begin with ``_``, are left out."""
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            if not field.name.startswith("_"):
                yield from _deep(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _deep(item, f"{place}[{key!r}]")
        yield place, f"{len(value)} entries"
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            yield from _deep(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, (tuple, list)):
        for number, item in enumerate(value):
            yield from _deep(item, f"{place}[{number}]")
        yield place, f"{len(value)} items"
    elif isinstance(value, (set, frozenset)):
        yield place, repr(sorted(map(repr, value)))
    elif not callable(value):
        yield place, repr(value)[:200]


# --- the process


def leaves_the_process_as_it_was(subject: Subject, board: Board) -> None:
    """Directory, environment, signals, threads, other people's modules: they belong to the program."""
    _warm(subject)
    for code in selection_of(subject.plugin).code.values():
        look_elsewhere(code.folder)  # code is imported from where it lies
    before = _process()
    modules = _modules(subject)
    outside = _Outside()
    sys.addaudithook(outside.hear)

    def begin(where: str, arguments: tuple[Any, ...]) -> None:
        outside.listens = True

    def look(where: str, answer: object) -> None:
        outside.listens = False
        if outside.done:
            raise subject.broken(where, f"{outside.done[0]}: no boot is the same with it and without")
        now = _process()
        for what, was in before.items():
            if now[what] != was:
                raise subject.broken(where, f"changed {what}: it was {_few(was)}, is now {_few(now[what])}")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        outside.listens = True
        subject.alone()
        outside.listens = False
    shown = next((warning for warning in told if not issubclass(warning.category, _NOT_SHOWN)), None)
    if shown is not None:
        raise subject.broken("import", f"warns, whatever it is imported for: {_few(str(shown.message))}")
    _used(subject, board, look, begin)
    for module, name in _modules(subject).keys() - modules.keys():
        if "." in name and (module, name.partition(".")[0]) in modules:
            raise subject.broken("", f"added {module}.{name}: patch nothing that is not yours")
    for (module, name), value in modules.items():
        top, _, inner = name.partition(".")
        found = vars(sys.modules[module]).get(top) if module in sys.modules else None
        if inner and found is not None:
            found = vars(found).get(inner)
        if id(found) != value:
            raise subject.broken("", f"replaced {module}.{name}: patch nothing that is not yours")


#: Warnings that nobody sees but those who look for them.
_NOT_SHOWN: Final = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


class _Outside:
    """What a plugin does outside of the process: files that it writes, connections. An audit hook hears of them."""

    def __init__(self) -> None:
        self.listens = False
        #: In words.
        self.done: list[str] = []

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event, while it listens."""
        if not self.listens:
            return
        if event == "open" and _writes(*arguments):
            self.done.append(f"wrote the file {os.fspath(arguments[0])!r}")
        elif event in ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"):
            self.done.append(f"went to the network ({event})")


def _writes(path: object, mode: object, flags: object) -> bool:
    """Whether a file is opened for writing, but for what Python caches and what is temporary."""
    if not isinstance(path, (str, bytes)) or not isinstance(flags, int):
        return False
    name = os.fsdecode(path)
    passing = name == os.devnull or "__pycache__" in name or name.startswith(f"{tempfile.gettempdir()}{os.sep}")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and not passing


def _warm(subject: Subject) -> None:
    """Use everything once that Python and the core set up when it is first used."""
    from softreserve.testing.subject import Subject as Fresh

    class Nothing:
        """A plugin that does nothing."""

    nothing = Fresh(Nothing())
    for machine in exercised(nothing)[:1]:
        system = nothing.boot(machine)
        exercise(nothing, system)


def _few(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _process() -> dict[str, Any]:
    """What belongs to the program, in words that name it."""
    umask = os.umask(0)
    os.umask(umask)
    return {
        "the working directory": os.getcwd(),
        "the environment (os.environ)": dict(os.environ),
        "the umask": umask,
        "the locale": locale.setlocale(locale.LC_ALL),
        "signal handlers": {name: signal.getsignal(name) for name in signal.valid_signals()},
        "the alarm (signal.setitimer)": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        "the random numbers of everybody (random.seed)": hash(random.getstate()),
        "sys.path": list(sys.path),
        "sys.meta_path": list(map(type, sys.meta_path)),
        "the recursion limit": sys.getrecursionlimit(),
        "the switch interval": sys.getswitchinterval(),
        "the garbage collector (gc)": (gc.isenabled(), gc.get_threshold()),
        "warnings filters": [repr(entry) for entry in warnings.filters],
        "threads": [thread.name for thread in threading.enumerate()],
        "open files": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else [],
        "child processes": _children(),
        "sys.__stdout__": id(sys.__stdout__),
        "sys.stderr": (id(sys.stderr), id(sys.__stderr__)),
        "sys.stdin": id(sys.stdin),
        "sys.excepthook": id(sys.excepthook),
        "the trace function (sys.settrace)": sys.gettrace() is None,
        "the profile function (sys.setprofile)": sys.getprofile() is None,
        "functions at exit (atexit)": _at_exit(),
        "the configuration of logging": _logging(),
        "the time zone": time.tzname,
    }


def _children() -> list[str]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return file.read().split()
    except OSError:
        return []


def _at_exit() -> int:
    import atexit

    return int(atexit._ncallbacks())


def _logging() -> object:
    logging = sys.modules.get("logging")
    return (logging.root.level, len(logging.root.handlers)) if logging is not None else (30, 0)


def _own(kind: type) -> list[str]:
    """What a class has itself, but for what Python sets up when it is first used."""
    return [name for name in vars(kind) if not name.startswith("_")]


def _modules(subject: Subject) -> dict[tuple[str, str], int]:
    """What is in modules that are nobody's to change: those of the core, and those that everybody uses."""
    everybody = ("builtins", "os", "os.path", "sys", "json", "re", "time", "random", "io", "pathlib", "click", "attrs")
    skipped = {"stdout", "stderr", "stdin", "last_value", "last_type", "last_traceback", "flags", "_"}
    found: dict[tuple[str, str], int] = {}
    for module in [*sys.modules]:
        ours = module.partition(".")[0] == "softreserve"
        held = sys.modules[module]
        if (ours or module in everybody) and isinstance(held, types.ModuleType):
            for name, value in vars(held).items():
                if name not in skipped and not (module == "sys" and name.startswith("_")):
                    found[module, name] = id(value)
                if ours and isinstance(value, type) and value.__module__ == module:
                    found |= {(module, f"{name}.{each}"): id(vars(value)[each]) for each in _own(value)}
    return found | {("builtins", name): id(value) for name, value in vars(builtins).items() if name != "_"}


# --- what it costs

#: Milliseconds that importing a plugin may take beyond what the core takes itself, where that is more.
MOST: Final = 150.0
#: Modules of Python and of others that are slow to import, and seldom needed when a plugin is loaded.
_OF_PYTHON: Final = (
    *("asyncio", "concurrent.futures", "curses", "doctest", "email", "http", "importlib.metadata", "multiprocessing"),
    *("pydoc", "sqlite3", "ssl", "tkinter", "unittest", "urllib.request", "xml", "xmlrpc"),
)
_OF_OTHERS: Final = (
    *("cattrs", "hypothesis", "intervaltree", "jinja2", "joblib", "matplotlib", "networkx", "numpy", "pandas"),
    *("pkg_resources", "pydantic", "pytest", "requests", "rich", "scipy", "setuptools", "sympy", "torch", "yaml"),
)
HEAVY: Final = frozenset((*_OF_PYTHON, *_OF_OTHERS))
_WEIGH: Final = """
import sys, time
start = time.perf_counter()
import softreserve.plugins.hooks, softreserve.machine.boot, softreserve.config, softreserve.plugins.selection
core = time.perf_counter() - start
selection = softreserve.plugins.selection.Selection([sys.argv[1]])
name = next(iter(selection.code), sys.argv[1])
before = set(sys.modules)
start = time.perf_counter()
softreserve.plugins.hooks.load([name], available=selection.installed)
own = time.perf_counter() - start
import json
print("\\n" + json.dumps([core, own, sorted(set(sys.modules) - before)]))
"""


def imports_little(subject: Subject, board: Board) -> None:
    """Loading it imports no other plugin, nothing heavy, and takes no longer than the core itself."""
    if not isinstance(subject.plugin, str):
        return
    board.doing = "import"
    entries = selection_of(subject.plugin).installed
    if subject.name not in entries:
        return
    own = entries[subject.name][0].value.partition(":")[0].partition(".")[0]
    others = {found[0].value.partition(":")[0].partition(".")[0]: name for name, found in entries.items()}
    best = (0.0, 0.0)
    for attempt in range(3):  # a machine that is busy makes one slow
        core, mine, modules = _weighed(subject, board)
        if not attempt:
            for module in modules:
                package = module.partition(".")[0]
                if package in others and package != own:
                    raise subject.broken("import", f"imports another plugin, {others[package]} ({module})")
                if module.startswith(("softreserve.cli", "softreserve.views", "softreserve.live")):
                    raise subject.broken("import", f"imports {module}, which no boot needs: import it where it is used")
                if module in HEAVY:
                    raise subject.broken("import", f"imports {module}, which is heavy: import it where it is used")
        best = min(best, (mine, core)) if attempt else (mine, core)
        if best[0] * 1000 <= max(MOST, best[1] * 1000):
            return
    words = f"takes {best[0] * 1000:.0f} ms to import, wanted at most {MOST:.0f} ms: import inside the hooks"
    raise subject.broken("import", words)


def _weighed(subject: Subject, board: Board) -> tuple[float, float, list[str]]:
    core, mine, modules = fresh(subject, board, [["-c", _WEIGH, str(subject.plugin)]])[0]
    return core, mine, modules
