"""How kernels are built: the ``CONFIG_`` options that matter here, for machines that do not say their own.

All of Debian's are known; those of others are what they have unlike (:mod:`softreserve.config.distributions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from softreserve.config.profiles import profile_of
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.profile import DEBIAN
from softreserve.model.release import Release
from softreserve.plugins.architectures import arch_info

if TYPE_CHECKING:
    from softreserve.model.arch import ArchInfo

__all__ = ["built", "default_config", "page_sizes", "rebuilt", "with_options"]

#: What is the same in Debian 12's kernels (6.1.0-56, and 6.12.117 from backports) of all architectures, as
#: /boot/config-* says it. The rest is with the architectures.
_COMMON: Final[Mapping[str, str | int]] = {
    "EFI": "y",
    "EFI_STUB": "y",
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
    "STRICT_DEVMEM": "y",
    "IO_STRICT_DEVMEM": "y",
    "ARCH_SUPPORTS_MEMORY_FAILURE": "y",
}

#: What came with a release, and is in Debian's builds since they have it. Linux: the ``Kconfig`` files.
_CAME: Final[Mapping[str, Mapping[str, str | int]]] = {
    "5.5": {"EFI_SOFT_RESERVE": "y", "DEV_DAX_HMEM": "m"},
    "5.12": {"CXL_BUS": "y", "CXL_MEM": "m"},
    "5.13": {"MHP_MEMMAP_ON_MEMORY": "y"},
    "5.14": {"CXL_ACPI": "m"},
    "5.16": {"CXL_PCI": "m"},
    "5.18": {"CXL_PORT": "y"},
    "6.0": {"CXL_REGION": "y"},
}


def default_config(
    arch: str, release: str, page_size: int = 4096, info: ArchInfo | None = None
) -> dict[str, str | int]:
    """The options of a build: Debian's, and what the release's own builder has unlike, where that is known.

    Debian's are those of the last known build before for releases that Debian did not build.

    :param info: what the architecture is, where no installed plugin says it.
    :raises MachineError: ``release`` does not begin with a version.
    """
    version, info = Release.parse(release), info or arch_info(arch)
    config: dict[str, str | int] = {option: "n" for options in _CAME.values() for option in options}
    config |= _COMMON
    for since, options in _CAME.items():
        if version.reaches(since):
            config |= options
    for since, options in info.options.items():
        if not since or version.reaches(since):
            config |= options
    return config | profile_of(release).options_on(arch, page_size) | _page_size_options(info, page_size)


def built(
    release: str,
    arch: str,
    page_size: int = 4096,
    options: Mapping[str, str | int] | None = None,
    *,
    whole: bool = False,
    info: ArchInfo | None = None,
) -> Kernel:
    """A kernel as whoever makes such releases builds it.

    :param options: single ones that it has unlike; all that it has where they are the ``whole`` of it.
    :param info: what the architecture is, where no installed plugin says it.
    :raises MachineError: ``release`` does not begin with a version, or has characters that no release has.
    """
    profile = profile_of(release)
    if whole:
        return Kernel(release, arch, page_size, dict(options or {}), profile=profile)
    config = default_config(arch, release, page_size, info) | dict(options or {})
    options_of = DEBIAN if profile.options is None else profile
    return Kernel(release, arch, page_size, config, profile=profile, options_of=options_of.name)


def rebuilt(
    kernel: Kernel, *, release: str | None = None, arch: str | None = None, page_size: int | None = None
) -> Kernel:
    """A kernel of another release, architecture or page size.

    Where release and architecture stay, so do the options, but for those that the builds of the two have unlike; else
    they are those of the release's builder.

    :raises MachineError: ``release`` does not begin with a version.
    """
    arch = arch or kernel.arch
    page_size = page_size or (kernel.page_size if arch == kernel.arch else 4096)
    release = release or kernel.release
    other = built(release, arch, page_size)
    if (arch, other.base) != (kernel.arch, kernel.base):
        return other
    was = default_config(arch, kernel.release, page_size)
    changed = {option: value for option, value in other.config.items() if was.get(option) != value}
    config = {**kernel.config, **changed, **_page_size_options(arch_info(arch), page_size)}
    options_of = other.options_of if kernel.options_of else ""
    level = kernel.level if release == kernel.release else None
    return Kernel(release, arch, page_size, config, profile=other.profile, options_of=options_of, level=level)


def with_options(kernel: Kernel, options: Mapping[str, str | int]) -> Kernel:
    """The same kernel with other values of some options (without ``CONFIG_``).

    :raises MachineError: a value that an option cannot have.
    """
    arch = arch_info(kernel.arch)
    for name, value in options.items():
        wrong = arch.option_problem(name, value)
        if wrong is not None:
            raise MachineError(f"CONFIG_{name}: {wrong}")
    import attrs

    return attrs.evolve(kernel, config={**kernel.config, **options})


def page_sizes(arch: str) -> tuple[int, ...]:
    """The page sizes that kernels of an architecture can be built with, in bytes, ascending."""
    return tuple(arch_info(arch).page_sizes)


def _page_size_options(info: ArchInfo, page_size: int) -> dict[str, str | int]:
    return {option: "y" if size == page_size else "n" for size, option in info.page_sizes.items() if option}
