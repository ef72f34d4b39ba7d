"""What a booted system can be asked to show as the kernel shows it.

Each printer gives lines without newlines, one by one where there may be millions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.e820 import E820_LISTING

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["EMITTERS", "emit"]


def _iomem(system: System) -> list[str]:
    return system.iomem.lines()


def _firmware_memmap(system: System) -> list[str]:
    return system.firmware_memmap.lines()


def _e820(system: System) -> list[str]:
    """Every e820 table that the kernel prints, and every change that it makes to one, in order."""
    return [event.text or "" for event in system.log.of(E820_LISTING)]


def _efi(system: System) -> list[str]:
    """The EFI map that the kernel was handed, as ``efi=debug`` prints it."""
    from softreserve.model.efi_text import native_line, numbered_line

    efi_map = system.handoff.efi_map
    if efi_map is None:
        return []
    if system.handoff.e820 is not None:
        return [numbered_line(index, descriptor, system.kernel) for index, descriptor in enumerate(efi_map)]
    return [native_line(descriptor, system.kernel) for descriptor in efi_map]


def _log(system: System) -> list[str]:
    return system.log.lines


def _state(name: str) -> Callable[[System], Iterable[str]]:
    def lines(system: System) -> Iterable[str]:
        from softreserve.machine.snapshot import FILES

        return FILES[name](system)

    return lines


#: What comes after the last line.
_END: Final = object()
#: What can be shown: name to printer.
EMITTERS: dict[str, Callable[[System], Iterable[str]]] = {
    "iomem": _iomem,
    "firmware-memmap": _firmware_memmap,
    "e820": _e820,
    "efi": _efi,
    "nodes": _state("nodes.txt"),
    "memory-blocks": _state("memory-blocks.txt"),
    "memory-tiers": _state("memory-tiers.txt"),
    "dax": _state("dax.txt"),
    "log": _log,
}


def emit(system: System, what: str) -> Iterable[str]:
    """The lines of one of :data:`EMITTERS`, or of what a plugin of the system brings.

    :raises KeyError: nobody brings it.
    """
    return EMITTERS[what](system) if what in EMITTERS else _of_plugin(system, what)


def _of_plugin(system: System, what: str) -> Iterator[str]:
    from softreserve.kernel import border
    from softreserve.plugins.brought import by_name
    from softreserve.plugins.hooks import hooks_of

    emitter = by_name(hooks_of(system).emitters(), EMITTERS)[what]
    where, plugin = f"softreserve_emitters: emitter {what!r}", emitter.plugin
    found: object = border.call(where, emitter.lines, system, plugin=plugin)
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise border.wrong(plugin, where, found, "lines")
    lines = border.call(where, iter, found, plugin=plugin)
    while (line := border.call(where, next, lines, _END, plugin=plugin)) is not _END:
        if not isinstance(line, str) or "\n" in line:
            raise border.unsound(plugin, where, line, "a line without its end")
        yield line
