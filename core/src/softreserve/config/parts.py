"""What captures, machine files, steps and options say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.cmdline import COMMAND_LINE_MAX, CommandLine
from softreserve.model.errors import InputError
from softreserve.model.machine import PHYS_BITS_MAX, KernelImage
from softreserve.model.scenario import Gap

if TYPE_CHECKING:
    from softreserve.config.reader import Table

__all__ = ["CPUS_GAP", "IMAGE_GAP", "checked_cmdline", "image_parts", "presumed_phys_bits"]

#: What both logs and captures may lack.
CPUS_GAP: Final = Gap("the number of CPUs", "one is assumed")
IMAGE_GAP: Final = Gap("the place of the kernel image", "/proc/iomem has no lines for it, kaslr no size of it")

#: Bits of a physical address, where nothing says how many: of QEMU's own CPUs, and of most real ones.
_VIRTUAL_PHYS_BITS, _REAL_PHYS_BITS = 40, 46


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
