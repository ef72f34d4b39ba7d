"""``kernel.toml`` of a capture: the kernel, its options, processors, and where its image is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from softreserve.config.builds import built
from softreserve.config.parts import CPUS_GAP, IMAGE_GAP, image_parts
from softreserve.config.reader import Document, Table
from softreserve.model.errors import MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import CPUS_MAX, PHYS_BITS_MAX, PHYS_BITS_MIN, KernelImage
from softreserve.model.release import NEWEST
from softreserve.model.scenario import Gap
from softreserve.model.value import NamedTuple
from softreserve.plugins.architectures import arch_info

if TYPE_CHECKING:
    from softreserve.model.arch import ArchInfo

__all__ = ["CONFIG_GAP", "PAGE_SIZES", "KernelToml", "read_kernel", "read_kernel_toml"]

#: Page sizes in bytes that some architecture has.
PAGE_SIZES = (4096, 16384, 65536)

#: What a capture lacks without these tables of its ``kernel.toml``.
CONFIG_GAP: Final = Gap("the kernel's configuration", "options that the capture does not name are off")
_GAPS = {
    "config": CONFIG_GAP,
    "cpus": CPUS_GAP,
    "image": IMAGE_GAP,
}


class KernelToml(NamedTuple):
    """What stands in the file.

    :param cpus: parameters of a :class:`~softreserve.model.machine.Machine` that are about its processors.
    :param gaps: what the absence of tables leaves open.
    :param tables: signatures of all ACPI tables of the machine, at hand or not.
    :param modules: modules that were loaded.
    :param page_size_said: whether it has a word for it.
    :param efi: whether firmware of the EFI kind started the machine; ``None`` where it is not said.
    """

    kernel: Kernel | None
    cpus: dict[str, Any]
    image: KernelImage
    gaps: tuple[Gap, ...]
    tables: frozenset[str] | None
    modules: frozenset[str] | None
    efi: bool | None
    page_size_said: bool


def read_kernel_toml(document: Document) -> KernelToml:
    """All of the file but what only hosts say."""
    top = document.read()
    kernel = read_kernel(top)
    cpus_table = top.table("cpus")
    cpus: dict[str, Any] = {}
    if cpus_table is not None:
        count = cpus["cpus"] = cpus_table.need("count", int, 1)
        if count < 1:
            cpus_table.problem("count", "there is at least one CPU")
        if count > CPUS_MAX:
            cpus_table.problem("count", f"Linux has at most {CPUS_MAX} CPUs, not {shown(count)}")
        cpus["hypervisor"] = cpus_table.get("hypervisor", bool, True)
        cpus["la57"] = cpus_table.get("la57", bool, False)
        vendor, bits = cpus_table.get("vendor", str), cpus_table.get("phys_bits", int)
        if vendor is not None:
            cpus["cpu_vendor"] = vendor
        if bits is not None:
            cpus["phys_bits"] = bits
            if not PHYS_BITS_MIN <= bits <= PHYS_BITS_MAX:
                words = f"physical addresses have {PHYS_BITS_MIN} to {PHYS_BITS_MAX} bits, not {shown(bits)}"
                cpus_table.problem("phys_bits", words)
    image_table = top.table("image")
    image = image_parts(image_table) if image_table is not None else KernelImage()
    listed = top.value("acpi")
    modules = top.value("modules")
    efi = top.get("efi", bool)
    document.check_keys()
    gaps = tuple(gap for name, gap in _GAPS.items() if name not in top)
    return KernelToml(kernel, cpus, image, gaps, _names(listed), _names(modules), efi, "page_size" in top)


def _names(value: object) -> frozenset[str] | None:
    return frozenset(map(str, value)) if isinstance(value, list) else None


def read_kernel(top: Table, base: Kernel | None = None) -> Kernel | None:
    """A kernel from ``release``, ``arch``, ``page_size`` and ``[config]``; what is absent comes from ``base``."""
    if base is None:
        release, arch = top.need("release", str, NEWEST), top.need("arch", str, "")
    else:
        release, arch = top.get("release", str) or base.release, top.get("arch", str) or base.arch
        if arch != base.arch:
            top.problem("arch", f"a kexec starts a kernel of the running one's architecture, {base.arch}")
    config_table = top.table("config")
    info = arch_info(arch)
    config = _config(config_table, info) if config_table is not None else {}
    page_size = top.get("page_size", int) or _configured_page_size(info, config) or (base.page_size if base else 4096)
    if page_size not in PAGE_SIZES:
        top.problem("page_size", f"no page size of Linux: {shown(page_size)}; {', '.join(map(str, PAGE_SIZES))}")
    config.setdefault("NODES_SHIFT", info.nodes_shift)
    try:
        return built(release, arch, page_size, config, whole=True)
    except MachineError as error:
        top.problem("release", str(error))
        return None


def _config(table: Table, arch: ArchInfo) -> dict[str, str | int]:
    config: dict[str, str | int] = {}
    for name in table.values:
        value = table.value(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            option = name.removeprefix("CONFIG_")
            config[option] = value
            wrong = arch.option_problem(option, value)
            if wrong is not None:
                table.problem(name, wrong)
        else:
            table.problem(name, f'wanted "y", "m", "n", a number or a string, not {shown(value)}')
    return config


def _configured_page_size(arch: ArchInfo, config: dict[str, str | int]) -> int | None:
    """The page size in bytes that a configuration chooses, where it has a choice."""
    options = arch.page_sizes.items()
    return next((size for size, option in options if config.get(option) == "y"), None)
