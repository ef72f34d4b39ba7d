"""A kernel: release, page size, ``CONFIG_`` options, and the behaviours that follow from the release.

Code asks for a behaviour by name (``kernel.has("hmem-per-soft-reserved-range")``), never for a version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from softreserve.errors import MachineError
from softreserve.model.behaviours import BEHAVIOURS, RELEASES, Behaviour

__all__ = ["Kernel", "base_release"]


def base_release(release: str) -> str:
    """The known release that ``release`` (``uname -r``) belongs to: ``6.1.0-56-amd64`` gives ``6.1``.

    :raises MachineError: the release is not known; the message names the known ones and the nearest.
    """
    found = re.match(r"v?(\d+)\.(\d+)", release)
    short = f"{found[1]}.{found[2]}" if found else release
    if short in RELEASES:
        return short
    known = ", ".join(RELEASES)
    if found:
        wanted = (int(found[1]), int(found[2]))
        nearest = min(RELEASES, key=lambda r: _distance(_version(r), wanted))
    else:
        import difflib

        nearest = (difflib.get_close_matches(short, RELEASES, 1, 0.0) or [RELEASES[-1]])[0]
    raise MachineError(f"unknown kernel release {release!r}; known: {known}; nearest: {nearest}")


def _version(release: str) -> tuple[int, int]:
    major, minor = release.split(".")[:2]
    return int(major), int(minor)


def _distance(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return abs(a[0] - b[0]), abs(a[1] - b[1])


@attrs.frozen
class Kernel:
    """A kernel as built.

    ``release`` is the text of ``uname -r``; ``config`` maps option names without ``CONFIG_`` to ``"y"``, ``"m"``,
    ``"n"``, a number or a string; ``page_size`` is in bytes.
    """

    release: str
    arch: str
    page_size: int = 4096
    config: Mapping[str, str | int] = attrs.field(factory=dict, hash=False)
    base: str = attrs.field(init=False)
    behaviours: frozenset[str] = attrs.field(init=False, repr=False)

    @base.default
    def _base(self) -> str:
        return base_release(self.release)

    @behaviours.default
    def _behaviours(self) -> frozenset[str]:
        return frozenset(b.name for b in BEHAVIOURS if b.applies_to(self.base, RELEASES))

    def has(self, behaviour: str) -> bool:
        """Whether this release behaves so.

        :raises KeyError: no behaviour has that name (our mistake).
        """
        if behaviour not in Behaviour.names():
            raise KeyError(behaviour)
        return behaviour in self.behaviours

    def builtin(self, option: str) -> bool:
        """Whether ``CONFIG_<option>=y``."""
        return self.config.get(option) == "y"

    def enabled(self, option: str) -> bool:
        """Whether ``CONFIG_<option>`` is ``y`` or ``m``."""
        return self.config.get(option) in ("y", "m")

    def number(self, option: str, default: int) -> int:
        """A numeric option: decimal or ``0x`` text; ``default`` where it is not set."""
        value = self.config.get(option, "n")
        if isinstance(value, int):
            return value
        try:
            return int(value, 0)
        except ValueError:
            return default

    @property
    def max_numnodes(self) -> int:
        """MAX_NUMNODES: 2 to the power of CONFIG_NODES_SHIFT. Linux: ``include/linux/numa.h``."""
        default = 4 if self.arch == "arm64" else 6
        return 1 << self.number("NODES_SHIFT", default)
