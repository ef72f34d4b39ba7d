"""The zero page that a kernel was handed, in ``/sys/kernel/boot_params``. Linux: ``arch/x86/kernel/ksysfs.c``.

Of it a machine's description tells the e820 table and how large the EFI map is; what it does not tell is zero.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Attribute, Directory
from softreserve.model.e820 import MAX_ENTRIES_ZEROPAGE

if TYPE_CHECKING:
    from softreserve.model.handoff import Handoff

__all__ = ["directory", "zero_page"]

_SIZE: Final = 4096
#: Offsets in bytes. Linux: ``arch/x86/include/uapi/asm/bootparam.h: struct boot_params``.
_EFI_INFO: Final = 0x1C0
_E820_ENTRIES: Final = 0x1E8
_MAGIC: Final = 0x202
_VERSION: Final = 0x206
_E820_TABLE: Final = 0x2D0
#: The boot protocol that kernels have since 5.5.
_PROTOCOL: Final = 0x20F
_EFI_DESCRIPTOR_VERSION: Final = 1


def zero_page(handoff: Handoff) -> bytes:
    """The page as far as it is known."""
    page = bytearray(_SIZE)
    efi_map, e820 = handoff.efi_map, (handoff.e820 or ())[:MAX_ENTRIES_ZEROPAGE]
    if efi_map is not None:
        size = len(efi_map) * efi_map.desc_size
        # signature, system table, descriptors' size and version, map, its size, upper halves of both addresses
        words = (efi_map.desc_size, _EFI_DESCRIPTOR_VERSION, 0, size, 0, 0)
        struct.pack_into("<4sI6I", page, _EFI_INFO, b"EL64", 0, *words)
    struct.pack_into("<B", page, _E820_ENTRIES, len(e820))
    struct.pack_into("<4sH", page, _MAGIC, b"HdrS", _PROTOCOL)
    for number, entry in enumerate(e820):
        struct.pack_into("<QQI", page, _E820_TABLE + 20 * number, entry.start, entry.size, entry.type & 0xFFFFFFFF)
    return bytes(page)


def directory(handoff: Handoff) -> Directory:
    """``data`` and ``version``."""
    return Directory(
        {
            "data": Attribute(0o444, lambda: zero_page(handoff)),
            "version": Attribute(0o444, lambda: f"{_PROTOCOL:#06x}\n"),
        }
    )
