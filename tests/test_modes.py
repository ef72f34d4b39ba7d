"""Permission bits of every file in sysfs, from the ``DEVICE_ATTR`` and ``module_param`` lines of the kernel's source.

Captures show what can be read; what may be written, and by whom, they do not.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from small_machines import ARM64, X86, machine, settled
from softreserve.kernel.sysfs import Attribute

#: Mode, where in the source it stands, and files (N is a number). The first line that fits counts.
SOURCE = """
0200 drivers/base/bus.c             /sys/bus/*/drivers/*/bind
0200 drivers/base/bus.c             /sys/bus/*/drivers/*/unbind
0200 drivers/base/bus.c             /sys/bus/*/drivers/*/uevent
0200 drivers/dax/bus.c              /sys/bus/dax/drivers/*/new_id
0200 drivers/dax/bus.c              /sys/bus/dax/drivers/*/remove_id
0644 drivers/base/bus.c             /sys/bus/*/drivers_autoprobe
0200 drivers/base/bus.c             /sys/bus/*/drivers_probe
0200 drivers/base/bus.c             /sys/bus/*/uevent
0644 drivers/base/core.c            /sys/devices/*/uevent
0400 drivers/dax/bus.c              */daxN.N/mappingN/start
0400 drivers/dax/bus.c              */daxN.N/mappingN/end
0400 drivers/dax/bus.c              */daxN.N/mappingN/page_offset
0644 drivers/dax/bus.c              */daxN.N/align
0200 drivers/dax/bus.c              */daxN.N/mapping
0644 drivers/dax/bus.c              */daxN.N/memmap_on_memory
0444 drivers/dax/bus.c              */daxN.N/modalias
0444 drivers/dax/bus.c              */daxN.N/numa_node
0400 drivers/dax/bus.c              */daxN.N/resource
0644 drivers/dax/bus.c              */daxN.N/size
0444 drivers/dax/bus.c              */daxN.N/target_node
0644 drivers/dax/kmem.c             */daxN.N/state
0444 drivers/base/core.c            */daxN.N/dev
0400 drivers/dax/bus.c              */dax_region/align
0444 drivers/dax/bus.c              */dax_region/available_size
0644 drivers/dax/bus.c              */dax_region/create
0200 drivers/dax/bus.c              */dax_region/delete
0444 drivers/dax/bus.c              */dax_region/id
0444 drivers/dax/bus.c              */dax_region/seed
0444 drivers/dax/bus.c              */dax_region/size
0644 drivers/base/platform.c        /sys/devices/platform/hmem*.N/driver_override
0444 drivers/base/platform.c        /sys/devices/platform/hmem*.N/modalias
0444 drivers/base/platform.c        /sys/devices/platform/hmem*.N/numa_node
0644 drivers/base/memory.c          /sys/devices/system/memory/auto_online_blocks
0444 drivers/base/memory.c          /sys/devices/system/memory/block_size_bytes
0200 drivers/base/memory.c          /sys/devices/system/memory/probe
0644 drivers/base/core.c            /sys/devices/system/memory/memoryN/online
0644 drivers/base/memory.c          /sys/devices/system/memory/memoryN/state
0444 drivers/base/memory.c          /sys/devices/system/memory/memoryN/phys_device
0444 drivers/base/memory.c          /sys/devices/system/memory/memoryN/phys_index
0444 drivers/base/memory.c          /sys/devices/system/memory/memoryN/removable
0444 drivers/base/memory.c          /sys/devices/system/memory/memoryN/valid_zones
0200 mm/vmscan.c                   /sys/devices/system/node/nodeN/reclaim
0200 mm/compaction.c               /sys/devices/system/node/nodeN/compact
0444 mm/hugetlb.c                  */hugepages-NkB/free_hugepages
0644 mm/hugetlb.c                  */hugepages-NkB/nr_hugepages
0644 mm/hugetlb.c                  */hugepages-NkB/nr_hugepages_mempolicy
0644 mm/hugetlb.c                  */hugepages-NkB/nr_overcommit_hugepages
0444 mm/hugetlb.c                  */hugepages-NkB/resv_hugepages
0444 mm/hugetlb.c                  */hugepages-NkB/surplus_hugepages
0444 drivers/base/node.c            /sys/devices/system/node/*
0444 mm/memory-tiers.c              /sys/devices/virtual/memory_tiering/memory_tierN/nodelist
0644 mm/memory-tiers.c              /sys/kernel/mm/numa/demotion_enabled
0644 mm/mempolicy.c                 /sys/kernel/mm/mempolicy/weighted_interleave/nodeN
0664 mm/mempolicy.c                 /sys/kernel/mm/mempolicy/weighted_interleave/*auto*
0444 drivers/firmware/memmap.c      /sys/firmware/memmap/N/*
0400 drivers/firmware/efi/efi.c     /sys/firmware/efi/systab
0444 drivers/firmware/efi/efi.c     /sys/firmware/efi/fw_platform_size
0444 arch/x86/platform/efi/efi.c    /sys/firmware/efi/fw_vendor
0444 arch/x86/platform/efi/efi.c    /sys/firmware/efi/runtime
0444 arch/x86/platform/efi/efi.c    /sys/firmware/efi/config_table
0400 arch/x86/platform/efi/runtime-map.c /sys/firmware/efi/runtime-map/N/*
0444 arch/x86/kernel/ksysfs.c       /sys/kernel/boot_params/*
0444 kernel/module/sysfs.c          /sys/module/*/initstate
0200 kernel/module/main.c           /sys/module/*/uevent
0644 drivers/dax/hmem/hmem.c        /sys/module/dax_hmem/parameters/region_idle
0444 drivers/dax/hmem/device.c      /sys/module/device_hmem/parameters/disable
0644 mm/memory_hotplug.c            /sys/module/memory_hotplug/parameters/auto_movable_*
0444 mm/memory_hotplug.c            /sys/module/memory_hotplug/parameters/memmap_on_memory
0644 mm/memory_hotplug.c            /sys/module/memory_hotplug/parameters/online_policy
"""
MODES = [(int(mode, 8), files) for mode, _, files in map(str.split, SOURCE.strip().splitlines())]


@pytest.mark.parametrize("arch", [X86, ARM64])
@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_every_file_has_the_mode_that_the_source_gives_it(arch: str, release: str) -> None:
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    system = settled(machine(arch, release, config={"ARCH_MEMORY_PROBE": "y"}))
    found = {
        re.sub(r"\d+", "N", path): node.mode for path, node in system.sysfs.walk("/sys") if isinstance(node, Attribute)
    }
    wanted = {path: next((mode for mode, files in MODES if fnmatch(path, files)), None) for path in found}
    assert found == wanted
    assert any(path.endswith("/probe") for path in found)


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_what_may_not_be_read_or_written_does_neither(release: str) -> None:
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    system = settled(machine(release=release))
    for path, node in system.sysfs.walk("/sys"):
        if isinstance(node, Attribute):
            assert bool(node.mode & 0o444) == (node.show is not None), path
            assert bool(node.mode & 0o222) == (node.store is not None), path
