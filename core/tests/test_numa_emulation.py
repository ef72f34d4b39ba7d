"""``numa=fake=``. Expected values: by hand from ``mm/numa_emulation.c``, checked with the kernel's own functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.numa.numa import NumaState
from softreserve.kernel.numa.numa_emulation import NumaEmulation, fix_pxm_node_maps
from softreserve.kernel.numa.numa_memblks import NumaMemblks
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

MIB, GIB = 1 << 20, 1 << 30
RELEASES = pytest.mark.parametrize("release", ["6.1", "6.12"])


class Boot:
    """A kernel with RAM and one block per (node, start, end), in MiB, and what it is to fake."""

    def __init__(
        self, release: str, text: str, *blocks: tuple[int, int, int], ram: tuple[int, int] | None = None
    ) -> None:
        self.log = EventLog()
        kernel = Kernel(release, "x86_64", config={"NUMA": "y", "NODES_SHIFT": 6})
        self.memblock = Memblock(self.log, kernel)
        for start, end in [ram] if ram else [(start, end) for _, start, end in blocks]:
            self.memblock.add(start * MIB, (end - start) * MIB)
        self.state = NumaState(self.log, kernel)
        self.cpus: dict[int, int] = {}
        self.emulation = NumaEmulation(text, 4 * GIB, self.cpus.update)
        self.memblks = NumaMemblks(self.state, self.memblock, self.memblock.end_of_dram(), self.emulation)
        self.blocks = blocks
        self.distances: dict[tuple[int, int], int] = {}

    def run(self) -> Boot:
        def method() -> int:
            for nid, start, end in self.blocks:
                self.memblks.numa_add_memblk(nid, start * MIB, end * MIB)
                self.state.parsed.add(nid)
            for (from_, to), distance in self.distances.items():
                self.state.numa_set_distance(from_, to, distance)
            return 0

        assert self.memblks.numa_memblks_init(method) == 0
        return self

    @property
    def nodes(self) -> list[tuple[int, int, int]]:
        return [(b.nid, b.start // MIB, b.end // MIB) for b in self.memblks.meminfo]


@RELEASES
def test_a_number_splits_ram_into_that_many_nodes(release: str) -> None:
    boot = Boot(release, "2", (0, 0, 1024)).run()
    assert boot.log.lines[:2] == [
        "Faking node 0 at [mem 0x0000000000000000-0x000000001fffffff] (512MB)",
        "Faking node 1 at [mem 0x0000000020000000-0x000000003fffffff] (512MB)",
    ]
    assert boot.nodes == [(0, 0, 512), (1, 512, 1024)]
    assert boot.state.possible == {0, 1}
    assert boot.cpus == {0: 0, 1: 0}


@RELEASES
def test_the_remainder_makes_the_first_nodes_32_mib_bigger(release: str) -> None:
    """A third of 1 GiB, in pages, is 320 MiB and a bit; three bits are one time 32 MiB and a rest for the last node."""
    assert Boot(release, "3", (0, 0, 1024)).run().nodes == [(0, 0, 352), (1, 352, 672), (2, 672, 1024)]


@RELEASES
def test_a_size_makes_nodes_of_at_least_that_size(release: str) -> None:
    boot = Boot(release, "400M", (0, 0, 1024), (1, 1024, 1536)).run()
    assert boot.nodes == [(0, 0, 384), (1, 1024, 1536), (2, 384, 1024)]


@RELEASES
def test_a_size_too_small_for_64_nodes_is_increased(release: str) -> None:
    boot = Boot(release, "16M", (0, 0, 4096)).run()
    assert boot.log.lines[0] == "Fake node size 16MB too small, increasing to 64MB"
    assert len(boot.nodes) == 64


@RELEASES
def test_a_number_with_u_splits_every_physical_node(release: str) -> None:
    boot = Boot(release, "2U", (0, 0, 1024), (1, 1024, 3072)).run()
    assert boot.nodes == [(0, 0, 512), (1, 512, 1024), (2, 1024, 2048), (3, 2048, 3072)]


@RELEASES
@pytest.mark.parametrize("text", ["0", "", "x", "0U", "0M"])
def test_what_makes_no_sense_leaves_the_physical_nodes(release: str, text: str) -> None:
    boot = Boot(release, text, (0, 0, 1024), (1, 1024, 2048)).run()
    assert boot.nodes == [(0, 0, 1024), (1, 1024, 2048)]
    assert boot.state.emu_nid_to_phys == {}


@RELEASES
def test_ram_too_small_for_the_number_is_said(release: str) -> None:
    boot = Boot(release, "9", (0, 0, 256)).run()
    assert boot.log.lines == ["Not enough memory for each node.  NUMA emulation disabled."]


@RELEASES
def test_distances_come_from_the_physical_nodes_or_from_the_text(release: str) -> None:
    boot = Boot(release, "2U", (0, 0, 1024), (1, 1024, 2048))
    boot.distances = {(0, 1): 30, (1, 0): 31}
    boot.run()
    assert [boot.state.distance(0, other) for other in range(4)] == [10, 10, 30, 30]
    boot = Boot(release, "2:10,25,15,10,", (0, 0, 1024)).run()
    assert [boot.state.distance(a, b) for a, b in ((0, 1), (1, 0))] == [25, 15]


def test_domains_follow_the_emulated_nodes_in_newer_kernels_only() -> None:
    found = {}
    for release in ("6.1", "6.12"):
        boot = Boot(release, "2U", (0, 0, 1024), (1, 1024, 2048))
        for pxm in (4, 7):
            boot.state.acpi_map_pxm_to_node(pxm)
        boot.run()
        found[release] = [boot.state.pxm_to_node(pxm) for pxm in (4, 7)]
    assert found == {"6.1": [0, 1], "6.12": [0, 2]}


def test_a_domain_without_ram_gets_a_free_id_and_needs_a_slit() -> None:
    blocks = (0, 0, 1024), (1, 4096, 5120)
    boot = Boot("6.12", "2", *blocks, ram=(0, 1024))
    for pxm in (0, 1):
        boot.state.acpi_map_pxm_to_node(pxm)
    boot.distances = {(0, 1): 30, (1, 0): 31}
    boot.run()
    assert boot.state.pxm_to_node(1) == 2
    assert boot.state.possible == {0, 1, 2}
    assert [boot.state.distance(0, 2), boot.state.distance(2, 0)] == [30, 31]
    boot = Boot("6.12", "2", *blocks, ram=(0, 1024))
    for pxm in (0, 1):
        boot.state.acpi_map_pxm_to_node(pxm)
    with pytest.raises(MachineError, match="kernel panic"):
        boot.run()


def test_a_cpu_joins_every_emulated_node_of_its_physical_node() -> None:
    boot = Boot("6.1", "2U", (0, 0, 1024), (1, 1024, 2048)).run()
    boot.state.online.update({0, 1, 2, 3})
    boot.state.set_cpu_node(0, 2)
    assert boot.state.nodes_of_cpu(0) == {2, 3}


@given(
    release=st.sampled_from(["6.1", "6.12"]),
    text=st.one_of(
        st.integers(0, 70).map(str), st.integers(0, 5).map("{}U".format), st.integers(1, 2000).map("{}M".format)
    ),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=3),
)
def test_faked_nodes_hold_all_ram_of_the_physical_ones(release: str, text: str, sizes: list[int]) -> None:
    blocks, at = [], 0
    for nid, size in enumerate(sizes):
        blocks.append((nid, at, at + size))
        at += size
    boot = Boot(release, text, *blocks).run()
    assert sum(end - start for _, start, end in boot.nodes) == at


def test_domains_stay_where_they_cannot_follow_the_emulated_nodes() -> None:
    """``fix_pxm_node_maps``: NUMA is off, the last node has no domain, or no id is left for one without RAM."""

    def fixed(
        emu: dict[int, int], domains: int, *, nodes_shift: int = 6, off: bool = False
    ) -> tuple[int, dict[int, int]]:
        log = EventLog()
        state = NumaState(log, Kernel("6.12", "x86_64", config={"NUMA": "y", "NODES_SHIFT": nodes_shift}))
        for pxm in range(domains):
            state.acpi_map_pxm_to_node(pxm)
        state.numa_off = off
        return fix_pxm_node_maps(state, emu, max(emu)), state.node_pxms()

    assert fixed({0: 0, 1: 0}, 1)[0] == 0
    assert fixed({0: 0, 1: 0}, 1, off=True)[0] == -1
    assert fixed({0: 0, 1: 5}, 1) == (-1, {0: 0})
    assert fixed({0: 0, 1: 0}, 2, nodes_shift=1) == (-1, {0: 0, 1: 1})


def test_a_table_of_domains_that_is_not_used_stays() -> None:
    """``fix_pxm_node_maps``: with ``srat_disabled()`` there is nothing to do."""
    state = NumaState(EventLog(), Kernel("6.12", "x86_64", config={"NUMA": "y", "NODES_SHIFT": 6}))
    state.acpi_map_pxm_to_node(3)
    state.srat_disabled = True
    assert (fix_pxm_node_maps(state, {0: 0, 1: 0}, 1), state.node_pxms()) == (0, {0: 3})


def test_nodes_stay_physical_where_the_last_emulated_one_has_no_domain() -> None:
    """``numa_emulation``: ``fix_pxm_node_maps`` fails, nothing was committed yet."""
    boot = Boot("6.12", "2U", (0, 0, 1024), (1, 1024, 2048))
    boot.state.acpi_map_pxm_to_node(4)
    boot.run()
    assert boot.nodes == [(0, 0, 1024), (1, 1024, 2048)]
    assert boot.state.parsed == {0, 1}
    assert boot.cpus == {}


@RELEASES
def test_more_emulated_blocks_than_two_for_every_node_are_too_many(release: str) -> None:
    """``emu_setup_memblk``: 9024 MiB in 200 parts are 45 MiB each, made 64 MiB: 141, of which 128 have room."""
    boot = Boot(release, "200U", (0, 0, 9024)).run()
    assert boot.log.lines[0] == "Fake node size 45MB too small, increasing to 64MB"
    faked = [line for line in boot.log.lines if line.startswith("Faking node ")]
    assert (len(faked), faked[-1].split(" at ")[0]) == (128, "Faking node 63")
    assert "NUMA: Too many emulated memblks, failing emulation" in boot.log.lines
    assert boot.nodes == [(0, 0, 9024)]
