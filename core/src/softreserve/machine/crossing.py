"""From kernel to kernel: what becomes of specific purpose memory over a chain of kexecs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

import attrs

from softreserve.machine.boot import boot
from softreserve.machine.kexec import load
from softreserve.model.errors import MachineError
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.resource import Resource
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks

__all__ = ["Fate", "Generation", "cross", "fate", "fates", "special_purpose_ranges"]

_start = attrgetter("start")
_end = attrgetter("end")
_name = itemgetter(1)

#: What a kernel makes of a range, by the name of the resource that it lies in.
_STATES = {
    "Soft Reserved": "soft reserved",
    "Reserved": "reserved",
    "reserved": "reserved",
    "System RAM": "RAM",
}


@attrs.frozen
class Fate:
    """A range (bytes, half open) and what a kernel makes of it: "soft reserved", "reserved", "RAM", "lost", or "mixed".

    ``devices`` are the dax devices in it.
    """

    range: PhysRange
    state: str
    devices: tuple[str, ...]


@attrs.frozen
class Generation:
    """One kernel of a chain. ``image`` is how it was loaded; ``None`` for the first."""

    number: int
    release: str
    fates: tuple[Fate, ...]
    image: KexecImage | None
    #: Whether the dax devices are what they were one generation before; ``None`` for the first.
    dax_kept: bool | None


def special_purpose_ranges(system: System) -> tuple[PhysRange, ...]:
    """What the firmware, or the kernel by its command line, set aside: ascending, neighbours not joined."""
    found = {
        PhysRange.from_size(d.start, d.size)
        for d in system.machine.efi_map or ()
        if d.is_special_purpose and d.size > 0 and d.start + d.size <= 1 << 64
    }
    covered = sorted(found)
    furthest = list(accumulate((where.end for where in covered), max))
    for _, res in system.iomem.walk():
        if res.name == "Soft Reserved":
            before = bisect_left(covered, res.end + 1, key=_start)
            if not before or furthest[before - 1] <= res.start:
                found.add(PhysRange.from_resource(res.start, res.end))
    return tuple(sorted(found))


def fate(system: System, where: PhysRange) -> Fate:
    """What the running kernel makes of a range."""
    return fates(system, (where,))[0]


def fates(system: System, ranges: Iterable[PhysRange]) -> tuple[Fate, ...]:
    """What the running kernel makes of each range."""
    owners, devices = list(_owners(system)), sorted(_devices(system))
    return tuple(
        Fate(where, _state(where, owners), tuple(name for _, name in _inside(devices, where))) for where in ranges
    )


def _state(where: PhysRange, owners: list[Resource]) -> str:
    """What a range is, as the resources say that it lies in."""
    states: set[str] = set()
    reached = where.start
    for res in islice(owners, bisect_left(owners, where.start, key=_end), None):
        if res.start >= where.end:
            break
        if res.start > reached:
            states.add("lost")
        states.add(_STATES[res.name or ""])
        reached = res.end + 1
    if reached < where.end:
        states.add("lost")
    return states.pop() if len(states) == 1 else "mixed"


def _owners(system: System) -> Iterator[Resource]:
    """Resources that say what memory is: the outermost ones with a name that counts, ascending."""
    reached = -1
    for _, res in system.iomem.walk():
        if res.start > reached and res.name in _STATES:
            reached = res.end
            yield res


def _inside(devices: list[tuple[int, str]], where: PhysRange) -> list[tuple[int, str]]:
    first, end = (bisect_left(devices, (address,)) for address in (where.start, where.end))
    return sorted(devices[first:end], key=_name)


def _devices(system: System) -> Iterator[tuple[int, str]]:
    """Where each dax device starts, and its name and size."""
    names = system.sysfs.listdir("/sys/bus/dax/devices")
    for name in names if isinstance(names, list) else ():
        text = system.sysfs.read(f"/sys/bus/dax/devices/{name}/resource")
        if isinstance(text, bytes):
            size = system.sysfs.read(f"/sys/bus/dax/devices/{name}/size")
            yield int(text, 16), f"{name}:{int(size) if isinstance(size, bytes) else 0:#x}"


def cross(
    system: System, request: KexecRequest, hooks_for: Callable[[Machine], Hooks], generations: int = 1
) -> list[Generation]:
    """Cross ``generations`` kexecs from a running system, always with the same request and the same user space.

    :returns: the running kernel first, then each following one.
    :raises MachineError: a load failed; the message is the loader's.
    """
    ranges = special_purpose_ranges(system)
    found = [Generation(1, system.kernel.release, fates(system, ranges), None, None)]
    for number in range(2, generations + 2):
        image = load(system, request)
        if image.status:
            raise MachineError(f"generation {number}: {image.output[-1] if image.output else 'kexec failed'}")
        system = boot(image.machine, hooks_for(image.machine), recording=False, userspace=system.userspace)
        seen = fates(system, ranges)
        kept = [f.devices for f in seen] == [f.devices for f in found[-1].fates]
        found.append(Generation(number, system.kernel.release, seen, image, kept))
    return found
