"""``CONFIG_`` options of Debian's arm64 kernels (6.1.0-56, and 6.12.117 from backports), as /boot/config-* says them.

What is the same on all architectures is in the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OPTIONS"]

#: Under ``""`` those of every release, under a release what changed with it.
OPTIONS: Final[Mapping[str, Mapping[str, str | int]]] = {
    "": {
        "EFI_RUNTIME_MAP": "n",
        "NUMA_EMU": "n",
        "NODES_SHIFT": 4,
        "X86_64_ACPI_NUMA": "n",
        "AMD_NUMA": "n",
        "GENERIC_ARCH_NUMA": "y",
        "NUMA_MEMBLKS": "n",
        "DAX": "m",
        "DEV_DAX_PMEM": "n",
        "DEV_DAX_HMEM_DEVICES": "n",
        "DEV_DAX_CXL": "n",
        "FS_DAX": "n",
        "NVDIMM_DAX": "n",
        "X86_PMEM_LEGACY": "n",
        "X86_PMEM_LEGACY_DEVICE": "n",
        "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "n",
        "ZONE_DEVICE": "n",
        "FIRMWARE_MEMMAP": "n",
        "KEXEC_FILE": "n",
        "KEXEC_SIG": "n",
        "RANDOMIZE_MEMORY": "n",
        "PHYSICAL_START": "n",
        "PHYSICAL_ALIGN": "n",
        "X86_5LEVEL": "n",
        "ARM64_VA_BITS": 48,
        "ARM64_PA_BITS": 48,
        "UNACCEPTED_MEMORY": "n",
        "ARCH_KEEP_MEMBLOCK": "y",
        "EFI_DXE_MEM_ATTRIBUTES": "n",
        "EFI_GENERIC_STUB_INITRD_CMDLINE_LOADER": "y",
        "CMA": "y",
        "DMA_CMA": "y",
        "CMA_SIZE_MBYTES": 64,
        "CRASH_HOTPLUG": "n",
        "SERIAL_MVEBU_UART": "y",
        "HAVE_ARCH_PFN_VALID": "y",
    },
    "5.14": {"HAVE_ARCH_PFN_VALID": "n"},
    "6.12": {
        "NUMA_MEMBLKS": "y",
        "DAX": "y",
        "DEV_DAX_PMEM": "m",
        "DEV_DAX_HMEM_DEVICES": "y",
        "DEV_DAX_CXL": "m",
        "FS_DAX": "y",
        "NVDIMM_DAX": "y",
        "ZONE_DEVICE": "y",
        "ARM64_VA_BITS": 52,
        "ARM64_PA_BITS": 52,
        "EFI_GENERIC_STUB_INITRD_CMDLINE_LOADER": "n",
    },
    # the choice between policies came to 6.12 between its levels 107 and 117
    "6.12.117": {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "y"},
    "7.1": {"DEV_DAX_FSDEV": "m"},
    "7.2": {"DMA_NUMA_CMA": "y", "CMA_SIZE_PERNUMA": "y"},
}
