"""The kernel log as ``/dev/kmsg`` gives it, from which ``dmesg`` reads. Linux: ``kernel/printk/printk.c``.

Of the log there is what has to do with memory, and the two lines by which a log is known. When something was printed
is not modelled: all of it was at 0.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from softreserve.kernel import procfs
from softreserve.model import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["record", "write"]

#: The facility of the kernel and the level KERN_INFO.
_PRIORITY = 6
#: Bytes of text that one write can take. Linux: ``PRINTKRB_RECORD_MAX``.
_LONGEST = 1024
#: How long a piece of the command line may be, and what says that there is more of it.
#: Linux: ``CONFIG_CMDLINE_LOG_WRAP_IDEAL_LEN``, less the words in front.
_IDEAL = 1021 - len("Kernel command line: ")
_CONTINUED = " \\"
_LEVEL = re.compile(r"<[0-9]+>")


def record(system: System, number: int) -> bytes | None:
    """Record ``number`` (from 0) of the log; ``None``: there is none yet. Linux: ``devkmsg_read``."""
    first = (procfs.version(system), *(f"Kernel command line: {part}" for part in _command_line(system)))
    text = first[number] if number < len(first) else system.log.line(number - len(first))
    if text is None:
        return None
    return b"%d,%d,0,-;%b\n" % (_PRIORITY, number, b"".join(map(_escaped, text.encode("utf-8", "surrogateescape"))))


def _command_line(system: System) -> list[str]:
    """The command line in pieces that are short enough for a line of the log. Linux: ``print_kernel_cmdline``."""
    text, pieces = system.cmdline.text, []
    if not system.kernel.has(behaviours.LONG_COMMAND_LINE_WRAPS):
        return [text]
    while len(text) > _IDEAL:
        cut = text.rfind(" ", 1, _IDEAL - len(_CONTINUED) + 1)
        if cut < 0:
            cut = text.find(" ", 1)
        head, rest = text[:cut].rstrip(" "), text[cut:].lstrip(" ")
        if cut < 0 or not rest:
            break
        pieces += [f"{head}{_CONTINUED}"] if head else []
        text = rest
    return [*pieces, text]


def _escaped(byte: int) -> bytes:
    """Linux: ``msg_add_ext_text``."""
    return bytes([byte]) if 0x20 <= byte < 0x7F and byte != ord("\\") else b"\\x%02x" % byte


def write(system: System, data: bytes) -> int:
    """Add a line to the log; the number of bytes, or ``-errno``. Linux: ``devkmsg_write``."""
    if len(data) > _LONGEST:
        return -errno.EINVAL
    text = data.decode("utf-8", "surrogateescape")
    system.printk(_LEVEL.sub("", text, count=1).removesuffix("\n") if _LEVEL.match(text) else text.removesuffix("\n"))
    return len(data)
