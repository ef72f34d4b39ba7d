"""Every rule of lint, on a machine that breaks it and on one that does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import cases
import lint_corpus
import pytest
from small_machines import (
    ARM64,
    GIB,
    LOW,
    MIB,
    NODE_1,
    RAM,
    X86,
    cedt,
    cxl_bridge,
    cxl_committed,
    hmat,
    machine,
    memory,
    need,
    settled,
    sp,
    srat,
)
from softreserve.cli import main
from softreserve.config import load
from softreserve.machine.boot import boot
from softreserve.model.acpi.cedt import CXL_1_1, Cedt, FixedMemoryWindow
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import Srat, X2apicAffinity
from softreserve.model.acpi.tables import Header
from softreserve.model.cxl import CxlHostBridge, CxlLink, CxlMemdev, CxlPerformance
from softreserve.model.dax import DaxOffer
from softreserve.model.daxctl_conf import DaxctlSection
from softreserve.model.efi import EfiAttribute, EfiType
from softreserve.model.findings import Finding
from softreserve.model.machine import E820Entry, Machine
from softreserve.model.nodes import NodeOffer
from softreserve.model.ranges import PhysRange
from softreserve.model.userspace import UserspaceFacts
from softreserve.plugins.hooks import load as load_plugins
from softreserve.plugins.hookspecs import hookimpl
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor
from softreserve.views.lint import lint
from softreserve.views.report import report

ROOT = Path(__file__).parents[1]


def findings(machine: Machine) -> list[Finding]:
    return lint(settled(machine))


class Card:
    """A plugin that brings memory and nodes."""

    def __init__(self, brought: Sequence[DaxOffer | NodeOffer]) -> None:
        self._brought = brought

    @hookimpl
    def softreserve_dax_devices(self) -> list[DaxOffer]:
        return [offer for offer in self._brought if isinstance(offer, DaxOffer)]

    @hookimpl
    def softreserve_nodes(self) -> list[NodeOffer]:
        return [offer for offer in self._brought if isinstance(offer, NodeOffer)]


def findings_with(changes: dict[str, Any]) -> list[Finding]:
    """What is found on a machine with these changes.

    ``plugins`` (names), ``brought`` (offers of a plugin) and ``load`` (modules) are not the machine's.
    """
    changes = dict(changes)
    plugins, modules, brought = changes.pop("plugins", ()), changes.pop("load", None), changes.pop("brought", ())
    described = machine(**changes)
    need(described.arch)
    extra = [("card", Card(brought))]
    hooks = load_plugins(Selection(plugins).names(described.arch), extra=extra)
    system = boot(described, hooks, userspace=described.userspace.policy or "none")
    for module in system.modules.names() if modules is None else modules:
        system.modules.load(module)
    return lint(system)


#: Soft reserved memory that the end of a region of 1 GiB cuts in two, and a window that holds both.
CUT = sp(6 * GIB + 512 * MIB, 8 * GIB)
WINDOW = {"tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}}
#: Enough RAM for memory blocks of 2 GiB, and where it ends.
LARGE = 65 * GIB + 256 * MIB
LARGE_RAM = {"release": "6.18", "hypervisor": False, "above": [descriptor(4 * GIB, LARGE - 4 * GIB)]}
CXL_RULES = (
    "cxl-window",
    "cxl-window-over-ram",
    "cxl-window-smaller",
    "cxl-window-blocks",
    "cxl-devices-unknown",
    "cxl-window-without-srat",
    "cxl-not-assembled",
    "cxl-region-without-line",
    "cxl-region-is-ram",
    "cxl-region-without-dax",
    "cxl-performance-unknown",
    "cxl-restricted-host",
    "cxl-memory-free",
)
#: A device that says how fast it is.
FAST = CxlMemdev(volatile=2 * GIB, link=CxlLink(32000, 16), volatile_performance=CxlPerformance(150, 250, 16000, 16000))
#: The host bridge of the window is of CXL 1.1.
#: A window over host bridge 3, which is not there.
LOST_WINDOW = FixedMemoryWindow(base_hpa=16 * GIB, window_size=GIB)
LOST_WINDOW.tail = (3).to_bytes(4, "little")
#: Processor 1 in both domains.
TWO_PLACES = Srat(
    [X2apicAffinity(proximity_domain=domain, apic_id=1) for domain in (0, 1)] + [*LOW, NODE_1],
    header=Header(signature=b"SRAT", revision=3),
).sealed()
RESTRICTED = cedt(6 * GIB, 8 * GIB, version=CXL_1_1, registers=8 << 10)

#: The zero page of a loader that knows nothing of specific purpose memory.
LOADER = {
    "boot": "loader",
    "e820": (E820Entry(0, 640 << 10, 1), E820Entry(MIB, 2047 * MIB, 1), E820Entry(4 * GIB, 4 * GIB, 1)),
}
NEAR = "memhp_default_state=offline "

#: RAM that ends off 64 MiB, and specific purpose memory right behind it.
OFF_64_MIB = [descriptor(4 * GIB, 66 * MIB), sp(4 * GIB + 66 * MIB, 5 * GIB)]

#: Where a card may have memory.
HIGH = PhysRange(16 * GIB, 18 * GIB)

#: Rule, severity, and what makes a machine break it.
#: A section of daxctl's configuration without a mistake.
DAXCTL = DaxctlSection(
    "reconfigure-device dax0",
    "dax.conf, line 1",
    (("nvdimm.uuid", "ed93e918-e165-49d8-921d-383d7b9660c5"), ("mode", "system-ram")),
)
BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    # what plugins bring
    ("dax-bus-missing", "warning", {"plugins": ["no:hmem"]}),
    ("dax-offer-refused", "warning", {"brought": [DaxOffer(4 * GIB, 5 * GIB, 1, "a card")]}),
    ("dax-offer-node", "note", {"brought": [DaxOffer(9 * GIB, 10 * GIB, 1, "a card")], "cmdline": "numa=off"}),
    ("dax-offer-without-node", "warning", {"brought": [DaxOffer(9 * GIB, 10 * GIB, -1, "a card")]}),
    ("node-left-out", "note", {"brought": [NodeOffer(2, "a card", (HIGH,))], "cmdline": "numa=off"}),
    ("node-range-known", "warning", {"brought": [NodeOffer(2, "a card", (PhysRange(6 * GIB, 7 * GIB),))]}),
    # the firmware's map
    ("soft-reserve-off", "note", {"cmdline": "efi=nosoftreserve"}),
    ("soft-reserve-not-built", "warning", {"config": {"EFI_SOFT_RESERVE": "n"}}),
    ("efi-options-disagree", "warning", {"cmdline": NEAR + "efi=nosoftreserve efi=debug"}),
    ("sp-not-write-back", "warning", {"above": [RAM, sp(6 * GIB, 8 * GIB, attribute=int(EfiAttribute.SP | 1))]}),
    ("efi-empty", "note", {"above": [RAM, descriptor(5 * GIB, 0), sp(6 * GIB, 8 * GIB)]}),
    ("efi-invalid", "warning", {"above": [RAM, sp(6 * GIB, 8 * GIB), descriptor((1 << 64) - GIB, 2 * GIB, 0)]}),
    ("srat-processor-twice", "warning", {"tables": {"SRAT": TWO_PLACES}}),
    ("cxl-bridge-missing", "warning", {"tables": {"CEDT": Cedt([LOST_WINDOW]).sealed()}}),
    ("sp-overlaps", "error", {"above": [RAM, sp(6 * GIB, 8 * GIB), descriptor(7 * GIB, 2 * GIB)]}),
    ("sp-adjacent", "note", {"above": [RAM, sp(6 * GIB, 7 * GIB), sp(7 * GIB, 8 * GIB)]}),
    ("soft-reserved-lost", "error", {"above": [RAM, sp(6 * GIB, 8 * GIB, EfiType.RESERVED)]}),
    ("soft-reserved-lost", "error", {"above": [RAM, sp(6 * GIB, 8 * GIB, EfiType.LOADER_DATA)], **LOADER}),
    (
        "soft-reserved-lost",
        "error",
        {"arch": ARM64, "page_size": 65536, "above": [descriptor(4 * GIB, GIB + 4096), sp(5 * GIB + 4096, 8 * GIB)]},
    ),
    ("soft-reserved-lost", "error", {"arch": ARM64, "release": "5.10", "above": [RAM, sp(8 * GIB, 12 * GIB)]}),
    ("soft-reserved-lost", "error", {"above": [RAM, sp(1 << 46, (1 << 46) + GIB)]}),
    ("ram-beyond-limit", "error", {"release": "6.1", "above": [RAM, descriptor((1 << 46) - GIB, 2 * GIB)]}),
    # alignment and hotplug
    ("dax-alignment", "error", {"above": [RAM, sp(6 * GIB + 4096, 8 * GIB)], "tables": {"HMAT": None}}),
    (
        "dax-alignment",
        "error",
        {"arch": ARM64, "page_size": 65536, "above": [RAM, sp(6 * GIB + 2 * MIB, 8 * GIB)], "tables": {"HMAT": None}},
    ),
    ("kmem-alignment", "warning", {"above": [RAM, sp(6 * GIB + 2 * MIB, 8 * GIB)], "tables": {"HMAT": None}}),
    ("kmem-too-small", "warning", {"above": [RAM, sp(6 * GIB + 2 * MIB, 6 * GIB + 4 * MIB)]}),
    ("beyond-hotplug", "error", {"above": [RAM, sp(1 << 46, (1 << 46) + GIB)], "phys_bits": 52}),
    (
        "beyond-hotplug",
        "error",
        {"arch": ARM64, "above": [RAM, sp(1 << 47, (1 << 47) + GIB)], "tables": {"HMAT": None}},
    ),
    ("hotplug-not-built", "warning", {"config": {"MEMORY_HOTPLUG": "n"}}),
    ("auto-online", "note", {"cmdline": ""}),
    ("auto-online", "warning", {"cmdline": "memhp_default_state=online_kernel"}),
    # SRAT and SLIT
    ("srat-overlap", "error", {"tables": {"SRAT": srat(*LOW, memory(1, GIB, 2 * GIB))}}),
    ("srat-coverage", "error", {"tables": {"SRAT": srat(LOW[0], NODE_1)}}),
    ("srat-coverage", "error", {"tables": {"SRAT": srat(LOW[0], NODE_1)}, "release": "6.1"}),
    ("srat-coverage", "error", {"tables": {"SRAT": srat(LOW[0], NODE_1)}, "arch": ARM64}),
    ("srat-coverage", "error", {"tables": {"SRAT": srat(LOW[0], NODE_1)}, "arch": ARM64, "release": "6.1"}),
    ("srat-invalid", "error", {"tables": {"SRAT": srat(*LOW, memory(1 << 20, 6 * GIB, 8 * GIB), revision=3)}}),
    ("srat-empty", "warning", {"tables": {"SRAT": srat()}}),
    ("srat-off", "note", {"cmdline": NEAR + "numa=off"}),
    ("slit-invalid", "warning", {"tables": {"SLIT": Slit([[10, 10], [20, 10]]).sealed()}}),
    # HMAT
    ("hmat-missing", "warning", {"tables": {"HMAT": None}}),
    ("hmat-missing", "warning", {"tables": {"HMAT": None}, "release": "6.1"}),
    ("hmat-missing", "note", {"tables": {"HMAT": None}, "release": "5.10"}),
    ("hmat-missing", "note", {"tables": {"SRAT": srat(*LOW, memory(0, 6 * GIB, 8 * GIB)), "HMAT": None}}),
    ("hmat-incomplete", "warning", {"tables": {"HMAT": hmat(bandwidth=None)}}),
    ("hmat-not-for-tiers", "warning", {"release": "6.1"}),
    ("hmat-not-for-tiers", "warning", {"arch": ARM64, "release": "6.1"}),
    ("hmat-ignored", "warning", {"tables": {"HMAT": hmat(domain=7)}}),
    ("hmat-ignored", "warning", {"tables": {"SRAT": None}}),
    ("hmat-ignored", "warning", {"config": {"ACPI_HMAT": "n"}}),
    ("hmat-ignored", "note", {"cmdline": NEAR + "numa=nohmat"}),
    ("hmat-values-lost", "warning", {"tables": {"HMAT": hmat(base=1 << 40)}}),
    ("hmat-target-overlap", "warning", {"tables": {"SRAT": srat(*LOW, NODE_1, memory(1, 7 * GIB, 8 * GIB))}}),
    ("udev-online", "note", {"release": "6.3", "cmdline": NEAR, "userspace": UserspaceFacts("rhel9", "none")}),
    ("daxctl-conf-unused", "warning", {"userspace": UserspaceFacts(daxctl=(DAXCTL,))}),
    ("daxctl-conf-mistake", "warning", {"userspace": UserspaceFacts(daxctl=(attrs.evolve(DAXCTL, name="dax0.0"),))}),
    # devices and nodes
    ("hmem-missing", "warning", {"config": {"DEV_DAX_HMEM": "n"}}),
    ("hmem-missing", "warning", {"config": {"DAX": "m"}}),
    ("hmem-missing", "warning", {"cmdline": NEAR + "device_hmem.disable=1"}),
    ("hmat-necessary", "error", {"release": "5.8", "tables": {"HMAT": None}}),
    ("ram-buffer", "warning", {"release": "7.0", "above": OFF_64_MIB}),
    ("dax-numbers", "note", {"above": [RAM, sp(6 * GIB, 8 * GIB), descriptor(9 * GIB, GIB, EfiType.PERSISTENT)]}),
    (
        "dax-numbers",
        "note",
        {"cxl": cxl_bridge(CxlMemdev(volatile=2 * GIB)), "tables": {"CEDT": cedt(16 * GIB, 17 * GIB)}},
    ),
    ("hmem-finds-nothing", "error", {"arch": ARM64, "release": "7.0"}),
    ("hmem-finds-nothing", "error", {"arch": ARM64, "release": "7.3", "tables": {"HMAT": None}}),
    ("hmem-finds-nothing", "error", {"arch": ARM64, "release": "7.3", "above": [RAM, sp(6 * GIB, 7 * GIB)]}),
    (
        "hmem-refused",
        "error",
        {
            "arch": ARM64,
            "release": "5.10",
            "above": [RAM, descriptor(6 * GIB - MIB, MIB, EfiType.RUNTIME_SERVICES_DATA), sp(6 * GIB, 7 * GIB)],
        },
    ),
    ("hmat-covers-more", "error", {"tables": {"SRAT": srat(LOW[0], memory(1, 4 * GIB, 8 * GIB))}}),
    ("hmat-covers-more", "error", {"above": [RAM, sp(6 * GIB + 2 * MIB, 8 * GIB)]}),
    ("hmat-covers-less", "error", {"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB))}}),
    ("cxl-window", "warning", {"tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}}),
    ("cxl-window-over-ram", "warning", {"tables": {"CEDT": cedt(4 * GIB, 6 * GIB)}}),
    ("cxl-window-smaller", "warning", {"tables": {"CEDT": cedt(6 * GIB, 7 * GIB)}}),
    ("cxl-window-blocks", "note", {"tables": {"CEDT": cedt(LARGE, LARGE + 2 * GIB)}, **LARGE_RAM}),
    ("cxl-devices-unknown", "note", {"tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}}),
    ("cxl-window-without-srat", "note", {"tables": {"CEDT": cedt(16 * GIB, 17 * GIB)}}),
    ("cxl-not-assembled", "error", WINDOW | {"cxl": cxl_committed(2 * GIB, 2, devices=1)}),
    ("cxl-not-assembled", "error", WINDOW | {"cxl": cxl_committed(2 * GIB, start=32 * GIB)}),
    ("cxl-region-without-line", "warning", WINDOW | {"cxl": cxl_committed(GIB), "above": [RAM, CUT]}),
    ("cxl-region-is-ram", "note", WINDOW | {"cxl": cxl_committed(2 * GIB), "above": [descriptor(4 * GIB, 4 * GIB)]}),
    ("cxl-region-without-dax", "error", WINDOW | {"cxl": cxl_committed(2 * GIB), "config": {"DEV_DAX_CXL": "n"}}),
    ("cxl-performance-unknown", "note", WINDOW | {"cxl": cxl_bridge(FAST)}),
    ("cxl-performance-unknown", "note", WINDOW | {"cxl": cxl_bridge(FAST), "release": "6.8"}),
    ("cxl-restricted-host", "warning", {"tables": {"CEDT": RESTRICTED}, "cxl": cxl_bridge(CxlMemdev())}),
    ("cxl-restricted-host", "warning", WINDOW | {"cxl": (CxlHostBridge(0, 12, memdevs=(CxlMemdev(),)),)}),
    ("cxl-memory-free", "note", WINDOW | {"cxl": cxl_bridge(CxlMemdev(volatile=2 * GIB))}),
    ("cxl-not-modelled", "note", {"tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}, "plugins": ("no:cxl",)}),
    ("srat-missing", "error", {"tables": {"SRAT": srat(*LOW), "HMAT": None}}),
    ("hmat-ignored", "note", {"cmdline": NEAR + "acpi=off"}),
    ("acpi-off", "note", {"cmdline": NEAR + "acpi=off", "cpus": 2}),
    ("acpi-off", "warning", {"arch": ARM64, "cmdline": NEAR + "acpi=off"}),
    (
        "srat-partial",
        "warning",
        {"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB)), "HMAT": None}},
    ),
    (
        "srat-two-domains",
        "warning",
        {"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB), memory(2, 7 * GIB, 8 * GIB)), "HMAT": None}},
    ),
    ("sp-in-cpu-node", "warning", {"tables": {"SRAT": srat(*LOW, memory(0, 6 * GIB, 8 * GIB)), "HMAT": None}}),
    ("target-node-guessed", "warning", {"arch": ARM64, "release": "6.1", "tables": {"HMAT": None}}),
    ("target-node-gone", "error", {"arch": ARM64, "tables": {"SRAT": srat(LOW[0], NODE_1)}}),
    ("driver-missing", "warning", {"config": {"DEV_DAX_KMEM": "n"}}),
    ("drivers-builtin", "note", {"config": {"DEV_DAX": "y", "DEV_DAX_KMEM": "y"}}),
    ("dax-without-driver", "warning", {"tables": {"SRAT": srat(*LOW), "HMAT": None}}),
    ("dax-region-free", "note", {"cmdline": NEAR + "dax_hmem.region_idle=1"}),
    ("no-dax-device", "note", {"plugins": ("no:hmem",)}),
    ("module-not-loaded", "note", {"load": ()}),
    ("module-not-loaded", "note", {"load": ("dax_hmem",)}),
    # the command line
    ("mem-undone", "warning", {"cmdline": NEAR + "mem=1G"}),
    ("mem-undone", "warning", {"cmdline": NEAR + "memmap=1G"}),
    ("memmap-overruled", "warning", {"cmdline": NEAR + "memmap=1G@6G"}),
    ("memmap-ignored", "warning", {"cmdline": NEAR + "memmap=all"}),
    ("memmap-ignored", "warning", {"cmdline": NEAR + "memmap=1G%4G+2x"}),
    ("fake-mem-unknown", "warning", {"cmdline": NEAR + "efi_fake_mem=1G@4G:0x40000"}),
    (
        "fake-mem-partial",
        "warning",
        {"release": "6.1", "config": {"EFI_FAKE_MEMMAP": "y"}, "cmdline": "efi_fake_mem=2G@4G:0x40000"},
    ),
    ("parameter-foreign", "warning", {"arch": ARM64, "cmdline": NEAR + "memmap=1G@6G"}),
    ("parameter-foreign", "warning", {"arch": ARM64, "cmdline": NEAR + "numa=nohmat"}),
    ("parameter-unknown", "warning", {"cmdline": NEAR + "nosoftreserve"}),
    ("parameter-unknown", "warning", {"cmdline": NEAR + "memap=1G@6G"}),
    ("parameter-unknown", "warning", {"cmdline": NEAR + "dax_hmen.region_idle=1"}),
    ("parameter-unknown", "warning", {"cmdline": NEAR + "dax_hmem.region_idl=1"}),
    ("parameter-value", "warning", {"cmdline": NEAR + "efi=nosoftreserved"}),
    ("parameter-value", "warning", {"cmdline": "memhp_default_state=offlien"}),
    ("parameter-malformed", "warning", {"cmdline": NEAR + "mem=0"}),
    ("parameter-not-modelled", "note", {"cmdline": NEAR + "hugetlb_cma=1G"}),
    ("parameter-not-modelled", "note", {"cmdline": NEAR + "initcall_blacklist=acpi_init"}),
    ("parameter-not-modelled", "note", {"cmdline": NEAR + "module_blacklist=cxl_port"}),
    ("module-blacklisted", "note", {"cmdline": NEAR + "modprobe.blacklist=cxl_acpi"}),
    ("driver-blacklisted", "note", {"cmdline": NEAR + "modprobe.blacklist=dax_hmem", "load": ("kmem",)}),
    ("driver-blacklisted", "note", {"cmdline": NEAR + "module_blacklist=kmem,device_dax"}),
    ("driver-blacklisted", "note", {"cmdline": NEAR + "initcall_blacklist=dax_kmem_init"}),
    ("driver-blacklisted", "note", {"cmdline": NEAR + "initcall_blacklist=hmem_init", "tables": {"HMAT": None}}),
    ("hmat-ignored", "note", {"cmdline": NEAR + "initcall_blacklist=hmat_init"}),
    ("blacklist-idle", "warning", {"cmdline": NEAR + "module_blacklist=dax"}),
    ("blacklist-idle", "warning", {"cmdline": NEAR + "modprobe.blacklist=dax-hmem"}),
    ("blacklist-idle", "warning", {"cmdline": NEAR + "module_blacklist=kmem module_blacklist=dax_hmem"}),
    ("blacklist-idle", "note", {"cmdline": NEAR + "rd.driver.blacklist=dax_hmem"}),
    (
        "blacklist-idle",
        "warning",
        {"cmdline": NEAR + "initcall_blacklist=dax_kmem_init", "config": {"KALLSYMS": "n"}},
    ),
    ("parameter-refused", "warning", {"cmdline": NEAR + "crashkernel=192M@33M"}),
    ("parameter-refused", "warning", {"cmdline": NEAR + "hugepagesz=3M"}),
    ("parameter-refused", "warning", {"cmdline": NEAR + "cma=64G", "config": {"CMA": "y", "DMA_CMA": "y"}}),
    # kexec
    ("kexec-load-loses-sp", "note", {}),
    ("kexec-takes-for-ram", "warning", LOADER),
]

#: Machines that come close to breaking a rule, and do not.
SOUND: list[tuple[str, dict[str, Any]]] = [
    # what plugins bring
    ("dax-bus-missing", {}),
    ("dax-offer-refused", {"brought": [DaxOffer(16 * GIB, 18 * GIB, 1, "a card")]}),
    ("dax-offer-without-node", {"brought": [DaxOffer(16 * GIB, 18 * GIB, 1, "a card")]}),
    ("node-range-known", {"brought": [NodeOffer(2, "a card", (HIGH,))]}),
    ("soft-reserve-off", {"cmdline": "efi=nosoftreserve", "above": [RAM]}),
    ("efi-options-disagree", {"cmdline": NEAR + "efi=debug,nosoftreserve"}),
    ("ram-beyond-limit", {"above": [RAM, descriptor((1 << 46) - GIB, GIB)], "tables": {"SRAT": None, "HMAT": None}}),
    ("sp-adjacent", {"above": [RAM, sp(6 * GIB, 7 * GIB), sp(7 * GIB + 2 * MIB, 8 * GIB)]}),
    ("soft-reserved-lost", {"above": [RAM, sp(6 * GIB, 8 * GIB, EfiType.LOADER_DATA)]}),
    ("soft-reserved-lost", {"arch": ARM64, "release": "5.10", "above": [RAM, sp(8 * GIB, 9 * GIB)]}),
    ("soft-reserved-lost", {"arch": ARM64, "release": "6.1", "above": [RAM, sp(8 * GIB, 12 * GIB)]}),
    ("srat-coverage", {"tables": {"SRAT": None}}),
    ("srat-overlap", {"tables": {"SRAT": srat(*LOW, NODE_1, memory(2, 6 * GIB, 8 * GIB))}}),
    ("slit-invalid", {"tables": {"SLIT": Slit([[10, 11], [20, 10]]).sealed()}}),
    ("hmat-incomplete", {"release": "6.1"}),
    ("hmat-not-for-tiers", {"release": "6.1", "tables": {"HMAT": hmat(bandwidth=10)}}),
    ("hmat-incomplete", {"release": "6.1"}),
    ("hmat-not-for-tiers", {"release": "6.1", "tables": {"HMAT": hmat(bandwidth=10)}}),
    ("module-not-loaded", {}),
    ("no-dax-device", {}),
    ("ram-buffer", {"release": "6.18", "above": OFF_64_MIB}),
    ("ram-buffer", {"release": "7.3", "above": [descriptor(4 * GIB, 64 * MIB), sp(4 * GIB + 64 * MIB, 5 * GIB)]}),
    ("ram-buffer", {"release": "7.3", "above": [descriptor(4 * GIB, 66 * MIB), sp(4 * GIB + 128 * MIB, 5 * GIB)]}),
    (
        "dax-numbers",
        {"release": "6.1", "above": [RAM, sp(6 * GIB, 8 * GIB), descriptor(9 * GIB, GIB, EfiType.PERSISTENT)]},
    ),
    ("dax-numbers", {"above": [RAM, descriptor(9 * GIB, GIB, EfiType.PERSISTENT)]}),
    ("hmem-finds-nothing", {"arch": ARM64, "release": "6.18"}),
    ("hmem-finds-nothing", {"release": "7.0"}),
    ("hmem-finds-nothing", {"arch": ARM64, "release": "7.0", "above": [RAM]}),
    ("hmat-covers-more", {"release": "6.1", "tables": {"SRAT": srat(LOW[0], memory(1, 4 * GIB, 8 * GIB))}}),
    ("hmat-covers-less", {"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB)), "HMAT": None}}),
    ("hmat-necessary", {"release": "5.10", "tables": {"HMAT": None}}),
    ("hmat-necessary", {"release": "5.8"}),
    ("cxl-window", {"release": "6.1", "tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}}),
    ("cxl-window", {"tables": {"CEDT": cedt(16 * GIB, 17 * GIB)}}),
    ("cxl-not-modelled", {"tables": {"CEDT": cedt(6 * GIB, 8 * GIB)}}),
    ("cxl-not-modelled", {"plugins": ("no:cxl",)}),
    *((rule, WINDOW | {"cxl": cxl_committed(2 * GIB)}) for rule in CXL_RULES),
    ("cxl-region-without-line", WINDOW | {"cxl": cxl_committed(GIB)}),
    ("cxl-window", WINDOW | {"cxl": cxl_committed(2 * GIB), "config": {"DEV_DAX_CXL": "n"}}),
    ("cxl-performance-unknown", WINDOW | {"cxl": cxl_bridge(FAST), "release": "6.7"}),
    ("cxl-restricted-host", {"tables": {"CEDT": RESTRICTED}, "cxl": (CxlHostBridge(0, 12, memdevs=(CxlMemdev(),)),)}),
    ("cxl-region-without-line", WINDOW | {"cxl": cxl_committed(GIB), "above": [RAM, CUT], "release": "7.3"}),
    ("target-node-guessed", {"arch": ARM64, "release": "6.1"}),
    ("target-node-guessed", {"arch": ARM64, "tables": {"HMAT": None}}),
    ("acpi-off", {"cmdline": NEAR + "acpi=off acpi=force", "cpus": 2}),
    ("acpi-off", {"arch": ARM64, "cmdline": NEAR + "acpi=off", "devicetree": True}),
    ("srat-two-domains", {"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB), memory(2, 7 * GIB, 8 * GIB))}}),
    ("dax-without-driver", {"release": "6.1", "tables": {"SRAT": srat(*LOW), "HMAT": None}}),
    ("auto-online", {"above": [RAM], "cmdline": ""}),
    ("mem-undone", {"cmdline": "mem=1G efi=nosoftreserve"}),
    ("mem-undone", {"cmdline": "mem=4G", "above": []}),
    ("memmap-overruled", {"cmdline": NEAR + "memmap=1G$4G"}),
    ("memmap-idle", {"cmdline": NEAR + "memmap=8G%3G-1+0xefffffff"}),
    ("memmap-idle", {"cmdline": NEAR + "memmap=1G%10G+0xefffffff"}),
    ("memmap-ignored", {"cmdline": NEAR + "memmap=exactmap memmap=1G@1M"}),
    (
        "fake-mem-partial",
        {"release": "6.1", "config": {"EFI_FAKE_MEMMAP": "y"}, "cmdline": "efi_fake_mem=512M@4G:0x40000"},
    ),
    (
        "parameter-unknown",
        {"cmdline": "quiet splash root=/dev/sda1 console=ttyS0 dax_hmem.region_idle=1 i915.modeset=0"},
    ),
    ("parameter-value", {"cmdline": "efi=debug,noruntime memhp_default_state=online_movable"}),
    ("parameter-not-modelled", {"cmdline": "hugepages=8"}),
    ("parameter-not-modelled", {"cmdline": "initcall_blacklist=hmat_init,dax_kmem_init,memory_tier_init"}),
    ("parameter-not-modelled", {"cmdline": NEAR + "module_blacklist=cxl_mem,nouveau"}),
    ("module-blacklisted", {"cmdline": NEAR + "module_blacklist=nouveau modprobe.blacklist=snd-pcsp"}),
    ("driver-blacklisted", {"cmdline": NEAR + "modprobe.blacklist=kmem", "release": "6.1"}),
    ("blacklist-idle", {"cmdline": NEAR + "module_blacklist=nouveau,dax_hmem modprobe.blacklist=snd-pcsp,kmem"}),
    ("parameter-refused", {"cmdline": "crashkernel=64M hugepages=8", "config": {"CMA": "y", "DMA_CMA": "y"}}),
    ("kexec-takes-for-ram", {"arch": ARM64}),
    # the command line goes along
    ("kexec-takes-for-ram", {"cmdline": NEAR + "memmap=256M%4G-1+0xefffffff", "above": [RAM]}),
    ("kexec-load-loses-sp", {"cmdline": NEAR + "memmap=256M%4G-1+0xefffffff", "above": [RAM]}),
]


@pytest.mark.parametrize(("rule", "severity", "changes"), BROKEN, ids=[f"{n}-{b[0]}" for n, b in enumerate(BROKEN)])
def test_a_rule_finds_what_breaks_it(rule: str, severity: str, changes: dict[str, Any]) -> None:
    found = [finding for finding in findings_with(changes) if finding.rule == rule]
    assert {finding.severity for finding in found} == {severity}
    assert all(finding.message and (finding.start is None) == (finding.end is None) for finding in found)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("parameter-foreign", {"arch": ARM64, "cmdline": NEAR + "memmap=1G@6G memmap=1G@7G"}),
        ("parameter-foreign", {"arch": ARM64, "cmdline": NEAR + "numa=nohmat numa=nohmat"}),
        ("parameter-value", {"cmdline": "efi=nosoftreserv efi=nosoftreserv"}),
    ],
)
def test_a_word_that_stands_twice_is_found_once(rule: str, changes: dict[str, Any]) -> None:
    assert len([finding for finding in findings_with(changes) if finding.rule == rule]) == 1


@pytest.mark.parametrize(("rule", "changes"), SOUND, ids=[f"{n}-{s[0]}" for n, s in enumerate(SOUND)])
def test_a_rule_leaves_alone_what_does_not_break_it(rule: str, changes: dict[str, Any]) -> None:
    assert rule not in {finding.rule for finding in findings_with(changes)}


@pytest.mark.parametrize("data", [b"", b"DSDT", b"DSDT" + bytes(32), b"SSDT\x24" + bytes(31)])
def test_a_table_that_nobody_reads_may_be_none(data: bytes) -> None:
    found = [f for f in findings_with({"tables": {"DSDT": data}}) if f.rule == "acpi-malformed"]
    assert [(f.severity, f.message.partition(":")[0]) for f in found] == [("warning", "the DSDT cannot be read")]


def test_what_is_not_known_is_not_blamed_on_the_firmware() -> None:
    lacking = {"tables": {"SRAT": srat(*LOW), "HMAT": None}}
    known = {f.rule: f.message for f in findings_with(lacking)}
    assert {"hmat-missing", "srat-missing"} <= set(known)
    unknown = {f.rule: f.message for f in findings_with({**lacking, "unknown": frozenset(("SRAT", "HMAT"))})}
    assert set(known) - set(unknown) == {"hmat-missing"}
    assert unknown["srat-missing"] == known["srat-missing"] + " (as far as is known: the description lacks SRAT)"
    old = findings_with({**lacking, "unknown": frozenset(("HMAT",)), "release": "5.8"})
    assert {f.rule: f.message for f in old}["hmat-necessary"].endswith("lacks HMAT)")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cmdline": NEAR + "acpi=off"}, "acpi=off is on the command line, and the SRAT is not used; take it off"),
        ({"cmdline": NEAR + "numa=off"}, "numa=off is on the command line, and the SRAT is not used; take it off"),
        (
            {"cmdline": NEAR + "numa=noacpi"},
            "numa=noacpi is on the command line, and the SRAT is not used; take it off",
        ),
        (
            {"config": {"ACPI_NUMA": "n", "ACPI_HMAT": "n"}},
            "this kernel is built without CONFIG_ACPI_NUMA, and reads no SRAT; build it",
        ),
        ({"tables": {"SRAT": srat(*LOW), "HMAT": None}}, "the SRAT does not name this range; name it"),
    ],
)
def test_memory_of_no_node_is_blamed_on_who_is_to_blame(changes: dict[str, Any], why: str) -> None:
    found = {f.rule: f.message for f in findings_with(changes)}
    assert found["srat-missing"] == f"dax0.0 has target node -1, and kmem refuses it: {why}"


@pytest.mark.parametrize("word", ["acpi=off", "numa=off", "numa=noacpi"])
def test_an_hmat_that_the_command_line_turns_off_is_no_fault_of_the_srat(word: str) -> None:
    found = next(f for f in findings_with({"cmdline": NEAR + word}) if f.rule == "hmat-ignored")
    assert (found.severity, found.message.partition(":")[0]) == (
        "note",
        f"the HMAT is not used, {word} is on the command line",
    )


@pytest.mark.parametrize(
    ("arch", "release"),
    [(X86, "5.5"), (X86, "5.10.7"), (X86, "6.1"), (X86, "6.12"), (X86, "7.3"), (ARM64, "6.1"), (ARM64, "6.12")],
)
def test_a_sound_machine_has_notes_at_most(arch: str, release: str) -> None:
    found = findings(machine(arch, release, config={"ZONE_DEVICE": "y"}))
    assert {f.rule for f in found if f.severity != "note"} <= ({"hmat-not-for-tiers"} if release == "6.1" else set())


def test_an_hmat_that_is_not_there_is_told_with_the_tiers_of_the_system() -> None:
    now = {f.rule: f.message for f in findings(machine(tables={"HMAT": None}))}["hmat-missing"]
    assert "node 1 would be in tier 22, DRAM is in tier 4, and cold pages of node 0 are demoted to it" in now
    online = machine(tables={"HMAT": None}, cmdline="memhp_default_state=online_movable")
    assert "node 1 is in tier 22, DRAM" in {f.rule: f.message for f in findings(online)}["hmat-missing"]
    old = {f.rule: f.message for f in findings(machine(release="6.1", tables={"HMAT": None}))}["hmat-missing"]
    assert "node 1 would be in tier 22" in old
    assert "whatever the HMAT says" in old


def rules_in(*folders: str) -> set[str]:
    """Names of the rules that the source has."""
    paths = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    call = re.compile(r'Finding\(\s*[^,()]+(?:\([^()]*\)[^,()]*)?,\s*"([a-z-]+)"')
    return {rule for path in paths for rule in call.findall(path.read_text())}


def named_rules() -> set[str]:
    plugins = [f"plugins/{name}/src/softreserve_{name}" for name in ("x86", "arm64", "hmem", "cxl", "kexec")]
    found = rules_in("core/src/softreserve/views/lint_rules", *plugins)
    numa = (ROOT / "core/src/softreserve/views/lint_rules/numa.py").read_text()
    return found | set(re.findall(r'\("(srat-[a-z]+)", "', numa))


def test_every_rule_is_tested() -> None:
    in_corpus = {expected.rule for case in lint_corpus.cases("faulty") for expected in case.expected}
    assert named_rules() == {rule for rule, _, _ in BROKEN} | in_corpus


def test_the_documentation_names_every_rule_once() -> None:
    page = (ROOT / "docs" / "lint.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(named_rules())


# --- the corpus


def linted(case: lint_corpus.Case, where: Path) -> list[Finding]:
    machine = case.machine(where)
    need(machine.arch)
    return list(report(boot(machine, Selection().hooks_for(machine), userspace="udev")).findings)


@pytest.mark.parametrize("case", lint_corpus.cases("faulty"), ids=lambda case: case.name)
def test_a_planted_fault_is_found_where_it_is(case: lint_corpus.Case, tmp_path: Path) -> None:
    found = [(f.severity, f.rule, f.start, f.end) for f in linted(case, tmp_path)]
    assert case.expected
    for severity, rule, span in case.expected:
        assert (severity, rule, *(span or (None, None))) in found or (
            span is None and (severity, rule) in [(one[0], one[1]) for one in found]
        )


@pytest.mark.parametrize("case", lint_corpus.cases("healthy"), ids=lambda case: case.name)
def test_a_healthy_machine_has_notes_at_most(case: lint_corpus.Case, tmp_path: Path) -> None:
    assert [f for f in linted(case, tmp_path) if f.severity != "note"] == []


def test_a_table_that_no_kernel_can_be_asked_about_is_found_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SLIT of five localities with the distances of two: the kernel reads what lies behind it."""
    need(X86)
    case = cases.unpack("x86-6.12-two-node-hmat", tmp_path)
    path = case / "input" / "acpi" / "SLIT.bin"
    data = bytearray(path.read_bytes())
    data[36] = 5
    path.write_bytes(bytes(data))
    assert main(["lint", str(case)]) == 1
    out = capsys.readouterr().out
    assert "SLIT cut off: 5 localities need 69 bytes" in out
    assert "[acpi-malformed]" in out


def test_the_corpus_is_large() -> None:
    assert len(lint_corpus.cases("faulty")) >= 90
    assert len(lint_corpus.cases("healthy")) >= 20


@pytest.mark.parametrize("name", cases.names())
def test_recorded_machines_are_linted(name: str, tmp_path: Path) -> None:
    machine = load(cases.unpack(name, tmp_path)).machine
    assert all(finding.message for finding in findings(machine))
