"""The messages of the last boot that a log tells of, and what is found to be missing among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Final, TypeVar

from softreserve.config.account import told
from softreserve.config.log.map_lines import ends, is_of_map, is_torn, reading
from softreserve.config.log.mended import mended, unwrapped
from softreserve.model.errors import InputError
from softreserve.model.log_text import LogLine, log_lines
from softreserve.model.scenario import Gap

__all__ = ["VERSION", "Messages", "ends"]

T = TypeVar("T")

#: With what a boot begins.
VERSION: Final = re.compile(r"Linux version (\S+)")
_CMDLINE: Final = re.compile(r"(?:Kernel command|Command) line: ")
#: What journalctl puts between boots.
_SEPARATOR: Final = re.compile(r"-- (?:Boot [0-9a-f]+|Reboot) --$")
#: The first line of a part of a dump: why, the dump's number, the part's, which counts backwards.
_PART: Final = re.compile(r"([A-Z][a-z]+)#(\d{1,9}) Part(\d{1,9})")


class Messages:
    """The last boot that a log tells of.

    :ivar boots: of how many boots the log tells.
    :ivar gaps: what it was found not to tell; whoever reads a part of it adds to them.
    :ivar used: numbers of lines that told somebody something; who goes through the lines by themselves adds theirs.
    """

    def __init__(self, text: str, path: object = None) -> None:
        boots = _boots(_whole(_in_order(list(log_lines(text)))))
        self.path = path
        self.boots = len(boots)
        self.said = boots[-1] if boots else []
        self.gaps: list[Gap] = []
        self.used: set[int] = set()
        if (account := told()) is not None:
            account.logs.append(self)

    @property
    def has_version(self) -> bool:
        """Whether the log tells which kernel wrote it."""
        return any(VERSION.match(line.message) for line in self.said)

    def error(self, message: str, line: LogLine | None = None) -> InputError:
        """A mistake, of a line if there is one that is to blame."""
        return InputError(message, path=self.path, place=f"line {line.number}" if line is not None else None)

    def gap(self, missing: str, so: str) -> None:
        """Say what the log does not tell, and what that does to the answers."""
        self.gaps.append(Gap(missing, so))

    def has(self, words: str) -> bool:
        """Whether some message has these words."""
        return self._first(line for line in self.said if words in line.message) is not None

    def matching(self, *patterns: re.Pattern[str]) -> list[LogLine]:
        """The lines whose messages begin as one of the patterns says."""
        found = [line for line in self.said if any(pattern.match(line.message) for pattern in patterns)]
        self.used.update(line.number for line in found)
        return found

    def first(self, pattern: re.Pattern[str]) -> str | None:
        """The first group of the first message that fits."""
        line = self._first(line for line in self.said if pattern.match(line.message))
        found = pattern.match(line.message) if line is not None else None
        return found[1] if found is not None else None

    def _first(self, lines: Iterator[LogLine]) -> LogLine | None:
        line = next(lines, None)
        if line is not None:
            self.used.add(line.number)
        return line

    def each(self, pattern: re.Pattern[str], make: Callable[[re.Match[str]], T]) -> list[T]:
        """What ``make`` makes of every line that fits.

        :raises InputError: ``make`` raised a ``ValueError``, which becomes a mistake of that line.
        """
        made = []
        for line in self.said:
            found = pattern.match(line.message)
            if found is None:
                continue
            self.used.add(line.number)
            try:
                made.append(make(found))
            except ValueError as error:
                raise self.error(str(error), line) from None
        return made


def _backwards(lines: list[LogLine]) -> bool:
    """Whether the newest line stands first, as journalctl -r puts it: every command line before its version."""
    versions = [at for at, line in enumerate(lines) if VERSION.match(line.message)]
    words = [at for at, line in enumerate(lines) if _CMDLINE.match(line.message)]
    return bool(versions and words) and words[0] < versions[0] and words[-1] < versions[-1]


def _whole(lines: list[LogLine]) -> list[LogLine]:
    """Lines as they were before something broke them, where that is certain."""
    return mended(unwrapped(lines, is_of_map), is_torn, reading)


def _in_order(lines: list[LogLine]) -> list[LogLine]:
    """Lines in the order in which they were written: pstore keeps a dump in parts, of which the last comes first.

    Linux: ``fs/pstore/platform.c: pstore_dump``. ``journalctl -r`` puts everything the other way round.
    """
    heads = [(at, found) for at, line in enumerate(lines) if (found := _PART.fullmatch(line.message))]
    if not heads:
        return lines[::-1] if _backwards(lines) else lines
    parts: dict[tuple[str, int], list[tuple[int, list[LogLine]]]] = {}
    for (at, head), (end, _) in zip(heads, [*heads[1:], (len(lines), None)], strict=True):
        parts.setdefault((head[1], int(head[2])), []).append((-int(head[3]), lines[at + 1 : end]))
    dumps = [sorted(dump, key=itemgetter(0)) for dump in parts.values()]
    return lines[: heads[0][0]] + [line for dump in dumps for _, part in dump for line in part]


def _boots(lines: list[LogLine]) -> list[list[LogLine]]:
    """The lines of each boot of which a log tells something.

    journalctl says where one ends, a version where it begins.
    """
    ends = [at + 1 for at, line in enumerate(lines) if _SEPARATOR.match(line.message)]
    versions = [at for at, line in enumerate(lines) if VERSION.match(line.message)]
    # what stands before the first version is of the same boot: some kernels have something to say before
    later = [at for before, at in pairwise(versions) if not any(before < end <= at for end in ends)]
    starts = sorted({0, *ends, *(_beginning(lines, at) for at in later)})
    parts = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    told = [part for part in parts if any(VERSION.match(line.message) or is_of_map(line) for line in part)]
    return told or parts[:1]


def _beginning(lines: Sequence[LogLine], version: int) -> int:
    """Where a boot begins: arm64 and others say something before their version."""
    return version - (version > 0 and lines[version - 1].message.startswith("Booting Linux on "))
