"""Exact addresses of ``kexec_file_load``, worked out by hand from the kernel's source for both releases.

Linux: ``arch/arm64/kernel/kexec_image.c: image_load``, ``machine_kexec_file.c: load_other_segments``,
``arch/x86/kernel/kexec-bzimage64.c: bzImage64_load``, ``kernel/kexec_file.c: kexec_locate_mem_hole``.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from softreserve.machine import kexec
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.kexec import KexecImage, KexecRequest
from softreserve.model.machine import E820Entry, KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.testing.machines import SPECIFIC_PURPOSE, descriptor

G = 1 << 30
M = 1 << 20

RELEASES = pytest.mark.parametrize("release", ["6.1", "6.12"])


def arm64(lab: Any, release: str, *ram: tuple[int, int], **sizes: Any) -> KexecImage:
    """The running kernel lies from 2 to 41 MiB above 1 GiB; of that memblock has nothing to give."""
    memory = [descriptor(start, end - start) for start, end in ram]
    efi_map = EfiMemoryMap((*memory, descriptor(64 * G, G, attribute=SPECIFIC_PURPOSE)))
    system = lab.boot(attrs.evolve(lab.arm64(release=release), efi_map=efi_map, acpi={}))
    return kexec.load(system, KexecRequest("kexec_file_load", **sizes))


def starts(image: KexecImage) -> dict[str, int]:
    return {segment.what: segment.range.start for segment in image.segments}


@RELEASES
def test_arm64_fills_from_below_but_for_the_device_tree(lab: Any, release: str) -> None:
    image = arm64(lab, release, (G, 5 * G), kernel_size=32 * M, initrd_size=6 * M + 1)
    # 41 MiB rounded up to 2 MiB; the initrd on the next page; the device tree in the last 2 MiB of RAM
    assert starts(image) == {"kernel": G + 42 * M, "initrd": G + 74 * M, "device tree": 5 * G - 2 * M}


@RELEASES
def test_arm64_takes_a_small_hole_before_the_running_kernel(lab: Any, release: str) -> None:
    image = arm64(lab, release, (G - 16 * M, 5 * G), kernel_size=18 * M, initrd_size=M)
    assert starts(image) == {"kernel": G - 16 * M, "initrd": G + 41 * M, "device tree": 5 * G - 2 * M}


@RELEASES
def test_arm64_moves_the_kernel_where_its_initrd_is_out_of_reach(lab: Any, release: str) -> None:
    """32 GiB are reached from the start of the GiB that the kernel begins in; 6 MiB are left behind it."""
    image = arm64(lab, release, (G, G + 80 * M), (40 * G, 41 * G), kernel_size=32 * M, initrd_size=10 * M)
    assert starts(image) == {"kernel": 40 * G, "initrd": 40 * G + 32 * M, "device tree": 41 * G - 2 * M}


@RELEASES
def test_arm64_reaches_an_initrd_just_below_32_gib(lab: Any, release: str) -> None:
    near = arm64(lab, release, (G, G + 80 * M), (33 * G - 16 * M, 34 * G), kernel_size=32 * M, initrd_size=10 * M)
    assert starts(near) == {"kernel": G + 42 * M, "initrd": 33 * G - 16 * M, "device tree": 34 * G - 2 * M}


@RELEASES
def test_arm64_without_an_initrd_needs_no_window(lab: Any, release: str) -> None:
    image = arm64(lab, release, (G, G + 80 * M), (40 * G, 41 * G), kernel_size=32 * M)
    assert starts(image) == {"kernel": G + 42 * M, "device tree": 41 * G - 2 * M}


@RELEASES
def test_arm64_says_so_where_nothing_fits(lab: Any, release: str) -> None:
    image = arm64(lab, release, (G, G + 80 * M), kernel_size=64 * M)
    assert (image.status, image.segments) == (255, ())
    assert image.output[0] == "kexec_file_load failed: Cannot assign requested address"


def x86(lab: Any, release: str, *ram: tuple[int, int], **request: Any) -> KexecImage:
    """A machine without EFI; its command line is 9 characters long."""
    table = tuple(E820Entry(start, end - start, 1) for start, end in ((0, 0xA0000), *ram))
    machine = attrs.evolve(lab.x86(release=release, cmdline="panic=100", e820=table), acpi={}, image=KernelImage())
    return kexec.load(lab.boot(machine), KexecRequest("kexec_file_load", **request))


#: Boot parameters: 4096 + command line with its zero (10) + 30 in units of 16 (0x1030), EFI node (0x70), seed (0x30):
#: two pages. Purgatory: five.
def test_x86_before_6_8_takes_the_lowest_range_and_leaves_its_last_page(lab: Any) -> None:
    image = x86(lab, "6.1", (M, 2 * G), (4 * G, 9 * G), kernel_size=48 * M, initrd_size=6 * M)
    assert starts(image) == {
        "purgatory": 0x9A000,  # 0x9ffff - 0x5000, down to a page
        "boot parameters, command line, EFI map": 0x98000,  # below it
        "kernel": 2 * G - 50 * M,  # 2 GiB - 1 - 48 MiB, down to 2 MiB
        "initrd": 2 * G - 56 * M,
    }
    assert image.machine.setup_data == (PhysRange.from_size(0x98000 + 0x1030 + 0x70, 16),)


def test_x86_from_6_8_on_takes_the_highest_range_to_its_end(lab: Any) -> None:
    image = x86(lab, "6.12", (M, 2 * G), (4 * G, 9 * G), kernel_size=48 * M, initrd_size=6 * M)
    assert starts(image) == {
        "purgatory": 9 * G - 0x5000,
        "boot parameters, command line, EFI map": 9 * G - 0x7000,
        "kernel": 9 * G - 50 * M,
        "initrd": 9 * G - 56 * M,  # what the kernel's alignment left above it is too small
    }


@pytest.mark.parametrize(("release", "start"), [("6.1", 8 * M), ("6.12", None)])
def test_x86_from_6_12_on_puts_no_kernel_below_its_preferred_address(lab: Any, release: str, start: int) -> None:
    """16 MiB in every Debian kernel; memory ends at 13 MiB. The end is odd, so that the walk's own change shows not."""
    image = x86(lab, release, (M, 13 * M - 4096), kernel_size=4 * M)
    assert starts(image).get("kernel") == start
    assert image.status == (0 if start else 255)


def test_x86_puts_an_initrd_no_lower_than_16_mib(lab: Any) -> None:
    image = x86(lab, "6.1", (M, 18 * M), kernel_size=2 * M, initrd_size=M)
    assert starts(image)["kernel"] == 14 * M
    assert starts(image)["initrd"] == 17 * M - 4096
    assert x86(lab, "6.1", (M, 17 * M), kernel_size=2 * M, initrd_size=M).status == 255
