"""A kernel: release, page size, ``CONFIG_`` options, and the behaviours that follow from the release.

Code asks for a behaviour by name (``kernel.has("hmem-per-soft-reserved-range")``), never for a version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from softreserve.model.behaviours import BEHAVIOURS, RELEASES, Behaviour
from softreserve.model.errors import MachineError, shown
from softreserve.model.names import LONGEST_RELEASE, release_problem
from softreserve.model.units import U64_MAX

__all__ = ["Kernel", "base_release", "option_problem"]

#: Numbers that the kernel's own configuration allows (inclusive). Linux: the ``Kconfig`` files.
_NUMBERS = {
    "ARM64_PA_BITS": (48, 52),
    "ARM64_VA_BITS": (36, 52),
    "EFI_MAX_FAKE_MEM": (1, 128),
    "NODES_SHIFT": (0, 10),
    "NR_CPUS": (1, 8192),
    "PHYSICAL_ALIGN": (0x200000, 0x1000000),
    "PHYSICAL_START": (0, U64_MAX),
}


def option_problem(name: str, value: str | int) -> str | None:
    """Why no kernel is built with ``CONFIG_<name>=<value>``, or ``None``."""
    if name not in _NUMBERS or value == "n":
        return None
    low, high = _NUMBERS[name]
    try:
        number = value if isinstance(value, int) else int(value, 0)
    except ValueError:
        return f"wanted a number, not {shown(value)}"
    if not low <= number <= high:
        bounds = f"{low} to {high}" if high < 1 << 16 else f"{low:#x} to {high:#x}"
        return f"Linux has numbers from {bounds} here, not {shown(value)}"
    if name == "PHYSICAL_ALIGN" and number % low:
        return f"Linux has multiples of {low:#x} here, not {shown(value)}"
    return None


def base_release(release: str) -> str:
    """The known release that ``release`` (``uname -r``) belongs to: ``6.1.0-56-amd64`` gives ``6.1``.

    :raises MachineError: the release is not known; the message names the known ones and the nearest.
    """
    found = re.match(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", release)
    short = f"{found[1]}.{found[2]}" if found else release
    if short in RELEASES:
        return short
    known = ", ".join(RELEASES)
    if found:
        wanted = (int(found[1]), int(found[2]))
        nearest = min(RELEASES, key=lambda r: _distance(_version(r), wanted))
    else:
        import difflib

        nearest = (difflib.get_close_matches(short[:LONGEST_RELEASE], RELEASES, 1, 0.0) or [RELEASES[-1]])[0]
    raise MachineError(f"unknown kernel release {shown(release)}; known: {known}; nearest: {nearest}")


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

    :raises MachineError: the release is not known, or has characters that no release has.
    """

    release: str = attrs.field()
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

    @release.validator
    def _has_its_alphabet(self, _: object, release: str) -> None:
        problem = release_problem(release)
        if problem is not None:
            raise MachineError(problem)

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
