"""Machines that every architecture with EFI can boot: one, and many of all kinds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.config.builds import built
from softreserve.model.acpi.hmat_tables import MEMORY_PD_VALID, PROCESSOR_PD_VALID, Hmat, Locality, Proximity
from softreserve.model.acpi.madt import Madt
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import HOT_PLUGGABLE, MemoryAffinity, Srat
from softreserve.model.acpi.tables import Header
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.plugins.architectures import arch_info
from softreserve.testing.toy import TOY, TOY_INFO

if TYPE_CHECKING:
    from softreserve.model.acpi.layout import Struct
    from softreserve.model.arch import ArchInfo

__all__ = [
    "CACHEABLE",
    "SPECIFIC_PURPOSE",
    "descriptor",
    "firmware_memory",
    "sample_machine",
    "sample_machines",
    "sample_tables",
    "specific_purpose",
    "static_elf",
]

CACHEABLE = int(EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC | EfiAttribute.UC)
SPECIFIC_PURPOSE = CACHEABLE | int(EfiAttribute.SP)
_UNCACHED = int(EfiAttribute.UC)

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30

#: Types that the firmware leaves to the kernel.
_USABLE = (
    EfiType.LOADER_CODE,
    EfiType.LOADER_DATA,
    EfiType.BOOT_SERVICES_CODE,
    EfiType.BOOT_SERVICES_DATA,
    EfiType.CONVENTIONAL,
    EfiType.ACPI_RECLAIM,
)


def descriptor(start: int, size: int, type_: int = EfiType.CONVENTIONAL, attribute: int = CACHEABLE) -> EfiDescriptor:
    """A descriptor; ``size`` in bytes."""
    return EfiDescriptor(int(type_), start, size // EFI_PAGE_SIZE, attribute)


def _sp(start: int, size: int) -> EfiDescriptor:
    return descriptor(start, size, attribute=SPECIFIC_PURPOSE)


_LOW: Final = (
    descriptor(0, 640 * _KIB),
    descriptor(_MIB, 1023 * _MIB),
    descriptor(_GIB, 16 * _MIB, EfiType.BOOT_SERVICES_DATA),
    descriptor(_GIB + 16 * _MIB, _MIB, EfiType.RUNTIME_SERVICES_DATA, CACHEABLE | int(EfiAttribute.RUNTIME)),
    descriptor(_GIB + 32 * _MIB, 992 * _MIB),
)
_RAM: Final = descriptor(4 * _GIB, _GIB)
_ABOVE: Final = (_RAM, _sp(6 * _GIB, 2 * _GIB))


def sample_machine(
    arch: str,
    *,
    release: str = "6.12",
    cmdline: str = "",
    above: Iterable[EfiDescriptor] | None = None,
    page_size: int = 4096,
    info: ArchInfo | None = None,
) -> Machine:
    """A machine with memory below 2 GiB, an image in it, and whatever stands ``above`` 4 GiB.

    :param above: descriptors from 4 GiB on; 1 GiB of RAM and 2 GiB of specific purpose memory where not given.
    :param page_size: of its kernel, in bytes.
    :param info: what the architecture is, where no installed plugin says it.
    """
    return Machine(
        name=f"sample-{arch}",
        kernel=built(release, arch, page_size, info=_info(arch, info)),
        cmdline=CommandLine(cmdline),
        efi_map=EfiMemoryMap((*_LOW, *(_ABOVE if above is None else above))),
        cpus=2,
        image=KernelImage(
            code=PhysRange.from_size(32 * _MIB, 16 * _MIB), data=PhysRange.from_size(64 * _MIB, 4 * _MIB)
        ),
    )


def _info(arch: str, info: ArchInfo | None) -> ArchInfo:
    if info is None:
        return TOY_INFO if arch == TOY else arch_info(arch)
    return info


def sample_tables(
    arch: str,
    nodes: Iterable[Iterable[tuple[int, int]]],
    *,
    cpus: int = 2,
    info: ArchInfo | None = None,
    spread: bool = False,
) -> dict[str, bytes]:
    """ACPI tables of a machine: SRAT, SLIT, HMAT and MADT, all of them sound.

    :param nodes: memory of each proximity domain, as ``(start, size)`` in bytes; all processors are in the first.
    :param spread: whether the last processor is in the second one.
    """
    info, nodes = _info(arch, info), [list(ranges) for ranges in nodes]
    domains = list(range(len(nodes)))
    affinities: list[Struct] = [info.srat_processor(cpu, int(spread and cpu == cpus - 1)) for cpu in range(cpus)]
    affinities += [
        MemoryAffinity(proximity_domain=domain, base=start, size_bytes=size, flags=1 | (HOT_PLUGGABLE if domain else 0))
        for domain, ranges in enumerate(nodes)
        for start, size in ranges
    ]
    both = PROCESSOR_PD_VALID | MEMORY_PD_VALID
    known: list[Struct] = [Proximity(flags=both, processor_pd=0, memory_pd=domain) for domain in domains]
    known += [
        Locality.build(0, 1000, [0], domains, [[100 + 50 * domain for domain in domains]]),  # latency
        Locality.build(3, 1000, [0], domains, [[100 + 100 * domain for domain in domains]]),  # bandwidth
    ]
    return {
        "SRAT": Srat(affinities, header=Header(signature=b"SRAT", revision=3)).sealed(),
        "SLIT": Slit([[10 if here == there else 20 for there in domains] for here in domains]).sealed(),
        "HMAT": Hmat(known, header=Header(signature=b"HMAT", revision=2)).sealed(),
        "APIC": Madt([info.madt_processor(number) for number in range(cpus)]).sealed(),
    }


def sample_machines(arch: str, info: ArchInfo | None = None) -> dict[str, Machine]:
    """Machines of all kinds, by what is special about each.

    Specific purpose memory is at every place, firmware leaves holes, keeps memory for itself and describes all in odd
    order, with ACPI tables and without, for several releases, with every page size of the architecture.

    :param info: what the architecture is, where no installed plugin says it.
    """
    found = {
        words: sample_machine(arch, release=release, above=above, info=info)
        for words, (release, above) in _shapes().items()
    }
    found |= {
        f"Linux {release}": sample_machine(arch, release=release, info=info) for release in ("6.1", "6.18", "7.3")
    }
    found |= {
        f"command line {words}": sample_machine(arch, cmdline=words, info=info)
        for words in ("mem=2G", "efi=nosoftreserve", "numa=off", "memhp_default_state=offline")
    }
    found |= {
        f"{size >> 10} KiB pages": sample_machine(arch, page_size=size, info=info)
        for size in list(_info(arch, info).page_sizes)[1:]
    }
    plain = sample_machine(arch, info=info)
    assert plain.efi_map is not None
    for words, descriptors in {
        "descriptors in descending order": tuple(plain.efi_map)[::-1],
        "specific purpose memory lowest": (
            _LOW[0],
            _sp(_MIB, 15 * _MIB),
            descriptor(16 * _MIB, 1008 * _MIB),
            *_LOW[2:],
            _RAM,
        ),
    }.items():
        found[words] = attrs.evolve(plain, efi_map=plain.efi_map.replaced(descriptors))
    found |= _with_acpi(arch, info)
    return {words: attrs.evolve(machine, name=_name(words)) for words, machine in found.items()}


def _name(words: str) -> str:
    """Words as the name of a machine."""
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in words)


def _shapes() -> Mapping[str, tuple[str, tuple[EfiDescriptor, ...]]]:
    """What stands above 4 GiB, with the release of the kernel that boots it."""
    page = 64 * _KIB  # whole pages, whatever their size
    many = tuple(
        descriptor(4 * _GIB + n * 256 * _MIB, 256 * _MIB, attribute=SPECIFIC_PURPOSE if n % 2 else CACHEABLE)
        for n in range(24)
    )
    return {
        "specific purpose memory highest": ("6.12", _ABOVE),
        "no specific purpose memory": ("6.12", (_RAM,)),
        "no memory above 4 GiB but specific purpose memory": ("7.3", (_sp(4 * _GIB, _GIB),)),
        "specific purpose memory between RAM": ("6.12", (_RAM, _sp(5 * _GIB, _GIB), descriptor(6 * _GIB, _GIB))),
        "specific purpose memory unaligned": (
            "6.1",
            (_RAM, _sp(6 * _GIB + 3 * page, _GIB), _sp(8 * _GIB - 5 * page, 64 * _MIB)),
        ),
        "specific purpose memory of a page": ("6.12", (_RAM, _sp(6 * _GIB, page), _sp(7 * _GIB, 2 * _MIB))),
        "specific purpose memory of 64 GiB": ("6.18", (_RAM, _sp(64 * _GIB, 64 * _GIB))),
        "specific purpose memory in many ranges": ("6.12", many),
        "holes and memory of the firmware": (
            "6.12",
            (
                descriptor(4 * _GIB, 512 * _MIB),
                descriptor(4 * _GIB + 512 * _MIB, 64 * _MIB, EfiType.RESERVED),
                descriptor(4 * _GIB + 640 * _MIB, 64 * _MIB, EfiType.ACPI_RECLAIM),
                descriptor(4 * _GIB + 704 * _MIB, 64 * _MIB, EfiType.ACPI_NVS),
                descriptor(4 * _GIB + 768 * _MIB, 64 * _MIB, EfiType.UNUSABLE),
                descriptor(5 * _GIB, 256 * _MIB, EfiType.MMIO, _UNCACHED),
                descriptor(5 * _GIB + 512 * _MIB, 256 * _MIB, attribute=_UNCACHED),
                _sp(6 * _GIB, _GIB),
                descriptor(8 * _GIB, 256 * _MIB, EfiType.LOADER_DATA),
                descriptor(9 * _GIB, _GIB, EfiType.PERSISTENT, CACHEABLE | int(EfiAttribute.NV)),
            ),
        ),
    }


def _with_acpi(arch: str, info: ArchInfo | None) -> dict[str, Machine]:
    """Two and three nodes, described by ACPI tables, for several releases."""
    low = [(0, 2 * _GIB)]
    two = sample_tables(arch, [[*low, (4 * _GIB, _GIB)], [(6 * _GIB, 2 * _GIB)]], info=info)
    three = sample_tables(arch, [low, [(4 * _GIB, _GIB)], [(6 * _GIB, 2 * _GIB)]], info=info, spread=True)
    found = {
        f"ACPI with two nodes, Linux {release}": attrs.evolve(
            sample_machine(arch, release=release, info=info), acpi=two
        )
        for release in ("6.1", "6.12", "6.18", "7.3")
    }
    found["ACPI with three nodes"] = attrs.evolve(sample_machine(arch, info=info), acpi=three)
    off = sample_machine(arch, cmdline="numa=off", info=info)
    found["ACPI with two nodes, command line numa=off"] = attrs.evolve(off, acpi=two)
    return found


def specific_purpose(machine: Machine) -> list[PhysRange]:
    """Conventional memory that is marked specific purpose, in the firmware's order."""
    return [
        PhysRange.from_size(d.start, d.size)
        for d in machine.efi_map or ()
        if d.is_special_purpose and d.type == EfiType.CONVENTIONAL and d.pages
    ]


def firmware_memory(machine: Machine) -> list[PhysRange]:
    """Ranges that the firmware leaves to the kernel, in the firmware's order."""
    return [PhysRange.from_size(d.start, d.size) for d in machine.efi_map or () if d.type in _USABLE and d.pages]


def static_elf(entry: int = 16 << 20) -> bytes:
    """The smallest program that kexec of x86-64 takes for a kernel: one page of zeros, in ELF.

    :param entry: the address, in bytes, that it is loaded at and begins at.
    """
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 4096, entry, entry, 4096, 4096, 4096)
    return (ident + header + segment).ljust(8192, b"\0")
