"""The kernel's view of EFI, for every architecture. Linux: ``drivers/firmware/efi/efi.c``."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from softreserve.kernel.state import StashKey
from softreserve.model import behaviours
from softreserve.model.efi import EfiAttribute
from softreserve.model.units import parse_option_str

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.events import EventLog
    from softreserve.model.kernel import Kernel

__all__ = ["EFI", "Efi"]

_MORE_RELIABLE = int(EfiAttribute.MORE_RELIABLE)


class Efi:
    """``struct efi`` and the switches of the command line.

    ``memmap`` is the map in force; ``None`` while or where there is none (flag EFI_MEMMAP clear).
    The switch for soft reservation is the kernel's: the stub has one of its own, set by other rules.
    """

    __slots__ = ("_config_soft_reserve", "_log", "dbg", "memmap", "no_soft_reserve", "runtime_disabled")

    def __init__(self, kernel: Kernel, log: EventLog) -> None:
        self._log = log
        self._config_soft_reserve = kernel.has(behaviours.EFI_SOFT_RESERVE)
        self.memmap: EfiMemoryMap | None = None
        self.dbg = False
        self.no_soft_reserve = False
        self.runtime_disabled = kernel.builtin("EFI_DISABLE_RUNTIME")

    @property
    def soft_reserve_enabled(self) -> bool:
        """Whether the kernel sets specific purpose memory aside. Linux: ``efi_soft_reserve_enabled``."""
        return self._config_soft_reserve and not self.no_soft_reserve

    def parse_efi_cmdline(self, value: str | None) -> int:
        """``efi=value``: 0, or -EINVAL where it was given without ``=``.

        Words of one value are looked for in a fixed order, so that ``runtime`` wins over ``noruntime``; ``debug`` and
        ``nosoftreserve`` cannot be taken back.
        """
        if value is None:
            self._log.printk("efi: need at least one option")
            return -EINVAL
        if parse_option_str(value, "debug"):
            self.dbg = True
        if parse_option_str(value, "noruntime"):
            self.runtime_disabled = True
        if parse_option_str(value, "runtime"):
            self.runtime_disabled = False
        if parse_option_str(value, "nosoftreserve"):
            self.no_soft_reserve = True
        return 0

    def setup_noefi(self, value: str | None) -> int:
        """``noefi``: no runtime services; always 0."""
        self.runtime_disabled = True
        return 0

    def find_mirror(self, memblock: Memblock) -> None:
        """Mark mirrored memory and say how much there is. Linux: ``efi_find_mirror``."""
        mirrored = total = 0
        for descriptor in self.memmap or ():
            total += descriptor.size
            if descriptor.attribute & _MORE_RELIABLE:
                memblock.mark_mirror(descriptor.start, descriptor.size)
                mirrored += descriptor.size
        if mirrored:
            self._log.printk(f"efi: Memory: {mirrored >> 20}M/{total >> 20}M mirrored memory")


#: Where the architecture's boot code leaves it.
EFI: StashKey[Efi] = StashKey("efi")
