"""Behaviours of HMAT, hmem devices, the dax bus, kmem and memory tiers; see :mod:`softreserve.model.release`."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

KMEM_DRIVER_MANAGED: Final = Behaviour(
    "kmem-driver-managed",
    "memory that kmem adds is `System RAM (kmem)` and not in the firmware map",
    since=Boundary(
        "5.8",
        "device-dax: Add memory via add_memory_driver_managed()",
        "source read 5.4.1",
        "captured x86-6.1-trace-2; source read 5.10.7",
    ),
)

MEMORY_TIERS: Final = Behaviour(
    "memory-tiers",
    "nodes are grouped into memory tiers by abstract distance",
    since=Boundary(
        "6.1",
        "mm/demotion: add support for explicit memory tiers",
        "source read 6.0",
        "captured arm64-6.1-two-node-hmat",
    ),
)

MEMORY_TIERS_LATE: Final = Behaviour(
    "memory-tiers-late",
    "nodes get their tier at the end of boot, with the distance that algorithms find",
    since=Boundary(
        "6.11",
        "memory tier: consolidate the initialization of memory tiers",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

MEMORY_TIERS_IN_TWO_STEPS: Final = Behaviour(
    "memory-tiers-in-two-steps",
    "nodes with processors get their tier early, others at the end of boot; demotion targets are worked out each time",
    since=Boundary(
        "6.10",
        "memory tier: create CPUless memory tiers after obtaining HMAT info",
        "source read 6.8.1",
        "from history",
        after="6.8",
    ),
    until=Boundary(
        "6.11",
        "memory tier: consolidate the initialization of memory tiers",
        "from history",
        "source read 6.12.117",
    ),
)

DEMOTION_TARGETS_PRINTED: Final = Behaviour(
    "demotion-targets-printed",
    "demotion targets are printed whenever they are worked out",
    since=Boundary(
        "6.9",
        "mm/demotion: print demotion targets",
        "source read 6.1.192; source read 6.8.1",
        "captured arm64-6.12-trace-3",
        after="6.8",
    ),
)

KMEM_ASKS_FOR_ABSTRACT_DISTANCE: Final = Behaviour(
    "kmem-asks-for-abstract-distance",
    "kmem asks the HMAT for the abstract distance of its node",
    since=Boundary(
        "6.7",
        "dax, kmem: calculate abstract distance with general interface",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
    ),
)

HMEM_PER_SOFT_RESERVED_RANGE: Final = Behaviour(
    "hmem-per-soft-reserved-range",
    "every soft reserved range gets a device; before, only ranges that SRAT and HMAT describe",
    since=Boundary(
        "5.10",
        "ACPI: HMAT: attach a device for each soft-reserved range",
        "source read 5.4.1",
        "captured x86-6.1-trace-2; source read 5.10.7",
    ),
)

HMEM_SAYS_SOFT_RESERVED: Final = Behaviour(
    "hmem-says-soft-reserved",
    "the line of an hmem device in /proc/iomem is soft reserved memory to the kernel, as what is below it",
    since=Boundary(
        "6.0",
        "devdax: Fix soft-reservation memory description",
        "source read 5.10.7",
        "source read 6.1.192; source read 5.15.100",
    ),
    backported=("5.10.146", "5.15.71", "5.19.12"),
)

HMEM_TRACKS_RANGES: Final = Behaviour(
    "hmem-tracks-ranges",
    "a range that overlaps one with an hmem device gets none; before, several targets in one range got another over "
    "all of it, and a device that says that it is soft reserved a second one",
    since=Boundary(
        "6.1",
        "device-dax: Fix duplicate 'hmem' device registration",
        "source read 6.0; source read 5.15.148",
        "captured x86-6.1-two-node-hmat; source read 6.1.192",
    ),
)

REGION_INTERSECTS_LOOKS_BELOW: Final = Behaviour(
    "region-intersects-looks-below",
    "region_intersects() finds resources inside others; before, only those at the top of /proc/iomem",
    since=Boundary(
        "6.12",
        "resource: fix region_intersects() vs add_memory_driver_managed()",
        "source read 6.8.1",
        "source read 6.1.192",
    ),
    backported=("6.1.113",),
)

HMEM_PLATFORM_DEVICE: Final = Behaviour(
    "hmem-platform-device",
    "ranges are only recorded at boot; hmem_platform makes the hmem devices, in address order, when dax_hmem is "
    "loaded, without a line in /proc/iomem; HMAT is read at subsys level",
    since=Boundary(
        "6.3",
        "dax/hmem: Move hmem device registration to dax_hmem.ko",
        "captured x86-6.1-trace-2; vectors hmat 6.1; source read 6.0",
        "captured arm64-6.12-trace-3; vectors hmat 6.12; source read 6.4",
    ),
)

HMEM_DEFERS_TO_CXL: Final = Behaviour(
    "hmem-defers-to-cxl",
    "ranges in CXL windows are left to the CXL driver",
    since=Boundary(
        "6.3",
        "cxl/dax: Create dax devices for CXL RAM regions",
        "source read 6.1.192; source read 6.0",
        "captured with programs x86-6.12-cxl-window-sp; source read 6.4",
    ),
    until=Boundary(
        "7.1",
        "dax/hmem: Gate Soft Reserved deferral on DEV_DAX_CXL",
        "captured with programs x86-6.18-cxl-window-sp",
        "source read 7.3.4",
    ),
    options=("CXL_REGION",),
)

HMAT_CPU_ACCESS_CLASS: Final = Behaviour(
    "hmat-cpu-access-class",
    "access1 beside access0: the best initiators that have CPUs",
    since=Boundary(
        "5.10",
        "node: Add access1 class to represent CPU to memory characteristics",
        "source read 5.4.1",
        "captured arm64-6.1-two-node-hmat; vectors hmat 6.1; source read 5.10.7",
    ),
)

HMAT_GENERIC_PORTS: Final = Behaviour(
    "hmat-generic-ports",
    "SRAT generic ports are HMAT targets without ranges; attributes are worked out anew for each access class",
    since=Boundary(
        "6.8",
        "acpi: numa: Add setting of generic port system locality attributes",
        "vectors hmat 6.1; source read 6.4",
        "vectors hmat 6.12; source read 6.8.1",
    ),
)

HMAT_ABSTRACT_DISTANCE: Final = Behaviour(
    "hmat-abstract-distance",
    "HMAT gives memory tiers their abstract distances",
    since=Boundary(
        "6.7",
        "acpi, hmat: calculate abstract distance with HMAT",
        "vectors hmat 6.1; source read 6.4",
        "captured x86-6.12-hmat-covers-more; vectors hmat 6.12; source read 6.8.1",
    ),
)

DAX_SUBDIVISION: Final = Behaviour(
    "dax-subdivision",
    "regions can be shared out: create, delete, seed, size, align, mapping",
    since=Boundary(
        "5.10",
        "device-dax: add dis-contiguous resource support",
        "source read 5.4.1",
        "captured x86-6.1-trace-2; source read 5.10.7",
    ),
)

DAX_MATCH_BY_TYPE: Final = Behaviour(
    "dax-match-by-type",
    "a driver takes devices of its type, kmem those of hmem regions; before, device_dax took everything and kmem "
    "only what new_id named",
    since=Boundary(
        "6.3",
        "dax: Assign RAM regions to memory-hotplug by default",
        "captured x86-6.1-trace-2; source read 6.0",
        "captured arm64-6.12-trace-3; source read 6.4",
    ),
)

DAX_MEMMAP_ON_MEMORY: Final = Behaviour(
    "dax-memmap-on-memory",
    "memmap_on_memory of a dax device",
    since=Boundary(
        "6.8",
        "dax: add a sysfs knob to control memmap_on_memory behavior",
        "captured x86-6.1-trace-2; source read 6.4",
        "captured arm64-6.12-trace-3; source read 6.8.1",
    ),
)

DAX_MAPPING_IGNORES_MISALIGNED: Final = Behaviour(
    "dax-mapping-ignores-misaligned",
    "mapping with a length off the align is taken and does nothing; before, -ENXIO",
    since=Boundary(
        "6.10",
        "dax/bus.c: replace driver-core lock usage by a local rwsem",
        "captured x86-6.1-trace-2; vectors dax-alloc 6.1; source read 6.8.1",
        "captured arm64-6.12-trace-3; vectors dax-alloc 6.12",
    ),
)

HMEM_DECIDES_AFTER_CXL: Final = Behaviour(
    "hmem-decides-after-cxl",
    "dax_hmem asks for cxl_acpi and cxl_pci; ranges in CXL windows get a device when the CXL drivers had their chance "
    "and no region took them",
    since=Boundary(
        "7.1",
        "dax/hmem, cxl: Defer and resolve Soft Reserved ownership",
        "source read 6.12.117",
        "source read 7.3.4",
    ),
    options=("DEV_DAX_CXL",),
)

HMEM_BELOW_ITS_PLATFORM: Final = Behaviour(
    "hmem-below-its-platform",
    "hmem devices lie below hmem_platform.0",
    since=Boundary(
        "7.1", "dax/hmem: Parent dax_hmem devices", "captured x86-6.18-two-node-hmat", "captured x86-7.3-two-node-hmat"
    ),
)

DAX_REGIONS_EXCLUSIVE: Final = Behaviour(
    "dax-regions-exclusive",
    "a dax region that overlaps another one is refused",
    since=Boundary(
        "7.1",
        "dax: Track all dax_region allocations under a global resource tree",
        "source read 6.12.117",
        "source read 7.3.4",
    ),
)

DAX_FSDEV: Final = Behaviour(
    "dax-fsdev",
    "the driver fsdev_dax takes devices that new_id names",
    since=Boundary(
        "7.1",
        "dax: add fsdev.c driver for fs-dax on character dax",
        "source read 6.12.117",
        "captured with programs x86-7.3-fsdev",
    ),
)

KMEM_TRUNCATION_WARNING: Final = Behaviour(
    "kmem-truncation-warning",
    "kmem warns of what alignment takes away",
    since=Boundary(
        "6.16",
        "DAX: warn when kmem regions are truncated for memory block alignment",
        "captured x86-6.12-trace-1; source read 6.14",
        "captured x86-6.18-unaligned; source read 6.19",
        after="6.14",
    ),
)

KMEM_REQUESTS_ALL_FIRST: Final = Behaviour(
    "kmem-requests-all-first",
    "kmem reserves all ranges of a device before it adds the memory of the first",
    since=Boundary(
        "7.3",
        "dax/kmem: extract hotplug/hotremove helper functions",
        "source read 7.2.13",
        "captured with programs x86-7.3-kmem-state",
    ),
)

KMEM_STATE_FILE: Final = Behaviour(
    "kmem-state-file",
    "a device of kmem has a file `state`, through which all its memory comes and goes at once",
    since=Boundary(
        "7.3",
        "dax/kmem: add sysfs interface for atomic whole-device hotplug",
        "source read 7.2.13",
        "captured x86-7.3-kmem-state",
    ),
)

HMAT_TABLES_PRINTED: Final = Behaviour(
    "hmat-tables-printed",
    "the log shows localities, their values and caches of the HMAT",
    until=Boundary(
        "6.14",
        "ACPI/HMAT: Move HMAT messages to pr_debug()",
        "captured x86-6.12-two-node-hmat",
        "captured x86-6.18-two-node-hmat; source read 6.14",
    ),
)
