"""Machine files: a machine written by hand, in TOML. The keys are described in ``docs/machines.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NewType

import attrs

from softreserve.config.account import told
from softreserve.config.acpi_files import read_acpi
from softreserve.config.acpi_schema import Acpi, Size, build_acpi
from softreserve.config.builds import built
from softreserve.config.kernel_toml import PAGE_SIZES
from softreserve.config.parts import checked_cmdline
from softreserve.config.reader import Document, Problems, StrPath, Table, check_inside, parse_size, read_text
from softreserve.config.steps import scenario_steps
from softreserve.config.structure import FieldError, Number, OneOf, exactly, structure
from softreserve.model import e820
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType, type_words
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError, MachineError, nearest, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import CPUS_MAX, PHYS_BITS_MAX, PHYS_BITS_MIN, E820Entry, KernelImage, Machine
from softreserve.model.names import name_problem
from softreserve.model.ranges import PhysRange
from softreserve.model.scenario import Scenario
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.model.userspace import Userspace, UserspaceFacts, Virt
from softreserve.plugins.architectures import arch_info, presumed_arch
from softreserve.plugins.code import is_code
from softreserve.plugins.selection import WITHOUT

if TYPE_CHECKING:
    from softreserve.model.cxl import CxlHostBridge, CxlRoot
    from softreserve.model.daxctl_conf import DaxctlSection

__all__ = [
    "E820_TYPES",
    "OWN_KEYS",
    "Attributes",
    "E820Type",
    "MachineFile",
    "MemoryType",
    "machine_of",
    "read_machine_file",
]

MemoryType = NewType("MemoryType", int)
Attributes = NewType("Attributes", int)
E820Type = NewType("E820Type", int)

E820_TYPES = {
    "usable": e820.RAM,
    "reserved": e820.RESERVED,
    "acpi data": e820.ACPI,
    "acpi nvs": e820.NVS,
    "unusable": e820.UNUSABLE,
    "persistent": e820.PMEM,
    "soft reserved": e820.SOFT_RESERVED,
}
_DEFAULT_ATTRIBUTES = EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC | EfiAttribute.UC
#: What is read key by key, as captures are.
_OTHER_KEYS = ("step", "kexec", "cxl")


@attrs.frozen
class KernelSection:
    """``[kernel]``. ``config`` changes single options of Debian's build of that release."""

    release: str = "6.12"
    arch: str = attrs.field(factory=presumed_arch)
    page_size: int = attrs.field(default=4096, validator=OneOf(PAGE_SIZES))
    config: dict[str, str | int] = attrs.field(factory=dict)


@attrs.frozen
class Descriptor:
    """``[[efi_map]]``: one descriptor, in the firmware's order."""

    start: Size
    size: Size = attrs.field()
    type: MemoryType = MemoryType(EfiType.CONVENTIONAL)
    attributes: Attributes = Attributes(_DEFAULT_ATTRIBUTES)

    @size.validator
    def _whole_pages(self, attribute: attrs.Attribute[int], size: int) -> None:
        if size % EFI_PAGE_SIZE:
            raise FieldError(attribute.name, f"{size:#x} is no multiple of an EFI page (4096 bytes)")


@attrs.frozen
class LoaderEntry:
    """``[[e820]]``: one entry of a boot loader's table."""

    start: Size
    size: Size
    type: E820Type = E820Type(1)


@attrs.frozen
class Part:
    """A part of the kernel image."""

    start: Size
    size: Size

    def range(self) -> PhysRange | None:
        """As a range; ``None`` when empty."""
        return PhysRange.from_size(self.start, self.size) if self.size else None


@attrs.frozen
class Image:
    """``[image]``."""

    code: Part | None = None
    rodata: Part | None = None
    data: Part | None = None
    bss: Part | None = None
    initrd: Part | None = None

    def build(self) -> KernelImage:
        """As the model has it."""
        parts = {name: part.range() for name, part in attrs.asdict(self, recurse=False).items() if part is not None}
        return KernelImage(**parts)


@attrs.frozen
class UserspaceSection:
    """``[userspace]``; ``daxctl_conf`` is a file, or a directory, relative to this one."""

    policy: Userspace | None = None
    virt: Virt | None = None
    daxctl_conf: str | None = None


@attrs.frozen
class MachineFile:
    """A machine file without its steps."""

    kernel: KernelSection = attrs.field(factory=KernelSection)
    words: str = ""
    name: str | None = None
    cmdline: str = ""
    cpus: int | None = attrs.field(default=None, validator=attrs.validators.optional(Number(1, CPUS_MAX)))
    efi_map: tuple[Descriptor, ...] = ()
    efi_map_file: str | None = None
    e820: tuple[LoaderEntry, ...] = ()
    acpi: Acpi = attrs.field(factory=Acpi)
    acpi_dir: str | None = None
    image: Image = attrs.field(factory=Image)
    phys_bits: int = attrs.field(default=46, validator=Number(PHYS_BITS_MIN, PHYS_BITS_MAX))
    hypervisor: bool = False
    la57: bool = False
    cpu_vendor: str = "AuthenticAMD"
    plugins: tuple[str, ...] | None = None
    userspace: UserspaceSection = attrs.field(factory=UserspaceSection)


#: Tables that no plugin can bring: keys of :class:`MachineFile`, and what is read key by key.
OWN_KEYS: Final = (*(field.name for field in attrs.fields(MachineFile)), *_OTHER_KEYS)


def read_machine_file(path: StrPath, data: bytes | None = None) -> Scenario:
    """Read a machine file. The files that it names are relative to it, or to here where it is standard input.

    :param data: what stands in it, where somebody has read it already.
    :raises ConfigError: everything that is wrong with it.
    :raises PluginError: a plugin that was asked failed.
    """
    return machine_of(Document(path, Problems(), data))


def machine_of(document: Document) -> Scenario:
    """The machine that a document describes.

    :raises ConfigError: everything that is wrong with it.
    :raises PluginError: a plugin that was asked failed.
    """
    problems = document.problems
    top = document.read()
    problems.check()
    values = {name: value for name, value in top.values.items() if name in OWN_KEYS and name not in _OTHER_KEYS}
    others = {name: value for name, value in top.values.items() if name not in OWN_KEYS}
    found, wrong = structure(values, MachineFile, _HOOKS)
    for key, message in wrong:
        document.problem(key, message)
    if found is not None:
        _check_plugins(found.plugins or (), document)
    sections = _sections(document, others, found if not problems.found else None) if others else {}
    problems.check()
    assert found is not None
    if (account := told()) is not None:
        account.kind = "a machine file"
        account.defaults = _defaults(found, values)
    machine = _machine(found, Path(document.path), document, *_cxl(top))
    steps, kexec = scenario_steps(top, machine.kernel, None) if machine is not None else ((), None)
    top.asked.update(dict.fromkeys((*values, *others)))
    document.check_keys(strict=True)
    problems.check()
    assert machine is not None
    machine = attrs.evolve(machine, sections=sections) if sections else machine
    return Scenario(machine, steps, kexec, plugins=found.plugins, path=document.path)


def _defaults(found: MachineFile, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that a file does not have, and what is taken: plain values, of the file and of its kernel."""
    parts: tuple[tuple[str, Any, Any], ...] = (("", found, values), ("kernel.", found.kernel, values.get("kernel", {})))
    return {
        f"{before}{field.name}": getattr(part, field.name)
        for before, part, said in parts
        for field in attrs.fields(type(part))
        if field.name not in said and isinstance(getattr(part, field.name), str | int) and field.name != "words"
    }


def _check_plugins(names: Iterable[str], document: Document) -> None:
    """See that a file, which may be a stranger's, runs no code but that of installed plugins."""
    for number, name in enumerate(names):
        if is_code(name.removeprefix(WITHOUT)):
            message = f"{shown(name)} is code, and a machine names installed plugins only: to run it, give it by -p"
            document.problem(("plugins", number), message)


def _sections(document: Document, tables: Mapping[str, object], found: MachineFile | None) -> dict[str, Any]:
    """Tables that the core does not know; where the others are wrong, nobody can say which plugins are to be asked."""
    from softreserve.config.sections import read_sections, unknown
    from softreserve.plugins.selection import Selection

    if found is None:
        for name in tables:
            document.problem((name,), unknown(name, None, OWN_KEYS))
        return {}
    hooks = Selection(exactly=found.plugins).hooks(found.kernel.arch)
    return read_sections(document, tables, OWN_KEYS, hooks)


def _cxl(top: Table) -> tuple[tuple[CxlHostBridge, ...], CxlRoot | None]:
    table = top.table("cxl")
    if table is None:
        return (), None
    from softreserve.config.cxl import host_bridges, root_device

    return host_bridges(table), root_device(table)


def _machine(
    found: MachineFile, path: Path, document: Document, cxl: tuple[CxlHostBridge, ...], cxl_root: CxlRoot | None
) -> Machine | None:
    problems = document.problems
    if (found.efi_map_file is not None) + bool(found.efi_map) > 1:
        document.problem(("efi_map_file",), "give either efi_map or efi_map_file")
    if not (found.efi_map_file or found.efi_map or found.e820):
        document.problem((), "no memory map: give efi_map, efi_map_file or e820")
    kernel = _kernel(found.kernel, document)
    efi_map = EfiMemoryMap(tuple(_descriptor(item) for item in found.efi_map)) if found.efi_map else None
    acpi: dict[str, bytes] = {}
    cmdline = CommandLine()
    try:
        cmdline = checked_cmdline(found.cmdline)
    except InputError as error:
        document.problem(("cmdline",), str(error))
    try:
        if found.efi_map_file is not None:
            file = path.parent / found.efi_map_file
            efi_map = parse_efi_memmap(read_text(file, inside=path.parent), path=file)
    except InputError as error:
        problems.add(error)
    try:
        if found.acpi_dir is not None:
            acpi = _acpi_tables(path.parent / found.acpi_dir, path.parent)
    except InputError as error:
        problems.add(error)
    daxctl: tuple[DaxctlSection, ...] | None = None
    try:
        if found.userspace.daxctl_conf is not None:
            from softreserve.config.daxctl_conf import read_daxctl_conf

            daxctl = read_daxctl_conf(path.parent / found.userspace.daxctl_conf, path.parent)
    except InputError as error:
        problems.add(error)
    name = _name(found, path, document)
    if kernel is None or name is None:
        return None
    cpus = _cpus(found)
    return Machine(
        name=name,
        kernel=kernel,
        cmdline=cmdline,
        efi_map=efi_map,
        e820=tuple(E820Entry(item.start, item.size, item.type) for item in found.e820) or None,
        acpi=acpi
        | build_acpi(
            found.acpi,
            arch_info(kernel.arch),
            cpus,
            [bridge.uid for bridge in cxl],
            [bridge.uid for bridge in cxl if bridge.memdevs],
        ),
        cpus=cpus,
        image=found.image.build(),
        boot="loader" if found.e820 else "stub",
        phys_bits=found.phys_bits,
        hypervisor=found.hypervisor,
        la57=found.la57,
        cpu_vendor=found.cpu_vendor,
        cxl=cxl,
        cxl_root=cxl_root,
        userspace=UserspaceFacts(found.userspace.policy, found.userspace.virt, daxctl),
    )


def _name(found: MachineFile, path: Path, document: Document) -> str | None:
    name = found.name or path.stem
    wrong = name_problem(name)
    if wrong is None:
        return name
    if found.name:
        document.problem(("name",), wrong)
    else:
        document.problem((), f"without `name` the file's name is the machine's: {wrong}")
    return None


def _kernel(section: KernelSection, document: Document) -> Kernel | None:
    if not section.arch:
        document.problem(("kernel", "arch"), "missing, and no plugin is installed that boots one")
        return None
    arch = arch_info(section.arch)
    own = {name.removeprefix("CONFIG_"): value for name, value in section.config.items()}
    for name in section.config:
        wrong = arch.option_problem(name.removeprefix("CONFIG_"), section.config[name])
        if wrong is not None:
            document.problem(("kernel", "config", name), wrong)
    try:
        return built(section.release, section.arch, section.page_size, own)
    except MachineError as error:
        document.problem(("kernel", "release"), str(error))
        return None


def _acpi_tables(directory: Path, inside: Path) -> dict[str, bytes]:
    check_inside(directory, inside)
    if not directory.is_dir():
        raise InputError("no such directory", path=directory)
    return read_acpi(directory, inside=inside)


def _cpus(found: MachineFile) -> int:
    in_srat = sum(item.count for item in found.acpi.srat.cpus) if found.acpi.srat is not None else 0
    return found.cpus or in_srat or 1


def _descriptor(item: Descriptor) -> EfiDescriptor:
    return EfiDescriptor(item.type, item.start, item.size // EFI_PAGE_SIZE, item.attributes)


# --- structuring


def _option(value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'wanted "y", "m", "n", a number or a string, not {shown(value)}')
    return value


def _named(value: object, names: dict[str, int], what: str, bits: int = 32) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0 or value >> bits:
            raise ValueError(f"an {what} has {bits} bits, which do not hold {shown(value)}")
        return value
    if isinstance(value, str):
        if value.casefold() in names:
            return names[value.casefold()]
        hint = nearest(value, names) or f"; known: {', '.join(names)}"
        raise ValueError(f"unknown {what} {shown(value)}{hint}")
    raise ValueError(f"wanted the name or number of an {what}, not {shown(value)}")


def _memory_type(value: object) -> int:
    return _named(value, {type_words(kind): int(kind) for kind in EfiType}, "EFI memory type")


def _attributes(value: object) -> int:
    if not isinstance(value, str):
        return _named(value, {}, "EFI attribute", 64)
    names = {name.lower(): int(bit) for name, bit in EfiAttribute.__members__.items()}
    found = 0
    for word in value.split("|"):
        found |= _named(word.strip(), names, "EFI attribute")
    return found


_HOOKS: dict[Any, Callable[[object], object]] = {
    Size: parse_size,
    MemoryType: _memory_type,
    E820Type: partial(_named, names=E820_TYPES, what="e820 type"),
    Attributes: _attributes,
    str | int: _option,
    str: exactly(str, "a string"),
    int: exactly(int, "a whole number"),
    bool: exactly(bool, "true or false"),
}
