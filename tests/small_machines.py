"""Small machines for tests that cross wheels: two nodes, of which one is specific purpose memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
import wheels
from softreserve.config.builds import default_config
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.cedt import CXL_2_0, Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.hmat_tables import MEMORY_PD_VALID, PROCESSOR_PD_VALID, Hmat, Locality, Proximity
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.srat import GiccAffinity, MemoryAffinity, Srat, X2apicAffinity
from softreserve.model.acpi.tables import Header
from softreserve.model.cxl import CxlDecoder, CxlHostBridge, CxlMemdev, CxlRootPort
from softreserve.model.efi import EfiDescriptor, EfiType
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import SPECIFIC_PURPOSE, descriptor, sample_machine

MIB, GIB = 1 << 20, 1 << 30
ARCHES = Selection().arches
X86, ARM64 = "x86_64", "arm64"

RAM = descriptor(4 * GIB, GIB)


def sp(start: int, end: int, type_: int = EfiType.CONVENTIONAL, attribute: int = SPECIFIC_PURPOSE) -> EfiDescriptor:
    return descriptor(start, end - start, type_, attribute)


def memory(domain: int, start: int, end: int) -> MemoryAffinity:
    return MemoryAffinity(proximity_domain=domain, base=start, size_bytes=end - start)


#: Domain 0: CPUs and RAM; domain 1: the specific purpose memory from 6 to 8 GiB.
LOW = (memory(0, 0, 2 * GIB), memory(0, 4 * GIB, 5 * GIB))
NODE_1 = memory(1, 6 * GIB, 8 * GIB)


def srat(*ranges: MemoryAffinity, revision: int = 1) -> bytes:
    cpus: list[Struct] = [X2apicAffinity(proximity_domain=0, apic_id=cpu) for cpu in range(2)]
    cpus += [GiccAffinity(proximity_domain=0, acpi_processor_uid=cpu) for cpu in range(2)]
    return Srat([*cpus, *ranges], header=Header(signature=b"SRAT", revision=revision)).sealed()


def hmat(value: int = 100, base: int = 1000, domain: int = 1, bandwidth: int | None = 100) -> bytes:
    """Domain 0 and another, equally near; their bandwidths are 100 and ``bandwidth``, or not given."""
    known: list[Struct] = [Proximity(flags=PROCESSOR_PD_VALID | MEMORY_PD_VALID, processor_pd=0, memory_pd=domain)]
    known.append(Locality.build(0, base, [0], [0, domain], [[value, value]]))
    if bandwidth is not None:
        known.append(Locality.build(3, 1000, [0], [0, domain], [[100, bandwidth]]))
    return Hmat(known, header=Header(signature=b"HMAT", revision=2)).sealed()


def cedt(start: int, end: int, *, version: int = CXL_2_0, registers: int = 64 << 10) -> bytes:
    """A window over host bridge 0, which is of that version and has so many bytes of registers."""
    window = FixedMemoryWindow(base_hpa=start, window_size=end - start)
    window.tail = bytes(4)
    return Cedt([HostBridge(uid=0, base=0x1000, cxl_version=version, size_bytes=registers), window]).sealed()


def cxl_bridge(*memdevs: CxlMemdev, committed: CxlDecoder | None = None) -> tuple[CxlHostBridge]:
    """A host bridge with two root ports; its number is that of the window's target."""
    ports = tuple(CxlRootPort(number, memdev) for number, memdev in enumerate([*memdevs, None][:2]))
    return (CxlHostBridge(0, 12, ports, decoders=4, committed=(committed,) if committed is not None else ()),)


def cxl_committed(size: int, ways: int = 1, start: int = 6 * GIB, devices: int | None = None) -> tuple[CxlHostBridge]:
    """A committed region over so many devices of 2 GiB, of which ``devices`` are there."""
    decoder = CxlDecoder(start, size, ways=ways)
    memdevs = [CxlMemdev(volatile=2 * GIB, committed=(decoder,))] * (ways if devices is None else devices)
    return cxl_bridge(*memdevs, committed=decoder._replace(targets=tuple(range(ways))))


def machine(
    arch: str = X86,
    release: str = "6.12",
    cmdline: str = "memhp_default_state=offline",
    *,
    above: Sequence[EfiDescriptor] = (RAM, sp(6 * GIB, 8 * GIB)),
    tables: Mapping[str, bytes | None] | None = None,
    config: Mapping[str, str] | None = None,
    page_size: int = 4096,
    **changes: Any,
) -> Machine:
    """Two nodes, of which one is specific purpose memory; SRAT and HMAT describe all of it."""
    acpi = {"SRAT": srat(*LOW, NODE_1), "HMAT": hmat(), **(tables or {})}
    options = {**default_config(arch, release, page_size), "DAX": "y", **(config or {})}
    return attrs.evolve(
        sample_machine(arch, release=release, cmdline=cmdline, above=above),
        kernel=Kernel(release, arch, page_size, options),
        acpi={name: table for name, table in acpi.items() if table is not None},
        **changes,
    )


def need(arch: str) -> None:
    """Skip where no plugin boots an architecture."""
    if arch not in ARCHES:
        pytest.skip(f"no plugin boots {arch}: pip install ./{wheels.that_boots(arch)}")


#: For tests of an example, whose devices are hmem's.
needs_x86 = pytest.mark.skipif(
    not {"x86", "hmem"} <= set(Selection().installed),
    reason="needs x86 and hmem: pip install ./plugins/x86 ./plugins/hmem",
)


def settled(machine: Machine) -> System:
    """Booted, with its modules loaded; skipped where no plugin boots it."""
    need(machine.arch)
    system = boot(machine, Selection().hooks_for(machine))
    system.modules.coldplug()
    return system
