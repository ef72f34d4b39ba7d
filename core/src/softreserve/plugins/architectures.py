"""What installed plugins say of architectures, for whoever boots nothing: readers of descriptions above all."""

from __future__ import annotations

import sys
from functools import cache

from softreserve.model.arch import ArchInfo
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection, Wishes, wishes

__all__ = ["arch_info", "arch_infos", "presumed_arch"]


def arch_info(arch: str) -> ArchInfo:
    """What an architecture is; as most are where no installed plugin boots it.

    :raises PluginError: a plugin that boots it cannot be imported, or answers wrongly.
    """
    return _described(arch, tuple(sys.path), wishes())


def arch_infos() -> tuple[ArchInfo, ...]:
    """All architectures that installed plugins boot, by name; without those that people leave out.

    :raises PluginError: a plugin that boots one cannot be imported, or answers wrongly.
    """
    selection = Selection()
    return tuple(arch_info(arch) for arch, names in selection.arches.items() if not selection.without.issuperset(names))


def presumed_arch() -> str:
    """The architecture of a description that names none: the one that is presumed, else the first one installed.

    An empty name where none is installed.

    :raises PluginError: a plugin that boots one cannot be imported, or answers wrongly.
    """
    return min(((not info.presumed, info.name) for info in arch_infos()), default=(True, ""))[1]


@cache
def _described(arch: str, path: tuple[str, ...], asked: Wishes) -> ArchInfo:
    """``path`` is where plugins are looked for, ``asked`` what people say of them."""
    selection = Selection()
    names = selection.arches.get(arch) or tuple(selection.code)
    return load(names, available=selection.installed).arch_info(arch) or ArchInfo(arch)
