"""``CONFIG_`` options of Debian's x86_64 kernels (6.1.0-56, and 6.12.117 from backports), as /boot/config-* says them.

What is the same on all architectures is in the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OPTIONS"]

#: Under ``""`` those of every release, under a release what changed with it.
OPTIONS: Final[Mapping[str, Mapping[str, str | int]]] = {
    "": {
        "EFI_RUNTIME_MAP": "y",
        "NUMA_EMU": "y",
        "NODES_SHIFT": 10,
        "X86_64_ACPI_NUMA": "y",
        "AMD_NUMA": "y",
        "GENERIC_ARCH_NUMA": "n",
        "NUMA_MEMBLKS": "n",
        "DAX": "y",
        "DEV_DAX_PMEM": "m",
        "DEV_DAX_HMEM_DEVICES": "y",
        "DEV_DAX_CXL": "n",
        "FS_DAX": "y",
        "NVDIMM_DAX": "y",
        "X86_PMEM_LEGACY": "m",
        "X86_PMEM_LEGACY_DEVICE": "y",
        "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "n",
        "ZONE_DEVICE": "y",
        "FIRMWARE_MEMMAP": "y",
        "KEXEC_FILE": "y",
        "KEXEC_SIG": "y",
        "RANDOMIZE_MEMORY": "y",
        "PHYSICAL_START": "0x1000000",
        "PHYSICAL_ALIGN": "0x200000",
        "X86_5LEVEL": "y",
        "ARM64_VA_BITS": "n",
        "ARM64_PA_BITS": "n",
        "UNACCEPTED_MEMORY": "n",
        "ARCH_KEEP_MEMBLOCK": "n",
        "EFI_DXE_MEM_ATTRIBUTES": "y",
        "EFI_GENERIC_STUB_INITRD_CMDLINE_LOADER": "y",
        "CMA": "n",
        "DMA_CMA": "n",
        "CRASH_HOTPLUG": "n",
    },
    "6.12": {
        "CRASH_HOTPLUG": "y",
        "NUMA_MEMBLKS": "y",
        "DEV_DAX_CXL": "m",
        "MEMORY_HOTPLUG_DEFAULT_ONLINE": "y",
        "UNACCEPTED_MEMORY": "y",
        "EFI_GENERIC_STUB_INITRD_CMDLINE_LOADER": "n",
    },
    # the choice between policies came to 6.12 between its levels 107 and 117
    "6.12.117": {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "y"},
    "6.17": {"X86_5LEVEL": "n"},
    "7.1": {"DEV_DAX_FSDEV": "m"},
    "7.2": {"CMA": "y", "DMA_CMA": "y", "DMA_NUMA_CMA": "y", "CMA_SIZE_PERNUMA": "y"},
}
