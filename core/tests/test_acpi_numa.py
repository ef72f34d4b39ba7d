"""SRAT, SLIT and CEDT at boot. Expected values: derived by hand from ``drivers/acpi/numa/srat.c``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.numa.acpi_numa import AcpiNumaArch, acpi_numa_init
from softreserve.kernel.numa.numa import NumaState
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import (
    CpuAffinity,
    GenericAffinity,
    GiccAffinity,
    MemoryAffinity,
    Srat,
    X2apicAffinity,
)
from softreserve.model.acpi.tables import Header, UnknownEntry
from softreserve.model.cmdline import CommandLine, acpi_disabled
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

GIB = 1 << 30


class Recorder(AcpiNumaArch):
    """An architecture that maps GICC entries, and remembers blocks."""

    def __init__(self, state: NumaState, fills: int = -1) -> None:
        super().__init__(state)
        self.blocks: list[tuple[int, int, int]] = []
        self.fills = fills

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        self.blocks.append((nid, start, end))
        return 0

    def numa_fill_memblks(self, start: int, end: int) -> int:
        return self.fills

    def gicc_affinity_init(self, entry: GiccAffinity) -> None:
        self.state.parsed.add(self.state.acpi_map_pxm_to_node(entry.proximity_domain))


class Boot:
    """One kernel that reads tables."""

    def __init__(
        self,
        *entries: Struct | UnknownEntry,
        revision: int = 3,
        release: str = "6.1",
        fills: int = -1,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        config: dict[str, str | int] = {"NUMA": "y", "MEMORY_HOTPLUG": "y", "NODES_SHIFT": 4, **options}
        self.kernel = Kernel(release, "arm64", config=config)
        self.log = EventLog()
        self.state = NumaState(self.log, self.kernel)
        self.memblock = Memblock(self.log, self.kernel)
        self.arch = Recorder(self.state, fills)
        self.tables = {"SRAT": Srat(entries, header=Header(signature=b"SRAT", revision=revision)).sealed()}

    def run(self) -> int:
        return acpi_numa_init(self.state, self.memblock, self.tables, self.arch)


def memory(pxm: int, base: int, size: int, flags: int = 1) -> MemoryAffinity:
    return MemoryAffinity(proximity_domain=pxm, base=base, size_bytes=size, flags=flags)


def gicc(pxm: int) -> GiccAffinity:
    return GiccAffinity(proximity_domain=pxm, acpi_processor_uid=0)


def test_domains_get_nodes_first_come_first_served_and_cpus_come_first() -> None:
    boot = Boot(memory(7, 0, GIB), gicc(3), gicc(1))
    assert boot.run() == 0
    assert [boot.state.pxm_to_node(pxm) for pxm in (3, 1, 7)] == [0, 1, 2]
    assert boot.state.node_to_pxm(2) == 7
    assert boot.state.parsed == {0, 1, 2}
    assert boot.log.lines == ["ACPI: SRAT: Node 2 PXM 7 [mem 0x00000000-0x3fffffff]"]


def test_a_memory_line_tells_hotplug_and_non_volatile_and_marks_what_is_there() -> None:
    boot = Boot(memory(0, GIB, GIB, flags=7))
    boot.memblock.add(GIB, GIB // 2)
    assert boot.run() == 0
    assert boot.log.lines == ["ACPI: SRAT: Node 0 PXM 0 [mem 0x40000000-0x7fffffff] hotplug non-volatile"]
    assert [region.flags for region in boot.memblock.memory] == [1]


def test_disabled_memory_takes_no_node() -> None:
    boot = Boot(memory(5, 0, GIB, flags=2), memory(6, GIB, GIB))
    assert boot.run() == 0
    assert boot.state.pxm_to_node(5) == -1
    assert boot.state.pxm_to_node(6) == 0


def test_memory_of_no_size_is_a_block_of_no_size_with_a_line() -> None:
    boot = Boot(memory(0, GIB, 0))
    assert boot.run() == 0
    assert boot.log.lines == ["ACPI: SRAT: Node 0 PXM 0 [mem 0x40000000-0x3fffffff]"]


def test_without_memory_or_without_a_table_the_answer_is_enoent() -> None:
    boot = Boot(gicc(0))
    assert boot.run() == -2
    boot.tables = {}
    assert boot.run() == -2


def test_with_acpi_off_nothing_is_read() -> None:
    boot = Boot(memory(0, 0, GIB))
    assert acpi_numa_init(boot.state, boot.memblock, boot.tables, boot.arch, disabled=True) == -22
    assert boot.state.parsed == set()


def test_a_short_memory_entry_makes_the_srat_bad_even_if_disabled() -> None:
    boot = Boot(memory(0, 0, GIB), UnknownEntry(bytes([1, 39]) + bytes(37)), memory(1, GIB, GIB))
    assert boot.run() == 0
    assert boot.state.srat_disabled
    assert boot.log.lines[1:] == ["ACPI: SRAT: Unexpected header length: 39", "ACPI: SRAT: SRAT not used."]
    assert len(boot.arch.blocks) == 1


def test_an_entry_without_length_in_the_memory_walk_fails_it() -> None:
    boot = Boot(memory(0, 0, GIB), UnknownEntry(bytes([9, 0, 0])))
    assert boot.run() == -22
    assert boot.log.lines == [
        "ACPI: [SRAT:0x00] Invalid zero length",
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x3fffffff]",
        "ACPI: [SRAT:0x01] Invalid zero length",
    ]


def test_domains_are_cut_to_8_bits_in_an_old_srat_only() -> None:
    assert Boot(memory(0x105, 0, GIB), revision=1).run() == 0
    boot = Boot(memory(0x105, 0, GIB), revision=2)
    assert boot.run() == -2
    assert boot.log.lines == ["ACPI: SRAT: Too many proximity domains.", "ACPI: SRAT: SRAT not used."]


def test_more_domains_than_nodes_make_the_srat_bad() -> None:
    boot = Boot(*(memory(pxm, pxm * GIB, GIB) for pxm in range(17)))
    assert boot.run() == 0
    assert boot.log.lines[-2:] == ["ACPI: SRAT: Too many proximity domains.", "ACPI: SRAT: SRAT not used."]
    assert len(boot.arch.blocks) == 16


def test_a_disabled_initiator_ends_the_walk_over_processors() -> None:
    boot = Boot(
        GenericAffinity(proximity_domain=4), GenericAffinity(proximity_domain=5, flags=0), gicc(6), memory(6, 0, GIB)
    )
    assert boot.run() == 0
    assert boot.state.has_generic_initiator == {0}
    assert boot.state.node_pxms() == {0: 4, 1: 6}


def test_an_initiator_means_nothing_where_the_architecture_does_not_take_it() -> None:
    boot = Boot(GenericAffinity(proximity_domain=4), GenericAffinity(proximity_domain=5, flags=0), memory(6, 0, GIB))
    boot.arch.takes_initiators = False
    assert boot.run() == 0
    assert boot.state.has_generic_initiator == set()
    assert boot.state.node_pxms() == {0: 6}


def test_an_x2apic_entry_is_unsupported_where_the_architecture_does_not_take_it() -> None:
    boot = Boot(X2apicAffinity(proximity_domain=0, apic_id=0x123), CpuAffinity(proximity_domain_lo=0, apic_id=0))
    assert boot.run() == -2
    assert boot.log.lines == ["ACPI: Found unsupported x2apic [0x00000123] SRAT entry"]
    assert boot.state.node_pxms() == {}


def test_distances_are_set_between_domains_that_have_nodes() -> None:
    boot = Boot(memory(2, 0, GIB), memory(0, GIB, GIB))
    boot.state.distance_size = lambda: 2
    boot.tables["SLIT"] = Slit([[10, 15, 17], [20, 10, 20], [28, 20, 10]]).sealed()
    assert boot.run() == 0
    assert [boot.state.distance(a, b) for a, b in ((0, 1), (1, 0), (0, 0))] == [28, 17, 10]
    assert boot.log.lines[-1] == "NUMA: Initialized distance table, cnt=2"


def test_a_slit_of_tens_is_not_used() -> None:
    boot = Boot(memory(0, 0, GIB))
    boot.tables["SLIT"] = Slit([[10, 10], [10, 10]]).sealed()
    assert boot.run() == 0
    assert boot.log.lines[-1] == "ACPI: SLIT table looks invalid. Not used."


def window(base: int, size: int) -> FixedMemoryWindow:
    return FixedMemoryWindow(base_hpa=base, window_size=size, length=36)


def test_a_cxl_window_of_its_own_gets_a_node_with_the_next_domain() -> None:
    boot = Boot(memory(5, 0, GIB))
    boot.tables["CEDT"] = Cedt([window(4 * GIB, GIB), window(8 * GIB, GIB)]).sealed()
    assert boot.run() == 0
    assert boot.arch.blocks[1:] == [(1, 4 * GIB, 5 * GIB), (2, 8 * GIB, 9 * GIB)]
    assert boot.state.node_pxms() == {0: 5, 1: 6, 2: 7}
    assert boot.state.parsed == {0, 1, 2}


@pytest.mark.parametrize(("release", "option", "node"), [("7.0", "n", 1), ("7.1", "n", -1), ("7.1", "m", 1)])
def test_without_cxl_acpi_no_window_gets_a_node_from_7_1_on(release: str, option: str, node: int) -> None:
    """``acpi_numa_init``: the windows are parsed where CONFIG_CXL_ACPI is built in or a module."""
    boot = Boot(memory(0, 0, GIB), release=release, options={"CXL_ACPI": option})
    boot.tables["CEDT"] = Cedt([window(4 * GIB, GIB)]).sealed()
    assert boot.run() == 0
    assert boot.state.pxm_to_node(1) == node


@pytest.mark.parametrize(
    ("windows", "advised", "lines"),
    [
        ([(4 * GIB, GIB)], GIB, []),
        ([(4 * GIB, 4 * GIB), (8 * GIB, GIB // 2), (16 * GIB, 16 * GIB)], GIB // 2, []),
        ([(4 * GIB, GIB), (8 * GIB, GIB // 8)], GIB, ["ACPI: CFMWS: [BIOS BUG] base/size alignment violates spec"]),
    ],
)
def test_the_ends_of_windows_bound_the_size_of_memory_blocks(
    windows: list[tuple[int, int]], advised: int, lines: list[str]
) -> None:
    """``acpi_parse_cfmws``: the lowest bit of base and end, if it is 256 MiB at least; of several the smallest."""
    boot = Boot(memory(0, 0, GIB), release="6.18", options={"CXL_ACPI": "m"})
    boot.tables["CEDT"] = Cedt([window(*found) for found in windows]).sealed()
    assert boot.run() == 0
    assert boot.state.advised_block_size == advised
    assert [line for line in boot.log.lines if "CFMWS" in line] == lines


def test_a_cxl_window_that_blocks_can_fill_gets_no_node() -> None:
    boot = Boot(memory(0, 0, GIB), fills=0)
    boot.tables["CEDT"] = Cedt([window(4 * GIB, GIB)]).sealed()
    assert boot.run() == 0
    assert boot.state.parsed == {0}


def test_numa_off_takes_all_domains_away() -> None:
    boot = Boot(memory(0, 0, GIB))
    boot.run()
    boot.state.numa_off = True
    assert boot.state.pxm_to_node(0) == boot.state.acpi_map_pxm_to_node(0) == -1


@pytest.mark.parametrize(
    ("text", "off"),
    [("", False), ("acpi=off", True), ("acpi=off acpi=force", False), ("acpi=strict", False), ("acpi", False)],
)
def test_the_last_word_about_acpi_counts(text: str, off: bool) -> None:
    assert acpi_disabled(CommandLine(text)) is off


@given(body=st.binary(max_size=200), revision=st.integers(0, 3), release=st.sampled_from(["5.5", "6.1", "6.12"]))
def test_no_srat_makes_us_fail(body: bytes, revision: int, release: str) -> None:
    """Whatever lies in the table, the answer is 0 or an error number, and every block has a known node."""
    boot = Boot(release=release)
    boot.tables["SRAT"] = Srat(rest=body, header=Header(signature=b"SRAT", revision=revision)).sealed()
    assert boot.run() in (0, -2, -22)
    assert {nid for nid, _, _ in boot.arch.blocks} <= boot.state.parsed


class Refusing(Recorder):
    """An architecture that cannot take a block."""

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        return -22


def test_memory_that_the_architecture_refuses_makes_the_srat_bad() -> None:
    boot = Boot(memory(3, 0, GIB))
    boot.arch = Refusing(boot.state)
    assert boot.run() == -2
    assert boot.log.lines[-2:] == [
        "ACPI: SRAT: Failed to add memblk to node 0 [mem 0x00000000-0x3fffffff]",
        "ACPI: SRAT: SRAT not used.",
    ]


def test_an_initiator_beyond_the_last_node_makes_the_srat_bad() -> None:
    boot = Boot(*(GenericAffinity(proximity_domain=pxm) for pxm in range(17)), memory(0, 0, GIB))
    boot.run()
    assert "ACPI: SRAT: Too many proximity domains." in boot.log.lines
    assert len(boot.state.has_generic_initiator) == 16


def test_a_window_beyond_the_last_node_is_said() -> None:
    boot = Boot(*(memory(pxm, pxm * GIB, GIB) for pxm in range(16)))
    boot.tables["CEDT"] = Cedt([window(64 * GIB, GIB)]).sealed()
    boot.run()
    assert "ACPI: ACPI NUMA: Too many proximity domains while processing CFMWS." in boot.log.lines
    assert 64 * GIB not in {start for _, start, _ in boot.arch.blocks}
