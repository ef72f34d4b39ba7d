"""What the kernel, and the readers of descriptions, must know of an architecture. A plugin gives it.

Whatever a kernel *does* on an architecture is in the hooks; this is what it *is*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from softreserve.model.errors import shown
from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from softreserve.model.acpi.layout import Struct
    from softreserve.model.kernel import Kernel
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["ArchInfo", "Bounds"]


def _section_size(kernel: Kernel) -> int:
    """128 MiB, or what fits one PMD of page tables with large pages."""
    return 512 << 20 if kernel.page_size == 65536 else 128 << 20


def _physmem_bits(machine: Machine) -> int:
    """As many as page tables of five levels can map."""
    return 52


def _srat_processor(number: int, domain: int) -> Struct:
    from softreserve.model.acpi.srat import X2apicAffinity

    return X2apicAffinity(proximity_domain=domain, apic_id=number)


def _madt_processor(number: int) -> Struct:
    from softreserve.model.acpi.madt import LocalX2apic

    return LocalX2apic(apic_id=number, uid=number)


def _cpuinfo(machine: Machine) -> str:
    return ""


def _invalidates_no_memregions(machine: Machine) -> bool:
    return False


def _huge_pages(kernel: Kernel) -> tuple[int, ...]:
    return ()


class Bounds(NamedTuple):
    """Which numbers an option can be: from ``low`` to ``high``, both included, in multiples of ``step``."""

    low: int
    high: int
    step: int = 1


#: Options that are numbers everywhere. Linux: the ``Kconfig`` files.
_NUMBERS: Final[Mapping[str, Bounds]] = {"NODES_SHIFT": Bounds(0, 10), "NR_CPUS": Bounds(1, 8192)}


class ArchInfo(NamedTuple):
    """An architecture. What is not given is what most have.

    :param name: as ``arch`` of a kernel.
    :param page_sizes: in bytes, ascending; with the ``CONFIG_`` option that chooses each, ``""``: there is no choice.
    :param section_size: bytes of a section of memory, which is a memory block where the hook does not say otherwise.
        Linux: ``SECTION_SIZE_BITS``.
    :param physmem_bits: bits of physical address that the kernel can use. Linux: ``MAX_PHYSMEM_BITS``.
    :param nodes_shift: what ``CONFIG_NODES_SHIFT`` is where a configuration does not say.
    :param boot_memory_stays: whether memory that was there at boot can never go offline.
    :param options: ``CONFIG_`` options of Debian's builds that are not the same everywhere: under ``""`` those of every
        release, under a release, or a level of its stable series, what changed with it; ascending.
    :param numbers: options of its own that are numbers, without ``CONFIG_``.
    :param srat_processors: kinds of SRAT entries that name processors; empty: not known.
    :param srat_processor: makes one, from a processor's number and its proximity domain.
    :param madt_processor: makes the MADT's entry of a processor, from its number.
    :param cpuinfo: what follows ``processor`` in ``/proc/cpuinfo``: no more than what lets programs tell the
        architecture.
    :param uname: what ``uname -m`` says; empty: the name. Linux: ``UTS_MACHINE``.
    :param log_marks: a regular expression for the beginning of lines that only kernels of this architecture print.
    :param image_parts: fields of a :class:`~softreserve.model.machine.KernelImage` that ``/proc/iomem`` shows.
    :param boots_from_e820: whether the kernel is handed an e820 table, and setup_data nodes.
    :param parameters: words of the command line that nothing but this architecture knows: ``NAME`` or ``NAME=VALUE``.
    :param mem_means: what ``mem=`` gives.
    :param presumed: whether a description that names no architecture is taken to be one of this.
    :param invalidates_memregions: whether a machine's CPUs can drop what they cached of memory that goes.
        Linux: ``cpu_cache_has_invalidate_memregion()``.
    :param kexec_loaders: by system call, what loads the next kernel: takes a
        :class:`~softreserve.kernel.system.System` and the request.
    :param huge_pages: sizes of huge pages in bytes, in the order in which the kernel makes them known; empty: only that
        which a PMD maps. Linux: ``arch/*/mm/hugetlbpage.c``.
    """

    name: str
    page_sizes: Mapping[int, str] = {4096: ""}
    section_size: Callable[[Kernel], int] = _section_size
    physmem_bits: Callable[[Machine], int] = _physmem_bits
    nodes_shift: int = 6
    boot_memory_stays: bool = False
    options: Mapping[str, Mapping[str, str | int]] = {}
    numbers: Mapping[str, Bounds] = {}
    srat_processors: tuple[type[Struct], ...] = ()
    srat_processor: Callable[[int, int], Struct] = _srat_processor
    madt_processor: Callable[[int], Struct] = _madt_processor
    cpuinfo: Callable[[Machine], str] = _cpuinfo
    uname: str = ""
    log_marks: str = ""
    image_parts: tuple[str, ...] = ("code", "rodata", "data", "bss")
    boots_from_e820: bool = False
    parameters: frozenset[str] = frozenset()
    mem_means: str = "an amount of memory"
    presumed: bool = False
    invalidates_memregions: Callable[[Machine], bool] = _invalidates_no_memregions
    kexec_loaders: Mapping[str, Callable[[Any, KexecRequest], KexecImage]] = {}
    huge_pages: Callable[[Kernel], tuple[int, ...]] = _huge_pages

    def option_problem(self, name: str, value: str | int) -> str | None:
        """Why no kernel is built with ``CONFIG_<name>=<value>`` here, or ``None``."""
        bounds = self.numbers.get(name) or _NUMBERS.get(name)
        if bounds is None or value == "n":
            return None
        low, high, step = bounds
        try:
            number = value if isinstance(value, int) else int(value, 0)
        except ValueError:
            return f"wanted a number, not {shown(value)}"
        if not low <= number <= high:
            said = f"{low} to {high}" if high < 1 << 16 else f"{low:#x} to {high:#x}"
            return f"Linux has numbers from {said} here, not {shown(value)}"
        if number % step:
            return f"Linux has multiples of {step:#x} here, not {shown(value)}"
        return None
