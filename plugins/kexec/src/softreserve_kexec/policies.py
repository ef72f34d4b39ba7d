"""Policies for crossing a kexec: what somebody might do so that the next kernel still knows specific purpose memory.

Each has its true effect, also where that is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.efi.efi import EFI
from softreserve.kernel.kexec import KexecPolicy
from softreserve.kernel.resource import IORES_DESC_SOFT_RESERVED
from softreserve.model import e820
from softreserve.model.efi import EfiMemoryMap, EfiType

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["POLICIES", "soft_reserved_ranges"]


def soft_reserved_ranges(system: System) -> list[tuple[int, int]]:
    """(start, size) in bytes of every Soft Reserved resource, ascending."""
    return [(res.start, res.size) for res in system.iomem.find("Soft Reserved") if res.desc == IORES_DESC_SOFT_RESERVED]


def _append(words: Callable[[int, int], str]) -> Callable[[System, KexecRequest], KexecRequest]:
    def prepare(system: System, request: KexecRequest) -> KexecRequest:
        cmdline = system.cmdline if request.cmdline is None else request.cmdline
        for start, size in soft_reserved_ranges(system):
            word = words(start, size)
            if word not in cmdline.text.split():
                cmdline = cmdline.appended(word)
        return attrs.evolve(request, cmdline=cmdline)

    return prepare


def _runtime_map_with_conventional(system: System, machine: Machine) -> Machine:
    """Every conventional descriptor of the running kernel's map, appended to the map that is handed over.

    What ``efi_fake_mem=`` marked is not among it: the copy is made before. On other architectures than x86 there is
    nothing to do. Proposal of January 2021, never merged.
    """
    efi = system.stash.get(EFI)
    original = system.handoff.efi_map
    if not system.arch.boots_from_e820 or machine.efi_map is None or original is None or efi is None:
        return machine
    kept = machine.efi_map.descriptors
    added = tuple(d for d in original if d.type == EfiType.CONVENTIONAL and d not in kept)
    return attrs.evolve(machine, efi_map=EfiMemoryMap((*kept, *added), machine.efi_map.desc_size))


POLICIES: Final = (
    KexecPolicy("default", "what kernel and kexec-tools do by themselves"),
    KexecPolicy(
        "runtime-map",
        "the 2021 proposal: conventional memory is added to the EFI runtime map (x86)",
        finish=_runtime_map_with_conventional,
    ),
    KexecPolicy(
        "memmap-append",
        "memmap=SIZE%START+0xefffffff for every soft reserved range on the next command line (x86)",
        prepare=_append(lambda start, size: f"memmap={size:#x}%{start:#x}+{e820.SOFT_RESERVED:#x}"),
    ),
    KexecPolicy(
        "memmap-reserve",
        "memmap=SIZE$START for every soft reserved range: kept from being RAM, but only reserved (x86)",
        prepare=_append(lambda start, size: f"memmap={size:#x}${start:#x}"),
    ),
    KexecPolicy(
        "fake-mem-append",
        "efi_fake_mem=SIZE@START:0x40000 on the next command line: finds no conventional descriptor to mark (x86)",
        prepare=_append(lambda start, size: f"efi_fake_mem={size:#x}@{start:#x}:0x40000"),
    ),
)
