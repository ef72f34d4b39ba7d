"""Files of counters, and directories that programs look into: what real kernels had there, 7.3.4 and 6.12.117."""

from __future__ import annotations

import re

import pytest
from small_machines import X86, machine, settled
from softreserve.kernel import procfs
from softreserve.live.rootfs import RootFs

#: Rows of a node's ``vmstat``.
ROWS = {
    "6.12": """
nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file
nr_zone_unevictable nr_zone_write_pending nr_mlock nr_bounce nr_zspages nr_free_cma nr_unaccepted numa_hit numa_miss
numa_foreign numa_interleave numa_local numa_other nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file
nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes
workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file
workingset_restore_anon workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages
nr_dirty nr_writeback nr_writeback_temp nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages
nr_file_pmdmapped nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written
nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack
nr_page_table_pages nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate
pgdemote_kswapd pgdemote_direct pgdemote_khugepaged
""",
    "7.3": """
nr_free_pages nr_free_pages_blocks nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file
nr_zone_active_file nr_zone_unevictable nr_zone_write_pending nr_mlock nr_zspages nr_free_cma nr_unaccepted numa_hit
numa_miss numa_foreign numa_interleave numa_local numa_other nr_inactive_anon nr_active_anon nr_inactive_file
nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file
workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file
workingset_restore_anon workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages
nr_dirty nr_writeback nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped
nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written nr_throttled_written
nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_vmalloc nr_kernel_stack nr_page_table_pages
nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate pgpromote_candidate_nrl
pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgdemote_proactive pgsteal_kswapd pgsteal_direct
pgsteal_khugepaged pgsteal_proactive pgsteal_anon pgsteal_file pgscan_kswapd pgscan_direct pgscan_khugepaged
pgscan_proactive pgscan_anon pgscan_file pgrotate_anon pgrotate_file pgrefill nr_hugetlb nr_balloon_pages
nr_kernel_file_pages nr_gpu_active nr_gpu_reclaim
""",
}


@pytest.mark.parametrize("release", ROWS)
def test_counters_stand_in_the_order_of_the_kernel(release: str) -> None:
    system = settled(machine(X86, release))
    recorded = ROWS[release].split()
    text = system.sysfs.read("/sys/devices/system/node/node0/vmstat")
    assert isinstance(text, bytes)
    rows = dict(line.split() for line in text.decode().splitlines())
    assert list(rows) == [name for name in recorded if name in rows]
    assert int(rows["nr_free_pages"]) * 4 == system.nodes.present_kilobytes(0)
    assert {value for name, value in rows.items() if name != "nr_free_pages"} == {"0"}


def test_huge_pages_count_as_taken() -> None:
    system = settled(machine(X86, "7.3", "hugepagesz=2M hugepages=1:64", above=()))
    assert system.sysfs.read("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") == b"0\n"
    system = settled(machine(X86, "7.3", "hugepagesz=2M hugepages=64"))
    directory = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    values = [system.sysfs.read(f"{directory}/{name}_hugepages") for name in ("nr", "free", "resv", "surplus")]
    assert values == [b"64\n", b"64\n", b"0\n", b"0\n"]
    vmstat = dict(procfs.files(system))["vmstat"].read()
    assert isinstance(vmstat, bytes)
    free = int(vmstat.split()[1])
    assert free * 4 == system.memory.zones.present_kilobytes() - (64 << 11)
    assert b"pgpgin 0\n" in vmstat


def test_what_is_built_in_shows_where_it_has_parameters() -> None:
    """``/sys/module/dax`` was not there with CONFIG_DAX=y; what was loaded had a directory each."""
    system = settled(machine(X86, "7.3", config={"DAX": "y"}))
    found = system.sysfs.listdir("/sys/module")
    assert isinstance(found, list)
    assert "dax" not in found
    assert {"dax_hmem", "device_dax", "kmem", "memory_hotplug"} <= set(found)


def test_directories_for_further_tables_are_there_and_empty() -> None:
    """Acpidump opens them, and ends where it cannot."""
    rootfs = RootFs(settled(machine(X86, "7.3")))
    for name in ("data", "dynamic"):
        assert rootfs.listing(f"/sys/firmware/acpi/tables/{name}") == []
    bare = RootFs(settled(machine(X86, "7.3", tables={"SRAT": None, "HMAT": None})))
    assert isinstance(bare.listing("/sys/firmware/acpi/tables"), int)


def test_zones_without_pages_are_listed_with_less_to_say() -> None:
    system = settled(machine(X86, "7.3", "memhp_default_state=online_movable", config={"ZONE_DEVICE": "y"}))
    text = dict(procfs.files(system))["zoneinfo"].read()
    assert isinstance(text, bytes)
    heads = [line for line in text.decode().splitlines() if line.startswith("Node")]
    names = ("DMA", "DMA32", "Normal", "Movable", "Device")
    assert heads == [f"Node {nid}, zone {name:>8}" for nid in (0, 1) for name in names]
    parts = re.split(r"^Node.*\n", text.decode(), flags=re.MULTILINE)[1:]
    empty = "  pages free     0\n        spanned  0\n        present  0\n        managed  0\n"
    assert [part == empty for part in parts] == [False, False, False, True, True, True, True, True, False, True]
    assert "  per-node stats\n      nr_inactive_anon 0\n" in parts[0]
    assert "per-node" not in parts[1]
    assert parts[8].endswith("  node_unreclaimable:  0\n  start_pfn:           1572864\n")


#: Rows of ``/proc/meminfo`` on both kernels, as recorded, in their order.
MEMINFO = """
MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon) Active(file)
Inactive(file) Unevictable Mlocked SwapTotal SwapFree Zswap Zswapped Dirty Writeback AnonPages Mapped Shmem KReclaimable
Slab SReclaimable SUnreclaim KernelStack PageTables SecPageTables NFS_Unstable Bounce WritebackTmp CommitLimit
Committed_AS VmallocTotal VmallocUsed VmallocChunk Percpu HardwareCorrupted AnonHugePages ShmemHugePages ShmemPmdMapped
FileHugePages FilePmdMapped CmaTotal CmaFree Unaccepted Balloon GPUActive GPUReclaim HugePages_Total HugePages_Free
HugePages_Rsvd HugePages_Surp Hugepagesize Hugetlb DirectMap4k DirectMap2M DirectMap1G
"""


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_meminfo_has_the_kernel_s_rows_but_what_is_not_known(release: str) -> None:
    system = settled(machine(X86, release, config={"UNACCEPTED_MEMORY": "y" if release != "6.1" else "n"}))
    text = dict(procfs.files(system))["meminfo"].read()
    assert isinstance(text, bytes)
    rows = dict(re.findall(r"^(\S+): +(\d+)", text.decode(), re.MULTILINE))
    recorded = MEMINFO.split()
    assert list(rows) == [name for name in recorded if name in rows]
    unknown = {"Zswap", "Zswapped", "Percpu", "SecPageTables", "HardwareCorrupted", "CmaTotal", "CmaFree"}
    unknown |= {"VmallocTotal", "VmallocUsed", "VmallocChunk", "DirectMap4k", "DirectMap2M", "DirectMap1G"}
    if release != "7.3":
        unknown |= {"Balloon", "GPUActive", "GPUReclaim"}
    if release == "6.1":
        unknown.add("Unaccepted")
    assert set(recorded) - set(rows) == unknown
    # half of 4001692 kB in whole pages was 2000844
    assert int(rows["CommitLimit"]) == int(rows["MemTotal"]) // 4 // 2 * 4
