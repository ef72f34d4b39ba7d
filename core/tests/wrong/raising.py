"""Whatever can be raised, in hooks."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click
import softreserve as sr

from wrong import toy, wrong


class Beyond(BaseException):
    """No Exception."""


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class NoText(Exception):
    """Says a number."""

    def __str__(self) -> str:
        return 7


class Endless(Exception):
    """Recurses when it is asked what it is."""

    def __str__(self) -> str:
        return str(self)


class MuteBeyond(BaseException):
    """Both."""

    def __str__(self) -> str:
        raise SystemExit(0)


def raises(error: BaseException | type[BaseException]) -> Callable[..., NoReturn]:
    """A function that raises it."""

    def function() -> NoReturn:
        raise error

    return function


def _recursion() -> object:
    return _recursion()


def raised(name: str, how: str, says: str, error: BaseException | type[BaseException]) -> None:
    """Raised by hooks of several kinds, in turn."""
    hook, at, kind = _PLACES[len(_USED) % len(_PLACES)]
    _USED.append(name)
    wrong(f"raises-{name}", kind, f"{hook} raises {how}", says, at=at, **{hook: raises(error)})


_USED: list[str] = []
_PLACES = (("dax_drivers", "boot", "driver"), ("lint", "lint", "lint"), ("sysfs", "boot", "sysfs"),
    ("online_policy", "boot", "policy"), ("kexec_policies", "kexec", "kexec"), ("modules", "boot", "module"),
    ("dax_devices", "boot", "dax"), ("register_resources", "boot", "module"), ("kexec_hardware", "kexec", "kexec"))

raised("value-error", "ValueError", "valueerror", ValueError("something is wrong"))
raised("base-exception", "a BaseException", "beyond", Beyond("gone"))
raised("system-exit", "SystemExit", "systemexit", SystemExit(0))
raised("system-exit-text", "SystemExit with words", "systemexit", SystemExit("good bye"))
raised("generator-exit", "GeneratorExit", "generatorexit", GeneratorExit())
raised("stop-iteration", "StopIteration", "stopiteration", StopIteration())
raised("click-exit", "click's Exit", "exit", click.exceptions.Exit(0))
raised("click-abort", "click's Abort", "abort", click.Abort())
raised("click-usage-error", "click's UsageError", "usage", click.UsageError("what?"))
raised("click-bad-parameter", "click's BadParameter", "bad", click.BadParameter("bad"))
raised("machine-error", "MachineError, where that is forbidden", "machineerror", sr.MachineError("no such machine"))
raised("plugin-error", "a PluginError of its own", "plugin", sr.PluginError("it was somebody else"))
raised("config-error", "ConfigError", "configerror", sr.ConfigError(["one", "two"]))
raised("input-error", "InputError", "inputerror", sr.InputError("bad", path="/etc/passwd"))
raised("soft-reserve-error", "SoftReserveError", "softreserveerror", sr.SoftReserveError("something"))
raised("memory-error", "MemoryError", "memoryerror", MemoryError())
raised("broken-str", "an error whose __str__ raises", "mute", Mute())
raised("str-of-a-number", "an error whose __str__ gives a number", "notext", NoText())
raised("str-recurses", "an error whose __str__ recurses", "endless", Endless())
raised("str-exits", "a BaseException whose __str__ ends the program", "mutebeyond", MuteBeyond())
raised("ten-megabytes", "an error of 10 MB", "valueerror", ValueError("x" * 10_000_000))
raised("control-characters", "an error with escape sequences", "valueerror",
    ValueError("\x1b[2J\x1b]0;owned\x07\x00\r"))
raised("many-lines", "an error of a thousand lines", "valueerror",
    ValueError("\n".join(f"line {n}" for n in range(1000))))
raised("no-words", "an error without words", "valueerror", ValueError())
raised("bidi", "an error with characters that turn text around", "valueerror", ValueError("\u202eevil\u2066"))
raised("surrogates", "an error with lone surrogates", "valueerror", ValueError("\ud800"))
raised("broken-pipe", "BrokenPipeError, as if the reader were gone", "brokenpipe", BrokenPipeError(32, "Broken pipe"))
raised("os-error", "OSError of a file", "nosuch|filenotfound", FileNotFoundError(2, "No such file", "/nosuch"))
raised("keyboard-interrupt-lookalike", "an error named KeyboardInterrupt", "keyboardinterrupt",
    type("KeyboardInterrupt", (Exception,), {})("stop"))
raised("exception-group", "an ExceptionGroup", "group", ExceptionGroup("many", [ValueError("one"), KeyError("two")]))
raised("not-implemented", "NotImplementedError", "notimplemented", NotImplementedError())
raised("assertion", "AssertionError without words", "assertionerror", AssertionError())
raised("unknown-plugin", "the core's own UnknownPluginError", "plugin",
    next(e for e in sr.SoftReserveError.__subclasses__() if e.__name__ == "UnknownPluginError")("no plugin 'x'"))

wrong("recursion", "driver", "recurses without end", "recursion", dax_drivers=lambda: _recursion())
wrong("arch-info-raises", "arch", "raises for every name", "keyerror", seen="commands",
    arch_info=lambda arch: {toy.ARCH: toy.TOY}[arch + "?"])
wrong("handoff-raises", "arch", "raises", "attributeerror", stub_handoff=lambda machine: machine.efi_maps)
wrong("placement-raises", "arch", "raises", "typeerror", at="kaslr", stub_place_image=lambda machine, seed: seed + 1)
wrong("early-reserve-raises", "arch", "raises", "zerodivision", early_reserve=lambda system: 1 // 0)
wrong("numa-raises", "arch", "raises", "indexerror", numa_info=lambda system: ()[1])
wrong("resources-raise", "arch", "raises", "unbound|name",
    register_resources=lambda system: undefined_name) # noqa: F821
wrong("early-reserve-exits", "arch", "ends the program with 0", "systemexit", early_reserve=lambda system: sys.exit(0))
wrong("arch-info-raises-machine-error", "arch", "raises MachineError, which no description may", "machineerror",
    arch_info=raises(sr.MachineError("what is toy64?")))
wrong("block-size-raises-machine-error", "size", "raises MachineError, which no size may", "machineerror",
    memory_block_size=raises(sr.MachineError("no size")))
wrong("machine-error-of-ten-megabytes", "arch", "an allowed MachineError of 10 MB", "", seen="kit",
    early_reserve=lambda system: raises(sr.MachineError("x" * 10_000_000))())
wrong("answer-cannot-be-shown", "arch", "an answer whose repr raises", "early_reserve",
    early_reserve=lambda system: type("Shy", (), {"__repr__": lambda self: 1 // 0})())
wrong("answer-lies-about-its-class", "arch", "an answer whose __class__ is a lie", "handoff",
    stub_handoff=lambda machine: type("Liar", (), {"__class__": property(lambda self: sr.Handoff)})())
wrong("answer-raises-when-compared", "policy", "a str subclass that cannot be compared", "policy|str",
    online_policy=lambda: type("Touchy", (str,), {"__eq__": lambda s, o: 1 // 0, "__hash__": str.__hash__})("online"))
