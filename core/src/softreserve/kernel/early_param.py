"""Early options: handled in the order of the command line, before memory is set up. Linux: ``init/main.c``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.model.events import EventLog, Rule

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.cmdline import CommandLine
    from softreserve.model.kernel import Kernel

__all__ = ["MALFORMED", "REFUSED", "Handler", "MemoryLimit", "common_handlers", "parse_early_param"]

#: A line about an early option that was not understood, by its name.
MALFORMED: Final = Rule("early-option-malformed", "an early option is malformed")

#: A line that says that something a parameter asks for is not to be had.
REFUSED: Final = Rule("parameter-refused", "what a parameter asks for is not to be had")

#: Takes the value (``None``: given without ``=``) and returns 0, or anything else for "malformed".
Handler = Callable[["str | None"], int]


def parse_early_param(cmdline: CommandLine, handlers: Mapping[str, Handler], log: EventLog) -> None:
    """Call the handler of every word that has one, once per occurrence. Linux: ``do_early_param``.

    :param handlers: by name, written with ``_``; ``-`` is the same on the command line.
    """
    for parameter in cmdline:
        handler = handlers.get(parameter.canonical)
        if handler is not None and handler(parameter.value):
            text = f"Malformed early option '{parameter.name}'"
            log.printk(text, "init/main.c: do_early_param", MALFORMED, parameter.name)


class MemoryLimit:
    """``mem=`` where it is an amount of memory, not an address. ``limit`` (bytes) is ``None`` where it was not given.

    :param source: the file of the architecture.
    :param most: the limit where there is none, in bytes; of several the least counts then, else the last.
    """

    def __init__(self, kernel: Kernel, log: EventLog, source: str, most: int | None = None) -> None:
        self._kernel = kernel
        self._log = log
        self._source = source
        self._least_counts = most is not None
        self.limit = most

    def early_mem(self, value: str | None) -> int:
        """``mem=value``: 0, or 1 without a value."""
        if value is None:
            return 1
        limit = self._kernel.memparse(value)[0] & -self._kernel.page_size
        self.limit = min(limit, self.limit) if self._least_counts and self.limit is not None else limit
        self._log.printk(f"Memory limited to {self.limit >> 20}MB", f"{self._source}: early_mem")
        return 0


def common_handlers(efi: Efi, memblock: Memblock) -> dict[str, Handler]:
    """The early options that every architecture has, as far as they have to do with memory."""

    def kernelcore(value: str | None) -> int:
        if value is None:
            return -EINVAL
        memblock.mirrored_kernelcore |= "mirror" in value.split(",")
        return 0

    def movable_node(value: str | None) -> int:
        memblock.movable_node = True
        return 0

    def memblock_debug(value: str | None) -> int:
        memblock.debug |= value is not None and "debug" in value
        return 0

    return {
        "efi": efi.parse_efi_cmdline,
        "noefi": efi.setup_noefi,
        "kernelcore": kernelcore,
        "movablecore": lambda value: -EINVAL if value is None else 0,
        "movable_node": movable_node,
        "memblock": memblock_debug,
    }
