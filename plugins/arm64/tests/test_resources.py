"""Soft Reserved and its neighbours. Expected values: derived by hand, and from kernels of both histories."""

from __future__ import annotations

from collections.abc import Callable

from softreserve.kernel.efi.efi import Efi
from softreserve.kernel.efi.runtime import register_soft_reserved
from softreserve.kernel.resource import ResourceTree
from softreserve.kernel.system import System
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.views.lint import lint as lint_all
from softreserve.views.outcome import outcome
from softreserve_arm64.lint import lint

Boot = Callable[..., System]
G = 1 << 30
WB, SP, RUN = 0x8, 0x40000, 1 << 63


def md(type_: int, start: int, end: int, attribute: int = WB) -> EfiDescriptor:
    return EfiDescriptor(type_, start, (end - start) >> 12, attribute)


RAM = md(7, G, 3 * G)


def lines(release: str, *descriptors: EfiDescriptor) -> list[str]:
    kernel = Kernel(release, "arm64", config={"EFI_SOFT_RESERVE": "y"})
    log = EventLog()
    iomem, efi = ResourceTree(log), Efi(kernel, log)
    efi.memmap = EfiMemoryMap(descriptors)
    register_soft_reserved(iomem, efi, kernel, "arm-runtime.c")
    return iomem.lines()


def test_every_descriptor_is_a_resource_of_its_own_whatever_its_type() -> None:
    a, b, mmio = md(7, 8 * G, 10 * G, WB | SP), md(0, 10 * G, 12 * G, WB | SP), md(11, 16 * G, 17 * G, 1 | SP)
    assert lines("6.12", a, b, mmio) == [
        "200000000-27fffffff : Soft Reserved",
        "280000000-2ffffffff : Soft Reserved",
        "400000000-43fffffff : Soft Reserved",
    ]


def test_old_kernels_lose_multiples_of_4_gib_and_cut_others() -> None:
    for size, old in ((4, []), (2, []), (5, ["200000000-23fffffff : Soft Reserved"])):
        descriptor = md(7, 8 * G, (8 + size) * G, WB | SP)
        assert lines("5.10", descriptor) == old
        assert lines("6.1", descriptor) == [f"200000000-{(8 + size) * G - 1:x} : Soft Reserved"]


def test_old_kernels_show_unmapped_memory_around_it(booted: Boot) -> None:
    alone = EfiMemoryMap([RAM, md(7, 8 * G, 9 * G, WB | SP)])
    assert booted("5.10", efi_map=alone, acpi={}).iomem.lines()[-2:] == [
        "200000000-23fffffff : Soft Reserved",
        "  200000000-23fffffff : reserved",
    ]
    beside = EfiMemoryMap([RAM, md(5, 8 * G - 0x10000, 8 * G, WB | RUN), md(7, 8 * G, 9 * G, WB | SP)])
    assert booted("5.10", efi_map=beside, acpi={}).iomem.lines()[-2:] == [
        "1ffff0000-23fffffff : reserved",
        "  200000000-23fffffff : Soft Reserved",
    ]


SHARED_PAGE = EfiMemoryMap(
    [RAM, md(7, 0x180000000, 0x200004000), md(7, 0x200004000, 0x2FFFFF000, WB | SP), md(7, 0x2FFFFF000, 12 * G)]
)


def test_a_shared_large_page_costs_the_whole_range(booted: Boot) -> None:
    assert "200004000-2ffffefff : Soft Reserved" in booted(efi_map=SHARED_PAGE, acpi={}).iomem.lines()
    large = booted(page_size=65536, efi_map=SHARED_PAGE, acpi={})
    assert large.iomem.lines()[-2:] == [
        "180000000-20000ffff : System RAM",
        "2ffff0000-2ffffffff : System RAM",
    ]
    assert [(f.severity, f.rule, f.start, f.explains) for f in lint(large, outcome(large))] == [
        ("error", "soft-reserved-lost", 0x200004000, "ram"),
        ("error", "soft-reserved-lost", 0x200010000, "lost"),
        ("error", "soft-reserved-lost", 0x2FFFF0000, "ram"),
    ]


def test_a_sound_machine_has_no_findings_of_its_own(booted: Boot) -> None:
    assert [(f.severity, f.rule) for f in lint_all(booted())] == [("note", "no-dax-device")]  # that plugin is not here
