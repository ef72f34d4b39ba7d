"""What of a machine means nothing, or something else, on another architecture.

A description without parts that only one architecture has boots on every one; this says what cannot go along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.model.acpi.srat import Srat
from softreserve.model.errors import InputError
from softreserve.plugins.architectures import arch_info

if TYPE_CHECKING:
    from softreserve.model.arch import ArchInfo
    from softreserve.model.machine import Machine

__all__ = ["lost_on"]


def lost_on(machine: Machine, arch: str) -> list[str]:
    """One line for each thing of ``machine`` that does not carry over to ``arch``, or changes its meaning there.

    :raises PluginError: what boots one of the two cannot be imported.
    """
    if arch == machine.arch:
        return []
    here, there = arch_info(machine.arch), arch_info(arch)
    return [*_lost_options(machine, here, there), *_lost_tables(machine, there), *_lost_image(machine, here, there)]


def _lost_options(machine: Machine, here: ArchInfo, there: ArchInfo) -> list[str]:
    lost = []
    for parameter in sorted(here.parameters - there.parameters):
        name, equals, word = parameter.partition("=")
        if not equals and machine.cmdline.has(name):
            lost.append(f"{name}= does nothing on {there.name}: only {here.name} knows it")
        if equals and any((value or "").startswith(word) for value in machine.cmdline.all(name)):
            lost.append(f"{parameter} does nothing on {there.name}")
    if machine.cmdline.has("mem") and here.mem_means != there.mem_means:
        lost.append(f"mem= is {here.mem_means} on {here.name}, and {there.mem_means} on {there.name}")
    return lost


def _lost_tables(machine: Machine, there: ArchInfo) -> list[str]:
    lost = []
    if machine.e820 is not None and not there.boots_from_e820:
        lost.append(f"the e820 table is left out: {there.name} reads the EFI map")
    if machine.setup_data and not there.boots_from_e820:
        lost.append(f"setup_data nodes are left out: {there.name} has none")
    known = there.srat_processors
    if known and "SRAT" in machine.acpi and not _names_processors(machine.acpi["SRAT"], known):
        lost.append(f"the SRAT names no processor as {there.name} does: all processors are on node 0")
    return lost


def _names_processors(table: bytes, types: tuple[type, ...]) -> bool:
    try:
        entries = Srat.parse(table).entries
    except InputError:
        return True  # the boot will say what is wrong with it
    return any(isinstance(entry, types) for entry in entries)


def _lost_image(machine: Machine, here: ArchInfo, there: ArchInfo) -> list[str]:
    lost = [part for part in here.image_parts if part not in there.image_parts and getattr(machine.image, part)]
    if not lost:
        return []
    return [f"the image's {' and '.join(lost)} are left out: {there.name} shows {' and '.join(there.image_parts)} only"]
