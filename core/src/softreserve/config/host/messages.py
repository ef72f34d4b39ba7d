"""The kernel's log of a host: in which of the places where one may be it begins with the boot."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Final

from softreserve.config.host.tree import Tree
from softreserve.config.log.content import log_text
from softreserve.model.errors import InputError
from softreserve.model.log_text import kmsg_text

__all__ = ["kernel_log"]

#: Where programs, and collectors of reports, keep it: the surest first.
_PLACES: Final = (
    "/dmesg",
    "/sos_commands/kernel/dmesg",
    "/sos_commands/general/dmesg",
    "/var/log/dmesg",
    "/var/log/boot.dmesg",
    "/sos_commands/kernel/dmesg_-T",
)
_JOURNALS: Final = re.compile(r"journalctl.*--boot(?!.*-\d)")
_LATER: Final = ("/var/log/kern.log", "/var/log/boot.msg", "/var/log/messages", "/var/log/syslog")
#: A record of ``/dev/kmsg``: its time in microseconds. Linux: ``kernel/printk/printk.c: info_print_ext_header``.
_RECORD: Final = re.compile(r"\d+,\d+,(\d+),[^;]*;")
_BEGINNING: Final = re.compile(r"Linux version \S+ \(")


def kernel_log(tree: Tree) -> tuple[str, str]:
    """The text of the log, and why it is not there or not whole; both may be empty.

    The first that begins with the boot is taken; else what the kernel still has, or the first that is there.
    """
    release = tree.text("/proc/sys/kernel/osrelease") or ""
    first, hidden = "", ""
    for data in _candidates(tree):
        if isinstance(data, int):
            hidden = hidden or ("only root may read it" if data in (-errno.EPERM, -errno.EACCES) else "")
            continue
        try:
            text = _as_dmesg(log_text(data))
        except InputError:  # packed by what cannot be read here, or no log at all
            continue
        if _BEGINNING.search(text) and (not release or f"Linux version {release} (" in text):
            return text, ""
        first = first or (text if text.strip() else "")
    if first:
        return first, "it no longer begins with the boot: later messages took the room"
    return "", hidden or ("there is none" if tree.live else "it is not there: who copied it may not have been shown it")


def _as_dmesg(text: str) -> str:
    """Records of ``/dev/kmsg`` as ``dmesg`` prints them, without what they say of devices; another text as it is."""
    if not _RECORD.match(text):
        return text
    lines = []
    for line in text.splitlines():
        record = _RECORD.match(line)
        if record:
            seconds, micros = divmod(int(record[1]), 1_000_000)
            said = kmsg_text(line[record.end() :])
            lines.append(f"[{seconds:5}.{micros:06}] {said}\n")
    return "".join(lines)


def _candidates(tree: Tree) -> Iterator[bytes | int]:
    yield tree.ring_buffer()
    yield from map(tree.read, _PLACES)
    logs = "/sos_commands/logs"
    for name in sorted(filter(_JOURNALS.search, tree.names(logs))):
        yield tree.read(f"{logs}/{name}")
    yield tree.journal()
    yield from map(tree.read, _LATER)
