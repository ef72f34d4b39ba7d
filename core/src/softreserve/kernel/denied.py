"""What the command line keeps from running: modules, and functions that start something.

The kernel refuses modules (``kernel/module/main.c: blacklisted``) and passes over functions (``init/main.c:
initcall_blacklisted``), whoever asks. kmod passes over modules that nobody asks for by name, which is how udev asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.model.cmdline import words
from softreserve.model.events import Rule
from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from softreserve.model.cmdline import CommandLine
    from softreserve.model.events import EventLog
    from softreserve.model.kernel import Kernel

__all__ = ["INITCALL_DENIED", "MODULE_DENIED", "Denied"]

MODULE_DENIED: Final = Rule("module-blacklisted", "not loaded: the command line has its name")
INITCALL_DENIED: Final = Rule("initcall-blacklisted", "not called: the command line has its name")

#: Characters of a parameter of this kind; one that is longer is refused. Linux: ``kernel/params.c: param_set_charp``.
_CHARP_MAX: Final = 1024
_MODPROBE: Final = "modprobe.blacklist="


class Denied(NamedTuple):
    """Names that are kept from running, as they are written: a ``-`` is no ``_`` here, and no module has one.

    ``modules`` are those of ``module_blacklist=``, which the kernel refuses with -EPERM; ``initcalls`` the functions of
    ``initcall_blacklist=``, built in or a module's; ``by_alias`` the modules of ``modprobe.blacklist=``, which udev
    leaves alone, and which are loaded all the same when somebody names them, or another needs them.
    """

    modules: tuple[str, ...] = ()
    initcalls: tuple[str, ...] = ()
    by_alias: tuple[str, ...] = ()

    @classmethod
    def of(cls, cmdline: CommandLine, kernel: Kernel) -> Denied:
        """Read the words: of ``module_blacklist=`` the last counts, of the others all do."""
        if "blacklist" not in cmdline.text:
            return cls()
        modules = [value for value in cmdline.all("module_blacklist") if value is not None and len(value) <= _CHARP_MAX]
        functions = _functions(cmdline) if _has_names(kernel) else ()
        return cls(tuple(modules[-1].split(",")) if modules else (), tuple(functions), tuple(_by_alias(cmdline)))

    def word(self, module: str, function: str) -> str:
        """The word of the command line that keeps udev from a module, without other names; empty: none does."""
        if module in self.modules:
            return f"module_blacklist={module}"
        if function in self.initcalls:
            return f"initcall_blacklist={function}"
        return f"{_MODPROBE}{module}" if module in self.by_alias else ""

    def say(self, cmdline: CommandLine, log: EventLog) -> None:
        """Print which functions will not be called. Linux: ``init/main.c: initcall_blacklist``."""
        function = "init/main.c: initcall_blacklist"
        for name in self.initcalls:
            log.printk(f"blacklisting initcall {name}", function)
        if not self.initcalls and any(value is not None for value in cmdline.all("initcall_blacklist")):
            log.printk("initcall_blacklist requires CONFIG_KALLSYMS", function)

    def skips(self, name: str, log: EventLog) -> bool:
        """Whether a function is not called; that is printed. Linux: ``init/main.c: initcall_blacklisted``."""
        denied = name in self.initcalls
        if denied:
            log.printk(f"initcall {name} blacklisted", "init/main.c: initcall_blacklisted", INITCALL_DENIED, name)
        return denied


def _has_names(kernel: Kernel) -> bool:
    """Whether a kernel knows what its functions are called; descriptions of machines seldom say it."""
    return kernel.config.get("KALLSYMS", "y") == "y"


def _functions(cmdline: CommandLine) -> Iterator[str]:
    for value in cmdline.all("initcall_blacklist"):
        if value is not None:
            yield from value.split(",")


def _by_alias(cmdline: CommandLine) -> Iterator[str]:
    """What kmod reads: words after ``--`` as well, and quotes are part of a name. kmod: ``libkmod-config.c``."""
    for _, written in words(cmdline.text):
        quote = '"' if written.startswith('"') else ""
        if written.startswith(f"{quote}{_MODPROBE}"):
            yield from (quote + written.partition("=")[2]).split(",")
