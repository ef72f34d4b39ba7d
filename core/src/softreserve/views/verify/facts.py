"""What decides lines of a kernel's log and files: facts that an input has or lacks, and what no input has."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softreserve.model.scenario import Scenario

__all__ = ["INPUT", "OURS", "OUTSIDE", "Fact", "Sorted", "sorted_by"]

#: Classes of a difference: the prediction is wrong; the input lacks what decides it; it is not modelled.
OURS, INPUT, OUTSIDE = "ours", "input", "outside"
#: A class, and why.
Sorted = tuple[str, str]


class Fact(Enum):
    """What decides a line. Its value: how a gap that leaves it open is named, or why it is not modelled."""

    MAP = "the (EFI memory|e820|memory) map|some messages|the end of the log"
    EFI_MAP = "the EFI memory map"
    CMDLINE = "the command line"
    ARCH = "the architecture"
    PAGE_SIZE = "the page size"
    CONFIG = "the kernel's configuration"
    CPUS = "the number of CPUs"
    IMAGE = "the place of the kernel image"
    SRAT = "the ACPI tables? .*SRAT"
    SLIT = "the ACPI tables? .*SLIT"
    HMAT = "the ACPI tables? .*HMAT"
    CEDT = "the ACPI tables? .*CEDT"
    CXL = "the CXL devices|the ACPI tables? .*CEDT"
    ALLOCATIONS = "it depends on every allocation before it"
    DEVICES = "it depends on PCI and other devices, which are not modelled"
    LOADER = "it depends on where the boot loader puts what it hands over"
    CHANGED = "user space can change it while the system runs"


_OUTSIDE: Final = (Fact.ALLOCATIONS, Fact.DEVICES, Fact.LOADER, Fact.CHANGED)


def sorted_by(facts: Iterable[Fact], scenario: Scenario, *, running: bool) -> Sorted:
    """The class of a difference in what these facts decide, and why; what they do not excuse is ours.

    :param running: whether user space had run when the machine was looked at.
    """
    for fact in facts:
        if fact in _OUTSIDE and (running or fact is not Fact.CHANGED):
            return OUTSIDE, fact.value
    for fact in facts:
        for gap in scenario.gaps:
            if fact not in _OUTSIDE and re.match(fact.value, gap.missing):
                return INPUT, f"without {gap.missing}"
    return OURS, ""
