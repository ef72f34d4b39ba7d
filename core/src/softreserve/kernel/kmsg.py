"""The kernel log as ``/dev/kmsg`` gives it, from which ``dmesg`` reads. Linux: ``kernel/printk/printk.c``.

Of the log there is what has to do with memory, and the two lines by which a log is known. When something was printed
is not modelled: all of it was at 0.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from softreserve.kernel import procfs

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["record", "write"]

#: The facility of the kernel and the level KERN_INFO.
_PRIORITY = 6
#: Bytes of text that one write can take. Linux: ``PRINTKRB_RECORD_MAX``.
_LONGEST = 1024
_LEVEL = re.compile(r"<[0-9]+>")


def record(system: System, number: int) -> bytes | None:
    """Record ``number`` (from 0) of the log; ``None``: there is none yet. Linux: ``devkmsg_read``."""
    first = (procfs.version(system), f"Kernel command line: {system.cmdline.text}")
    lines = system.log.lines
    if number >= len(first) + len(lines):
        return None
    text = first[number] if number < len(first) else lines[number - len(first)]
    return b"%d,%d,0,-;%b\n" % (_PRIORITY, number, b"".join(map(_escaped, text.encode("utf-8", "surrogateescape"))))


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
