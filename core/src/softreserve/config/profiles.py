"""Which profile a release has: that of another distribution's plugin, of a known distribution, or none.

A plugin's distribution names a module that has :class:`~softreserve.model.profile.Profile` constants in the entry-point
group ``softreserve.profiles``. Where several match, plugins come before what is known here.
"""

from __future__ import annotations

from typing import Final

from softreserve.model.errors import PluginError
from softreserve.model.profile import DEBIAN, MAINLINE, UNKNOWN, Profile, matching
from softreserve.plugins.entrypoints import entry_points

__all__ = ["GROUP", "profile_of", "profiles"]

GROUP: Final = "softreserve.profiles"


def profile_of(release: str) -> Profile:
    """The profile of a release (``uname -r``); the unknown one where nobody knows it.

    :raises PluginError: a module of profiles cannot be imported.
    """
    for known in (_of_plugins(), (MAINLINE, DEBIAN)):
        found = matching(release, known)
        if found is not None:
            return found
    from softreserve.config.distributions import distributions

    return matching(release, distributions()) or UNKNOWN


def profiles() -> tuple[Profile, ...]:
    """All profiles of builders: those of plugins first.

    :raises PluginError: a module of profiles cannot be imported.
    """
    from softreserve.config.distributions import distributions

    return (*_of_plugins(), DEBIAN, *distributions())


def _of_plugins() -> tuple[Profile, ...]:
    found: list[Profile] = []
    for entry in sorted(entry_points([GROUP])):
        try:
            module = entry.load()
        except Exception as error:
            raise PluginError(f"{entry.distribution}: {entry.value} cannot be imported: {error}") from error
        found += [value for value in vars(module).values() if isinstance(value, Profile)]
    return tuple(found)
