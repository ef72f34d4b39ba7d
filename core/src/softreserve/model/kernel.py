"""A kernel: release, page size, ``CONFIG_`` options, and the behaviours that follow from the release.

Code asks for a behaviour (``kernel.has(behaviours.MEMBLOCK_MERGE_LOCAL)``), never for a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from softreserve.model import value
from softreserve.model.behaviours import KSTRTOBOOL_KNOWS_ENABLED, MEMPARSE_SATURATES
from softreserve.model.errors import MachineError
from softreserve.model.frozen import frozen
from softreserve.model.names import release_problem
from softreserve.model.profile import KNOWN, MAINLINE, Known, Profile, known
from softreserve.model.release import Behaviour, Release
from softreserve.model.units import get_option, kstrtobool, memparse, simple_strtoull

__all__ = ["Kernel", "Origin"]


def _options(config: Mapping[str, str | int]) -> Mapping[str, str | int]:
    return frozen(config)


class Origin(TypedDict):
    """Whose kernel it is, and how well such kernels are known.

    :param release: what ``uname -r`` says.
    :param profile: the distribution whose profile it is.
    :param base: the mainline release whose behaviours it has.
    :param options: whose options it has, where nobody said them; ``None``: they are its own.
    :param known: by recorded boots, from the sources, or as the nearest of those that are known.
    """

    release: str
    profile: str | None
    base: str
    options: str | None
    known: Known


@value.frozen
class Kernel:
    """A kernel as built.

    ``release`` is the text of ``uname -r``; ``config`` maps option names without ``CONFIG_`` to ``"y"``, ``"m"``,
    ``"n"``, a number or a string; ``page_size`` is in bytes. ``turned`` are behaviours in which it does not do as its
    release: no kernel that exists, but what shows that a behaviour makes a difference. ``profile`` says whose kernel it
    is; ``options_of`` whose options it has where nobody said them, empty: they are its own. ``level`` is that of its
    stable series, where the release does not tell it and somebody knows.

    :raises MachineError: ``release`` does not begin with a version, or has characters that no release has.
    """

    release: str = value.field()
    arch: str
    page_size: int = 4096
    config: Mapping[str, str | int] = value.field(factory=dict, converter=_options, hash=False)
    turned: frozenset[Behaviour] = frozenset()
    profile: Profile = value.field(default=MAINLINE, eq=False)
    options_of: str = value.field(default="", eq=False)
    level: int | None = None
    version: Release = value.field(init=False, eq=False, repr=False)
    _known: dict[Behaviour, bool] = value.field(init=False, factory=dict, eq=False, repr=False)

    @version.default
    def _version(self) -> Release:
        version = Release.parse(self.release)
        return version._replace(patch=self.level) if version.patch is None else version

    @property
    def base(self) -> str:
        """The mainline release that it comes from: ``6.1``."""
        return self.version.line

    @release.validator
    def _has_its_alphabet(self, _: object, release: str) -> None:
        problem = release_problem(release)
        if problem is not None:
            raise MachineError(problem)

    @property
    def origin(self) -> Origin:
        """Whose kernel it is and how well such kernels are known; for ``--json``."""
        return {
            "release": self.release,
            "profile": self.profile.name or None,
            "base": self.version.nearest,
            "options": self.options_of or None,
            "known": known(self.profile, self.version),
        }

    @property
    def words(self) -> str:
        """The same in words: ``RHEL 9.4 profile (mainline 5.14 + known backports; from sources)``."""
        version, profile = self.version, self.profile
        base = f"mainline {version.line}"
        if version.nearest != version.line:
            base += f" taken for {version.nearest}"
        if profile.has or profile.lacks:
            base += " + known backports"
        if self.options_of not in ("", profile.name):
            base += f", {self.options_of}'s options"
        how = KNOWN[known(profile, version)]
        if profile is MAINLINE:
            return f"{base} ({how})"
        whose = f"{profile.name} profile" if profile.name else "no profile"
        return f"{whose} ({base}; {how})"

    @property
    def pmd_size(self) -> int:
        """Bytes that one PMD maps, which is a huge page: a page full of entries of 8 bytes, each for one page."""
        return self.page_size * (self.page_size // 8)

    def has(self, behaviour: Behaviour) -> bool:
        """Whether this kernel behaves so."""
        found = self._known.get(behaviour)
        if found is None:
            found = self._known[behaviour] = (
                self.carries(behaviour) != (behaviour in self.turned)
                and (not behaviour.arches or self.arch in behaviour.arches)
                and all(map(self.enabled, behaviour.options))
            )
        return found

    def carries(self, behaviour: Behaviour) -> bool:
        """Whether its source has it: as its builder's profile says, else as its release."""
        said = self.profile.says(behaviour.name)
        return behaviour.applies_to(self.version) if said is None else said

    @property
    def asked(self) -> frozenset[Behaviour]:
        """The behaviours that somebody has asked it for."""
        return frozenset(self._known)

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

    def memparse(self, text: str, *, decompressing: bool = False) -> tuple[int, str]:
        """Read a size at the start of a text; see :func:`softreserve.model.units.memparse`.

        :param decompressing: as what decompresses it reads it, which has digits of its own.
        """
        saturates = self._saturates
        return memparse(text, saturates=saturates, digits_saturate=saturates and not decompressing)

    def simple_strtoull(self, text: str) -> tuple[int, str]:
        """Read a number at the start of a text; see :func:`softreserve.model.units.simple_strtoull`."""
        return simple_strtoull(text, saturates=self._saturates)

    def get_option(self, text: str) -> tuple[int, int, str]:
        """Read one number of a list; see :func:`softreserve.model.units.get_option`."""
        return get_option(text, saturates=self._saturates)

    @property
    def _saturates(self) -> bool:
        return self.has(MEMPARSE_SATURATES)

    def kstrtobool(self, text: str) -> bool | None:
        """Read a boolean; see :func:`softreserve.model.units.kstrtobool`."""
        return kstrtobool(text, enabled=self.has(KSTRTOBOOL_KNOWS_ENABLED))

    @property
    def max_numnodes(self) -> int:
        """MAX_NUMNODES: 2 to the power of CONFIG_NODES_SHIFT. Linux: ``include/linux/numa.h``."""
        return 1 << self.number("NODES_SHIFT", 6)
