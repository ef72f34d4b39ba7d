"""Plugins that change the process, print, start threads, hang, or are not the same twice."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import softreserve as sr

from wrong import packaged, toy, wrong

# --- printing: kernel files and JSON go to standard output, so nothing else may


def prints(name: str, how: str, function: Callable[[], object], hook: str = "sysfs",
    at: str = "boot --emit iomem") -> None:
    """A hook that writes to standard output; commands keep that clean, and only the kit says it."""
    wrong(f"prints-{name}", "sysfs", how, "print|stdout|output", at=at, seen="kit",
        **{hook: lambda: function() and None})

prints("by-print", "prints in a hook", lambda: print("debug: here"))
prints("by-write", "writes to sys.stdout", lambda: sys.stdout.write("debug: here\n"))
prints("by-buffer", "writes bytes to sys.stdout.buffer", lambda: sys.stdout.buffer.write(b"debug: here\n"))
prints("by-descriptor", "writes to descriptor 1", lambda: os.write(1, b"debug: here\n"))
prints("by-a-child", "a program that it starts prints", lambda: os.system("echo debug: here"))
prints("by-the-first-stdout", "writes to sys.__stdout__", lambda: sys.__stdout__.write("debug: here\n"))
wrong("prints-in-lint", "lint", "prints in lint", "print|stdout", at="lint --json", seen="kit",
    lint=lambda: print("debug: here") or [])
wrong("prints-in-show", "sysfs", "prints in show", "print|stdout", at="export", seen="kit",
    sysfs=lambda system: system.sysfs.add("/sys/kernel/toy/value",
    __import__("softreserve.kernel.sysfs", fromlist=["x"]).Attribute(0o444, lambda: print("debug: here") or "1\n")))
wrong("prints-in-init", "module", "prints in a module's init", "print|stdout", at="boot --emit iomem", seen="kit",
    modules=lambda: [sr.Module("toy", "DEV_DAX", "drivers/dax/toy.c", init=lambda: print("debug: here") or 0)])
wrong("prints-in-a-policy", "kexec", "prints in a kexec policy", "print|stdout", at="kexec --json --policy toy",
    seen="kit", kexec_policies=lambda: [
    sr.KexecPolicy("toy", "a policy", finish=lambda s, m: print("debug: here") or m)])
wrong("prints-in-arch-info", "arch", "prints when it is asked what it is", "print|stdout", at="boot --emit iomem",
    seen="kit", arch_info=lambda arch: print("debug: here") or (toy.TOY if arch == toy.ARCH else None))

RIGHT = """
from softreserve import hookimpl

@hookimpl
def softreserve_sysfs(system):
    return None
"""


def imported(name: str, how: str, says: str, prelude: str, *, seen: str = "kit", at: str = "boot --emit iomem") -> None:
    """A plugin whose hooks are right, and whose module does something else when it is imported."""
    packaged(f"import-{name}", how, says, prelude + RIGHT, at=at, seen=seen)

imported("prints", "prints when it is imported", "print|stdout", "print('toy is here')")
imported("writes-descriptor", "writes to descriptor 1 when it is imported", "print|stdout|output",
    "import os; os.write(1, b'toy is here\\n')")
imported("sleeps", "sleeps two seconds when it is imported", "import|slow|ms", "import time; time.sleep(2)")
imported("is-heavy", "imports what takes long to import", "import|ms|heavy",
    "import unittest, xmlrpc.client, sqlite3, pydoc, tkinter.ttk, asyncio, email.mime.text, distutils".replace(
    ", distutils", "").replace(", tkinter.ttk", ""))
imported("brings-another-plugin", "imports another plugin", "softreserve_hmem|another plugin",
    "import softreserve_hmem.plugin")
imported("brings-the-whole-core", "imports views and commands of the core", "import|ms|softreserve.cli",
    "import softreserve.cli.boot, softreserve.views.summary, softreserve.cli.output")
imported("starts-a-thread", "starts a thread", "thread",
    "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()")
imported("starts-a-lasting-thread", "starts a thread that keeps the program from ending", "thread",
    "import threading, time; threading.Thread(target=time.sleep, args=(8,)).start()")
imported("holds-a-lock", "takes a lock that it never gives back, and a child would wait for", "lock|fork",
    "import os, threading\nLOCK = threading.Lock()\nLOCK.acquire()\nos.register_at_fork(after_in_child=LOCK.acquire)")
imported("changes-the-directory", "changes the working directory", "cwd|directory", "import os; os.chdir('/')")
imported("changes-the-environment", "changes the environment", "environ",
    "import os; os.environ['TOY'] = '1'; os.environ.pop('HOME', None)")
imported("changes-the-path", "puts a folder before everything on sys.path", "sys.path",
    "import sys; sys.path.insert(0, '/tmp')")
imported("changes-recursion", "sets the recursion limit", "recursion", "import sys; sys.setrecursionlimit(150_000)")
imported("changes-signals", "takes ^C away", "signal", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
imported("changes-the-locale", "changes the locale", "locale",
    "import locale; locale.setlocale(locale.LC_ALL, 'C' if locale.setlocale(locale.LC_ALL) != 'C' else 'C.UTF-8')")
imported("seeds-random", "seeds the random numbers of everybody", "random", "import random; random.seed(1)")
imported("replaces-stdout", "puts another file in the place of stdout", "stdout",
    "import io, sys; sys.stdout = io.StringIO()", seen="kit")
imported("closes-stdout", "closes descriptor 1", "stdout", "import os; os.close(1)", seen="kit")
imported("registers-at-exit", "prints at the end of the program", "atexit|stdout",
    "import atexit; atexit.register(print, 'toy says good bye')")
imported("patches-builtins", "replaces open", "builtins|open",
    "import builtins; builtins.toy_open = builtins.open; builtins.open = lambda *a, **k: builtins.toy_open(*a, **k)")
imported("patches-json", "replaces json.dumps", "json", "import json; json.dumps = lambda *a, **k: 'toy'")
imported("warns", "warns when it is imported", "warn", "import warnings; warnings.warn('toy is old', stacklevel=1)")
imported("sets-excepthook", "replaces sys.excepthook", "excepthook", "import sys; sys.excepthook = lambda *a: None")
imported("disables-gc", "turns the garbage collector off", "gc", "import gc; gc.disable()")
imported("sets-umask", "changes the umask", "umask", "import os; os.umask(0)")
imported("logging-config", "configures logging for everybody", "logging",
    "import logging, sys; logging.basicConfig(stream=sys.stdout, level=0)")
imported("traces", "traces every call", "trace", "import sys; sys.settrace(lambda *a: None)")
imported("alarm", "sets an alarm", "signal|alarm",
    "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN); signal.alarm(30)")
imported("child", "starts a program that stays", "child|process",
    "import subprocess; CHILD = subprocess.Popen(['sleep', '20'])")
imported("exits", "ends the program when it is imported", "systemexit|import", "import sys; sys.exit(0)",
    seen="commands")
imported("kills", "ends the program at once: os._exit", "ended|exit", "import os; os._exit(0)")


def does(name: str, how: str, says: str, function: Callable[[], object], at: str = "boot --emit iomem") -> None:
    """The same in a hook."""
    wrong(f"hook-{name}", "sysfs", how, says, at=at, seen="kit", sysfs=lambda: function() and None)

does("changes-the-directory", "changes the working directory in a hook", "cwd|directory", lambda: os.chdir("/"))
does("changes-the-environment", "changes the environment in a hook", "environ",
    lambda: os.environ.update(TOY=str(time.time_ns())))
does("starts-a-thread", "starts a thread in a hook", "thread",
    lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start())
does("seeds-random", "seeds the random numbers of everybody in a hook", "random", lambda: random.seed(1))
does("replaces-stdout", "puts another file in the place of stdout in a hook", "stdout",
    lambda: setattr(sys, "stdout", Path(os.devnull).open("w")))  # noqa: SIM115
does("leaks-a-file", "leaves a file open", "file|descriptor", lambda: _FILES.append(Path(os.devnull).open()))  # noqa: SIM115
_FILES: list[object] = []


# --- not the same twice

_CALLS: list[int] = []


def unsteady(name: str, how: str, number: Callable[[], int]) -> None:
    """A line in the kernel's log that has a number which is not the machine's."""
    wrong(f"unsteady-{name}", "sysfs", how, "same|twice|determin", at="boot --emit log", seen="kit",
        sysfs=lambda system: system.printk(f"toy: {number()}"))

unsteady("random", "random numbers decide", lambda: random.getrandbits(32))
unsteady("time", "the time decides", time.time_ns)
unsteady("id", "addresses of objects decide", lambda: id(object()) + next(_COUNT) * 64)
unsteady("hash", "the hash seed decides", lambda: hash("toy"))
unsteady("pid", "the number of the process decides", os.getpid)
unsteady("calls", "the number of calls decides: a global that grows", lambda: _CALLS.append(1) or len(_CALLS))
unsteady("environment", "the environment decides", lambda: len(os.environ.get("PYTHONHASHSEED", "")) + len(os.environ))
unsteady("directory", "the working directory decides", lambda: sum(map(ord, os.getcwd())))
unsteady("urandom", "the kernel's random numbers decide", lambda: int.from_bytes(os.urandom(4), "little"))
unsteady("set-order", "the order of a set of texts decides", lambda: int(
    "".join(str("abcdef".index(c)) for c in set("abcdef"))))
_COUNT = iter(range(1 << 30))

_SYSTEMS: list[sr.System] = []
wrong("state-of-another-system", "sysfs", "answers for the first system that it saw", "same|twice|system|state",
    seen="kit", sysfs=lambda system: (_SYSTEMS.append(system), _SYSTEMS[0].printk("toy: here"))[1])
_DRIVERS: list[object] = []
wrong("modules-are-shared", "module", "the same Module object for all systems", "share|same|module", seen="kit",
    modules=lambda: [_MODULE])
_MODULE = sr.Module("toy", "DEV_DAX", "drivers/dax/toy.c")
wrong("findings-depend-on-calls", "lint", "finds something at the second call only", "twice|same", at="lint",
    seen="kit", lint=lambda: [sr.Finding("note", "toy-calls", "again")] if next(_COUNT) % 2 else [])
wrong("arch-boots-at-random", "arch", "places the image at random without a seed", "same|twice|seed", at="kaslr",
    seen="kit", stub_place_image=lambda machine, seed: toy.relocate_kernel(machine, random.getrandbits(32)))
wrong("block-size-at-random", "size", "another size of memory blocks every time", "same|twice", seen="kit",
    memory_block_size=lambda: 1 << random.choice((28, 29, 30, 31)))
wrong("nodes-at-random", "arch", "distances of nodes at random", "same|twice", seen="kit",
    numa_info=lambda system: (toy.misc_mem_init(system), system.nodes.possible.add(random.randrange(1, 4)))[0])


# --- hangs


def hangs(name: str, how: str, kind: str, at: str, hook: str, function: Callable[..., object]) -> None:
    """A call that does not come back."""
    wrong(f"hangs-{name}", kind, how, "time|second|hang", at=at, seen="kit", **{hook: function})


def _forever(*_: object) -> object:
    while True:
        pass


def _endless() -> object:
    while True:
        yield sr.DaxOffer(1 << 40, 1 << 41, 0, "toy")


class _EndlessList(list[object]):
    """A list whose items have no end."""

    def __iter__(self) -> object:
        return iter(_endless())


_LOCK = threading.Lock()
_LOCK.acquire()

hangs("in-a-loop", "loops for ever", "sysfs", "boot", "sysfs", lambda: _forever())
hangs("asleep", "sleeps for an hour", "driver", "boot", "dax_drivers", lambda: time.sleep(3600))
hangs("on-a-lock", "waits for a lock that nobody gives back", "lint", "lint", "lint", lambda: _LOCK.acquire())
hangs("in-an-endless-list", "a list without an end", "dax", "boot", "dax_devices", lambda: _EndlessList())
hangs("in-show", "show loops for ever", "sysfs", "export", "sysfs",
    lambda system: system.sysfs.add("/sys/kernel/toy/value",
    __import__("softreserve.kernel.sysfs", fromlist=["x"]).Attribute(0o444, _forever)))
hangs("in-init", "init of a module loops for ever", "module", "boot", "modules",
    lambda: [sr.Module("toy", "DEV_DAX", "drivers/dax/toy.c", init=_forever)])
hangs("in-finish", "a policy loops for ever", "kexec", "kexec --policy toy", "kexec_policies",
    lambda: [sr.KexecPolicy("toy", "a policy", finish=_forever)])
hangs("in-early-reserve", "an architecture loops for ever", "arch", "boot", "early_reserve", lambda system: _forever())
hangs("on-stdin", "reads from the terminal", "sysfs", "boot", "sysfs", lambda: input())
hangs("catches-everything", "loops for ever and catches whatever would end it", "sysfs", "boot", "sysfs",
    lambda: _stubborn())
packaged("hangs-at-import", "loops for ever when it is imported", "import|time", "while True: pass", seen="kit")


def _stubborn() -> object:
    while True:
        try:
            _forever()
        except BaseException:
            continue

wrong("sleeps-a-second", "sysfs", "takes a second at every boot", "slow|ms|second", seen="kit",
    sysfs=lambda: time.sleep(1))
wrong("reads-the-network", "sysfs", "opens a connection", "socket|network|connect", seen="kit",
    sysfs=lambda: __import__("socket").create_server(("127.0.0.1", 0)) and None)
wrong("writes-files", "sysfs", "writes a file where the program was started", "file|writes", seen="kit",
    sysfs=lambda: _written(Path("toy-was-here")))


def _written(file: Path) -> None:
    file.write_text("")
    file.unlink()  # whoever tries it somewhere keeps nothing of it

_ = attrs
