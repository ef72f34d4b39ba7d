"""How Debian builds its kernels: the ``CONFIG_`` options that matter here, for machines that do not say their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from softreserve.model.kernel import Kernel
from softreserve.model.release import Release
from softreserve.plugins.architectures import arch_info

__all__ = ["default_config", "page_sizes", "rebuilt"]

#: What is the same in Debian 12's kernels (6.1.0-56, and 6.12.117 from backports) of all architectures, as
#: /boot/config-* says it. The rest is with the architectures.
_COMMON: Final[Mapping[str, str | int]] = {
    "EFI": "y",
    "EFI_STUB": "y",
    "EFI_SOFT_RESERVE": "y",
    "EFI_FAKE_MEMMAP": "n",
    "EFI_MAX_FAKE_MEM": "n",
    "ACPI": "y",
    "ACPI_NUMA": "y",
    "ACPI_HMAT": "y",
    "HMEM_REPORTING": "y",
    "NUMA": "y",
    "NUMA_KEEP_MEMINFO": "y",
    "NUMA_BALANCING": "y",
    "DEV_DAX": "m",
    "DEV_DAX_HMEM": "m",
    "DEV_DAX_KMEM": "m",
    "LIBNVDIMM": "m",
    "ND_BLK": "n",
    "BLK_DEV_PMEM": "m",
    "ACPI_NFIT": "m",
    "MEMORY_HOTPLUG": "y",
    "MEMORY_HOTREMOVE": "y",
    "MEMORY_HOTPLUG_DEFAULT_ONLINE": "n",
    "MHP_DEFAULT_ONLINE_TYPE_OFFLINE": "n",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_KERNEL": "n",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE": "n",
    "MHP_MEMMAP_ON_MEMORY": "y",
    "ZONE_DMA": "y",
    "ZONE_DMA32": "y",
    "SPARSEMEM_VMEMMAP": "y",
    "DEFERRED_STRUCT_PAGE_INIT": "y",
    "KEXEC": "y",
    "CRASH_DUMP": "y",
    "RANDOMIZE_BASE": "y",
    "RELOCATABLE": "y",
    "TRANSPARENT_HUGEPAGE": "y",
    "DMI": "y",
    "CMA_SIZE_MBYTES": 0,
    "DMA_NUMA_CMA": "n",
    "CMA_SIZE_PERNUMA": "n",
    "HUGETLB_PAGE": "y",
    "CXL_BUS": "y",
    "CXL_ACPI": "m",
    "CXL_MEM": "m",
    "CXL_PORT": "y",
    "CXL_REGION": "y",
    "CXL_PCI": "m",
    "STRICT_DEVMEM": "y",
    "IO_STRICT_DEVMEM": "y",
    "ARCH_SUPPORTS_MEMORY_FAILURE": "y",
}


def default_config(arch: str, release: str, page_size: int = 4096) -> dict[str, str | int]:
    """The options of Debian's build; of the last known one before for releases that Debian did not build.

    :raises MachineError: ``release`` does not begin with a version.
    """
    version = Release.parse(release)
    config = dict(_COMMON)
    for since, options in arch_info(arch).options.items():
        if not since or version.reaches(since):
            config |= options
    return config | _page_size_options(arch, page_size)


def rebuilt(
    kernel: Kernel, *, release: str | None = None, arch: str | None = None, page_size: int | None = None
) -> Kernel:
    """A kernel of another release, architecture or page size.

    Where release and architecture stay, so do the options, but for those that Debian's builds of the two levels of the
    stable series have unlike; else they are those of Debian's build.

    :raises MachineError: ``release`` does not begin with a version.
    """
    arch = arch or kernel.arch
    page_size = page_size or (kernel.page_size if arch == kernel.arch else 4096)
    release = release or kernel.release
    if (arch, Release.parse(release).line) == (kernel.arch, kernel.base):
        was, now = (default_config(arch, text, page_size) for text in (kernel.release, release))
        changed = {option: value for option, value in now.items() if was.get(option) != value}
        return Kernel(release, arch, page_size, {**kernel.config, **changed, **_page_size_options(arch, page_size)})
    return Kernel(release, arch, page_size, default_config(arch, release, page_size))


def page_sizes(arch: str) -> tuple[int, ...]:
    """The page sizes that kernels of an architecture can be built with, in bytes, ascending."""
    return tuple(arch_info(arch).page_sizes)


def _page_size_options(arch: str, page_size: int) -> dict[str, str | int]:
    options = arch_info(arch).page_sizes
    return {option: "y" if size == page_size else "n" for size, option in options.items() if option}
