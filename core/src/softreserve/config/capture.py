"""Capture directories: the files of one recorded machine. The format is described in ``docs/captures.md``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from softreserve.config.acpi_files import read_acpi
from softreserve.config.parts import CPUS_GAP, IMAGE_GAP, checked_cmdline, image_parts
from softreserve.config.reader import Document, Problems, StrPath, Table, read_bytes, read_text
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError, MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import CPUS_MAX, PHYS_BITS_MAX, PHYS_BITS_MIN, KernelImage, Machine
from softreserve.model.names import name_problem
from softreserve.model.release import NEWEST
from softreserve.model.scenario import Gap, Scenario
from softreserve.plugins.architectures import arch_info

if TYPE_CHECKING:
    from softreserve.model.arch import ArchInfo
    from softreserve.model.cxl import CxlHostBridge
    from softreserve.model.steps import KexecScenario, Step

__all__ = ["PAGE_SIZES", "read_capture"]

#: Page sizes in bytes that some architecture has.
PAGE_SIZES = (4096, 16384, 65536)


#: Bits of a physical address, where nothing says how many: of QEMU's own CPUs, and of most real ones.
_VIRTUAL_PHYS_BITS, _REAL_PHYS_BITS = 40, 46

#: What a capture lacks without these tables of its ``kernel.toml``.
_GAPS = {
    "config": Gap("the kernel's configuration", "options that the capture does not name are off"),
    "cpus": CPUS_GAP,
    "image": IMAGE_GAP,
}


def read_capture(path: StrPath, *, with_steps: bool = True) -> Scenario:
    """Read ``CASE`` or ``CASE/input``; without ``with_steps`` only what a boot needs.

    :raises ConfigError: everything that is wrong with the files.
    """
    directory, case = os.path.join(path, "input"), os.path.realpath(path)
    if not os.path.isdir(directory):
        directory, case = os.fspath(path), os.path.dirname(case)
    problems = Problems()

    def document(name: str, *, may_be_blank: bool = False) -> Document:
        return Document(os.path.join(directory, name), problems, inside=path, may_be_blank=may_be_blank)

    efi_map = _collected(problems, _read_efi_map, os.path.join(directory, "efi-memmap.txt"), path)
    cmdline = _collected(problems, _read_cmdline, os.path.join(directory, "cmdline.txt"), path)
    acpi = _collected(problems, read_acpi, os.path.join(directory, "acpi"), path) or {}
    kernel, cpus, image, gaps = _read_kernel_toml(document("kernel.toml"))
    steps: tuple[Step, ...] = ()
    kexec: KexecScenario | None = None
    if with_steps and os.path.lexists(os.path.join(directory, "steps.toml")) and kernel is not None:
        from softreserve.config.steps import scenario_steps

        # the second kernel's configuration under the first one's release, until the kexec says which release it is
        has_second = os.path.lexists(os.path.join(directory, "kernel2.toml"))
        second = _kernel(document("kernel2.toml").read(), kernel) if has_second else None
        what_follows = document("steps.toml", may_be_blank=True)  # a boot without steps
        steps, kexec = scenario_steps(what_follows.read(), kernel, second)
        what_follows.check_keys()
    cxl: tuple[CxlHostBridge, ...] = ()
    if os.path.lexists(os.path.join(directory, "cxl.toml")):
        from softreserve.config.cxl import host_bridges

        devices = document("cxl.toml")
        cxl = host_bridges(devices.read())
        devices.check_keys()
    name = os.path.basename(case) or "input"
    wrong = name_problem(name)
    if wrong is not None:
        problems.add(InputError(f"the directory's name is the machine's: {wrong}", path=case))
    problems.check()
    assert kernel is not None
    if efi_map is not None:
        cpus.setdefault("phys_bits", _presumed_phys_bits(efi_map, virtual=cpus.get("hypervisor", True)))
    machine = Machine(
        name=name,
        kernel=kernel,
        cmdline=cmdline or CommandLine(),
        efi_map=efi_map,
        acpi=acpi,
        image=image,
        cxl=cxl,
        **cpus,
    )
    return Scenario(machine, steps, kexec, path=path, recorded=True, gaps=gaps)


def _collected(problems: Problems, read: Any, path: str, inside: StrPath) -> Any:
    try:
        return read(path, inside)
    except InputError as error:
        problems.add(error)
        return None


def _presumed_phys_bits(efi_map: EfiMemoryMap, *, virtual: bool) -> int:
    """Width of a physical address: that of QEMU's own CPUs, or of most real ones; no less than the map needs."""
    highest = max((descriptor.last.bit_length() for descriptor in efi_map), default=0)
    presumed = _VIRTUAL_PHYS_BITS if virtual and highest <= _VIRTUAL_PHYS_BITS else _REAL_PHYS_BITS
    return min(max(presumed, highest), PHYS_BITS_MAX)


def _read_efi_map(path: str, inside: StrPath) -> EfiMemoryMap:
    return parse_efi_memmap(read_text(path, inside), path=path)


def _read_cmdline(path: str, inside: StrPath) -> CommandLine:
    return checked_cmdline(read_bytes(path, inside).decode("latin-1").rstrip("\n"), path)


def _read_kernel_toml(document: Document) -> tuple[Kernel | None, dict[str, Any], KernelImage, tuple[Gap, ...]]:
    top = document.read()
    kernel = _kernel(top)
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
    document.check_keys()
    gaps = tuple(gap for name, gap in _GAPS.items() if name not in top)
    return kernel, cpus, image, gaps


def _kernel(top: Table, base: Kernel | None = None) -> Kernel | None:
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
        return Kernel(release, arch, page_size, config)
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
