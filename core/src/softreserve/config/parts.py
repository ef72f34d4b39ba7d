"""What captures, machine files, steps and options say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.cmdline import COMMAND_LINE_MAX, CommandLine
from softreserve.model.errors import InputError
from softreserve.model.machine import PHYS_BITS_MAX, KernelImage
from softreserve.model.scenario import EFI_MAP, Gap

if TYPE_CHECKING:
    from softreserve.config.reader import Table

__all__ = [
    "CMDLINE_GAP",
    "CPUS_GAP",
    "DECIDING_TABLES",
    "EFI_DEBUG",
    "IMAGE_GAP",
    "PAGE_SIZE_GAP",
    "checked_cmdline",
    "efi_map_gap",
    "image_parts",
    "presumed_phys_bits",
    "tables_gap",
]

#: ACPI tables that decide something here.
DECIDING_TABLES: Final = ("SRAT", "SLIT", "HMAT", "CEDT")

#: What both logs and captures may lack.
CMDLINE_GAP: Final = Gap("the command line", "an empty one is assumed")
PAGE_SIZE_GAP: Final = Gap("the page size", "4 KiB is assumed")
CPUS_GAP: Final = Gap("the number of CPUs", "one is assumed")
IMAGE_GAP: Final = Gap("the place of the kernel image", "/proc/iomem has no lines for it, kaslr no size of it")

#: How a kernel is made to print the map of EFI firmware.
EFI_DEBUG: Final = "efi=debug on the command line makes the kernel print it"

#: Bits of a physical address, where nothing says how many: of QEMU's own CPUs, and of most real ones.
_VIRTUAL_PHYS_BITS, _REAL_PHYS_BITS = 40, 46


def efi_map_gap(why: str = EFI_DEBUG) -> Gap:
    """What it means that there is no map of EFI firmware."""
    return Gap(
        EFI_MAP,
        f"{why}. What the firmware said of a range cannot be told or checked, and EFI words on the command line "
        "cannot be changed",
    )


def tables_gap(which: str = "") -> Gap:
    """What it means that there are no ACPI tables, or that those named are not there."""
    return Gap(
        f"the ACPI tables {which}".rstrip(),
        "nodes, distances, memory tiers and CXL windows are as on a machine without them",
    )


def presumed_phys_bits(highest: int, *, virtual: bool) -> int:
    """Width of a physical address: that of QEMU's own CPUs, or of most real ones; no less than ``highest``."""
    presumed = _VIRTUAL_PHYS_BITS if virtual and highest <= _VIRTUAL_PHYS_BITS else _REAL_PHYS_BITS
    return min(max(presumed, highest), PHYS_BITS_MAX)


def checked_cmdline(text: str, path: object = None) -> CommandLine:
    """A command line that a kernel can take.

    :raises InputError: it is longer than the kernel's buffer, or would end at a zero byte.
    """
    if "\0" in text:
        raise InputError("a zero byte, where the kernel stops reading", path=path, place=f"byte {text.index(chr(0))}")
    if len(text) > COMMAND_LINE_MAX:
        raise InputError(
            f"a command line of {len(text)} characters; the kernel takes {COMMAND_LINE_MAX}",
            path=path,
        )
    return CommandLine(text)


def image_parts(table: Table) -> KernelImage:
    """``code``, ``rodata``, ``data``, ``bss`` and ``initrd``, each ``{ start, size }``."""
    return KernelImage(
        code=table.range("code"),
        rodata=table.range("rodata"),
        data=table.range("data"),
        bss=table.range("bss"),
        initrd=table.range("initrd"),
    )
