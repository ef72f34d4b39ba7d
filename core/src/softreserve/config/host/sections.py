"""A supportconfig: text files with sections, each a file's or a command's, as a tree of the host's files."""

from __future__ import annotations

import errno
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from softreserve.config.host.tree import Entry, Tree

__all__ = ["MARK", "SectionTree"]

#: A file that every supportconfig has.
MARK: Final = "/basic-environment.txt"
_HEADING: Final = re.compile(r"^#==\[ [^\]\n]+ \]=+#?[ \t]*\n# ?([^\n]*)\n?", re.MULTILINE)
#: Commands whose outputs tell something, and where others keep those.
_COMMANDS: Final = {
    r"uname -a": "/uname",
    r"dmesg(?: -T)?": "/dmesg",
    r"journalctl (?=.*--boot=0)(?!.*disk-usage)[^|]*": "/sos_commands/logs/journalctl --boot",
    r"lsmod": "/proc/modules",
}
_ABSENT: Final = " - File not found"


class SectionTree(Tree):
    """The files whose texts, and the commands whose outputs, stand in the sections of another tree's files."""

    def __init__(self, files: Tree) -> None:
        super().__init__(files.name)
        self._texts: dict[str, bytes] = {}
        for name in sorted(files.names("/")):
            text = files.text(f"/{name}") if name.endswith(".txt") else None
            for path, content in _sections(text or ""):
                self._texts.setdefault(path, content.encode())

    def entry(self, path: str) -> Entry | None:
        """See :meth:`Tree.entry`."""
        if path in self._texts:
            return Entry("file")
        return Entry("directory") if any(name.startswith(f"{path.rstrip('/')}/") for name in self._texts) else None

    def listing(self, path: str) -> list[str]:
        """See :meth:`Tree.listing`."""
        below = f"{path.rstrip('/')}/"
        return list({name[len(below) :].partition("/")[0] for name in self._texts if name.startswith(below)})

    def content(self, path: str) -> bytes | int:
        """See :meth:`Tree.content`."""
        return self._texts.get(path, -errno.ENOENT)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Path and content of each section that has one."""
    headings = list(_HEADING.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        about = heading[1].strip()
        content = text[heading.end() : following.start() if following is not None else len(text)].strip("\n")
        path = _path(about)
        if path is not None and content:
            yield path, f"{content}\n"


def _path(about: str) -> str | None:
    """Whose section it is: ``# /proc/cmdline``, ``# /usr/bin/dmesg -T``; ``None``: another."""
    if not about.startswith("/") or about.endswith(_ABSENT):
        return None
    program, _, arguments = about.partition(" ")
    words = posixpath.basename(program) + (f" {arguments}" if arguments else "")
    for command, path in _COMMANDS.items():
        if re.fullmatch(command, words):
            return path
    # the end of a log is no log of a boot, unless that is in it
    return program if not arguments or arguments.startswith("- Last ") else None
