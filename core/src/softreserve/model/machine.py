"""A machine as described: what goes into a boot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from softreserve.model import value
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.frozen import frozen
from softreserve.model.kernel import Kernel
from softreserve.model.names import name_problem
from softreserve.model.ranges import PhysRange
from softreserve.model.userspace import UserspaceFacts, Virt

if TYPE_CHECKING:
    from softreserve.model.cxl import CxlHostBridge, CxlRoot

__all__ = ["CPUS_MAX", "PHYS_BITS_MAX", "PHYS_BITS_MIN", "E820Entry", "FirmwareMarks", "KernelImage", "Machine"]

#: CPUs of the largest kernel that can be built. Linux: ``arch/x86/Kconfig: NR_CPUS_RANGE_END``.
CPUS_MAX = 8192
#: Bits of a physical address that CPUs of x86 have.
PHYS_BITS_MIN, PHYS_BITS_MAX = 32, 52


@value.frozen
class E820Entry:
    """One e820 entry: ``start`` and ``size`` in bytes; ``type`` is any 32-bit number. Anything a loader can say."""

    start: int = value.field(repr=hex)
    size: int = value.field(repr=hex)
    type: int

    def __init__(self, start: int, size: int, type: int) -> None:
        value.put(self, "start", start)
        value.put(self, "size", size)
        value.put(self, "type", type)


@value.frozen
class KernelImage:
    """Where the parts of the kernel image lie, as physical ranges; ``None``: unknown or not there."""

    code: PhysRange | None = None
    rodata: PhysRange | None = None
    data: PhysRange | None = None
    bss: PhysRange | None = None
    initrd: PhysRange | None = None

    @property
    def span(self) -> PhysRange | None:
        """From the first byte of the image to its last, holes included; ``None`` where no part is known."""
        parts = [part for part in (self.code, self.rodata, self.data, self.bss) if part is not None]
        return PhysRange(min(part.start for part in parts), max(part.end for part in parts)) if parts else None


@value.frozen
class FirmwareMarks:
    """What firmware makes an x86 kernel do to its e820 table, where nothing but the kernel's log tells of it.

    :param mmio: MMIO descriptors of an EFI map that is not known otherwise, by their numbers in it.
    :param uncached: what MTRRs do not make write-back cacheable, between and above what they do.
    :param kept: whole pages that are kept for what configuration tables of EFI point at.
    :param tables: where ACPI tables went that the initial RAM disk brought along.
    :param stolen: what graphics processors have taken.
    :param kept_late: pages that are kept when ACPI tables are read: the boot logo.
    :param attributes_table: address of the memory attributes table, which is kept as soon as EFI is known; 0: none.
    """

    mmio: tuple[tuple[int, PhysRange], ...] = ()
    uncached: tuple[PhysRange, ...] = ()
    kept: tuple[PhysRange, ...] = ()
    stolen: tuple[PhysRange, ...] = ()
    kept_late: tuple[PhysRange, ...] = ()
    attributes_table: int = 0
    tables: tuple[PhysRange, ...] = ()


def _tables(tables: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return frozen(tables)


def _sections(sections: Mapping[str, Any]) -> Mapping[str, Any]:
    return frozen(sections)


@value.frozen
class Machine:
    """A machine, its firmware, its command line and the kernel that it boots.

    :param efi_map: the firmware's map; ``None`` for a machine that did not boot through EFI.
    :param e820: a boot loader's (or kexec's) zero page table; ``None`` when the EFI stub makes it.
    :param acpi: whole ACPI tables, as bytes, by signature: ``SRAT``, ``HMAT``, ``SLIT``, ``APIC``, ``CEDT``.
    :param unknown: signatures of tables that the machine may have all the same: whoever described it did not know them.
    :param cxl: CXL host bridges with what is behind them.
    :param cxl_root: the CXL root device; ``None``: nobody said anything of it, and it is there where there is a CEDT.
    :param boot: how the kernel was entered: ``"stub"`` (EFI stub), ``"loader"`` (e820 and perhaps an EFI map from
        a boot loader) or ``"kexec"``.
    :param setup_data: ranges of the boot loader's setup_data nodes (x86), in list order.
    :param marks: what else firmware makes of e820 (x86).
    :param devicetree: whether a device tree describes the machine, and ACPI tables do not count (arm64).
    :param dma_reach: first byte that not every device reaches, below 4 GiB, where device tree or IORT say so (arm64).
    :param pci: whether there is a PCI bus.
    :param crash_kernel: where a kernel was seen to keep memory for a crash kernel, if it was: the places of the image
        and of what firmware left decide on it, too, and are seldom known.
    :param phys_bits: physical address width of the CPU.
    :param hypervisor: whether the CPU says that it is a virtual one (x86), or user space that the machine is.
    :param kvm: whether its hypervisor is KVM (x86).
    :param la57: whether the CPU can use five-level page tables (x86).
    :param cpu_vendor: who made the CPU, as its ``cpuid`` instruction says (x86).
    :param userspace: what its user space is, as far as somebody says it.
    :param sections: what plugins read of the description, by the names of their sections.
    :raises MachineError: the name has characters that no name has.
    """

    name: str = value.field()
    kernel: Kernel
    cmdline: CommandLine = CommandLine()
    efi_map: EfiMemoryMap | None = None
    e820: tuple[E820Entry, ...] | None = None
    acpi: Mapping[str, bytes] = value.field(factory=dict, converter=_tables, hash=False, repr=lambda v: repr(sorted(v)))
    cpus: int = 1
    image: KernelImage = KernelImage()
    boot: str = "stub"
    setup_data: tuple[PhysRange, ...] = ()
    marks: FirmwareMarks = FirmwareMarks()
    devicetree: bool = False
    dma_reach: int | None = None
    pci: bool = True
    crash_kernel: tuple[PhysRange, ...] = ()
    phys_bits: int = 46
    hypervisor: bool = True
    kvm: bool = False
    la57: bool = False
    cpu_vendor: str = "AuthenticAMD"
    unknown: frozenset[str] = frozenset()
    cxl: tuple[CxlHostBridge, ...] = ()
    cxl_root: CxlRoot | None = None
    userspace: UserspaceFacts = UserspaceFacts()
    sections: Mapping[str, Any] = value.field(factory=dict, converter=_sections, hash=False)

    @name.validator
    def _has_its_alphabet(self, _: object, name: str) -> None:
        problem = name_problem(name)
        if problem is not None:
            raise MachineError(problem)

    @property
    def arch(self) -> str:
        """``"x86_64"``, ``"arm64"`` or what a plugin calls its own."""
        return self.kernel.arch

    @property
    def virt(self) -> Virt:
        """What user space takes the machine for. systemd: ``src/basic/virt.c: detect_vm``."""
        return self.userspace.virt or ("kvm" if self.kvm else "vm" if self.hypervisor else "none")

    def efi_descriptors_at(self, address: int) -> Iterator[tuple[int, EfiDescriptor]]:
        """The firmware's descriptors that have a byte, with their numbers; one, unless the firmware made a mistake."""
        return ((n, d) for n, d in enumerate(self.efi_map or ()) if d.start <= address <= d.last)
