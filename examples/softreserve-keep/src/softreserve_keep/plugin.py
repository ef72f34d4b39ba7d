"""``softreserve kexec MACHINE -p keep --policy keep``: what a small patch to kexec-tools would save (x86)."""

from __future__ import annotations

import attrs
import softreserve as sr

RESERVED, SOFT_RESERVED = 2, 0xEFFFFFFF  # types of e820 entries


def keep(system: sr.System, machine: sr.Machine) -> sr.Machine:
    """Hand soft reserved memory over as that, where kexec-tools write "reserved" for want of a better word."""
    ours = [(found.start, found.end + 1) for found in system.find_soft_reserved()]

    def named(entry: sr.E820Entry) -> sr.E820Entry:
        inside = any(start <= entry.start and entry.start + entry.size <= end for start, end in ours)
        return attrs.evolve(entry, type=SOFT_RESERVED) if inside and entry.type == RESERVED else entry

    return machine if machine.e820 is None else attrs.evolve(machine, e820=tuple(map(named, machine.e820)))


@sr.hookimpl
def softreserve_kexec_policies(system: sr.System) -> list[sr.KexecPolicy]:
    """Bring the policy."""
    return [
        sr.KexecPolicy("keep", "a patched kexec-tools: soft reserved ranges keep their e820 type (x86)", finish=keep)
    ]
