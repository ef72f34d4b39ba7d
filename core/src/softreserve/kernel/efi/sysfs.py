"""``/sys/firmware/efi``. Linux: ``drivers/firmware/efi/efi.c: efisubsys_init``."""

from __future__ import annotations

from errno import ENODATA
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Attribute, Directory, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor, EfiMemoryMap

__all__ = ["publish"]

_ROOT: Final = "/sys/firmware/efi"


def publish(
    system: System, unknown: Mapping[str, int], runtime_map: Callable[[], EfiMemoryMap | None] | None = None
) -> None:
    """Show that EFI started this kernel; nothing where it did not.

    :param unknown: files, and their modes, with addresses of the firmware's tables. No description of a machine has
        these: the files are there, and reading them gives -ENODATA.
    :param runtime_map: gives what is to be shown in ``runtime-map``, once somebody looks.
    """
    if system.handoff.efi_map is None:
        return

    @cache
    def children() -> dict[str, Node]:
        found: dict[str, Node] = {"fw_platform_size": Attribute(0o444, lambda: "64\n")}
        found |= {name: Attribute(mode, lambda: -ENODATA) for name, mode in unknown.items()}
        efi_map = None if runtime_map is None else runtime_map()
        if efi_map is not None:
            found["runtime-map"] = Directory({str(number): _entry(entry) for number, entry in enumerate(efi_map)})
        return found

    system.sysfs.add(_ROOT, Directory(names=lambda: list(children()), lookup=lambda name: children().get(name)))


def _entry(descriptor: EfiDescriptor) -> Directory:
    """A descriptor. Linux: ``arch/x86/platform/efi/runtime-map.c``, in 6.1 ``drivers/firmware/efi/runtime-map.c``."""
    values = {
        "type": descriptor.type,
        "phys_addr": descriptor.start,
        "virt_addr": descriptor.virt,
        "num_pages": descriptor.pages,
        "attribute": descriptor.attribute,
    }
    return Directory({name: Attribute(0o400, partial("{:#x}\n".format, value)) for name, value in values.items()})
