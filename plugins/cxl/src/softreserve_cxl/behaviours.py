"""What differs between kernel releases in what CXL does."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

CXL_ACPI_EARLY: Final = Behaviour(
    "cxl-acpi-early",
    "a built-in cxl_acpi starts at subsys level, before soft reserved ranges are looked at",
    since=Boundary(
        "6.3",
        "cxl/dax: Create dax devices for CXL RAM regions",
        "source read 6.1.192; source read 6.0",
        "source read 6.12.117; source read 6.4",
    ),
)

CXL_ACPI_TOLERATES_BAD_WINDOWS: Final = Behaviour(
    "cxl-acpi-tolerates-bad-windows",
    "a CXL window that cannot be used is skipped; before, some mistakes made cxl_acpi fail as a whole",
    since=Boundary(
        "6.7",
        "cxl/acpi: Return 'rc' instead of '0' in cxl_parse_cfmws()",
        "source read 6.1.192; source read 6.4",
        "source read 6.12.117; source read 6.8.1",
    ),
)

CXL_XOR_INTERLEAVE: Final = Behaviour(
    "cxl-xor-interleave",
    "CXL windows with XOR interleave arithmetic are known",
    since=Boundary(
        "6.2",
        "cxl/acpi: Support CXL XOR Interleave Math (CXIMS)",
        "source read 6.1.192; source read 6.0",
        "source read 6.12.117; source read 6.4",
    ),
)

CXL_ACPI_WINDOWS: Final = Behaviour(
    "cxl-acpi-windows",
    "cxl_acpi puts CXL windows (CEDT) into /proc/iomem",
    since=Boundary(
        "6.0",
        "cxl/acpi: Track CXL resources in iomem_resource",
        "source read 5.15.100",
        "source read 6.1.192; source read 6.0",
    ),
)

CXL_RAM_REGIONS: Final = Behaviour(
    "cxl-ram-regions",
    "regions of volatile memory, also of decoders that were committed before, and dax_cxl, which gives them to the "
    "dax bus",
    since=Boundary(
        "6.3",
        "cxl/region: Add volatile region creation support",
        "source read 6.1.192; source read 6.0",
        "captured with programs x86-6.12-cxl-region; source read 6.4",
    ),
)

_INVALIDATION: Final = "cxl/region: Move cache invalidation before region teardown, and before setup"

CXL_PROBE_DROPS_CACHES: Final = Behaviour(
    "cxl-probe-drops-caches",
    "a region that somebody put together gets no driver where the CPU cannot drop what it has cached; it is committed "
    "all the same",
    since=Boundary(
        "6.2",
        "cxl/region: Manage CPU caches relative to DPA invalidation events",
        "source read 6.1.192; source read 6.0",
        "from history",
    ),
    until=Boundary("6.5", _INVALIDATION, "from history", "source read 6.12.117"),
    dropped=("6.3.13", "6.4.3"),
)

CXL_COMMIT_DROPS_CACHES: Final = Behaviour(
    "cxl-commit-drops-caches",
    "no region is committed where the CPU cannot drop what it has cached",
    since=Boundary("6.5", _INVALIDATION, "source read 6.1.192", "source read 6.12.117; source read 7.3.4"),
    backported=("6.3.13", "6.4.3"),
)

CXL_RESET_DROPS_CACHES: Final = Behaviour(
    "cxl-reset-drops-caches",
    "no region is taken down where the CPU cannot drop what it has cached; later it is, with a warning",
    since=Boundary("6.5", _INVALIDATION, "source read 6.1.192", "source read 6.12.117"),
    until=Boundary(
        "6.17",
        "cxl/region: Split commit_store() into __commit() and queue_reset() helpers",
        "source read 6.12.117",
        "source read 7.3.4",
    ),
    backported=("6.3.13", "6.4.3"),
)

CXL_DPA_PARTITIONS: Final = Behaviour(
    "cxl-dpa-partitions",
    "a mode that a device has no memory for is EINVAL, a size without a mode EBUSY, a target without a mode ENODEV; "
    "before, ENXIO, EINVAL and EINVAL",
    since=Boundary(
        "6.15",
        "cxl: Introduce 'struct cxl_dpa_partition' and 'struct cxl_range_info'",
        "source read 6.12.117; source read 6.14",
        "source read 7.3.4; source read 6.19",
        after="6.14",
    ),
)

CXL_DPORTS_WITH_ENDPOINTS: Final = Behaviour(
    "cxl-dports-with-endpoints",
    "a host bridge gets its downstream ends and its decoders when the first memory device is found below it, and a "
    "window over bridges that are not there keeps its decoder",
    since=Boundary(
        "6.18",
        "cxl: Defer dport allocation for switch ports",
        "source read 6.12.117; source read 6.14",
        "source read 7.3.4; source read 6.19",
        after="6.14",
    ),
)

CXL_LOCKED_REGIONS: Final = Behaviour(
    "cxl-locked-regions",
    "a region with a locked decoder is never reset, and has a file `locked`",
    since=Boundary(
        "7.2",
        "CXL_REGION_F_LOCK appears (subject not at hand)",
        "source read 6.12.117",
        "source read 7.2.13",
        after="6.18",
    ),
)

CXL_ATTACH_FAILURE_PRINTED: Final = Behaviour(
    "cxl-attach-failure-printed",
    "the log names a decoder that cannot be a target of a region",
    since=Boundary(
        "7.2",
        "attach_target() warns (subject not at hand)",
        "source read 6.12.117",
        "source read 7.2.13",
        after="6.12",
    ),
)

CXL_PCI_NEEDS_MEM: Final = Behaviour(
    "cxl-pci-needs-mem",
    "cxl_pci needs cxl_mem, which is loaded first",
    since=Boundary(
        "7.0",
        "cxl/mem: Arrange for always-synchronous memdev attach",
        "source read 6.12.117",
        "source read 7.2.13",
        after="6.18",
    ),
)

DAX_CXL_WAITS_FOR_HMEM: Final = Behaviour(
    "dax-cxl-waits-for-hmem",
    "dax_cxl needs dax_hmem, and takes regions when that has decided who has which range",
    since=Boundary(
        "7.1",
        "dax/cxl, hmem: Initialize hmem early and defer dax_cxl binding",
        "source read 6.12.117",
        "source read 7.3.4",
    ),
)

CXL_QOS_CLASS: Final = Behaviour(
    "cxl-qos-class",
    "a memory device shows the QoS class of its partitions, by its CDAT, its links and a generic port",
    since=Boundary(
        "6.8",
        "cxl: Compute the entire CXL path latency and bandwidth data",
        "source read 6.1.192",
        "captured with programs x86-6.12-cxl-perf-port",
    ),
)

CXL_REGION_PERFORMANCE: Final = Behaviour(
    "cxl-region-performance",
    "a region knows how fast it is, and says so to its node when that gets memory",
    since=Boundary(
        "6.9",
        "cxl/region: Calculate performance data for a region",
        "source read 6.1.192; source read 6.8.1",
        "captured with programs x86-6.12-cxl-perf-port",
    ),
)

CXL_REGION_ABSTRACT_DISTANCE: Final = Behaviour(
    "cxl-region-abstract-distance",
    "a region answers for the abstract distance of its node, where the HMAT does not",
    since=Boundary(
        "6.11",
        "cxl/region: Support to calculate memory tier abstract distance",
        "source read 6.1.192; source read 6.8.1",
        "captured with programs x86-6.12-cxl-perf-tier",
    ),
)

CXL_SHARED_BANDWIDTH: Final = Behaviour(
    "cxl-shared-bandwidth",
    "devices of a region share the bandwidth of links and host bridges that they have in common; before, it was the "
    "sum of all devices'",
    since=Boundary(
        "6.12",
        "cxl: Calculate region bandwidth of targets with shared upstream link",
        "source read 6.1.192",
        "source read 6.12.117",
    ),
)

CXL_LINK_LATENCY_IN_NS: Final = Behaviour(
    "cxl-link-latency-in-ns",
    "the latency of a link counts in nanoseconds, and by all of its lanes; before, in picoseconds of one lane, added "
    "to nanoseconds",
    since=Boundary(
        "7.3",
        "cxl_pci_get_latency() by pcie_link_bandwidth_mbps() (subject not at hand)",
        "captured with programs x86-6.18-cxl-perf-port; source read 7.2.13",
        "captured with programs x86-7.3-cxl-perf-port",
        after="7.2",
    ),
    backported=("6.12.117",),
)

CXL_STAGED_DECODERS_FORGOTTEN: Final = Behaviour(
    "cxl-staged-decoders-forgotten",
    "a region of committed decoders that is not whole forgets the decoder of a device that loses its driver; before, "
    "it kept it for good",
    since=Boundary(
        "7.2",
        "cxl_cancel_auto_attach() appears (subject not at hand)",
        "source read 6.12.117; source read 6.19",
        "source read 7.2.13",
        after="6.19",
    ),
)

CXL_XOR_PLACES: Final = Behaviour(
    "cxl-xor-places",
    "in windows with XOR arithmetic the maps decide which host bridge a position of a region belongs to; later, the "
    "list of targets alone",
    since=Boundary(
        "6.2", "cxl/acpi: Support CXL XOR Interleave Math (CXIMS)", "source read 6.1.192", "source read 6.8.1"
    ),
    until=Boundary(
        "6.11",
        "cxl: Remove defunct code calculating host bridge target positions",
        "source read 6.8.1",
        "source read 6.12.117",
    ),
)

CXL_RESTRICTED_HOSTS: Final = Behaviour(
    "cxl-restricted-hosts",
    "a host bridge of CXL 1.1 has no port and no decoders; before, it was taken for one of 2.0",
    since=Boundary(
        "6.2",
        "cxl/acpi: Extract component registers of restricted hosts from RCRB",
        "source read 6.1.192",
        "source read 6.12.117",
    ),
)
