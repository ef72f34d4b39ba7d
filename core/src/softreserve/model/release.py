"""Kernel releases in their real order, and behaviours: what differs between them, as data.

A difference has a name. It lives, as a constant, in the module ``behaviours`` of the wheel whose code asks for it
(``kernel.has(behaviours.MEMORY_TIERS)``); code never compares versions. Each of its boundaries says how both sides of
it are known.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from softreserve.model.errors import MachineError, shown
from softreserve.model.value import NamedTuple

__all__ = ["NEWEST", "OLDEST", "RELEASES", "Behaviour", "Boundary", "Release"]

#: Releases that tables have a column for and tests boot, oldest first; 6.1 was looked at as 6.1.192, 6.12 as 6.12.117.
RELEASES: Final = ("5.5", "5.8", "5.10", "6.1", "6.12", "6.18", "7.0", "7.1", "7.3")

#: Differences are known between these releases (both inclusive). One outside behaves like the nearer of them.
OLDEST: Final = "5.4"
NEWEST: Final = "7.3"


class Release(NamedTuple):
    """What the text of ``uname -r`` says.

    ``patch`` is the level of the stable series; ``None`` where it is not told: Debian's ``6.1.0-56`` and others keep a
    zero there whatever they build.
    """

    major: int
    minor: int
    patch: int | None
    text: str

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read ``6.12``, ``v6.1-rc3``, ``6.12.117+deb12-amd64`` or ``5.14.0-427.el9.x86_64``.

        :raises MachineError: the text does not begin with a version.
        """
        found = re.match(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])(?:\.([0-9]{1,6})(?![0-9])(-[0-9])?)?", text)
        if found is None:
            raise MachineError(f"unknown kernel release {shown(text)}: it begins with a version, such as {NEWEST}")
        major, minor, patch, build = found.groups()
        told = patch is not None and (int(patch) > 0 or build is None or _is_mainline(text))
        return cls(int(major), int(minor), int(patch) if told else None, text)

    @property
    def line(self) -> str:
        """The mainline release that it comes from: ``6.1``."""
        return f"{self.major}.{self.minor}"

    @property
    def candidate(self) -> bool:
        """Whether it is a candidate (``6.1-rc3``), which comes before all levels of its stable series."""
        return self.text.find("rc") > 0 and re.match(r"v?[0-9.]+(?:-0\.|[-~])rc[0-9]", self.text) is not None

    @property
    def nearest(self) -> str:
        """The release whose behaviour it has: :attr:`line`, or the nearer end of what is known."""
        if self[:2] < _order(OLDEST):
            return OLDEST
        return NEWEST if self[:2] > _order(NEWEST) else self.line

    def reaches(self, release: str) -> bool:
        """Whether it is ``release`` (``6.12``, or a level of its stable series: ``6.12.117``) or newer.

        A release that does not tell its level has that of the series' end.
        """
        wanted = _order(release)
        if self[:2] == wanted[:2] and self.candidate:
            return len(wanted) == 2
        if self[:2] != wanted[:2] or self.patch is None:
            return self[:2] >= wanted[:2]
        return (self.patch,) >= wanted[2:]

    def is_of(self, line: str) -> bool:
        """Whether it is of a stable series (``6.1``), from a level on (``6.1.84``), or of a build (``5.14.*.el9*``).

        A release that does not tell its level has that of the series' end.
        """
        if "*" in line:
            if not self.text.startswith(line.partition("*")[0].partition("[")[0].partition("?")[0]):
                return False  # most lines are of another series, and patterns take time to be made
            from fnmatch import fnmatchcase

            return fnmatchcase(self.text, line)
        return _order(line)[:2] == self[:2] and self.reaches(line)


@cache
def _is_mainline(text: str) -> bool:
    """Whether it is on the way to a release of mainline, or so many commits after one."""
    return re.search(r"-(?:0\.)?rc[0-9]|-[0-9]{5}-g[0-9a-f]{7,40}(?![0-9a-z])", text) is not None


def _order(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


class Boundary:
    """The mainline release in which something changed.

    :param release: the first one that has the change.
    :param change: the subject of the commit, where it is known.
    :param older: what the side before the change stands on; see below.
    :param newer: what the side after the change stands on.
    :param after: where the release is not known exactly: the newest one known to be without the change. ``release`` is
        the oldest known to have it then.

    Evidence, several joined by ``"; "``: ``captured NAME`` (a recorded boot in ``tests/data/captures`` shows it),
    ``vectors FAMILY RELEASE`` (answers of the real functions), ``source read RELEASE``, ``from history`` (known from
    the change alone).
    """

    __slots__ = ("after", "change", "newer", "older", "release")

    def __init__(self, release: str, change: str, older: str, newer: str, *, after: str | None = None) -> None:
        self.release = release
        self.change = change
        self.older = older
        self.newer = newer
        self.after = after


class Behaviour:
    """One named behaviour: there from ``since`` on (inclusive) until ``until`` (exclusive).

    Two behaviours are the same only if they are one object.

    :param name: unique among all wheels; the constant's name in lower case, with ``-``.
    :param words: what it is, in a sentence without an end.
    :param since: ``None``: it was always there.
    :param until: ``None``: it is still there.
    :param backported: stable series and builds that carry it besides, as :meth:`Release.is_of` takes them.
    :param dropped: stable series and builds that ended it before ``until``.
    :param mainline: false: only the ``backported`` ones have it.
    :param arches: the architectures that have it; empty: all.
    :param options: ``CONFIG_`` options that it needs, each ``y`` or ``m``.
    """

    __slots__ = ("arches", "backported", "dropped", "mainline", "name", "options", "since", "until", "words")

    def __init__(
        self,
        name: str,
        words: str,
        *,
        since: Boundary | None = None,
        until: Boundary | None = None,
        backported: tuple[str, ...] = (),
        dropped: tuple[str, ...] = (),
        mainline: bool = True,
        arches: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.words = words
        self.since = since
        self.until = until
        self.backported = backported
        self.dropped = dropped
        self.mainline = mainline
        self.arches = arches
        self.options = options

    def __repr__(self) -> str:
        return f"<Behaviour {self.name}>"

    def applies_to(self, release: Release) -> bool:
        """Whether a release behaves so, where architecture and options are right."""
        if any(map(release.is_of, self.backported)):
            return True
        if not self.mainline or any(map(release.is_of, self.dropped)):
            return False
        at = release[:2]
        return (self.since is None or _order(self.since.release) <= at) and (
            self.until is None or at < _order(self.until.release)
        )
