"""Behaviours that code of the core asks for; see :mod:`softreserve.model.release`. Grouped by subsystem."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

MEMPARSE_SATURATES: Final = Behaviour(
    "memparse-saturates",
    "a size or number on the command line that does not fit into 64 bits is the largest one; before, it wrapped around",
    since=Boundary("7.2", "", "captured x86-6.18-mem-wraps", "captured x86-7.2-mem-wraps", after="6.18"),
)

KSTRTOBOOL_KNOWS_ENABLED: Final = Behaviour(
    "kstrtobool-knows-enabled",
    "words that begin with e or d are booleans, as those that begin with y or n, in files and parameters",
    since=Boundary(
        "6.17",
        "",
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13",
        after="6.14",
    ),
)

LONG_COMMAND_LINE_WRAPS: Final = Behaviour(
    "long-command-line-wraps",
    "a command line of more than a thousand characters takes several lines of the log",
    since=Boundary(
        "6.19",
        "",
        "source read 6.12.117",
        "source read 7.2.13; source read 6.19",
        after="6.18",
    ),
)

EFI_SOFT_RESERVE: Final = Behaviour(
    "efi-soft-reserve",
    "specific purpose memory is set aside; before, the attribute was not known",
    since=Boundary(
        "5.5",
        "efi: Common enable/disable infrastructure for EFI soft reservation",
        "source read 5.4.1",
        "captured x86-6.1-two-node-hmat",
    ),
    options=("EFI_SOFT_RESERVE",),
)

EFI_UNACCEPTED_MEMORY: Final = Behaviour(
    "efi-unaccepted-memory",
    "EFI type 15 is known; the stub accepts it as RAM",
    since=Boundary(
        "6.5",
        "efi/libstub: Implement support for unaccepted memory",
        "vectors efi-md-format 6.1; source read 6.4",
        "vectors efi-md-format 6.12; source read 6.8.1",
    ),
)

EFI_SOFT_RESERVED_NOMAP: Final = Behaviour(
    "efi-soft-reserved-nomap",
    "specific purpose memory is in memblock as memory that cannot be mapped; later it is not in memblock at all",
    since=Boundary(
        "5.5",
        "",
        "source read 5.4.1",
        "source read 5.10.7",
    ),
    until=Boundary(
        "6.8",
        "efi: Don't add memblocks for soft-reserved memory",
        "source read 6.4",
        "captured arm64-6.1-two-node-hmat; vectors arm64-boot 6.1; source read 6.8.1",
    ),
    dropped=("5.15.150", "6.1.80", "6.6.19", "6.7.7"),
)

EFI_SOFT_RESERVED_SIZE_IS_INT: Final = Behaviour(
    "efi-soft-reserved-size-is-int",
    "the size of a Soft Reserved resource passes through 32 bits: multiples of 4 GiB get no line",
    since=Boundary(
        "5.5",
        "",
        "source read 5.4.1",
        "source read 5.10.7",
    ),
    until=Boundary(
        "6.8",
        "efi: runtime: Fix potential overflow of soft-reserved region size",
        "source read 6.4",
        "captured arm64-6.1-two-node-hmat; vectors arm64-boot 6.1; source read 6.8.1",
    ),
    dropped=("5.15.150", "6.1.80", "6.6.19", "6.7.7"),
)

EFI_STUB_ALIGNS_AFTER_RNG: Final = Behaviour(
    "efi-stub-aligns-after-rng",
    "the stub falls back to an alignment of 2 MiB where the firmware has no random numbers too",
    since=Boundary(
        "6.6",
        "efi: libstub: Move the KASLR code to a separate file",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
    ),
)

EFI_CRYPTO_COLUMN: Final = Behaviour(
    "efi-crypto-column",
    "efi=debug prints a CC column and type names of at most 12 characters",
    since=Boundary(
        "5.10",
        "efi: Add definition of EFI_MEMORY_CPU_CRYPTO and ability to report it",
        "source read 5.4.1",
        "captured x86-6.1-fake-one; vectors efi-md-format 6.1; source read 5.10.7",
    ),
)

EFI_HOT_PLUGGABLE: Final = Behaviour(
    "efi-hot-pluggable",
    "EFI_MEMORY_HOT_PLUGGABLE is known: an HP column, and the stub does not place the kernel there",
    since=Boundary(
        "6.14",
        "efi: Avoid cold plugged memory for placing the kernel",
        "source read 6.8.1",
        "captured x86-6.1-fake-one; vectors efi-md-format 6.1; source read 6.14",
    ),
    backported=("6.1.129", "6.6.79", "6.12.16", "6.13.4"),
)

EFI_RANDOM_ALLOC_REPORTS_FAILURE: Final = Behaviour(
    "efi-random-alloc-reports-failure",
    "efi_random_alloc() without any slot gives EFI_OUT_OF_RESOURCES; before, success without an address",
    since=Boundary(
        "6.4",
        "",
        "vectors kaslr-efistub 6.1",
        "vectors kaslr-efistub 6.12; source read 6.4",
        after="6.1",
    ),
)

MEMBLOCK_MERGE_LOCAL: Final = Behaviour(
    "memblock-merge-local",
    "after a change only the neighbourhood is merged; before, the whole list, which also joined older splits",
    since=Boundary(
        "6.3",
        "memblock: Avoid useless checks in memblock_merge_regions()",
        "source read 6.1.192; source read 6.0",
        "source read 6.12.117; source read 6.4",
    ),
)

MEMBLOCK_EMPTY_WITHOUT_DUMMY: Final = Behaviour(
    "memblock-empty-without-dummy",
    "an empty list has no entries; before, memblock=debug showed one dummy entry of size 0",
    since=Boundary(
        "6.12",
        "mm/memblock: remove empty dummy entry",
        "vectors memblock 6.1; source read 6.8.1",
        "vectors memblock 6.12",
        after="6.8",
    ),
)

MEMBLOCK_PANICS_WHEN_FULL: Final = Behaviour(
    "memblock-panics-when-full",
    "a full array that must not grow yet is a panic; before, the call failed silently",
    since=Boundary(
        "6.8",
        "memblock: report failures when memblock_can_resize is not set",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
)

MEMBLOCK_MARKS_KERNEL: Final = Behaviour(
    "memblock-marks-kernel",
    "reserved memory that the kernel takes for itself has a flag and, where it was asked for, a node: memblock=debug "
    "shows it apart from its neighbours",
    since=Boundary(
        "6.16",
        "memblock: add MEMBLOCK_RSRV_KERN flag",
        "vectors memblock 6.12; source read 6.14",
        "vectors memblock 7.3; source read 6.19",
    ),
)

NUMA_MEMBLKS_GENERIC: Final = Behaviour(
    "numa-memblks-generic",
    "mm/numa_memblks.c serves all architectures; reserved blocks win in phys_to_target_node",
    since=Boundary(
        "6.12",
        "mm: introduce numa_memblks",
        "captured arm64-6.1-two-node-hmat; vectors numa-x86 6.1; source read 6.8.1",
        "captured arm64-6.12-trace-3; vectors numa-x86 6.12",
    ),
)

NUMA_KEEPS_RESERVED_BLOCKS: Final = Behaviour(
    "numa-keeps-reserved-blocks",
    "SRAT ranges without RAM are kept for phys_to_target_node()",
    since=Boundary(
        "5.8",
        "x86/NUMA: Provide a range-to-target_node lookup facility",
        "source read 5.4.1",
        "captured x86-6.1-hmat-broken; vectors numa-x86 6.1; source read 5.10.7",
    ),
)

SORT_TAKES_PAIRS: Final = Behaviour(
    "sort-takes-pairs",
    "lib/sort.c takes the two largest elements off the heap at a time: equal elements end up elsewhere",
    since=Boundary(
        "6.12",
        "lib/sort: optimize heapsort with double-pop variation",
        "vectors heap-sort 6.1; source read 6.8.1",
        "vectors heap-sort 6.12",
        after="6.8",
    ),
)

ACPI_WALK_IN_FW_TABLE: Final = Behaviour(
    "acpi-walk-in-fw-table",
    "a walk over subtables ends at the first handler that fails; its messages have no `ACPI: ` prefix",
    since=Boundary(
        "6.7",
        "ACPI: Move common tables helper functions to common lib",
        "vectors hmat 6.1; source read 6.4",
        "vectors hmat 6.12; source read 6.8.1",
    ),
)

ACPI_GENERIC_INITIATORS: Final = Behaviour(
    "acpi-generic-initiators",
    "SRAT generic initiators make nodes",
    since=Boundary(
        "5.10",
        "ACPI: Support Generic Initiator only domains",
        "source read 5.4.1",
        "source read 6.1.192; source read 5.10.7",
    ),
)

ACPI_RINTC_AFFINITY: Final = Behaviour(
    "acpi-rintc-affinity",
    "processors of RISC-V have an SRAT entry of their own",
    since=Boundary(
        "6.11",
        "ACPI: NUMA: Add handler for SRAT RINTC affinity structure",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

CXL_WINDOW_BOUNDS_BLOCK_SIZE: Final = Behaviour(
    "cxl-window-bounds-block-size",
    "memory blocks are no larger than CXL windows allow, without a hypervisor too (x86, from 64 GiB of RAM on); a "
    "window off 256 MiB is complained about",
    since=Boundary(
        "6.15",
        "acpi,srat: give memory block size advice based on CFMWS alignment",
        "captured x86-6.12-cxl-far-window; source read 6.14",
        "captured x86-6.18-cxl-far-window; source read 6.19",
        after="6.14",
    ),
)

CXL_WINDOW_BLOCKS_RESERVED: Final = Behaviour(
    "cxl-window-blocks-reserved",
    "a CXL window that becomes a node is no RAM at once: memory that the SRAT leaves out gets no node from it, and "
    "windows that overlap get a node each",
    since=Boundary(
        "6.16",
        "mm: numa_memblks: introduce numa_add_reserved_memblk",
        "captured x86-6.12-cxl-odd-windows; source read 6.14",
        "captured x86-6.18-cxl-odd-windows; source read 6.19",
        after="6.14",
    ),
)

CXL_WINDOWS_NEED_CXL_ACPI: Final = Behaviour(
    "cxl-windows-need-cxl-acpi",
    "without CONFIG_CXL_ACPI nobody looks at CXL windows at boot",
    since=Boundary(
        "7.1",
        "ACPI: NUMA: Only parse CFMWS at boot when CXL_ACPI is on",
        "source read 6.12.117; source read 6.19",
        "source read 7.3.4",
        after="6.19",
    ),
)

CXL_UPDATES_NODES: Final = Behaviour(
    "cxl-updates-nodes",
    "the performance of a CXL region changes what its node shows already, after the HMAT and once per node; before, a "
    "node that the SRAT does not have got files of its own, and for others it replaced what the HMAT says",
    since=Boundary(
        "6.18",
        "cxl, acpi/hmat: Update CXL access coordinates directly instead of through HMAT",
        "captured with programs x86-6.12-cxl-perf-port; source read 6.14",
        "captured with programs x86-6.18-cxl-perf-port; source read 6.19",
        after="6.14",
    ),
)

NUMA_BAD_NODE_FAILS: Final = Behaviour(
    "numa-bad-node-fails",
    "a range of memory on a node that cannot be is an error; before, it was left out with a warning",
    since=Boundary("7.3", "", "source read 7.2.13", "source read 7.3.4"),
)

MIRROR_ZONES_OVERLAP: Final = Behaviour(
    "mirror-zones-overlap",
    "with kernelcore=mirror the Normal zone reaches over Movable, each with the memory of its kind; later it ends "
    "where Movable begins",
    until=Boundary("7.3", "", "captured x86-7.2-mirror", "captured x86-7.3-mirror"),
)

ACPI_CXL_WINDOW_NODES: Final = Behaviour(
    "acpi-cxl-window-nodes",
    "CXL memory windows that the SRAT does not cover become nodes",
    since=Boundary(
        "5.17",
        "ACPI: NUMA: Add a node and memblk for each CFMWS not in SRAT",
        "source read 5.15.100",
        "source read 6.1.192; source read 6.0",
    ),
)

PROCESSORS_COUNTED_IN_ONE_LINE: Final = Behaviour(
    "processors-counted-in-one-line",
    "all architectures say in the same words how many processors were brought up",
    since=Boundary("4.13", "", "from history", "source read 5.4.18", after="4.9"),
)

OFFLINE_NODES_LAID_OUT: Final = Behaviour(
    "offline-nodes-laid-out",
    "nodes that are possible but offline are laid out at boot, and have zone lists; before, a node without memory that "
    "came online was laid out last, and was printed as memory from 0 to 0",
    since=Boundary(
        "5.18",
        "mm: handle uninitialized numa nodes gracefully",
        "source read 5.15.100",
        "captured x86-6.1-two-node-hmat",
    ),
)

OFFLINE_NODES_ANNOUNCED_MEMORYLESS: Final = Behaviour(
    "offline-nodes-announced-memoryless",
    "nodes that are possible but offline are announced with a line of their own when they are laid out",
    since=Boundary(
        "5.18",
        "",
        "source read 5.15.100",
        "captured x86-6.1-two-node-hmat; source read 6.0",
    ),
    until=Boundary(
        "6.5",
        "",
        "captured x86-6.1-two-node-hmat; source read 6.4",
        "captured x86-6.12-two-node-hmat; source read 6.8.1",
    ),
)

MIRROR_NEEDS_MIRRORED_MEMORY: Final = Behaviour(
    "mirror-needs-mirrored-memory",
    "kernelcore=mirror is ignored without mirrored memory, or in a crash kernel",
    since=Boundary(
        "6.8",
        "",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
)

FALLBACK_ORDER_PRINTED: Final = Behaviour(
    "fallback-order-printed",
    "the fallback order of every node is printed when zone lists are built",
    since=Boundary(
        "5.16",
        "mm/page_alloc: print node fallback order",
        "source read 5.15.100",
        "captured arm64-6.1-two-node-hmat; source read 6.0",
    ),
)

FALLBACK_SKIPS_MEMORYLESS_NODE: Final = Behaviour(
    "fallback-skips-memoryless-node",
    "a node without memory is not in its own fallback list",
    since=Boundary(
        "6.7",
        "mm/page_alloc: skip memoryless nodes entirely",
        "captured arm64-6.1-two-node-hmat; source read 6.4",
        "captured arm64-6.12-two-node-hmat; source read 6.8.1",
    ),
)

MEMMAP_NOT_MANAGED_AT_BOOT: Final = Behaviour(
    "memmap-not-managed-at-boot",
    "the page count of the first zone lists leaves out the memory map, and what is taken of zone DMA by then",
    until=Boundary(
        "6.10",
        "mm/mm_init.c: remove the useless dma_reserve",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

ZONES_REPORTED: Final = Behaviour(
    "zones-reported",
    "the log says how many pages each node and zone has, what the memory map takes of them, and how many are taken",
    until=Boundary("5.14", "", "source read 5.10.13", "source read 5.15.100", after="5.12"),
)

ZONE_BATCH_OF_1_MIB: Final = Behaviour(
    "zone-batch-of-1-mib",
    "a CPU takes up to 1 MiB of pages off a zone at once, as the log says; before, 512 KiB",
    since=Boundary("4.20", "mm, page_alloc: double zone's batchsize", "from history", "source read 5.4.18"),
)

ZONELIST_ORDER: Final = Behaviour(
    "zonelist-order",
    "the log says that zone lists are in the order of nodes",
    until=Boundary("4.14", "mm, page_alloc: rip out ZONELIST_ORDER_ZONE", "from history", "source read 5.4.18"),
)

RESERVED_BUT_UNAVAILABLE: Final = Behaviour(
    "reserved-but-unavailable",
    "the log says, in one line, how many pages are reserved and no memory",
    since=Boundary("4.15", "mm: zero reserved and unavailable struct pages", "from history", "from history"),
    until=Boundary("4.20", "mm: return zero_resv_unavail optimization", "from history", "source read 5.4.18"),
    dropped=("4.18.*.el8*",),
)

HOLES_COUNT_AS_RESERVED: Final = Behaviour(
    "holes-count-as-reserved",
    "the line about pages that are reserved and no memory counts all pages in holes",
    since=Boundary("4.19", "mm: zero remaining unavailable struct pages", "from history", "from history"),
    until=Boundary("4.20", "mm: return zero_resv_unavail optimization", "from history", "source read 5.4.18"),
)

UNAVAILABLE_PAGES_ZEROED: Final = Behaviour(
    "unavailable-pages-zeroed",
    "the log says, in one line, how many pages lie in holes of sections that have memory",
    since=Boundary("4.20", "mm: return zero_resv_unavail optimization", "from history", "source read 5.4.18"),
    until=Boundary(
        "5.12",
        "mm/page_alloc.c: refactor initialization of struct page for holes in memory layout",
        "source read 5.10.13",
        "source read 5.15.100",
    ),
    backported=("4.18.*.el8*",),
    dropped=("5.4.0-*-gcp", "5.10.24", "5.11.7"),
)

UNAVAILABLE_TO_SECTION_END: Final = Behaviour(
    "unavailable-to-section-end",
    "pages behind the last memory count as pages in holes, up to the end of its section",
    since=Boundary(
        "5.6",
        "mm/page_alloc.c: fix uninitialized memmaps on a partially populated last section",
        "source read 5.4.18",
        "source read 5.10.13",
    ),
    backported=("5.4.20",),
)

BLOCKS_COUNT_HOLES: Final = Behaviour(
    "blocks-count-holes",
    "a memory block links to the nodes of pages of its holes, too; after, to those of its memory alone",
    until=Boundary(
        "6.17",
        "drivers/base/node: optimize memory block registration to reduce boot time",
        "captured x86-6.12-hole-of-a-block",
        "captured x86-6.17-hole-of-a-block",
    ),
)

UNAVAILABLE_PAGES_IN_ZONE: Final = Behaviour(
    "unavailable-pages-in-zone",
    "the log says zone by zone how many pages lie in holes of sections that have memory",
    since=Boundary(
        "5.12",
        "mm/page_alloc.c: refactor initialization of struct page for holes in memory layout",
        "from history",
        "from history",
    ),
    until=Boundary(
        "5.14",
        "mm/page_alloc: fix memory map initialization for descending nodes",
        "from history",
        "source read 5.15.100",
    ),
    backported=("5.4.0-*-gcp", "5.11.7"),
    dropped=("5.12.17", "5.13.2"),
)

UNAVAILABLE_PAGES_BY_ZONE: Final = Behaviour(
    "unavailable-pages-by-zone",
    "the log says of each hole in sections that have memory how many pages lie in it, and to which zone they count",
    since=Boundary(
        "5.14",
        "mm/page_alloc: fix memory map initialization for descending nodes",
        "source read 5.10.13",
        "source read 5.15.100",
    ),
    backported=("5.10.53", "5.12.17", "5.13.2"),
)

PFN_VALID_IS_MAPPED: Final = Behaviour(
    "pfn-valid-is-mapped",
    "only mapped memory has valid page numbers; later all of a section that has memory",
    until=Boundary("5.14", "arm64/mm: drop HAVE_ARCH_PFN_VALID", "source read 5.10.13", "source read 5.15.100"),
    options=("HAVE_ARCH_PFN_VALID",),
)

NODE_STATE_CLEARED_BEFORE_ZONELISTS: Final = Behaviour(
    "node-state-cleared-before-zonelists",
    "a node that lost its last memory is memoryless before the zone lists are built again",
    since=Boundary(
        "6.8",
        "",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
)

MHP_ONLINE_TYPES_BY_CONFIG: Final = Behaviour(
    "mhp-online-types-by-config",
    "CONFIG_MHP_DEFAULT_ONLINE_TYPE_* chooses among four auto-online policies",
    since=Boundary(
        "6.14",
        "",
        "source read 6.1.192; source read 6.8.1",
        "captured arm64-6.12-trace-3; source read 6.14",
    ),
    backported=("6.12.117",),
)

MEMMAP_ON_MEMORY_PER_BLOCK: Final = Behaviour(
    "memmap-on-memory-per-block",
    "the memory map can be put on each hot-added block; asking for it where it cannot be is no error",
    since=Boundary(
        "6.7",
        "",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
    ),
)

BIND_REPORTS_PROBE_ERRORS: Final = Behaviour(
    "bind-reports-probe-errors",
    "bind gives the error of the probe, and -EBUSY for a bound device; before, always -ENODEV",
    since=Boundary(
        "5.14",
        "driver core: Flow the return code from ->probe() through to sysfs bind",
        "source read 5.10.7",
        "captured x86-6.1-trace-2; source read 5.15.100",
    ),
)

GIGANTIC_PAGES_OVERCOMMIT: Final = Behaviour(
    "gigantic-pages-overcommit",
    "`nr_overcommit_hugepages` takes a number for pages that the page allocator does not give, too",
    since=Boundary("7.2", "", "source read 6.12.117", "source read 7.2.13", after="6.12"),
)

SYNTHETIC_UEVENT_ERRNO: Final = Behaviour(
    "synthetic-uevent-errno",
    "the message about a wrong word written to `uevent` of a device ends with the error",
    since=Boundary(
        "6.1",
        "drivers: base: Print error code on synthetic uevent failure",
        "source read 5.10.13",
        "source read 6.1.192",
        after="5.10",
    ),
)

PROBE_FAILURE_AS_DEVICE_MESSAGE: Final = Behaviour(
    "probe-failure-as-device-message",
    "a failed probe is printed as `DRIVER DEVICE: probe with driver DRIVER failed`; before, `DRIVER: probe of ..`",
    since=Boundary(
        "6.12",
        "",
        "captured x86-6.1-trace-2; source read 6.8.1",
        "captured x86-6.12-trace-1",
        after="6.8",
    ),
)

CMA_REWORKED: Final = Behaviour(
    "cma-reworked",
    "an area of contiguous memory is looked for above 4 GiB only where its own limit allows that; the log gives the "
    "size that was asked for, not what it was rounded up to",
    since=Boundary(
        "6.15",
        "mm, cma: support multiple contiguous ranges, if requested",
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13; source read 6.19",
        after="6.14",
    ),
)

CMA_NAMES_NODE: Final = Behaviour(
    "cma-names-node",
    "the log says on which node an area of contiguous memory was asked for",
    since=Boundary(
        "6.8",
        "",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
    until=Boundary(
        "6.15",
        "mm, cma: support multiple contiguous ranges, if requested",
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13; source read 6.19",
        after="6.14",
    ),
)

CRASHKERNEL_GENERIC: Final = Behaviour(
    "crashkernel-generic",
    "all architectures keep memory for a crash kernel by the same rules, and in the same words",
    since=Boundary(
        "6.7",
        "crash_core: add generic function to do reservation",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
)

CRASHKERNEL_CMA: Final = Behaviour(
    "crashkernel-cma",
    "crashkernel=..,cma keeps memory that is RAM until the crash",
    since=Boundary(
        "6.17",
        'Add a new optional ",cma" suffix to the crashkernel= command line option',
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13; source read 6.19",
        after="6.14",
    ),
)

KEXEC_FILE_PREFERS_CMA: Final = Behaviour(
    "kexec-file-prefers-cma",
    "kexec_file_load takes the default area of contiguous memory first",
    since=Boundary(
        "6.17",
        "kexec: enable CMA based contiguous allocation",
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13; source read 6.19",
        after="6.14",
    ),
)

KEXEC_SYSFS_DIRECTORY: Final = Behaviour(
    "kexec-sysfs-directory",
    "files of kexec are in /sys/kernel/kexec; links are where they were",
    since=Boundary(
        "6.19",
        "kexec: move sysfs entries to /sys/kernel/kexec",
        "source read 6.12.117",
        "source read 7.2.13; source read 6.19",
        after="6.18",
    ),
)

KEXEC_CRASH_SIZE_COUNTS_LOW: Final = Behaviour(
    "kexec-crash-size-counts-low",
    "kexec_crash_size counts, and gives back, the low memory of a crash kernel that lies high too",
    since=Boundary(
        "6.5",
        "",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
        after="6.4",
    ),
)

KEXEC_FILE_SKIPS_DRIVER_MANAGED: Final = Behaviour(
    "kexec-file-skips-driver-managed",
    "kexec_file_load passes over memory that a driver manages",
    since=Boundary(
        "5.8",
        "kexec_file: don't place kexec images on IORESOURCE_MEM_DRIVER_MANAGED",
        "source read 5.4.1",
        "source read 6.1.192; source read 5.10.7",
    ),
)

KEXEC_FILE_WALKS_TOP_DOWN: Final = Behaviour(
    "kexec-file-walks-top-down",
    "kexec_file_load looks for a top-down hole in the highest range first; before, in the lowest",
    since=Boundary(
        "6.8",
        "kexec_file: load kernel at top of system RAM if required",
        "vectors kexec-holes 6.1; source read 6.4",
        "vectors kexec-holes 6.12; source read 6.8.1",
    ),
)

KEXEC_FILE_EXACT_TOP: Final = Behaviour(
    "kexec-file-exact-top",
    "a top-down hole may end at the very end of its range; before, one byte short of it",
    since=Boundary(
        "6.8",
        "kexec: modify the meaning of the end parameter in kimage_is_destination_range()",
        "vectors kexec-holes 6.1; source read 6.4",
        "vectors kexec-holes 6.12; source read 6.8.1",
    ),
)

SOFT_RESERVED_IN_OWN_TREE: Final = Behaviour(
    "soft-reserved-in-own-tree",
    "soft reserved memory is looked for in a tree of its own; x86 no longer shows it in /proc/iomem, other "
    "architectures do, and put nothing into that tree",
    since=Boundary(
        "7.0",
        "dax/hmem, e820, resource: Defer Soft Reserved insertion until hmem is ready",
        "captured x86-6.18-two-node-hmat",
        "captured arm64-7.3-two-node-hmat; captured x86-7.3-two-node-hmat",
    ),
)

ZONES_AFTER_SETUP_ARCH: Final = Behaviour(
    "zones-after-setup-arch",
    "zones are laid out, and printed, after all that is particular to an architecture",
    since=Boundary(
        "7.0",
        "arch, mm: consolidate initialization of nodes, zones and memory map",
        "captured x86-6.18-two-node-hmat",
        "captured x86-7.3-two-node-hmat",
    ),
)

NUMA_DISTANCE_LINE: Final = Behaviour(
    "numa-distance-line",
    "the log says how large the distance table is",
    until=Boundary(
        "6.17",
        "mm/numa_memblks: Use pr_debug instead of printk(KERN_DEBUG)",
        "captured x86-6.12-life; source read 6.14",
        "captured x86-6.17-life; source read 6.19",
        after="6.14",
    ),
)

IOMEM_DEPTH_8: Final = Behaviour(
    "iomem-depth-8",
    "/proc/iomem is indented up to eight levels; before, five",
    since=Boundary(
        "7.0",
        "resource: Increase MAX_IORES_LEVEL to 8",
        "source read 6.12.117; source read 6.19",
        "source read 7.3.4",
    ),
)

SPLIT_RESOURCE_HANDS_OVER_CHILDREN: Final = Behaviour(
    "split-resource-hands-over-children",
    "where memory is taken out of the middle of a resource, the upper part gets what lies in it; before, all stayed "
    "with the lower part",
    since=Boundary("7.2", "", "vectors resource-tree 6.12", "vectors resource-tree 7.3", after="6.12"),
)

NODE_THREADS_ON_THEIR_NODE: Final = Behaviour(
    "node-threads-on-their-node",
    "kswapd and kcompactd of a node lie on its memory, where that is in a kernel zone: the first block of a new node "
    "cannot go offline again",
    since=Boundary(
        "6.14",
        "mm: Create/affine kswapd to its preferred node",
        "captured with programs x86-6.12-life",
        "captured x86-7.3-state-and-blocks; source read 6.14",
    ),
)

NODE_RECLAIM_FILE: Final = Behaviour(
    "node-reclaim-file",
    "nodes have a file `reclaim`",
    since=Boundary(
        "6.17",
        "mm: introduce per-node proactive reclaim interface",
        "source read 6.12.117; source read 6.14",
        "source read 7.3.4; source read 6.19",
        after="6.14",
    ),
)

NODE_MEMINFO_GPU: Final = Behaviour(
    "node-meminfo-gpu",
    "a node's meminfo says what graphics processors have",
    since=Boundary("7.1", "", "source read 6.12.117", "source read 7.2.13"),
)

NODE_MEMINFO_BALLOON: Final = Behaviour(
    "node-meminfo-balloon",
    "a node's meminfo says what balloons have",
    since=Boundary("7.2", "", "source read 6.12.117", "source read 7.2.13"),
)

WEIGHTED_INTERLEAVE: Final = Behaviour(
    "weighted-interleave",
    "nodes have weights by which pages are dealt out",
    since=Boundary(
        "6.9",
        "mm/mempolicy: implement the sysfs-based weighted_interleave interface",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

WEIGHTED_INTERLEAVE_AUTO: Final = Behaviour(
    "weighted-interleave-auto",
    "weights follow from bandwidths, unless they are written; only nodes with memory have one",
    since=Boundary(
        "6.16",
        "mm/mempolicy: Weighted Interleave Auto-tuning",
        "source read 6.12.117; source read 6.14",
        "source read 7.2.13; source read 6.19",
        after="6.14",
    ),
)

WEIGHTED_INTERLEAVE_MISNAMED: Final = Behaviour(
    "weighted-interleave-misnamed",
    "the file `auto` of weights is called `__auto_type`, as a macro makes of its name",
    since=Boundary(
        "6.18",
        'compiler_types.h: add "auto" as a macro for "__auto_type"',
        "source read 6.12.117",
        "from history",
    ),
    until=Boundary("7.1", "", "from history", "source read 7.2.13"),
)

CACHE_ADDRESS_MODE: Final = Behaviour(
    "cache-address-mode",
    "a memory side cache has a file `address_mode`",
    since=Boundary(
        "6.15",
        "acpi: numa: Add support to enumerate and store extended linear address mode",
        "captured x86-6.12-three-nodes-cache; source read 6.14",
        "captured arm64-6.18-hmat-caches; source read 6.19",
        after="6.14",
    ),
)

HOTPLUG_FORGETS_NORMAL_MEMORY: Final = Behaviour(
    "hotplug-forgets-normal-memory",
    "has_normal_memory stays as it was at boot, whatever comes and goes",
    since=Boundary(
        "6.17",
        "mm,memory_hotplug: remove status_change_nid_normal and update documentation",
        "captured x86-6.12-life",
        "captured x86-6.17-life",
    ),
    until=Boundary(
        "7.0",
        "mm/memory_hotplug: maintain N_NORMAL_MEMORY during hotplug",
        "captured x86-6.17-life",
        "captured x86-7.3-adjacent",
    ),
    dropped=("6.18.23",),
)

PWM_CHARACTER_DEVICES: Final = Behaviour(
    "pwm-character-devices",
    "PWM chips have character devices; dax and CXL devices get the next lower major number",
    since=Boundary(
        "6.17",
        "pwm: Add support for pwmchip devices for faster and easier userspace access",
        "source read 6.12.117; source read 6.14",
        "source read 7.3.4; source read 6.19",
    ),
)
