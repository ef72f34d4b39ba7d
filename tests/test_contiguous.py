"""Contiguous memory and the crash kernel's. Expected values: by hand from ``kernel/crash_reserve.c``, ``mm/cma.c``."""

from __future__ import annotations

import re

import attrs
import pytest
from small_machines import ARM64, GIB, MIB, X86, machine, need
from softreserve.kernel.kexec import sysfs
from softreserve.kernel.kexec.holes import KernelHoles, contiguous_area
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiMemoryMap, EfiType
from softreserve.model.ranges import PhysRange
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor

NOTHING: list[str] = []


def booted(cmdline: str, release: str = "7.3", **config: str) -> System:
    """RAM to 1 GiB + 16 MiB, from 1 GiB + 32 MiB to 2 GiB, and from 4 to 5 GiB; the image is at 32 MiB."""
    need(X86)
    found = machine(X86, release, cmdline, config=config)
    return boot(found, Selection().hooks_for(found))


def kept(system: System) -> list[str]:
    return [line.strip().partition(" ")[0] for line in system.iomem.lines() if line.endswith(" : Crash kernel")]


def said(system: System) -> list[str]:
    return [line for line in system.log.lines if re.match(r"cma: |crashkernel|Reserving|cannot|Cannot", line)]


@pytest.mark.parametrize(
    ("cmdline", "ranges"),
    [
        ("crashkernel=192M", ["74000000-7fffffff"]),
        ("crashkernel=192M@512M", ["20000000-2bffffff"]),
        ("crashkernel=192M crashkernel=64M", ["7c000000-7fffffff"]),
        ("crashkernel=1G-3G:64M,3G-:128M@512M", ["20000000-27ffffff"]),
        ("crashkernel=1G-3G:64M,4G-:128M", NOTHING),
        # beside the node's description, which is at the end of its memory; low memory goes with it
        ("crashkernel=192M,high", ["70000000-7fffffff", "133000000-13effffff"]),
        ("crashkernel=192M,high crashkernel=64M,low", ["7c000000-7fffffff", "133000000-13effffff"]),
        ("crashkernel=192M,high crashkernel=0,low", ["133000000-13effffff"]),
        # too large for what is below 4 GiB in one piece: high, and with low memory
        ("crashkernel=1008M", ["70000000-7fffffff", "100000000-13effffff"]),
        ("crashkernel=192M@33M", NOTHING),
        ("crashkernel=4G", NOTHING),
        ("crashkernel=0", NOTHING),
        ("crashkernel=x", NOTHING),
        ("crashkernel=192M,low", NOTHING),
        ("softcrashkernel=192M", ["74000000-7fffffff"]),
    ],
)
def test_memory_for_a_crash_kernel_lies_where_it_is_asked_for(cmdline: str, ranges: list[str]) -> None:
    assert kept(booted(cmdline)) == ranges
    assert kept(booted(cmdline, "6.12")) == ranges


@pytest.mark.parametrize(("release", "low"), [("7.1", "6f000000-7f7fffff"), ("7.2", "70000000-7fffffff")])
def test_low_memory_holds_the_bounce_buffers_that_are_asked_for(release: str, low: str) -> None:
    """2**64 and 128 Ki slabs of 2 KiB: modulo 2**64 (and 8 MiB beside them), or too many for anything."""
    found = kept(booted(f"crashkernel=192M,high swiotlb={(1 << 64) + (128 << 10)}", release))
    assert found[0] == low


@pytest.mark.parametrize(
    ("cmdline", "lines"),
    [
        ("crashkernel=192M", ["crashkernel reserved: 0x0000000074000000 - 0x0000000080000000 (192 MB)"]),
        (
            "crashkernel=192M,high",
            [
                "crashkernel low memory reserved: 0x70000000 - 0x80000000 (256 MB)",
                "crashkernel reserved: 0x0000000133000000 - 0x000000013f000000 (192 MB)",
            ],
        ),
        ("crashkernel=192M@33M", ["crashkernel reservation failed - memory is in use."]),
        ("crashkernel=2G", ["cannot allocate crashkernel (size:0x80000000)"]),
        ("crashkernel=x", ["crashkernel: memory value expected"]),
        ("crashkernel=192M!", ["crashkernel: unrecognized char: !"]),
        ("crashkernel=1G:64M", ["crashkernel: '-' expected"]),
        ("crashkernel=2G-1G:64M", ["crashkernel: end <= start"]),
        ("crashkernel=1G-2G,64M:", ["crashkernel: ':' expected"]),
        ("crashkernel=1G-:8G", ["crashkernel: invalid size"]),
        ("crashkernel=8G-:64M", ["crashkernel size resulted in zero bytes"]),
        ("crashkernel=1G-:64M@", ["crashkernel: Memory value expected after '@'"]),
    ],
)
def test_the_kernel_says_what_became_of_it(cmdline: str, lines: list[str]) -> None:
    assert said(booted(cmdline)) == lines


@pytest.mark.parametrize(
    ("cmdline", "ranges", "lines"),
    [
        (
            "crashkernel=192M",
            ["74000000-7fffffff"],
            ["Reserving 192MB of memory at 1856MB for crashkernel (System RAM: 3055MB)"],
        ),
        ("crashkernel=64M@33M", ["2100000-60fffff"], NOTHING),
        (
            "crashkernel=64M@600M",
            ["25800000-297fffff"],
            ["Reserving 64MB of memory at 600MB for crashkernel (System RAM: 3055MB)"],
        ),
        (
            "crashkernel=192M,high",
            ["70000000-7fffffff", "133000000-13effffff"],
            [
                "Reserving 256MB of low memory at 1792MB for crashkernel (low RAM limit: 3055MB)",
                "Reserving 192MB of memory at 4912MB for crashkernel (System RAM: 3055MB)",
            ],
        ),
    ],
)
def test_before_6_7_x86_had_rules_and_words_of_its_own(cmdline: str, ranges: list[str], lines: list[str]) -> None:
    """``arch/x86/kernel/setup.c: reserve_crashkernel`` of 6.1; a place that is asked for need not be a round one."""
    system = booted(cmdline, "6.1")
    if lines:
        assert (kept(system), said(system)) == (ranges, lines)
    else:  # the image is in the way
        assert said(system) == ["crashkernel reservation failed - memory is in use."]


@pytest.mark.parametrize(
    ("cmdline", "lines"),
    [
        # the ordinary form comes to nothing, so ",high" counts
        (
            "crashkernel=8G-:64M crashkernel=192M,high crashkernel=0,low",
            [
                "crashkernel size resulted in zero bytes",
                "Reserving 192MB of memory at 4912MB for crashkernel (System RAM: 3055MB)",
            ],
        ),
        ("crashkernel=2G", ["crashkernel reservation failed - No suitable area found."]),
        (
            "crashkernel=192M,high crashkernel=2G,low",
            ["Cannot reserve 2048MB crashkernel low memory, please try smaller size."],
        ),
        # 128 Ki slabs of 2 KiB, and 8 MiB: from 1776 MiB on, the next multiple of 16 MiB below 2 GiB - 264 MiB
        (
            "crashkernel=192M,high swiotlb=force swiotlb=131001",
            [
                "Reserving 264MB of low memory at 1776MB for crashkernel (low RAM limit: 3055MB)",
                "Reserving 192MB of memory at 4912MB for crashkernel (System RAM: 3055MB)",
            ],
        ),
    ],
)
def test_before_6_7_x86_said_in_its_own_words_what_became_of_it(cmdline: str, lines: list[str]) -> None:
    """``arch/x86/kernel/setup.c: reserve_crashkernel``, ``reserve_crashkernel_low`` of 6.1."""
    system = booted(cmdline, "6.1")
    assert said(system) == lines
    assert len(kept(system)) == sum(line.startswith("Reserving") for line in lines)


def test_a_kernel_without_crash_dumps_keeps_nothing_for_one() -> None:
    system = booted("crashkernel=192M", CRASH_DUMP="n")
    assert (kept(system), said(system)) == (NOTHING, NOTHING)


def test_high_memory_is_given_back_where_there_is_no_low_memory_for_it() -> None:
    """``kernel/crash_reserve.c: reserve_crashkernel_generic``."""
    system = booted("crashkernel=192M,high crashkernel=2G,low")
    assert said(system) == ["cannot allocate crashkernel low memory (size:0x80000000)."]
    assert kept(system) == NOTHING


def test_contiguous_memory_of_a_crash_kernel_is_halved_until_it_fits_into_four_ranges() -> None:
    """``reserve_crashkernel_cma``: 1 GiB is nowhere in one piece; three times 512 MiB are, then 256 MiB."""
    last = said(booted("crashkernel=64M crashkernel=8G,cma"))[-1]
    assert last == "crashkernel CMA reservation failed: 8192 MB requested, 1792 MB reserved in 4 ranges"


@pytest.mark.parametrize(
    ("cmdline", "lines"),
    [
        ("", NOTHING),
        ("cma=64M", ["cma: Reserved 64 MiB at 0x0000000100000000"]),
        ("cma=64M@0-2G", ["cma: Reserved 64 MiB at 0x000000007c000000"]),
        ("cma=64M@512M", ["cma: Reserved 64 MiB at 0x0000000020000000"]),
        ("cma=64M@16M", ["cma: Failed to reserve 64 MiB"]),
        (
            "cma=64M@513",
            [
                "cma: Region at 0x0000000000000201 must be aligned to 0x0000000000200000 bytes",
                "cma: Failed to reserve 64 MiB",
            ],
        ),
        (
            "cma=8G",
            [
                "cma: Size (0x0000000200000000) of region at 0x0000000000000000 exceeds limit (0x0000000140000000)",
                "cma: Failed to reserve 8192 MiB",
            ],
        ),
        (
            "crashkernel=64M crashkernel=32M,cma",
            [
                "crashkernel reserved: 0x000000007c000000 - 0x0000000080000000 (64 MB)",
                "cma: Reserved 32 MiB at 0x0000000100000000",
                "crashkernel CMA reserved: 32 MB in 1 ranges",
            ],
        ),
    ],
)
def test_contiguous_memory_begins_at_4_gib_where_there_is_enough(cmdline: str, lines: list[str]) -> None:
    assert said(booted(cmdline)) == lines


@pytest.mark.parametrize(
    ("cmdline", "lines"),
    [
        ("cma", ["cma: Config string not provided"]),
        ("cma=64M cma=32M", ["cma: Reserved 32 MiB"]),
        ("cma=64M@0x120000000-0x124000000", ["cma: Reserved 64 MiB"]),
        ("numa_cma=0:16M", ["cma: Reserved 16 MiB"]),
        # node 1 is possible, and has no memory before its devices are bound
        ("numa_cma=1:16M", ["cma: invalid node 1 specified"]),
        ("numa_cma=0:16M,x,1:16M", ["cma: Reserved 16 MiB"]),
        ("cma_pernuma=8M numa_cma=0:16M", ["cma: Reserved 16 MiB", "cma: invalid node 1 specified"]),
    ],
)
def test_contiguous_memory_of_nodes_is_reserved_or_refused_in_words(cmdline: str, lines: list[str]) -> None:
    assert [line.partition(" at 0x")[0] for line in said(booted(cmdline))] == lines


def test_before_6_15_the_log_says_on_which_node_contiguous_memory_was_looked_for() -> None:
    found = booted("cma=63M", "6.12", CMA="y", DMA_CMA="y")
    assert said(found) == ["cma: Reserved 64 MiB at 0x0000000100000000 on node -1"]
    assert said(booted("cma=63M", "6.1", CMA="y", DMA_CMA="y")) == ["cma: Reserved 64 MiB at 0x0000000100000000"]
    assert said(booted("cma=63M", "7.2")) == ["cma: Reserved 63 MiB at 0x0000000100000000"]


def test_without_contiguous_memory_a_crash_kernel_gets_none_from_6_17_on() -> None:
    cmdline = "crashkernel=64M crashkernel=32M,cma"
    reserved = "crashkernel reserved: 0x000000007c000000 - 0x0000000080000000 (64 MB)"
    assert said(booted(cmdline, "6.17")) == [reserved, "crashkernel CMA reservation not supported"]
    # an unknown form before: the last one counts
    assert said(booted(cmdline, "6.12")) == ["crashkernel: unrecognized char: ,"]


@pytest.mark.parametrize(("release", "directory"), [("6.18", ""), ("6.19", "kexec/")])
def test_files_of_kexec_have_a_directory_from_6_19_on(release: str, directory: str) -> None:
    system = booted("crashkernel=192M,high crashkernel=64M,low", release)
    sysfs.publish(system)
    name = f"/sys/kernel/{directory}{'' if directory else 'kexec_'}crash_size"
    assert system.sysfs.read(name) == b"268435456\n"
    assert system.sysfs.read("/sys/kernel/kexec_crash_size") == b"268435456\n"
    assert system.sysfs.read("/sys/kernel/crash_elfcorehdr_size") == b"917616\n"
    assert (system.sysfs.node("/sys/kernel/kexec_crash_cma_ranges") is not None) is (release == "6.19")


def test_memory_for_a_crash_kernel_can_be_given_back() -> None:
    """``crash_shrink_memory``: high memory first; low memory that is left takes its place."""
    system = booted("crashkernel=192M,high crashkernel=64M,low")
    sysfs.publish(system)
    path = "/sys/kernel/kexec/crash_size"
    assert system.sysfs.write(path, b"1G") == -22
    assert system.sysfs.write(path, b"268435457") == -22
    assert system.sysfs.write(path, b"268435456") == 9
    assert system.sysfs.write(path, b"134217728\n") == 10
    assert kept(system) == ["7c000000-7fffffff", "133000000-136ffffff"]
    assert system.sysfs.write(path, b"33554432") == 8
    assert kept(system) == ["7c000000-7dffffff"]
    assert system.sysfs.read(path) == b"33554432\n"
    assert system.sysfs.write(path, b"0") == 1
    assert (kept(system), system.sysfs.read(path)) == (NOTHING, b"0\n")


def test_low_memory_of_a_crash_kernel_did_not_count_before_6_5() -> None:
    system = booted("crashkernel=192M,high", "6.1")
    sysfs.publish(system)
    assert system.sysfs.read("/sys/kernel/kexec_crash_size") == b"201326592\n"
    assert system.sysfs.write("/sys/kernel/kexec_crash_size", b"0") == 1
    assert kept(system) == ["70000000-7fffffff"]


@pytest.mark.parametrize(("release", "has"), [("6.16", False), ("6.17", True)])
def test_kexec_file_load_asks_for_contiguous_memory_from_6_17_on(release: str, has: bool) -> None:
    system = booted("cma=64M", release, CMA="y", DMA_CMA="y")
    assert contiguous_area(system) == (PhysRange.from_size(4 * GIB, 64 * MIB) if has else None)


@pytest.mark.parametrize(("release", "areas"), [("7.2", 1), ("7.3", 2)])
def test_arm64_gives_a_crash_kernel_contiguous_memory_from_7_3_on(release: str, areas: int) -> None:
    """The default area, and the crash kernel's."""
    need(ARM64)
    found = machine(ARM64, release, "crashkernel=64M crashkernel=32M,cma cma=16M cma_pernuma=0")
    lines = said(boot(found, Selection().hooks_for(found)))
    assert sum(line.startswith("cma: Reserved") for line in lines) == areas


def test_what_is_loaded_goes_to_contiguous_memory_first() -> None:
    """``kexec_alloc_contig``: first fit, alignment up to 2^8 pages, whatever bounds the buffer has."""
    area = PhysRange.from_size(GIB + MIB, 16 * MIB)
    holes = KernelHoles([(MIB, 512 * MIB - 1)], exact_top=True, area=area)
    assert holes.add(4 * MIB, 2 * MIB, 64 * MIB, 128 * MIB, top_down=True) == GIB + MIB
    assert holes.add(0x1001, top_down=True) == GIB + 5 * MIB
    assert holes.add(MIB, MIB, top_down=False) == GIB + 6 * MIB
    assert holes.add(12 * MIB, top_down=True) == 500 * MIB


@pytest.mark.parametrize(("release", "scratch", "kernel"), [("6.12", "0x0", "0x0"), ("6.18", "0x40", "0x20")])
def test_the_first_dump_of_memblock_tells_what_is_the_kernel_s_from_6_16_on(
    release: str, scratch: str, kernel: str
) -> None:
    """Recorded on 6.12.117, 6.18.15 and 7.3.4: memory below 1 MiB is scratch until the trampoline has its place."""
    lines = booted("memblock=debug", release).log.lines
    dumps = [at for at, line in enumerate(lines) if line == "MEMBLOCK configuration:"]
    first = [
        line.partition("\t")[2] for line in lines[dumps[0] : dumps[1]] if line.startswith((" memory[", " reserved["))
    ]
    assert first[0] == f"[0x0000000000001000-0x000000000009ffff], 0x000000000009f000 bytes flags: {scratch}"
    assert "[0x000000000009f000-0x00000000000fffff], 0x0000000000061000 bytes flags: 0x0" in first
    assert f"[0x0000000002000000-0x00000000043fffff], 0x0000000002400000 bytes flags: {kernel}" in first
    assert not any(" flags: 0x40" in line for line in lines[dumps[1] :])


def test_boot_services_memory_that_is_partly_in_use_is_left_as_it_is() -> None:
    """``arch/x86/platform/efi/quirks.c: efi_reserve_boot_services``."""
    need(X86)
    found = machine(X86, "7.3", "memblock=debug")
    assert found.efi_map is not None
    assert found.image.code is not None
    over = descriptor(found.image.code.start - MIB, 4 * MIB, EfiType.BOOT_SERVICES_DATA)
    found = attrs.evolve(found, efi_map=EfiMemoryMap((*found.efi_map.descriptors, over)))
    kept = [line for line in boot(found, Selection().hooks_for(found)).log.lines if "efi_reserve_boot_services" in line]
    assert [line.split()[1] for line in kept] == ["[0x0000000040000000-0x0000000040ffffff]"]


def test_contiguous_memory_is_filled_as_on_a_real_7_3() -> None:
    """Recorded: the area is 192 MiB from 0x6fa00000; init_size is 0x3e4e000; the next kernel finds its initrd there."""
    holes = KernelHoles([], exact_top=True, area=PhysRange.from_size(0x6FA00000, 192 * MIB))
    places = [holes.add(size, align, top_down=True) for size, align in ((0x5000, 4096), (0x2000, 16))]
    places += [holes.add(0x3E4E000, 2 * MIB, top_down=True), holes.add(0x65A000, top_down=True)]
    assert places == [0x6FA00000, 0x6FA05000, 0x6FB00000, 0x7394E000]
