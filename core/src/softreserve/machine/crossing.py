"""From kernel to kernel: what becomes of specific purpose memory over a chain of kexecs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

__all__ = ["Fate", "Generation", "cross", "fate", "special_purpose_ranges"]

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
    for _, res in system.iomem.walk():
        where = PhysRange.from_resource(res.start, res.end) if res.name == "Soft Reserved" else None
        if where is not None and not any(other.overlaps(where) for other in covered):
            found.add(where)
    return tuple(sorted(found))


def fate(system: System, where: PhysRange) -> Fate:
    """What the running kernel makes of a range."""
    states: set[str] = set()
    reached = where.start
    for res in _owners(system, where):
        if res.start > reached:
            states.add("lost")
        states.add(_STATES.get(res.name or "", res.name or "lost"))
        reached = max(reached, res.end + 1)
    if reached < where.end:
        states.add("lost")
    return Fate(where, states.pop() if len(states) == 1 else "mixed", tuple(_devices(system, where)))


def _owners(system: System, where: PhysRange) -> Iterator[Resource]:
    """Resources that say what the range is: the outermost ones with a name that counts, ascending."""
    reached = -1
    for _, res in system.iomem.walk():
        inside = res.start < where.end and res.end >= where.start
        if inside and res.start > reached and (res.name in _STATES):
            reached = res.end
            yield res


def _devices(system: System, where: PhysRange) -> Iterator[str]:
    names = system.sysfs.listdir("/sys/bus/dax/devices")
    for name in names if isinstance(names, list) else ():
        text = system.sysfs.read(f"/sys/bus/dax/devices/{name}/resource")
        if isinstance(text, bytes) and where.start <= int(text, 16) < where.end:
            size = system.sysfs.read(f"/sys/bus/dax/devices/{name}/size")
            yield f"{name}:{int(size) if isinstance(size, bytes) else 0:#x}"


def cross(
    system: System, request: KexecRequest, hooks_for: Callable[[Machine], Hooks], generations: int = 1
) -> list[Generation]:
    """Cross ``generations`` kexecs from a running system, always with the same request and the same user space.

    :returns: the running kernel first, then each following one.
    :raises MachineError: a load failed; the message is the loader's.
    """
    ranges = special_purpose_ranges(system)
    fates = tuple(fate(system, where) for where in ranges)
    found = [Generation(1, system.kernel.release, fates, None, None)]
    for number in range(2, generations + 2):
        image = load(system, request)
        if image.status:
            raise MachineError(f"generation {number}: {image.output[-1] if image.output else 'kexec failed'}")
        system = boot(image.machine, hooks_for(image.machine), recording=False, userspace=system.userspace)
        fates = tuple(fate(system, where) for where in ranges)
        kept = [f.devices for f in fates] == [f.devices for f in found[-1].fates]
        found.append(Generation(number, system.kernel.release, fates, image, kept))
    return found
