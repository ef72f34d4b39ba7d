"""Where the core calls what plugins brought: hooks, initcalls, drivers, attributes, policies, and whatever else.

Whatever is raised there becomes one line that names the plugin, what was called, and why; what is printed there goes to
standard error. Who is guilty is known by who brought what is called, or else by the modules that were running.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from softreserve.model.errors import PluginError, PluginResultError, SoftReserveError, shown
from softreserve.model.visible import clean

__all__ = [
    "LONGEST",
    "blamed",
    "brought_by",
    "call",
    "note",
    "one_line",
    "reason",
    "refused",
    "register",
    "status_problem",
    "unsound",
    "wrong",
]

T = TypeVar("T")

#: Characters of a message about a plugin.
LONGEST: Final = 480
#: Characters of a plugin's name, and of what was called, in it.
_LONGEST_PART: Final = 120
#: Linux: ``include/linux/err.h: MAX_ERRNO``.
_MAX_ERRNO: Final = 4095
#: What says that the machine is wrong, whoever called it: kernels that die, and readers of ACPI tables.
_OF_THE_MACHINE: Final = ("softreserve.kernel.", "softreserve.model.acpi.")

#: Plugins by the modules that they come from, and by the packages around these.
_brought: dict[str, tuple[str, ...]] = {}


#: Plugins by the objects that they brought.
_owners: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def register(modules: Iterable[tuple[str, str]]) -> None:
    """Note the (plugin, module) of what was loaded together; a later set counts before an earlier one."""
    found: dict[str, tuple[str, ...]] = {}
    for plugin, module in modules:
        for name in _around(module):
            if plugin not in found.get(name, ()):
                found[name] = (*found.get(name, ()), plugin)
    _brought.update(found)


def _around(module: str) -> list[str]:
    """A module and the packages that it is in, the narrowest first; of what holds others, too, only itself."""
    parts = module.split(".")
    least = len(parts) - 1 if parts[0] == "softreserve" else 0
    return [".".join(parts[:count]) for count in range(len(parts), least, -1)]


def _plugin_of(module: object, by: str) -> str:
    """The plugin that a module belongs to, ``by`` where that is one of several; empty: none."""
    name = module if isinstance(module, str) else ""
    while name:
        plugins = _brought.get(name)
        if plugins:
            return by if by in plugins else plugins[-1]
        name = name.rpartition(".")[0]
    return ""


def note(brought: object, plugin: str) -> None:
    """Note who brought an object whose methods are called later."""
    try:  # noqa: SIM105 - of what is there at every boot
        _owners[brought] = plugin
    except TypeError:  # what cannot be noted is known by its module
        pass


def brought_by(function: object) -> str:
    """The plugin that brought a function, a method, a partial or another object that can be called; empty: none."""
    with suppress(TypeError):
        noted = _owners.get(getattr(function, "__self__", function))
        if noted is not None:
            return noted
    function = getattr(function, "func", function)
    module = getattr(function, "__module__", None) or type(function).__module__
    return _plugin_of(module, "")


def call(
    where: str,
    function: Callable[..., T],
    /,
    *arguments: Any,
    plugin: str = "",
    passes: tuple[type[BaseException], ...] = (),
) -> T:
    """Call what a plugin brought.

    :param where: what is called, as a message names it: a hook, ``probe of driver NAME``.
    :param plugin: who brought it, where that is known.
    :param passes: errors that it may raise.
    :raises PluginError: whatever else was raised, of a plugin; what only the core raised stays as it is.
    """
    before = sys.stdout
    sys.stdout = printed = _printed.get(plugin) or _printing(plugin)
    try:
        answer = function(*arguments)
        if sys.stdout is not printed:
            raise refused(plugin or brought_by(function), where, "left another sys.stdout than it found")
        return answer
    except BaseException as error:
        owner = plugin or brought_by(function) or _ends(error)
        found = None if _may_pass(error, passes) else blamed(error, where, owner)
        if found is None:
            raise
        raise found from error
    finally:
        sys.stdout = before
        if printed.begun:
            printed.end()


def _may_pass(error: BaseException, passes: tuple[type[BaseException], ...]) -> bool:
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, PluginError) and error.plugin):
        return True
    if isinstance(error, passes):
        return _is_sound(error)
    own = isinstance(error, SoftReserveError) and not isinstance(error, PluginError)
    return own and _innermost(error).startswith(_OF_THE_MACHINE)


def _ends(error: BaseException) -> str:
    """Who is named where nobody is known: what would end the program must not get through."""
    return "" if isinstance(error, Exception) else "unknown"


def _is_sound(error: BaseException) -> bool:
    """Whether its message can be shown as it is."""
    try:
        text = str(error)
    except Exception:
        return False
    return type(text) is str and len(text) <= LONGEST * 20


def _innermost(error: BaseException) -> str:
    """The module that raised it."""
    frame = None
    trace = error.__traceback__
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
    return str(frame.f_globals.get("__name__")) if frame is not None else ""


def blamed(error: BaseException, where: str, plugin: str = "") -> PluginError | None:
    """The error in one line; ``None``: no plugin had a part in it.

    :param plugin: who brought what was called; it is another's fault if that one was called by it.
    """
    guilty, place = _guilty(error.__traceback__, plugin)
    if not guilty:
        return None
    return PluginError(_cut(guilty, f"{where} failed:", reason(error), f" ({place})" if place else ""), guilty)


def _guilty(trace: TracebackType | None, plugin: str) -> tuple[str, str]:
    """Whose code was running, and the last line of it."""
    guilty = place = ""
    had_a_part = not plugin
    while trace is not None:
        found = _plugin_of(trace.tb_frame.f_globals.get("__name__"), plugin)
        if found:
            guilty, place = found, f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
            had_a_part = had_a_part or found == plugin
        trace = trace.tb_next
    return (guilty, place) if guilty and had_a_part else (plugin, place)


def reason(error: BaseException) -> str:
    """What an error says, with its kind, in one line that is not too long; also of one that cannot say it."""
    try:
        text = str.__getitem__(str(error), slice(LONGEST * 2))
    except KeyboardInterrupt:
        raise
    except BaseException:  # what would end the program here was no more than asked what it is
        text = "it cannot say why"
    return clean(" ".join(f"{type(error).__name__}: {text}".split()))


def one_line(plugin: str, where: str, words: str) -> str:
    """A message about a plugin."""
    return _cut(plugin, f"{where}:" if where else "", words, "")


def _cut(plugin: str, where: str, words: str, place: str) -> str:
    begin = f"plugin {_short(plugin) or 'unknown'}: {_short(where)}{' ' if where else ''}"
    room = LONGEST - len(begin) - len(place)
    return begin + (words if len(words) <= room else f"{words[: room - 3]}...") + place


def _short(text: str) -> str:
    text = clean(text)
    return text if len(text) <= _LONGEST_PART else f"{text[: _LONGEST_PART - 3]}..."


# --- answers of callbacks


def wrong(plugin: str, where: str, answer: object, wanted: str) -> PluginResultError:
    """The error for an answer of the wrong kind."""
    return PluginResultError(_cut(plugin, where, f"answered {type(answer).__name__}, wanted {wanted}", ""), plugin)


def unsound(plugin: str, where: str, answer: object, wanted: str) -> PluginResultError:
    """The error for an answer of the right kind that is not allowed."""
    return PluginResultError(_cut(plugin, where, f"answered {shown(answer)}, wanted {wanted}", ""), plugin)


def refused(plugin: str, where: str, words: str) -> PluginResultError:
    """The error for what a plugin answered or left, in words that stand for themselves."""
    return PluginResultError(one_line(plugin, where, words), plugin)


def status_problem(status: object) -> str | None:
    """Why something is no answer of a function of the kernel that can fail, or ``None``."""
    if isinstance(status, int) and not isinstance(status, bool) and -_MAX_ERRNO <= status <= 0:
        return None
    return "0 or a negative errno"


# --- what is printed


class _Printed(io.TextIOBase):
    """Stands for standard output while a plugin's code runs: each line goes to standard error, with its name."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        #: What there is of a line that has not ended.
        self.begun = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return sys.stderr.fileno()

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"wanted text, not {type(text).__name__}")
        *lines, self.begun = f"{self.begun}{text}".split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def end(self) -> None:
        """Tell what there is of a line, too."""
        line, self.begun = self.begun, ""
        self._tell(line)

    def _tell(self, line: str) -> None:
        plugin = self._plugin or _running(sys._getframe(1)) or "unknown"
        print(f"plugin {_short(plugin)}: {clean(line)}", file=sys.stderr, flush=True)

    @property
    def buffer(self) -> _Bytes:
        return _Bytes(self)


class _Bytes(io.RawIOBase):
    """The same for bytes."""

    def __init__(self, text: _Printed) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._text.write(bytes(data).decode("utf-8", "backslashreplace"))


_printed: dict[str, _Printed] = {}


def _printing(plugin: str) -> _Printed:
    return _printed.setdefault(plugin, _Printed(plugin))


def _running(frame: FrameType | None) -> str:
    """The plugin whose code is running."""
    while frame is not None:
        found = _plugin_of(frame.f_globals.get("__name__"), "")
        if found:
            return found
        frame = frame.f_back
    return ""
