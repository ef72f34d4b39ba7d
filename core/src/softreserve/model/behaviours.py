"""What differs between kernel releases, as data.

A behaviour has a name, the release that brought it, where it ended, and the subject of the change. ``backported`` lists
the releases of :data:`RELEASES` whose stable branch (as pinned) carries it although it is newer.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

__all__ = ["BEHAVIOURS", "RELEASES", "Behaviour"]

#: Releases with a profile, oldest first; 6.1 means 6.1.192 and 6.12 means 6.12.117.
RELEASES: Final = ("5.5", "5.8", "5.10", "6.1", "6.12")


def _key(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


class Behaviour(NamedTuple):
    """One named behaviour: there from ``since`` on (inclusive) until ``until`` (exclusive, ``None``: still there).

    :param known_by: how the difference is known. ``captured``: recorded boots of kernels on both sides differ by it;
        ``vectors``: answers of the real functions on both sides do; ``source read``: both sources were read, and
        at most one side was seen to run; ``from history``: 6.1 and 6.12 agree, and the older side is known from the
        change that ended it.
    """

    name: str
    since: str
    until: str | None
    words: str
    change: str = ""
    known_by: str = "source read"
    backported: tuple[str, ...] = ()
    dropped_by_backport: tuple[str, ...] = ()

    def applies_to(self, release: str, releases: tuple[str, ...] = RELEASES) -> bool:
        """Whether the release of :data:`RELEASES` behaves so."""
        if release in self.backported:
            return True
        if release in self.dropped_by_backport:
            return False
        at = _key(release)
        return _key(self.since) <= at and (self.until is None or at < _key(self.until))

    @staticmethod
    @cache
    def names() -> frozenset[str]:
        """All names."""
        return frozenset(b.name for b in BEHAVIOURS)


#: Grouped by subsystem; code asks for the name.
BEHAVIOURS: Final = (
    # --- EFI and x86 early boot
    Behaviour(
        "efi-fake-mem",
        "5.5",
        "6.11",
        "efi_fake_mem= marks ranges in the EFI map (x86, CONFIG_EFI_FAKE_MEMMAP)",
        "x86/efi: Drop support for fake EFI memory maps",
        known_by="vectors",
    ),
    Behaviour(
        "efi-fake-mem-adds-up",
        "5.6",
        None,
        "several efi_fake_mem= ranges all end up in the EFI map; before, each replaced the ones inserted before it",
        "efi: Fix handling of multiple efi_fake_mem= entries",
        known_by="from history",
    ),
    Behaviour(
        "efi-fake-mem-entry-per-instance",
        "5.10",
        None,
        "each efi_fake_mem= range makes an e820 entry of its own",
        "efi/fake_mem: arrange for a resource entry per efi_fake_mem instance",
        known_by="from history",
    ),
    Behaviour(
        "efi-unaccepted-memory",
        "6.5",
        None,
        "EFI type 15 is known; the stub accepts it as RAM",
        "efi/libstub: Implement support for unaccepted memory",
        known_by="vectors",
    ),
    Behaviour(
        "efi-remove-e820-mmio",
        "6.2",
        None,
        "large MMIO descriptors are removed from e820",
        "efi/x86: Remove EfiMemoryMappedIO from E820 map",
        known_by="captured",
    ),
    Behaviour(
        "e820-soft-reserved-never-merges",
        "5.10",
        None,
        "every soft reserved e820 entry stays an entry of its own",
        "ACPI: HMAT: attach a device for each soft-reserved range",
        known_by="from history",
    ),
    Behaviour(
        "e820-end-pfn-counts-acpi",
        "6.12",
        None,
        "max_pfn counts ACPI entries like RAM",
        "x86/e820: Permit making ACPI tables usable RAM (stable)",
        known_by="vectors",
    ),
    Behaviour(
        "setup-data-kept-for-kexec",
        "5.5",
        "6.10",
        "setup_data nodes of a boot loader are marked in the e820 table for kexec",
        "x86/kexec: Do not update E820 kexec table for setup_data",
    ),
    Behaviour(
        "x86-bare-metal-max-memory-block",
        "5.8",
        None,
        "without a hypervisor, memory blocks are as large as possible (2 GiB) from 64 GiB of RAM on",
        "x86/mm: use max memory block size on bare metal",
        known_by="from history",
    ),
    Behaviour(
        "efi-crypto-column",
        "5.10",
        None,
        "efi=debug prints a CC column and type names of at most 12 characters",
        "efi: Add definition of EFI_MEMORY_CPU_CRYPTO and ability to report it",
        known_by="from history",
    ),
    Behaviour(
        "efi-hot-pluggable",
        "6.14",
        None,
        "EFI_MEMORY_HOT_PLUGGABLE is known: an HP column, and the stub does not place the kernel there",
        "efi: Avoid cold plugged memory for placing the kernel",
        known_by="from history",
        backported=("6.1", "6.12"),
    ),
    Behaviour(
        "efi-stub-decompresses",
        "6.6",
        None,
        "the x86 EFI stub places and decompresses the kernel itself; before, the decompressor ran after it",
        "x86/efistub: Avoid legacy decompressor when doing EFI boot",
        known_by="from history",
        backported=("6.1",),
    ),
    Behaviour(
        "efi-random-alloc-reports-failure",
        "6.12",
        None,
        "efi_random_alloc() without any slot gives EFI_OUT_OF_RESOURCES; before, success without an address",
        known_by="vectors",
    ),
    # --- memblock
    Behaviour(
        "memblock-merge-local",
        "6.3",
        None,
        "after a change only the neighbourhood is merged; before, the whole list, which also joined older splits",
        "memblock: Avoid useless checks in memblock_merge_regions()",
    ),
    Behaviour(
        "memblock-empty-without-dummy",
        "6.12",
        None,
        "an empty list has no entries; before, memblock=debug showed one dummy entry of size 0",
        "mm/memblock: remove empty dummy entry",
        known_by="vectors",
    ),
    Behaviour(
        "memblock-panics-when-full",
        "6.12",
        None,
        "a full array that must not grow yet is a panic; before, the call failed silently",
        "memblock: report failures when memblock_can_resize is not set",
    ),
    # --- NUMA
    Behaviour(
        "numa-memblks-generic",
        "6.12",
        None,
        "mm/numa_memblks.c serves x86 and arm64; reserved blocks win in phys_to_target_node",
        "mm: introduce numa_memblks",
        known_by="captured",
    ),
    Behaviour(
        "numa-keeps-reserved-blocks",
        "5.8",
        None,
        "SRAT ranges without RAM are kept for phys_to_target_node()",
        "x86/NUMA: Provide a range-to-target_node lookup facility",
        known_by="from history",
    ),
    Behaviour(
        "sort-takes-pairs",
        "6.12",
        None,
        "lib/sort.c takes the two largest elements off the heap at a time: equal elements end up elsewhere",
        "lib/sort: optimize heapsort with double-pop variation",
    ),
    Behaviour(
        "acpi-walk-in-fw-table",
        "6.7",
        None,
        "a walk over subtables ends at the first handler that fails; its messages have no `ACPI: ` prefix",
        "ACPI: Move common tables helper functions to common lib",
        known_by="vectors",
    ),
    Behaviour(
        "acpi-generic-initiators",
        "5.10",
        None,
        "SRAT generic initiators make nodes",
        "ACPI: Support Generic Initiator only domains",
        known_by="from history",
    ),
    Behaviour(
        "acpi-cxl-window-nodes",
        "5.17",
        None,
        "CXL memory windows that the SRAT does not cover become nodes",
        "ACPI: NUMA: Add a node and memblk for each CFMWS not in SRAT",
        known_by="from history",
    ),
    Behaviour(
        "srat-cpu-lines-at-debug-level",
        "6.12",
        None,
        "x86 prints `SRAT: PXM .. -> APIC ..` at debug level only",
        known_by="captured",
    ),
    # --- zones and memory hotplug
    Behaviour(
        "offline-nodes-announced-memoryless",
        "5.18",
        "6.5",
        "nodes that are possible but offline are announced with a line of their own when they are laid out",
        known_by="captured",
    ),
    Behaviour(
        "mirror-needs-mirrored-memory",
        "6.4",
        None,
        "kernelcore=mirror is ignored without mirrored memory, or in a crash kernel",
    ),
    Behaviour(
        "fallback-order-printed",
        "5.16",
        None,
        "the fallback order of every node is printed when zone lists are built",
        "mm/page_alloc: print node fallback order",
        known_by="from history",
    ),
    Behaviour(
        "fallback-skips-memoryless-node",
        "6.7",
        None,
        "a node without memory is not in its own fallback list",
        "mm/page_alloc: skip memoryless nodes entirely",
        known_by="captured",
    ),
    Behaviour(
        "memmap-not-managed-at-boot",
        "5.5",
        "6.10",
        "the page count of the first zone lists leaves out the memory map",
    ),
    Behaviour(
        "node-state-cleared-before-zonelists",
        "6.9",
        None,
        "a node that lost its last memory is memoryless before the zone lists are built again",
        known_by="captured",
    ),
    Behaviour(
        "mhp-online-types-by-config",
        "6.12",
        None,
        "CONFIG_MHP_DEFAULT_ONLINE_TYPE_* chooses among four auto-online policies",
    ),
    Behaviour(
        "memmap-on-memory-per-block",
        "6.7",
        None,
        "the memory map can be put on each hot-added block; asking for it where it cannot be is no error",
    ),
    # --- kmem and memory tiers
    Behaviour(
        "kmem-driver-managed",
        "5.8",
        None,
        "memory that kmem adds is `System RAM (kmem)` and not in the firmware map",
        "device-dax: Add memory via add_memory_driver_managed()",
        known_by="from history",
    ),
    Behaviour(
        "memory-tiers",
        "6.1",
        None,
        "nodes are grouped into memory tiers by abstract distance",
        "mm/demotion: add support for explicit memory tiers",
        known_by="from history",
    ),
    Behaviour(
        "memory-tiers-late",
        "6.11",
        None,
        "nodes get their tier at the end of boot, with the distance that algorithms find",
        "memory tier: consolidate the initialization of memory tiers",
    ),
    Behaviour(
        "demotion-targets-printed",
        "6.7",
        None,
        "demotion targets are printed whenever they are worked out",
        known_by="captured",
    ),
    Behaviour(
        "kmem-asks-for-abstract-distance",
        "6.7",
        None,
        "kmem asks the HMAT for the abstract distance of its node",
        "dax, kmem: calculate abstract distance with general interface",
    ),
    # --- arm64
    Behaviour(
        "arm64-soft-reserved-nomap",
        "5.5",
        "6.8",
        "specific purpose memory is in memblock as memory that cannot be mapped; later it is not in memblock at all",
        "efi: Don't add memblocks for soft-reserved memory",
        known_by="from history",
        dropped_by_backport=("6.1",),
    ),
    Behaviour(
        "arm64-soft-reserved-size-is-int",
        "5.5",
        "6.8",
        "the size of a Soft Reserved resource passes through 32 bits: multiples of 4 GiB get no line",
        "efi: runtime: Fix potential overflow of soft-reserved region size",
        known_by="from history",
        dropped_by_backport=("6.1",),
    ),
    Behaviour(
        "arm64-small-sections",
        "5.12",
        None,
        "sections and memory blocks of 128 MiB (64K pages: 512 MiB); before, 1 GiB",
        "arm64/sparsemem: reduce SECTION_SIZE_BITS",
        known_by="from history",
    ),
    Behaviour(
        "arm64-head-is-not-code",
        "5.11",
        "6.12",
        "the image's first 64 KiB are neither in the Kernel code resource nor reserved",
        "arm64: omit [_text, _stext) from permanent kernel mapping",
    ),
    Behaviour(
        "arm64-zone-dma-by-address",
        "6.12",
        None,
        "the end of zone DMA is an address, and 4 GiB where DRAM starts below; before, a number of address bits",
        "arm64: support DMA zone above 4GB",
    ),
    Behaviour(
        "arm64-zone-dma-of-1-gib",
        "5.5",
        "5.11",
        "zone DMA is the first GiB from where DRAM starts, for the sake of one board",
        "arm64: mm: Set ZONE_DMA size based on early IORT scan",
        known_by="from history",
    ),
    Behaviour(
        "arm64-wide-memblock-table",
        "6.0",
        None,
        "the table of memory regions has room for 1024 of them before it must grow; before, for 128",
        "memblock,arm64: expand the static memblock memory table",
        known_by="from history",
    ),
    Behaviour(
        "arm64-lpa2",
        "6.9",
        None,
        "52 bits of address with 4K and 16K pages; without the hardware such a kernel uses 48 (16K: 47) bits",
        "arm64: Enable 52-bit virtual addressing for 4k and 16k granule configs",
    ),
    Behaviour(
        "arm64-gicc-online-capable",
        "6.11",
        None,
        "processors that may come online later are counted too",
        "irqchip/gic-v3: Add support for ACPI's disabled but 'online capable' CPUs",
    ),
    Behaviour(
        "arm64-stub-aligns-after-rng",
        "6.6",
        None,
        "the stub falls back to an alignment of 2 MiB where the firmware has no random numbers too",
        "efi: libstub: Move the KASLR code to a separate file",
    ),
    # --- HMAT, hmem devices, the dax bus
    Behaviour(
        "hmem-per-soft-reserved-range",
        "5.10",
        None,
        "every soft reserved range gets a device; before, only ranges that SRAT and HMAT describe",
        "ACPI: HMAT: attach a device for each soft-reserved range",
        known_by="from history",
    ),
    Behaviour(
        "region-intersects-looks-below",
        "6.12",
        None,
        "region_intersects() finds resources inside others; before, only those at the top of /proc/iomem",
        "resource: fix region_intersects() vs add_memory_driver_managed()",
        known_by="from history",
        backported=("6.1",),
    ),
    Behaviour(
        "hmem-platform-device",
        "6.3",
        None,
        "ranges are only recorded at boot; hmem_platform makes the hmem devices, in address order, when dax_hmem is "
        "loaded, without a line in /proc/iomem; HMAT is read at subsys level",
        "dax/hmem: Move hmem device registration to dax_hmem.ko",
        known_by="captured",
    ),
    Behaviour(
        "hmem-defers-to-cxl",
        "6.3",
        None,
        "ranges in CXL windows are left to the CXL driver (CONFIG_CXL_REGION)",
        "cxl/dax: Create dax devices for CXL RAM regions",
    ),
    Behaviour(
        "hmat-cpu-access-class",
        "5.10",
        None,
        "access1 beside access0: the best initiators that have CPUs",
        "node: Add access1 class to represent CPU to memory characteristics",
        known_by="from history",
    ),
    Behaviour(
        "hmat-generic-ports",
        "6.8",
        None,
        "SRAT generic ports are HMAT targets without ranges; attributes are worked out anew for each access class",
        "acpi: numa: Add setting of generic port system locality attributes",
        known_by="vectors",
    ),
    Behaviour(
        "hmat-abstract-distance",
        "6.7",
        None,
        "HMAT gives memory tiers their abstract distances",
        "acpi, hmat: calculate abstract distance with HMAT",
        known_by="vectors",
    ),
    Behaviour(
        "dax-subdivision",
        "5.10",
        None,
        "regions can be shared out: create, delete, seed, size, align, mapping",
        "device-dax: add dis-contiguous resource support",
        known_by="from history",
    ),
    Behaviour(
        "dax-match-by-type",
        "6.3",
        None,
        "a driver takes devices of its type, kmem those of hmem regions; before, device_dax took everything and kmem "
        "only what new_id named",
        "dax: Assign RAM regions to memory-hotplug by default",
        known_by="captured",
    ),
    Behaviour(
        "dax-memmap-on-memory",
        "6.8",
        None,
        "memmap_on_memory of a dax device",
        "dax: add a sysfs knob to control memmap_on_memory behavior",
        known_by="captured",
    ),
    Behaviour(
        "dax-mapping-ignores-misaligned",
        "6.10",
        None,
        "mapping with a length off the align is taken and does nothing; before, -ENXIO",
        "dax/bus.c: replace driver-core lock usage by a local rwsem",
        known_by="captured",
    ),
    Behaviour(
        "bind-reports-probe-errors",
        "5.14",
        None,
        "bind gives the error of the probe, and -EBUSY for a bound device; before, always -ENODEV",
        "driver core: Flow the return code from ->probe() through to sysfs bind",
        known_by="from history",
    ),
    Behaviour(
        "probe-failure-as-device-message",
        "6.12",
        None,
        "a failed probe is printed as `DRIVER DEVICE: probe with driver DRIVER failed`; before, `DRIVER: probe of ..`",
        known_by="captured",
    ),
    Behaviour(
        "cxl-acpi-tolerates-bad-windows",
        "6.7",
        None,
        "a CXL window that cannot be used is skipped; before, some mistakes made cxl_acpi fail as a whole",
        "cxl/acpi: Return 'rc' instead of '0' in cxl_parse_cfmws()",
    ),
    Behaviour(
        "cxl-xor-interleave",
        "6.2",
        None,
        "CXL windows with XOR interleave arithmetic are known",
        "cxl/acpi: Support CXL XOR Interleave Math (CXIMS)",
    ),
    Behaviour(
        "cxl-acpi-windows",
        "6.0",
        None,
        "cxl_acpi puts CXL windows (CEDT) into /proc/iomem",
        "cxl/acpi: Track CXL resources in iomem_resource",
        known_by="from history",
    ),
    # --- kexec
    Behaviour(
        "kexec-file-skips-driver-managed",
        "5.8",
        None,
        "kexec_file_load passes over memory that a driver manages",
        "kexec_file: don't place kexec images on IORESOURCE_MEM_DRIVER_MANAGED",
        known_by="from history",
    ),
    Behaviour(
        "kexec-file-walks-top-down",
        "6.8",
        None,
        "kexec_file_load looks for a top-down hole in the highest range first; before, in the lowest",
        "kexec_file: load kernel at top of system RAM if required",
    ),
    Behaviour(
        "kexec-file-exact-top",
        "6.8",
        None,
        "a top-down hole may end at the very end of its range; before, one byte short of it",
        "kexec: modify the meaning of the end parameter in kimage_is_destination_range()",
    ),
    Behaviour(
        "kexec-file-above-pref-address",
        "6.12",
        None,
        "kexec_file_load puts an x86 kernel no lower than its preferred address",
    ),
)
