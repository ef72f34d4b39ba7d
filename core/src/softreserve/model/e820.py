"""Types of e820 entries. Linux: ``arch/x86/include/asm/e820/types.h``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACPI",
    "MAX_ENTRIES_ZEROPAGE",
    "NEW_TYPE_TEXT",
    "NVS",
    "PMEM",
    "PRAM",
    "RAM",
    "RESERVED",
    "RESERVED_KERN",
    "RESOURCE_TEXT",
    "SOFT_RESERVED",
    "TYPE_TEXT",
    "UNKNOWN_RESOURCE",
    "UNUSABLE",
    "type_text",
]

# any other 32-bit number is possible too
RAM: Final = 1
RESERVED: Final = 2
ACPI: Final = 3
NVS: Final = 4
UNUSABLE: Final = 5
PMEM: Final = 7
PRAM: Final = 12
RESERVED_KERN: Final = 128
SOFT_RESERVED: Final = 0xEFFFFFFF

#: Entries that fit into the zero page.
MAX_ENTRIES_ZEROPAGE: Final = 128

#: Types as the log names them. Linux: ``arch/x86/kernel/e820.c: e820_print_type``.
TYPE_TEXT: Final = {
    RAM: "usable",
    RESERVED_KERN: "usable",
    RESERVED: "reserved",
    SOFT_RESERVED: "soft reserved",
    ACPI: "ACPI data",
    NVS: "ACPI NVS",
    UNUSABLE: "unusable",
    PMEM: "persistent (type 7)",
    PRAM: "persistent (type 12)",
}

#: How the log names types from 7.0 on, where that differs.
NEW_TYPE_TEXT: Final = {
    RAM: "System RAM",
    RESERVED_KERN: "type 128",
    RESERVED: "device reserved",
    PMEM: "persistent RAM (type 7)",
    PRAM: "persistent RAM (type 12)",
}


#: What resources are called that are of a type. Linux: ``arch/x86/kernel/e820.c: e820_type_to_string``.
RESOURCE_TEXT: Final = {
    RAM: "System RAM",
    RESERVED: "Reserved",
    ACPI: "ACPI Tables",
    NVS: "ACPI Non-volatile Storage",
    UNUSABLE: "Unusable memory",
    PMEM: "Persistent Memory",
    PRAM: "Persistent Memory (legacy)",
    SOFT_RESERVED: "Soft Reserved",
}
#: Of all other types.
UNKNOWN_RESOURCE: Final = "Unknown E820 type"


def type_text(e820_type: int) -> str:
    """A type as the log names it."""
    return TYPE_TEXT.get(e820_type) or f"type {e820_type}"
