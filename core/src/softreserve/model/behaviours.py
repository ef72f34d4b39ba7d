"""What differs between kernel releases, as data.

A behaviour has a name, the release that brought it, where it ended, and the subject of the change. ``backported`` lists
the releases of :data:`RELEASES` whose stable branch (as pinned) carries it although it is newer.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import attrs

__all__ = ["BEHAVIOURS", "RELEASES", "Behaviour"]

#: Releases with a profile, oldest first; 6.1 means 6.1.192 and 6.12 means 6.12.117.
RELEASES: Final = ("5.5", "5.8", "5.10", "6.1", "6.12")


def _key(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


@attrs.frozen
class Behaviour:
    """One named behaviour: there from ``since`` on (inclusive) until ``until`` (exclusive, ``None``: still there)."""

    name: str
    since: str
    until: str | None
    words: str
    change: str = ""
    known_by: str = "source read"
    backported: tuple[str, ...] = ()
    dropped_by_backport: tuple[str, ...] = ()

    def applies_to(self, release: str, releases: tuple[str, ...] = RELEASES) -> bool:
        """Whether the release of :data:`RELEASES` behaves so."""
        if release in self.backported:
            return True
        if release in self.dropped_by_backport:
            return False
        at = _key(release)
        return _key(self.since) <= at and (self.until is None or at < _key(self.until))

    @staticmethod
    @cache
    def names() -> frozenset[str]:
        """All names."""
        return frozenset(b.name for b in BEHAVIOURS)


#: Grouped by subsystem; code asks for the name.
BEHAVIOURS: Final = (
    # --- EFI and x86 early boot
    Behaviour(
        "efi-fake-mem",
        "5.5",
        "6.11",
        "efi_fake_mem= marks ranges in the EFI map (x86, CONFIG_EFI_FAKE_MEMMAP)",
        "x86/efi: Drop support for fake EFI memory maps",
    ),
    Behaviour(
        "efi-unaccepted-memory",
        "6.5",
        None,
        "EFI type 15 is known; the stub accepts it as RAM",
        "efi/libstub: Implement support for unaccepted memory",
    ),
    Behaviour(
        "efi-remove-e820-mmio",
        "6.2",
        None,
        "large MMIO descriptors are removed from e820",
        "efi/x86: Remove EfiMemoryMappedIO from E820 map",
    ),
    Behaviour(
        "e820-soft-reserved-never-merges",
        "5.10",
        None,
        "every soft reserved e820 entry stays an entry of its own",
        "ACPI: HMAT: attach a device for each soft-reserved range",
    ),
    Behaviour(
        "e820-end-pfn-counts-acpi",
        "6.12",
        None,
        "max_pfn counts ACPI entries like RAM",
        "x86/e820: Permit making ACPI tables usable RAM (stable)",
    ),
    # --- NUMA
    Behaviour(
        "numa-memblks-generic",
        "6.12",
        None,
        "mm/numa_memblks.c serves x86 and arm64; reserved blocks win in phys_to_target_node",
        "mm: introduce numa_memblks",
    ),
)
