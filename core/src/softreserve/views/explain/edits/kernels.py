"""Another kernel: a ``CONFIG_`` option, a page size, or the nearest release on either side that does otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.config.builds import page_sizes, rebuilt, with_options
from softreserve.model.errors import SoftReserveError
from softreserve.model.release import RELEASES, Release
from softreserve.model.sizes import human_size
from softreserve.views.explain.edits.change import Change, Place

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel

__all__ = ["options", "other_page_sizes", "releases"]

#: Options that decide about such memory, and those that each needs. Linux: the ``Kconfig`` files.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "EFI_SOFT_RESERVE": ("EFI",),
    "DEV_DAX_HMEM": ("EFI_SOFT_RESERVE", "DEV_DAX"),
    "DEV_DAX_KMEM": ("DEV_DAX", "MEMORY_HOTPLUG"),
    "DEV_DAX_CXL": ("DEV_DAX", "CXL_REGION"),
    "DEV_DAX": ("DAX",),
    "DAX": (),
    "ACPI_HMAT": ("ACPI_NUMA",),
    "ACPI_NUMA": ("NUMA",),
    "NUMA": (),
    "MEMORY_HOTREMOVE": ("MEMORY_HOTPLUG",),
    "MEMORY_HOTPLUG": (),
    "MHP_MEMMAP_ON_MEMORY": ("MEMORY_HOTPLUG",),
    "ZONE_DEVICE": ("MEMORY_HOTREMOVE",),
    "CXL_REGION": ("CXL_BUS",),
    "CXL_ACPI": ("CXL_BUS",),
    "EFI_FAKE_MEMMAP": ("EFI",),
}
#: Options that are on or off; the others can be modules.
_SWITCHES: Final = frozenset(_NEEDS) - {"DEV_DAX_HMEM", "DEV_DAX_KMEM", "DEV_DAX_CXL", "DEV_DAX", "DAX", "CXL_ACPI"}
#: Options that nobody chooses: others turn them on.
_CHOSEN_BY_OTHERS: Final = frozenset({"DAX"})
_ORDER: Final = "nmy"
#: What memory that is added comes online as: one of them is on; before 6.14 there was one switch.
_POLICIES: Final = (
    "MHP_DEFAULT_ONLINE_TYPE_OFFLINE",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_KERNEL",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE",
)
_OLD_POLICY: Final = "MEMORY_HOTPLUG_DEFAULT_ONLINE"


def options(place: Place) -> Iterator[Change]:
    """Each option with each other value."""
    kernel = place.machine.kernel
    for name, needs in _NEEDS.items():
        most = min((_level(kernel, other) for other in needs), default=2)
        values = "y" if name in _CHOSEN_BY_OTHERS else "yn" if name in _SWITCHES else "ymn"
        for value in values:
            if _ORDER.index(value) != _level(kernel, name) and _ORDER.index(value) <= (
                2 if most and name in _SWITCHES else most
            ):
                yield _built(place, _with_dependents(kernel, name, value))
    if kernel.builtin(_OLD_POLICY) or not any(map(kernel.builtin, _POLICIES)):
        yield _built(place, {_OLD_POLICY: "n" if kernel.builtin(_OLD_POLICY) else "y"})
    else:
        for chosen in _POLICIES:
            if not kernel.builtin(chosen):
                yield _built(place, {name: "y" if name == chosen else "n" for name in (chosen, *_POLICIES)})


def _level(kernel: Kernel, name: str) -> int:
    """0: off, 1: a module, 2: built in."""
    return 2 if kernel.builtin(name) else 1 if kernel.enabled(name) else 0


def _with_dependents(kernel: Kernel, name: str, value: str) -> dict[str, str]:
    """An option, and those that cannot stay as they are with it."""
    changed = {name: value}
    for other, needs in _NEEDS.items():
        if name in needs and _level(kernel, other) > _ORDER.index(value):
            lowered = "n" if other in _SWITCHES and value != "m" else value
            if other not in _SWITCHES or value == "n":
                changed |= _with_dependents(kernel, other, lowered)
    return changed


def _built(place: Place, values: dict[str, str]) -> Change:
    kernel = place.machine.kernel
    changed = {name: value for name, value in values.items() if str(kernel.config.get(name, "n")) != value}
    words = ", ".join(f"CONFIG_{name}={value}" for name, value in changed.items())
    given = [word for name, value in changed.items() for word in ("--config", f"{name}={value}")]
    machine = attrs.evolve(place.machine, kernel=with_options(kernel, changed))
    return Change("kernel option", words, machine, tuple(given))


def other_page_sizes(place: Place) -> Iterator[Change]:
    """The other page sizes of the architecture."""
    kernel = place.machine.kernel
    for size in page_sizes(kernel.arch):
        if size != kernel.page_size:
            machine = attrs.evolve(place.machine, kernel=rebuilt(kernel, page_size=size))
            text = f"{size >> 10}K"
            yield Change("page size", f"pages of {human_size(size)}", machine, ("--page-size", text))


def releases(place: Place) -> tuple[list[Change], list[Change]]:
    """Releases before the machine's, the nearest first, and those behind it."""
    kernel = place.machine.kernel
    older: list[Change] = []
    newer: list[Change] = []
    for release in RELEASES:
        order = _order(Release.parse(release)), _order(kernel.version)
        if order[0] != order[1]:
            try:
                other = rebuilt(kernel, release=release)
            except SoftReserveError:
                continue
            (older if order[0] < order[1] else newer).append(_released(place, other, release))
    return older[::-1], newer


def _order(version: Release) -> tuple[int, int]:
    return version.major, version.minor


def _released(place: Place, kernel: Kernel, release: str) -> Change:
    machine = attrs.evolve(place.machine, kernel=kernel)
    return Change("release", f"Linux {release}", machine, ("--kernel", release))
