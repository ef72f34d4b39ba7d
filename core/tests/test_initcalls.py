"""Initcalls run by level, then in link order."""

from __future__ import annotations

from softreserve.kernel.initcalls import Initcall, Level, link_rank, sorted_initcalls


def _call(level: Level, source: str) -> Initcall:
    return Initcall(level, source, source, lambda: None)


def test_levels_come_first_and_the_link_order_decides_within_one() -> None:
    calls = [
        _call(Level.LATE, "drivers/acpi/numa/hmat.c"),
        _call(Level.SUBSYS, "arch/x86/pci/legacy.c"),
        _call(Level.SUBSYS, "drivers/acpi/numa/hmat.c"),
        _call(Level.SUBSYS, "mm/memory-tiers.c"),
        _call(Level.EARLY, "drivers/firmware/efi/arm-runtime.c"),
    ]
    assert [c.source for c in sorted_initcalls(calls)] == [
        "drivers/firmware/efi/arm-runtime.c",
        "mm/memory-tiers.c",
        "drivers/acpi/numa/hmat.c",
        "arch/x86/pci/legacy.c",  # ARCH_DRIVERS are linked after drivers/
        "drivers/acpi/numa/hmat.c",
    ]


def test_the_dax_modules_start_in_the_order_of_their_makefile() -> None:
    order = ["super.c", "bus.c", "device.c", "kmem.c", "hmem/device.c", "hmem/hmem.c"]
    ranks = [link_rank(f"drivers/dax/{name}") for name in order]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
