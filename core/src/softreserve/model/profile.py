"""Profiles: whose kernel it is, and where it is unlike the mainline release that it names.

Distributions carry changes of newer releases, and choose options of their own. What of that is known is data, with what
it stands on; everything else is as in mainline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from softreserve.model.release import Release

__all__ = ["DEBIAN", "KNOWN", "MAINLINE", "UNKNOWN", "Known", "Profile", "known", "matching"]

Known = Literal["recorded", "sources", "nearest"]

#: How well a kernel is known, in words.
KNOWN: Final[Mapping[Known, str]] = {
    "recorded": "recorded by boots",
    "sources": "from sources",
    "nearest": "nearest only",
}

#: Mainline releases of which boots of Debian's builds were recorded.
_RECORDED: Final = frozenset(("6.1", "6.12", "6.17", "6.18", "7.2", "7.3"))


class Profile:
    """Kernels of one origin.

    :param name: ``RHEL 9.4``.
    :param matches: a regular expression for the whole text of ``uname -r``. Where its first group is a number, that is
        the number of the build.
    :param build: the lowest number of a build that is meant, of profiles with the same ``matches``; numbers below all
        of them are taken for the lowest.
    :param options: ``CONFIG_`` options, without ``CONFIG_``, that are unlike those of Debian's build of the same
        mainline release: by architecture, under ``""`` on all, under ``ARCH+64k`` with pages of that size. ``None``:
        they are not known.
    :param has: names of behaviours that it has though its release does not say so.
    :param lacks: names of behaviours that it lacks though its release says so.
    :param evidence: what all of this was read from.
    """

    __slots__ = ("_unlike", "build", "evidence", "has", "lacks", "matches", "name", "options")

    def __init__(
        self,
        name: str,
        matches: str,
        *,
        build: int = 0,
        options: Mapping[str, Mapping[str, str | int]] | None = None,
        has: Iterable[str] = (),
        lacks: Iterable[str] = (),
        evidence: str = "",
    ) -> None:
        self.name = name
        self.matches = re.compile(matches)
        self.build = build
        self.options = options
        self.has = frozenset(has)
        self.lacks = frozenset(lacks)
        self.evidence = evidence
        self._unlike = {**dict.fromkeys(self.lacks, False), **dict.fromkeys(self.has, True)}

    def __repr__(self) -> str:
        return f"<Profile {self.name}>"

    def says(self, behaviour: str) -> bool | None:
        """Whether such kernels have a behaviour; ``None``: as their release."""
        return self._unlike.get(behaviour)

    def options_on(self, arch: str, page_size: int = 4096) -> dict[str, str | int]:
        """The options that are its own on an architecture, with pages of a size in bytes."""
        options = self.options or {}
        large = options.get(f"{arch}+{page_size >> 10}k", {})
        return {**options.get("", {}), **options.get(arch, {}), **large}


#: Releases without anything that a builder added.
MAINLINE: Final = Profile("mainline", r"v?\d+\.\d+(?:\.\d+)?(?:-rc\d+)?")
#: Whoever built it, nothing is known of what he changed.
UNKNOWN: Final = Profile("", r".*")
#: What all options start from.
DEBIAN: Final = Profile(
    "Debian",
    r"\d+\.\d+(?:\.\d+)?(?:(?:-\d+|-0\.(?:deb|bpo)[\d.]+|\+(?:deb|bpo)\d*)-(?:cloud-|rt-)?[a-z]+\d+[a-z]*(?:-16k)?"
    r"|-(?:cloud-|rt-)?[a-z]+64)",
    options={},
    evidence="/boot/config-* of its packages",
)


def matching(release: str, profiles: Iterable[Profile]) -> Profile | None:
    """The profile of a release (``uname -r``): of those that match, the one whose build is the nearest from below.

    Of several that could be meant the first one counts.
    """
    found: Profile | None = None
    for profile in profiles:
        match = profile.matches.fullmatch(release)
        if match is None or (found is not None and profile.matches != found.matches):
            continue
        number = int(match[1]) if match.re.groups and match[1] else 0
        if (
            found is None
            or found.build < profile.build <= number
            or (number < found.build and profile.build < found.build)
        ):
            found = profile
    return found


def known(profile: Profile, release: Release) -> Known:
    """How well the kernels of a profile are known at a release."""
    if profile not in (MAINLINE, DEBIAN, UNKNOWN):
        return "sources"
    if profile is UNKNOWN or release.nearest != release.line:
        return "nearest"
    return "recorded" if release.line in _RECORDED else "sources"
