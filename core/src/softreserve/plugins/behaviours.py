"""The behaviours of everything that is installed.

A distribution names the module that has them in the entry-point group ``softreserve.behaviours``. Nothing needs that to
run: code has its own behaviours at hand. It is for tables, and for tests that look at all of them.
"""

from __future__ import annotations

from softreserve.model.errors import PluginError
from softreserve.model.release import Behaviour
from softreserve.plugins.entrypoints import entry_points

__all__ = ["GROUP", "behaviours"]

GROUP = "softreserve.behaviours"


def behaviours() -> dict[str, list[Behaviour]]:
    """Behaviours by the name of the entry that brings them, the core first; each in the order of definition.

    :raises PluginError: a module cannot be imported, or two behaviours have one name.
    """
    found: dict[str, list[Behaviour]] = {}
    named: dict[str, Behaviour] = {}
    for entry in sorted(entry_points([GROUP]), key=lambda entry: (entry.distribution != "softreserve", entry)):
        try:
            module = entry.load()
        except Exception as error:
            raise PluginError(f"{entry.distribution}: {entry.value} cannot be imported: {error}") from error
        own = found.setdefault(entry.name, [])
        for behaviour in vars(module).values():
            if not isinstance(behaviour, Behaviour) or named.get(behaviour.name) is behaviour:
                continue
            if behaviour.name in named:
                raise PluginError(f"{entry.distribution}: there is a behaviour {behaviour.name!r} already")
            named[behaviour.name] = behaviour
            own.append(behaviour)
    return found
