"""The program: ``softreserve`` and ``python -m softreserve``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # What `python -m` puts first is the current directory: whatever lies there is no module or plugin of ours.
    del sys.path[0]

import atexit
import gc
import os
import signal
from contextlib import suppress

TYPE_CHECKING = False  # typing itself is not imported: until `run` is called, ^C gives a traceback
if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

__all__ = ["run"]

#: New objects between two collections. Imports and a boot make tens of thousands that stay; looking for garbage among
#: them again and again, as Python's default of 700 does, takes a sixth of a short command's time.
_GC_THRESHOLD = 100_000

_INTERRUPTED = 130
_PATIENCE = 0.05  # seconds until a destructor has ended


def run() -> None:
    """Carry out the command of ``sys.argv`` and end the process with its exit code; that is 130 after ``^C``.

    Before and after the command nothing is left to be tidied up, and ``^C`` ends the process at once.
    """
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and not ignored, as after `command &`
    if heeded:
        signal.signal(signal.SIGINT, _leave)
    gc.set_threshold(_GC_THRESHOLD)
    from softreserve.cli import main  # the imports are most of what there is to save

    sys.unraisablehook = _interrupt_again
    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = main()
    except KeyboardInterrupt:  # while the command line was about to end, or saw to another one
        status = _INTERRUPTED
    finally:
        if heeded:
            signal.signal(signal.SIGINT, _leave)
    if signal.getsignal(signal.SIGALRM) is _interrupt:  # one is due
        _leave(signal.SIGINT, None)
    _end(status)


def _end(status: int) -> NoReturn:
    """End the process: what Python takes to pieces at its end goes with it. What was left to be done then is done.

    Who has threads, looks on with a profiler or a debugger, or called this from another program gets the usual end.
    """
    threads = sys.modules.get("threading")
    alone = threads is None or threads.active_count() == 1
    ours = getattr(sys.modules["__main__"], "run", None) is run  # imported there by what installers make, or made there
    if not (alone and ours) or sys.getprofile() or sys.gettrace():
        gc.freeze()  # the last collection need not look at anything
        sys.exit(status)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # what it had to tell was told before
            stream.flush()
    os._exit(status)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def _interrupt_again(dropped: UnraisableHookArgs) -> None:
    """Python tells and drops what is raised in a destructor or a weak reference's callback: ``^C`` comes again then."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    run()
