"""What decides lines of a kernel's log and files: facts that an input has or lacks, and what no input has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final

from softreserve.model import behaviours

if TYPE_CHECKING:
    from softreserve.model.scenario import Scenario

__all__ = ["INPUT", "OURS", "OUTSIDE", "Fact", "Sorted", "sorted_by"]

#: Classes of a difference: the prediction is wrong; the input lacks what decides it; it is not modelled.
OURS, INPUT, OUTSIDE = "ours", "input", "outside"
#: A class, and why.
Sorted = tuple[str, str]


class Fact(Enum):
    """What decides a line. Its value: how a gap that leaves it open is named, or why it is not modelled."""

    EFI_MAP = "the EFI memory map"
    #: Boot services' memory counts as taken, where it counts at all.
    TAKEN = "the EFI memory map$"
    #: So does what must not be mapped.
    UNMAPPED = "(the EFI memory map|the memory of the device tree)$"
    MAP = "the beginning of the e820 table|memory beyond mem=|the end of the log"
    CMDLINE = "the command line"
    PAGE_SIZE = "the page size"
    CONFIG = "the kernel's configuration"
    RELEASE = "the line of the kernel's version|the kernel$|the architecture"
    CPUS = "the number of CPUs|how many CPUs|the nodes of the CPUs"
    IMAGE = "the place of the kernel image"
    SRAT = "the ACPI tables?( .*SRAT|$)|the proximity domain of node|the nodes of the CPUs"
    SLIT = "the ACPI tables?( .*SLIT|$)"
    HMAT = "the ACPI tables?( .*HMAT|$)|parts of the HMAT"
    CEDT = "the ACPI tables?( .*CEDT|$)|.*CXL windows"
    CXL = "the CXL devices|the ACPI tables?( .*CEDT|$)|.*CXL windows"
    ALLOCATIONS = "it depends on every allocation before it"
    LOADER = "it depends on where the boot loader puts what it hands over"
    CHANGED = "user space can change it while the system runs"
    ADDED = "no memory of the boot: it was added while the system ran"
    DEVICES = "it grew around resources of PCI or other devices, which are not modelled"


#: Facts that decide something on kernels that behave so, and nothing on others.
_BY_BEHAVIOUR: Final = {
    Fact.TAKEN: behaviours.MEMMAP_NOT_MANAGED_AT_BOOT,
    Fact.UNMAPPED: behaviours.PFN_VALID_IS_MAPPED,
}
#: What is never modelled, and what is not where somebody found that it plays a part.
_ALWAYS: Final = frozenset({Fact.ALLOCATIONS, Fact.LOADER})
_WHERE_FOUND: Final = frozenset({Fact.CHANGED, Fact.ADDED, Fact.DEVICES})


def sorted_by(facts: Collection[Fact], scenario: Scenario, found: Iterable[Fact] = ()) -> Sorted:
    """The class of a difference in what these facts decide, and why; what they do not excuse is ours.

    :param found: which of those that are not everywhere play a part.
    """
    has = scenario.machine.kernel.has
    facts = [fact for fact in facts if fact not in _BY_BEHAVIOUR or has(_BY_BEHAVIOUR[fact])]
    for fact in facts:
        if fact in _ALWAYS or fact in found:
            return OUTSIDE, fact.value
    for fact in (*facts, Fact.RELEASE):
        for gap in scenario.gaps:
            if fact not in _WHERE_FOUND and re.match(fact.value, gap.missing):
                return INPUT, f"without {gap.missing}"
    version = scenario.machine.kernel.version
    if version.nearest != version.line:
        return OUTSIDE, f"how Linux {version.line} behaves is not known; it is taken for {version.nearest}"
    return OURS, ""
