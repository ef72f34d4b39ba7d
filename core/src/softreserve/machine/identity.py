"""What the machine says of itself to whom asks the running kernel: ``uname`` and ``nproc``.

The real programs ask with system calls (uname(2), sched_getaffinity(2)), which the host's kernel answers. These stand
in for them; options and messages are those of GNU coreutils 9.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.kernel import cpu_sysfs
from softreserve.kernel.procfs import BUILD
from softreserve.machine.kmod import Reply

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["TOOLS", "nodename", "run"]

#: Linux: ``include/uapi/linux/utsname.h: __NEW_UTS_LEN``.
_LONGEST = 64


def run(system: System, argv: Sequence[str]) -> Reply:
    """Run a tool. ``argv[0]`` is one of :data:`TOOLS`, with or without a directory."""
    tool, *arguments = argv
    return TOOLS[posixpath.basename(tool)](system, arguments)


def nodename(system: System) -> str:
    """The machine's name as that of a host."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", system.machine.name)[:_LONGEST]


def _uname(system: System, arguments: Sequence[str]) -> Reply:
    letters = ""
    for argument in arguments:
        if argument.startswith("--"):
            letter = _UNAME_LONG.get(argument[2:])
        else:
            letter = argument[1:] if re.fullmatch(r"-[asnrvmpio]+", argument) else None
        if letter is None:
            what = "unrecognized option" if argument.startswith("-") else "extra operand"
            return Reply(1, f"uname: {what} '{argument}'\n")
        letters += letter
    fields = {
        "s": "Linux",
        "n": nodename(system),
        "r": system.kernel.release,
        "v": BUILD,
        "m": system.arch.uname or system.arch.name,
        "p": "unknown",
        "i": "unknown",
        "o": "GNU/Linux",
    }
    if "a" in letters:
        letters = "snrvmo"  # what is unknown is left out
    return Reply(0, " ".join(value for letter, value in fields.items() if letter in (letters or "s")) + "\n")


def _nproc(system: System, arguments: Sequence[str]) -> Reply:
    count, ignored = len(cpu_sysfs.online(system)), 0
    for argument in arguments:
        found = re.fullmatch(r"--ignore=([0-9]{1,9})", argument)
        if found:
            ignored = int(found[1])
        elif argument == "--all":
            count = system.cpus
        else:
            what = "unrecognized option" if argument.startswith("-") else "extra operand"
            return Reply(1, f"nproc: {what} '{argument}'\n")
    return Reply(0, f"{max(count - ignored, 1)}\n")


_UNAME_LONG = {
    "all": "a",
    "kernel-name": "s",
    "nodename": "n",
    "kernel-release": "r",
    "kernel-version": "v",
    "machine": "m",
    "processor": "p",
    "hardware-platform": "i",
    "operating-system": "o",
}
TOOLS = {"uname": _uname, "nproc": _nproc}
