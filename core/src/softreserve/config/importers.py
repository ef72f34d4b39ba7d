"""Machines that plugins read: ``PREFIX:PLACE``."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from softreserve.config.account import told
from softreserve.kernel import border
from softreserve.model.errors import ConfigError, InputError
from softreserve.model.machine import Machine
from softreserve.model.scenario import Gap, Scenario
from softreserve.model.steps import Step
from softreserve.plugins.brought import by_name, who_brings
from softreserve.plugins.extensions import Importer
from softreserve.plugins.machines import machine_problem
from softreserve.plugins.selection import Selection

__all__ = ["imported", "importer_hint", "read_by"]


def imported(spec: str, own: Collection[str]) -> Scenario | None:
    """A machine by the importer that its prefix names; ``None``: no loaded plugin brings one.

    :param own: prefixes that are known without plugins.
    :raises InputError: the importer cannot read it.
    :raises PluginError: a plugin failed.
    """
    importer = by_name(Selection().hooks().importers(), own).get(spec.partition(":")[0])
    return None if importer is None else read_by(importer, spec)


def read_by(importer: Importer, spec: str) -> Scenario:
    """The machine that an importer reads.

    :param spec: with its prefix.
    :raises InputError: it cannot read it.
    :raises PluginError: the plugin failed.
    """
    prefix, _, place = spec.partition(":")
    what, passes = f"softreserve_importers: importer {prefix!r}", (InputError, ConfigError)
    found: object = border.call(what, importer.read, place, plugin=importer.plugin, passes=passes)
    if (account := told()) is not None:
        account.kind = f"what the plugin {importer.plugin} reads"
    if isinstance(found, Machine):
        found = Scenario(found, path=spec)
    if not isinstance(found, Scenario):
        raise border.wrong(importer.plugin, what, found, "Machine or Scenario")
    if not isinstance(found.machine, Machine):
        raise border.wrong(importer.plugin, f"{what}: machine", found.machine, "Machine")
    words = machine_problem(found.machine)
    if words is not None:
        raise border.refused(importer.plugin, f"{what}: machine", words)
    for field, items, kind in (("gaps", found.gaps, Gap), ("steps", found.steps, Step)):
        if not isinstance(items, tuple) or not all(isinstance(item, kind) for item in items):
            raise border.unsound(importer.plugin, f"{what}: {field}", items, f"a tuple of {kind.__name__}")
    return found if found.path is not None else attrs.evolve(found, path=spec)


def importer_hint(spec: str) -> str:
    """What a message adds where a plugin that is not loaded would read it; else nothing."""
    prefix = spec.partition(":")[0]
    return who_brings(lambda hooks: prefix in [importer.prefix for importer in hooks.importers()], "reads it")
