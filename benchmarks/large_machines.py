"""x86 machines that have a lot of something; node 1 is specific purpose memory."""

from __future__ import annotations

import attrs
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.srat import MemoryAffinity, Srat, X2apicAffinity
from softreserve.model.acpi.tables import Header
from softreserve.model.efi import EfiDescriptor
from softreserve.plugins.hooks import load
from softreserve.testing.machines import SPECIFIC_PURPOSE, descriptor, sample_machine

__all__ = ["BLOCK", "DAX", "GIB", "MEMORY", "MIB", "REGION", "TIB", "booted", "onlined", "subdivided", "write"]

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40

#: Size of a memory block where RAM ends at an odd multiple of it.
BLOCK = 128 * MIB

MEMORY = "/sys/devices/system/memory"
REGION = "/sys/devices/platform/hmem.0/dax_region"
DAX = "/sys/bus/dax"


def booted(*above: EfiDescriptor, tables: dict[str, bytes] | None = None, recording: bool = False) -> System:
    """A machine with 2 GiB of RAM, and these descriptors above 4 GiB."""
    machine = attrs.evolve(sample_machine("x86_64", above=above), acpi=tables or {})
    return boot(machine, load(["x86", "hmem"]), recording=recording)


def _two_nodes(ram_end: int, size: int) -> System:
    """RAM up to a memory block below ``ram_end``, and ``size`` bytes of specific purpose memory from there on."""
    ram = descriptor(4 * GIB, ram_end - BLOCK - 4 * GIB)
    special = descriptor(ram_end, size, attribute=SPECIFIC_PURPOSE)
    cpus = [X2apicAffinity(proximity_domain=0, apic_id=cpu) for cpu in range(2)]
    memory = [
        MemoryAffinity(proximity_domain=0, base=0, size_bytes=ram_end),
        MemoryAffinity(proximity_domain=1, base=ram_end, size_bytes=size),
    ]
    srat = Srat([*cpus, *memory], header=Header(signature=b"SRAT", revision=3))
    system = booted(ram, special, tables={"SRAT": srat.sealed()})
    assert system.memory.block_size == BLOCK
    write(system, f"{MEMORY}/auto_online_blocks", "online_movable")
    _load(system, "dax_hmem", "device_dax")
    return system


def onlined(ram_end: int, size: int) -> System:
    """A machine of two nodes whose specific purpose memory went online through kmem, all of it."""
    system = _two_nodes(ram_end, size)
    _load(system, "kmem")
    last = (ram_end + size) // BLOCK - 1
    assert system.sysfs.read(f"{MEMORY}/memory{last}/state") == b"online\n"
    return system


def subdivided(size: int, devices: int, each: int) -> System:
    """A machine of two nodes with many unbound devices of ``each`` bytes in one region of ``size`` bytes."""
    system = _two_nodes(16 * GIB, size)
    # kmem is what the first device waits for: it belongs to nobody yet
    write(system, f"{DAX}/devices/dax0.0/size", "0")
    _load(system, "kmem")
    for number in range(1, devices + 1):
        write(system, f"{REGION}/create", "1")
        write(system, f"{DAX}/devices/dax0.{number}/size", str(each))
    return system


def write(system: System, path: str, value: str) -> None:
    """One write, which the kernel takes."""
    assert system.sysfs.write(path, value.encode()) == len(value), f"{path} <- {value}"


def _load(system: System, *modules: str) -> None:
    for module in modules:
        assert system.modules.load(module) == 0
