"""kaslr-x86: ``arch/x86/boot/compressed/kaslr.c: choose_random_location`` and everything below it."""

from __future__ import annotations

from typing import Any

from softreserve.model.machine import E820Entry
from softreserve_x86.kaslr import Kaslr, KaslrInput, SetupData

from families._common import by_release, efi_map, kernel, number


def questions(case: dict[str, Any]) -> dict[str, Any]:
    """The raw random numbers that the choices were given; the file keeps them in ``picks``."""
    picks = (case.get("out_6.1") or {}).get("picks") or []
    return {"random": [(pick["random_physical"], pick["random_virtual"]) for pick in picks]}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    """One boot; the choice once for every pair of random numbers (``random``: physical and virtual, hex)."""
    return by_release(in_, lambda release: _answer(release, in_))


def _setup_data(node: dict[str, Any]) -> SetupData:
    indirect = node["indirect"]
    target = indirect and (indirect["type"], number(indirect["addr"]), number(indirect["len"]))
    return SetupData(number(node["addr"]), node["type"], number(node["len"]), target)


def _given(release: str, in_: dict[str, Any]) -> KaslrInput:
    running = kernel(
        release,
        PHYSICAL_START=0x1000000,
        PHYSICAL_ALIGN=number(in_["config_physical_align"]),
        UNACCEPTED_MEMORY="y" if in_["config_unaccepted_memory"] else "n",
    )
    return KaslrInput(
        kernel=running,
        cmdline=in_["cmdline"],
        input=number(in_["input"]),
        output=number(in_["output"]),
        output_size=number(in_["output_size"]),
        init_size=number(in_["init_size"]),
        cmdline_addr=number(in_["cmdline_addr"]),
        boot_params_addr=number(in_["boot_params_addr"]),
        initrd=(number(in_["initrd"]["start"]), number(in_["initrd"]["size"])),
        setup_data=tuple(_setup_data(node) for node in in_["setup_data"]),
        immovable=tuple((number(r["start"]), number(r["size"])) for r in in_["immovable"]),
        efi_map=efi_map(in_["efi_map"]) if in_["source"] == "efi" else None,
        e820=tuple(E820Entry(number(e["start"]), number(e["size"]), e["type"]) for e in in_["e820"]),
        soft_reserve=in_["soft_reserve"],
        max_physmem_bits=in_["max_physmem_bits"],
    )


def _answer(release: str, in_: dict[str, Any]) -> dict[str, Any]:
    given = _given(release, in_)
    state = Kaslr(given)
    state.choose_random_location(lambda purpose: 0)
    return {
        "mem_avoid": [_range(start, size) for start, size in state.mem_avoid],
        "slot_areas": [{"addr": f"{address:#x}", "num": number} for address, number in state.slot_areas],
        "mem_limit": f"{state.mem_limit:#x}",
        "memmap_too_large": state.options.memmap_too_large,
        "slot_max": state.slot_max,
        "max_gb_huge_pages_left": state.options.max_gb_huge_pages,
        "picks": [_pick(given, physical, virtual) for physical, virtual in in_.get("random", [])],
    }


def _range(start: int, size: int) -> dict[str, str]:
    return {"start": f"{start:#x}", "size": f"{size:#x}"}


def _pick(given: KaslrInput, physical: str, virtual: str) -> dict[str, Any]:
    chosen = Kaslr(given)
    numbers = {"Physical": number(physical), "Virtual": number(virtual)}
    output, virt_addr = chosen.choose_random_location(numbers.__getitem__)
    return {
        "random_physical": physical,
        "random_virtual": virtual,
        "output": f"{output:#x}",
        "virt_addr": f"{virt_addr:#x}",
        "messages": chosen.messages,
    }
