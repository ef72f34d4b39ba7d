"""kaslr-efistub: ``drivers/firmware/efi/libstub/randomalloc.c: efi_random_alloc``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.efi.randomalloc import count_slots, efi_random_alloc

from families._common import by_release, efi_map, kernel, number


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    """The slots of one map, and where one seed lands."""
    return by_release(in_, lambda release: _answer(release, in_))


def _answer(release: str, in_: dict[str, Any]) -> dict[str, Any]:
    running = kernel(release)
    slots = count_slots(
        efi_map(in_["map"]),
        number(in_["size"]),
        number(in_["align"]),
        number(in_["min"]),
        number(in_["max"]),
        kernel=running,
        soft_reserve=in_["soft_reserve"],
    )
    status, address = efi_random_alloc(slots, number(in_["seed"]), running)
    return {
        "status": f"{status:#x}",
        "addr": None if address is None else f"{address:#x}",
        "pages": None if address is None else f"{slots.size // 4096:#x}",
        "slots": list(slots.counts),
    }
