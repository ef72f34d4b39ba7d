"""The linear map, ``mem=`` and the initrd. Expected values: derived by hand from ``arm64_memblock_init``."""

from __future__ import annotations

from softreserve.kernel.early_param import MemoryLimit
from softreserve.kernel.mm.memblock import Memblock
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange
from softreserve_arm64.memblock import Layout, LinearMap, arm64_memblock_init

G = 1 << 30
IMAGE = KernelImage(
    code=PhysRange(5 * G + 0x10000, 5 * G + 0x1000000), data=PhysRange(5 * G + 0x1200000, 5 * G + 0x1600000)
)


def init(
    ranges: list[tuple[int, int]],
    image: KernelImage = KernelImage(),
    limit: int | None = None,
    nomap: tuple[int, int] | None = None,
    **build: int,
) -> tuple[Memblock, LinearMap]:
    log = EventLog()
    memblock = Memblock(log, Kernel(str(build.pop("release", "6.12")), "arm64", build.pop("page", 4096), config=build))
    for start, end in ranges:
        memblock.add(start, end - start)
    if nomap:
        memblock.mark_nomap(nomap[0], nomap[1] - nomap[0])
    return memblock, arm64_memblock_init(memblock, image, limit, log)


def spans(memblock: Memblock) -> list[tuple[int, int]]:
    return [(r.base, r.end) for r in memblock.memory]


def test_the_linear_map_begins_where_memory_begins_rounded_down() -> None:
    assert init([(0x48000000, 3 * G)])[1] == LinearMap(G, 1 << 47)
    assert init([(0x68000000, 3 * G)], page=65536)[1] == LinearMap(0x60000000, 1 << 47)
    assert init([(G, 3 * G)], ARM64_VA_BITS=39)[1] == LinearMap(G, 1 << 38)
    assert init([(G, 3 * G)], ARM64_VA_BITS=52)[1] == LinearMap(G, 1 << 47)


def test_memory_beyond_the_linear_map_is_removed_with_a_warning() -> None:
    memblock, linear = init([(G, 3 * G), (300 * G, 301 * G)], ARM64_VA_BITS=39)
    assert spans(memblock) == [(G, 3 * G)]
    assert linear.start == G
    assert memblock.log.lines == ["Memory doesn't fit in the linear mapping, VA_BITS too small"]


def test_memory_below_is_given_up_for_a_kernel_that_lies_high() -> None:
    high = KernelImage(code=PhysRange(400 * G, 400 * G + 0x1000000), data=PhysRange(400 * G + 0x1000000, 401 * G))
    memblock, linear = init([(G, 3 * G), (400 * G, 402 * G)], high, ARM64_VA_BITS=39)
    assert spans(memblock) == [(400 * G, 401 * G)]
    assert linear.start == 401 * G - (1 << 38)


def test_memory_above_the_physical_address_bits_is_removed() -> None:
    memblock, _ = init([(G, 3 * G), (1 << 48, (1 << 48) + G)])
    assert spans(memblock) == [(G, 3 * G)]


def test_mem_counts_bytes_keeps_unmapped_memory_and_adds_the_kernel_back() -> None:
    memblock, _ = init([(G, 3 * G), (4 * G, 6 * G)], IMAGE, limit=G // 2, nomap=(4 * G, 4 * G + 0x10000))
    assert spans(memblock) == [(G, G + G // 2), (4 * G, 4 * G + 0x10000), (5 * G + 0x10000, 5 * G + 0x1600000)]


def test_the_head_of_the_image_is_added_back_too_where_it_is_not_kernel_code() -> None:
    kernel = Kernel("6.1", "arm64")
    assert Layout.of(IMAGE, kernel) == Layout(5 * G, 5 * G + 0x10000, 5 * G + 0x1600000)
    memblock = Memblock(EventLog(), kernel)
    memblock.add(G, 5 * G)
    arm64_memblock_init(memblock, IMAGE, G, memblock.log)
    assert spans(memblock)[1] == (5 * G, 5 * G + 0x1600000)
    assert memblock.reserved.regions[0].base == 5 * G + 0x10000


def test_the_initrd_is_mapped_memory_again_whatever_it_was() -> None:
    image = KernelImage(initrd=PhysRange(2 * G + 0x800, 2 * G + 0x2800))
    memblock, _ = init([(G, 3 * G)], image, nomap=(2 * G, 2 * G + 0x10000))
    assert memblock.is_map_memory(2 * G)
    assert memblock.is_map_memory(2 * G + 0x2FFF)
    assert not memblock.is_map_memory(2 * G + 0x3000)
    assert [(r.base, r.end) for r in memblock.reserved] == [(2 * G, 2 * G + 0x3000)]


def test_an_initrd_below_memory_is_dropped_with_a_warning() -> None:
    memblock, _ = init([(G, 3 * G)], KernelImage(initrd=PhysRange(0x1000, 0x2000)))
    assert not memblock.reserved.regions
    assert "initrd not fully accessible" in memblock.log.lines[0]


def test_the_last_mem_counts_and_is_rounded_to_pages() -> None:
    log = EventLog()
    limit = MemoryLimit(Kernel("6.12", "arm64", 65536), log, "init.c")
    assert limit.early_mem(None) == 1
    assert limit.early_mem("2G") == limit.early_mem("1073745920") == 0
    assert limit.limit == G
    assert log.lines == ["Memory limited to 2048MB", "Memory limited to 1024MB"]
