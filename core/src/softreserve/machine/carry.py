"""What of a machine means nothing, or something else, on another architecture.

A description without parts that only one architecture has boots on every one; this says what cannot go along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.acpi.srat import CpuAffinity, GiccAffinity, Srat, X2apicAffinity
from softreserve.model.errors import InputError

if TYPE_CHECKING:
    from softreserve.model.machine import Machine

__all__ = ["lost_on"]

#: Options of the command line that only some architectures know. Linux: their early_param() and __setup().
_OPTIONS: Final = {
    "memmap": ("x86_64",),
    "efi_fake_mem": ("x86_64",),
    "add_efi_memmap": ("x86_64",),
}
#: Values of ``numa=`` that only some architectures know.
_NUMA: Final = {"noacpi": ("x86_64",), "nohmat": ("x86_64",)}
#: How the SRAT names processors.
_PROCESSORS: Final[dict[str, tuple[type, ...]]] = {
    "x86_64": (CpuAffinity, X2apicAffinity),
    "arm64": (GiccAffinity,),
}


def lost_on(machine: Machine, arch: str) -> list[str]:
    """One line for each thing of ``machine`` that does not carry over to ``arch``, or changes its meaning there."""
    if arch == machine.arch:
        return []
    return [*_lost_options(machine, arch), *_lost_tables(machine, arch), *_lost_image(machine, arch)]


def _lost_options(machine: Machine, arch: str) -> list[str]:
    lost = [
        f"{name}= does nothing on {arch}: only {', '.join(arches)} knows it"
        for name, arches in _OPTIONS.items()
        if arch not in arches and machine.cmdline.has(name)
    ]
    for value in machine.cmdline.all("numa"):
        for word, arches in _NUMA.items():
            if value is not None and value.startswith(word) and arch not in arches:
                lost.append(f"numa={word} does nothing on {arch}")
    if machine.cmdline.has("mem"):
        lost.append("mem= is the highest address on x86_64, and an amount of memory on arm64")
    return lost


def _lost_tables(machine: Machine, arch: str) -> list[str]:
    lost = []
    if machine.e820 is not None and arch != "x86_64":
        lost.append(f"the e820 table is left out: {arch} reads the EFI map")
    if machine.setup_data and arch != "x86_64":
        lost.append(f"setup_data nodes are left out: {arch} has none")
    known = _PROCESSORS.get(arch)
    if known is not None and "SRAT" in machine.acpi and not _names_processors(machine.acpi["SRAT"], known):
        lost.append(f"the SRAT names no processor as {arch} does: all processors are on node 0")
    return lost


def _names_processors(table: bytes, types: tuple[type, ...]) -> bool:
    try:
        entries = Srat.parse(table).entries
    except InputError:
        return True  # the boot will say what is wrong with it
    return any(isinstance(entry, types) for entry in entries)


def _lost_image(machine: Machine, arch: str) -> list[str]:
    if arch == "arm64" and (machine.image.rodata is not None or machine.image.bss is not None):
        return ["the image's rodata and bss are left out: arm64 shows code and data only"]
    return []
