"""Machines with far too much of something: cut as the kernel cuts it, told line by line, in even time."""

from __future__ import annotations

import io
import random
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from small_machines import ARM64, GIB, LOW, MIB, RAM, X86, machine, need, settled, sp, srat
from softreserve.cli import main
from softreserve.kernel.sysfs import Attribute, Directory, Link, SysfsTree
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiDescriptor
from softreserve.model.machine import E820Entry
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import CACHEABLE, descriptor
from softreserve.views.emit import emit
from softreserve.views.what_if import as_devdax, as_system_ram

TIB = 1 << 40
TOP = 1 << 64
PAGE = 4096
#: What 4-level page tables of x86 reach.
X86_LIMIT = 1 << 46


def raw(start: int, size: int, attribute: int = CACHEABLE) -> EfiDescriptor:
    return descriptor(start, size, attribute=attribute)


def bare(arch: str, release: str, *above: EfiDescriptor) -> System:
    """Booted without SRAT and HMAT."""
    need(arch)
    found = machine(arch, release, "", above=above, tables={"SRAT": None, "HMAT": None})
    return boot(found, Selection().hooks_for(found))


def blocks_end(system: System) -> int:
    """First byte above all memory blocks."""
    return max(blocks.end for blocks in system.memory.blocks) * system.memory.block_size


# --- where memory ends


@pytest.mark.parametrize(
    ("start", "size"),
    [(4 * GIB, TOP - 4 * GIB - PAGE), (1 << 63, (1 << 63) - PAGE), (X86_LIMIT - GIB, 2 * GIB)],
    ids=["to-the-top", "upper-half", "over-the-limit"],
)
def test_x86_has_no_memory_block_above_what_sections_describe(start: int, size: int) -> None:
    system = bare(X86, "6.1", raw(start, size))
    assert blocks_end(system) == (X86_LIMIT if start < X86_LIMIT else 2 * GIB)
    assert system.nodes.possible >= system.nodes.online == {0}


def test_memory_that_ends_where_sections_end_is_whole() -> None:
    system = bare(X86, "6.12", raw(X86_LIMIT - GIB, GIB))
    assert blocks_end(system) == X86_LIMIT
    assert not [event for event in system.log if "mminit_validate" in event.function]


def test_memory_without_a_section_is_recorded() -> None:
    system = bare(X86, "6.1", raw(X86_LIMIT - GIB, 3 * GIB))
    (event,) = [event for event in system.log if "mminit_validate_memmodel_limits" in event.function]
    assert (event.start, event.end) == (X86_LIMIT, X86_LIMIT + 2 * GIB)


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_boot_table_entry_that_wraps_makes_x86_fall_back_to_low_memory(release: str) -> None:
    """``append_e820_table`` refuses the table: 636 KiB are left, which is one block."""
    system = bare(X86, release, RAM, raw(TOP - PAGE, 3 * PAGE))
    assert [(b.first, b.end) for b in system.memory.blocks] == [(0, 1)]
    assert system.log.lines[1] == "BIOS-e801: [mem 0x0000000000000000-0x000000000009efff] usable"


def test_a_descriptor_that_ends_before_it_starts_is_cut_where_x86_imports_the_efi_map() -> None:
    """The loader's table is fine; the import adds the descriptor, memblock cuts it at the top, sections below that."""
    need(X86)
    loader = (E820Entry(0, 640 << 10, 1), E820Entry(MIB, 2047 * MIB, 1), E820Entry(4 * GIB, GIB, 1))
    backwards = raw(8 * GIB, TOP - PAGE)
    tables = {"SRAT": None, "HMAT": None}
    found = machine(X86, "6.1", "add_efi_memmap", above=[RAM, backwards], tables=tables, boot="loader", e820=loader)
    system = boot(found, Selection().hooks_for(found))
    assert blocks_end(system) == X86_LIMIT
    assert system.memblock.memory.regions[-1].end == TOP - PAGE


@pytest.mark.parametrize("release", ["6.1", "6.12"])
@pytest.mark.parametrize(
    ("start", "size", "end"),
    [
        (TOP - PAGE, 3 * PAGE, 2 * GIB),  # wraps: cut to less than a page
        (8 * GIB, TOP - PAGE, 128 * TIB),  # ends before it starts: cut at the top, then at the linear map
        (0, TOP - PAGE, 128 * TIB),
        (1 << 48, GIB, 2 * GIB),
        ((1 << 48) - GIB, 2 * GIB, 2 * GIB),
    ],
    ids=["wraps", "ends-before-it-starts", "all", "above-48-bits", "over-48-bits"],
)
def test_arm64_keeps_what_it_can_map(release: str, start: int, size: int, end: int) -> None:
    system = bare(ARM64, release, raw(start, size))
    assert blocks_end(system) == end


@pytest.mark.parametrize("arch", [X86, ARM64])
@pytest.mark.parametrize("release", ["6.1", "6.12"])
@pytest.mark.parametrize("start", [TOP - PAGE, 8 * GIB, 1 << 52, 0], ids=hex)
@pytest.mark.parametrize("size", [TOP - PAGE, 1 << 63, 2 * PAGE], ids=hex)
def test_specific_purpose_memory_at_any_place_makes_no_memory_block(
    arch: str, release: str, start: int, size: int
) -> None:
    system = bare(arch, release, RAM, sp(start, start + size))
    assert blocks_end(system) <= 5 * GIB


# --- line by line


def shown(tree: SysfsTree, path: str) -> Iterator[str]:
    """What a user sees who walks through the tree; in no order that counts."""
    for name, node in tree.walk(path):
        if isinstance(node, Directory):
            yield f"{name}/"
        elif isinstance(node, Link):
            yield f"{name} -> {tree.readlink(name)}"
        elif isinstance(node, Attribute) and not node.mode & 0o444:
            yield f"{name} ! WRITEONLY"
        elif isinstance(node, Attribute):
            value = tree.read(name)
            assert isinstance(value, bytes)
            text = value.decode().removesuffix("\n").replace("\n", "\\n")
            yield f"{name} = {text}"


@pytest.mark.parametrize("arch", [X86, ARM64])
@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_memory_blocks_are_told_as_the_tree_shows_them(arch: str, release: str) -> None:
    system = settled(machine(arch, release))
    numbers = [block for blocks in system.memory.blocks for block in range(blocks.first, blocks.end)]
    for number in random.Random(0).sample(numbers, 12):
        path = f"/sys/devices/system/memory/memory{number}/state"
        system.sysfs.write(path, b"offline")
        system.sysfs.write(path, random.Random(number).choice([b"online_kernel", b"online_movable", b"offline"]))
    for what, path in (("memory-blocks", "/sys/devices/system/memory"), ("nodes", "/sys/devices/system/node")):
        told = list(emit(system, what))
        lines = [line for line in shown(system.sysfs, path) if not re.search(r"/(subsystem -> |uevent = )", line)]
        assert sorted(told) == sorted(lines)
        order = [int(line.rsplit("/memory", 1)[1].split("/")[0]) for line in told if line.endswith("/phys_device = 0")]
        assert order == (numbers if what == "memory-blocks" else [])


@pytest.mark.parametrize("what", ["memory-blocks", "nodes"])
def test_a_million_memory_blocks_are_not_collected(what: str) -> None:
    system = bare(ARM64, "6.12", raw(4 * GIB, 128 * TIB - 4 * GIB))
    assert len(system.memory.blocks) > 1_000_000
    tracemalloc.start()
    lines = list(islice(emit(system, what), 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines) == 1000
    assert peak < 4 * MIB


def test_what_is_emitted_is_printed_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    need(X86)
    made = 0

    def lines(system: object, what: str) -> Iterator[str]:
        nonlocal made
        for made in range(1_000_000):  # noqa: B007
            yield "x" * 100

    class Reader(io.StringIO):
        """Reads a little and goes."""

        def write(self, text: str) -> int:
            if self.tell() > 10_000:
                raise BrokenPipeError
            return super().write(text)

    import softreserve.cli.boot

    monkeypatch.setattr(softreserve.cli.boot, "emit", lines)
    monkeypatch.setattr(sys, "stdout", Reader())
    assert main(["boot", "example:two-node", "--emit", "log"]) == 141
    assert made < 1000


# --- what if


@pytest.mark.parametrize("ask", [as_devdax, as_system_ram])
def test_asking_what_if_leaves_ram_alone_that_shares_a_memory_block_with_a_device(
    ask: Callable[[System], System],
) -> None:
    """No whole memory block lies in this range: there is nothing to take online or offline."""
    above = [RAM, sp(5 * GIB, 5 * GIB + 2 * MIB), descriptor(5 * GIB + 2 * MIB, GIB)]
    copy = ask(settled(machine(above=above, tables={"SRAT": None, "HMAT": None})))
    assert all(blocks.online for blocks in copy.memory.blocks)


def test_a_device_that_kmem_refuses_is_tried_once_more_and_not_once_for_each_other() -> None:
    above = [RAM, *(sp(start * GIB, (start + 1) * GIB) for start in range(6, 26, 2))]
    copy = as_system_ram(settled(machine(above=above, tables={"SRAT": srat(*LOW), "HMAT": None})))
    refused = [line for line in copy.log.lines if "rejecting DAX region with invalid node" in line]
    assert len(refused) == 2 * 10
