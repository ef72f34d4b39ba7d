"""What the HMAT becomes. Expected values: by hand from ``drivers/acpi/numa/hmat.c``; tables are made here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from errno import ENODEV

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.kernel.system import System
from softreserve.model.acpi.hmat_tables import Hmat, Locality, MemorySideCache, Proximity
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.srat import (
    GENERIC_PORT_AFFINITY,
    CpuAffinity,
    GenericAffinity,
    MemoryAffinity,
    Srat,
)
from softreserve.model.acpi.tables import Header, UnknownEntry
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve_hmem.hmat import HmatState
from softreserve_hmem.hmat_locality import hmat_normalize

Boot = Callable[..., System]
GIB = 1 << 30
READ_LATENCY, WRITE_LATENCY, ACCESS_BANDWIDTH, WRITE_BANDWIDTH = 1, 2, 3, 5

MEMORY = ((0, 0, 2 * GIB), (1, 9 * GIB, 17 * GIB))


def srat(*extra: Struct, memory: tuple[tuple[int, int, int], ...] = MEMORY) -> bytes:
    ranges = [MemoryAffinity(proximity_domain=pxm, base=start, size_bytes=end - start) for pxm, start, end in memory]
    cpu = CpuAffinity(proximity_domain_lo=0, apic_id=0)
    return Srat([cpu, *ranges, *extra], header=Header(signature=b"SRAT", revision=3)).sealed()


def hmat(*entries: Struct | UnknownEntry, revision: int = 2) -> bytes:
    return Hmat(entries, header=Header(signature=b"HMAT", revision=revision)).sealed()


def near(pxm: int) -> Proximity:
    return Proximity(processor_pd=0, memory_pd=pxm)


def latency(data_type: int, *rows: list[int], initiators: tuple[int, ...] = (0,), base: int = 1000) -> Locality:
    return Locality.build(data_type, base, initiators, (0, 1), rows)


def bandwidth(data_type: int, *rows: list[int], initiators: tuple[int, ...] = (0,)) -> Locality:
    return Locality.build(data_type, 1, initiators, (0, 1), rows)


def values(system: System, nid: int, access: int) -> tuple[int, ...] | None:
    """Read and write bandwidth, read and write latency; ``None`` where there is no such class."""
    where = f"/sys/devices/system/node/node{nid}/access{access}/initiators"
    if system.sysfs.node(where) is None:
        return None
    names = ("read_bandwidth", "write_bandwidth", "read_latency", "write_latency")
    read = [system.sysfs.read(f"{where}/{name}") for name in names]
    assert all(isinstance(value, bytes) for value in read)
    return tuple(int(value) for value in read)


def initiators(system: System, nid: int, access: int) -> list[str]:
    names = system.sysfs.listdir(f"/sys/devices/system/node/node{nid}/access{access}/initiators")
    assert isinstance(names, list)
    return [name for name in names if name.startswith("node")]


def said(system: System) -> list[str]:
    return [line.removeprefix("acpi/hmat: ") for line in system.log.lines if line.startswith("acpi/hmat: ")]


# --- units


@pytest.mark.parametrize(
    ("entry", "base", "data_type", "revision", "value"),
    [
        (5, 10000, READ_LATENCY, 2, 50),
        (1234, 1001, READ_LATENCY, 2, 1236),
        (32, 1024, ACCESS_BANDWIDTH, 2, 32768),
        (95, 1, READ_LATENCY, 1, 10),
        (95, 1, ACCESS_BANDWIDTH, 1, 10),
        (9, 1, ACCESS_BANDWIDTH, 1, 0),
        (0xFFFF, 1, READ_LATENCY, 2, 0),
        (0, 1, READ_LATENCY, 2, 0),
        (2, 1 << 31, ACCESS_BANDWIDTH, 2, 0),
        (1, 0xFFFFFFFF, ACCESS_BANDWIDTH, 2, 0xFFFFFFFF),
        # rounding up adds in 32 bits
        (1, 0xFFFFFFFF - 9, READ_LATENCY, 1, 429496729),
        (1, 0xFFFFFFFF - 8, READ_LATENCY, 1, 0),
        (1, 0xFFFFFFFF, ACCESS_BANDWIDTH, 1, 0),
        (1, 0xFFFFFFFF - 998, READ_LATENCY, 2, 0),
        (3, 1431655432, READ_LATENCY, 2, 4294967),
    ],
)
def test_values_in_nanoseconds_and_megabytes(entry: int, base: int, data_type: int, revision: int, value: int) -> None:
    assert hmat_normalize(entry, base, data_type, revision) == value


@given(st.integers(0, 0xFFFF), st.integers(0, (1 << 64) - 1), st.integers(0, 7), st.sampled_from([1, 2]))
def test_every_value_fits_into_32_bits(entry: int, base: int, data_type: int, revision: int) -> None:
    assert 0 <= hmat_normalize(entry, base, data_type, revision) < 1 << 32


# --- when values appear


def test_a_node_without_memory_shows_its_values_when_the_first_block_goes_online(boot_hmem: Boot) -> None:
    acpi = {
        "SRAT": srat(),
        "HMAT": hmat(
            latency(READ_LATENCY, [10, 30]), latency(WRITE_LATENCY, [20, 40]), bandwidth(ACCESS_BANDWIDTH, [100, 50])
        ),
    }
    system = boot_hmem("6.12", acpi=acpi, modules=["dax_hmem", "kmem"])
    assert values(system, 0, 0) == values(system, 0, 1) == (100, 100, 10, 20)
    assert values(system, 1, 0) is None
    assert system.sysfs.write("/sys/devices/system/memory/memory72/state", b"online_movable") > 0
    assert values(system, 1, 0) == values(system, 1, 1) == (50, 50, 30, 40)
    assert initiators(system, 1, 0) == ["node0"]
    assert system.sysfs.readlink("/sys/devices/system/node/node1/access0/initiators/node0") == "../../../node0"
    assert system.sysfs.readlink("/sys/devices/system/node/node0/access1/targets/node1") == "../../../node1"


def test_values_do_not_come_back_with_the_node(boot_hmem: Boot) -> None:
    acpi = {"SRAT": srat(), "HMAT": hmat(latency(READ_LATENCY, [10, 30]))}
    system = boot_hmem("6.12", acpi=acpi, modules=["dax_hmem", "kmem"])
    state = "/sys/devices/system/memory/memory72/state"
    for writes in ((state, b"online_movable"), (state, b"offline"), ("/sys/bus/dax/drivers/kmem/unbind", b"dax0.0")):
        assert system.sysfs.write(*writes) > 0
    assert system.sysfs.node("/sys/devices/system/node/node1") is None
    assert system.sysfs.write("/sys/bus/dax/drivers/kmem/bind", b"dax0.0") > 0
    assert system.sysfs.write(state, b"online_movable") > 0
    assert values(system, 1, 0) is None


def test_nothing_but_zeros_without_any_structure(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", acpi={"SRAT": srat(), "HMAT": hmat()})
    assert values(system, 0, 0) == values(system, 0, 1) == (0, 0, 0, 0)
    assert initiators(system, 0, 0) == []


@pytest.mark.parametrize("tables", [{}, {"SRAT": srat()}, {"HMAT": hmat()}])
def test_both_tables_are_needed(boot_hmem: Boot, tables: dict[str, bytes]) -> None:
    system = boot_hmem("6.12", acpi=tables)
    assert values(system, 0, 0) is None
    assert said(system) == []


# --- who is best


def test_bandwidth_decides_among_those_of_equal_latency(boot_hmem: Boot) -> None:
    two = (0, 1)
    equal = latency(WRITE_LATENCY, [10, 10], [10, 10], initiators=two)
    ram = ((0, 2 * GIB, 0), (2 * GIB, 3 * GIB, 1))
    tied = {"SRAT": srat(), "HMAT": hmat(equal)}
    assert initiators(boot_hmem("6.1", ram=ram, acpi=tied), 1, 0) == ["node0", "node1"]
    faster = bandwidth(WRITE_BANDWIDTH, [5000, 5000], [8000, 8000], initiators=two)
    decided = boot_hmem("6.1", ram=ram, acpi={"SRAT": srat(), "HMAT": hmat(equal, faster)})
    assert initiators(decided, 1, 0) == ["node1"]
    assert values(decided, 1, 0) == (0, 8000, 0, 10)
    # Node 1 has no CPUs: the second class is without it.
    assert initiators(decided, 1, 1) == ["node0"]
    assert values(decided, 1, 1) == (0, 5000, 0, 10)


def test_the_last_structure_of_a_kind_counts_alone(boot_hmem: Boot) -> None:
    first, last = latency(READ_LATENCY, [10, 30]), Locality.build(READ_LATENCY, 1000, (0,), (1,), [[60]])
    system = boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(first, last)})
    assert values(system, 0, 0) == (0, 0, 0, 0)


def test_an_initiator_that_a_target_names_itself_wins_whatever_others_offer(boot_hmem: Boot) -> None:
    structure = latency(READ_LATENCY, [50, 50], [10, 10], initiators=(0, 1))
    ram = ((0, 2 * GIB, 0), (2 * GIB, 3 * GIB, 1))
    system = boot_hmem("6.12", ram=ram, acpi={"SRAT": srat(), "HMAT": hmat(near(1), structure)})
    assert initiators(system, 1, 0) == ["node0"]
    assert values(system, 1, 0) == (0, 0, 50, 0)


def test_structures_of_caches_are_printed_and_not_used(boot_hmem: Boot) -> None:
    cached = latency(READ_LATENCY, [1, 1])
    cached.flags = 1
    system = boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(cached)})
    assert values(system, 0, 0) == (0, 0, 0, 0)
    assert said(system) == [
        "Locality: Flags:01 Type:Read Latency Initiator Domains:1 Target Domains:2 Base:1000",
        "  Initiator-Target[0-0]:1 nsec",
        "  Initiator-Target[0-1]:1 nsec",
    ]


def test_the_node_of_a_generic_port_shows_nothing_in_newer_kernels(boot_hmem: Boot) -> None:
    port = GenericAffinity(type=GENERIC_PORT_AFFINITY, proximity_domain=0, device_handle=b"ACPI0016" + bytes(8))
    acpi = {"SRAT": srat(port), "HMAT": hmat(latency(READ_LATENCY, [10, 30]))}
    assert values(boot_hmem("6.1", acpi=acpi), 0, 0) == (0, 0, 10, 0)
    assert values(boot_hmem("6.12", acpi=acpi), 0, 0) is None


def access_bandwidth_and_latencies(ports: tuple[int, ...]) -> bytes:
    """From node 0 to memory of domains 0 and 1, and to generic ports: 10, 30, 50 ... ns, 100, 90, 80 ... MB/s."""
    targets = (0, 1, *ports)
    rows = [[10 + 20 * at for at in range(len(targets))]], [[100 - 10 * at for at in range(len(targets))]]
    structures = [Locality.build(kind, 1000, (0,), targets, rows[0]) for kind in (READ_LATENCY, WRITE_LATENCY)]
    return hmat(*structures, Locality.build(ACCESS_BANDWIDTH, 1, (0,), targets, rows[1]))


def generic_port(domain: int, uid: int) -> GenericAffinity:
    handle = b"ACPI0016" + uid.to_bytes(4, "little") + bytes(4)
    return GenericAffinity(type=GENERIC_PORT_AFFINITY, proximity_domain=domain, device_handle=handle)


@pytest.mark.parametrize(("release", "known"), [("6.7", False), ("6.8", True), ("7.3", True)])
def test_a_generic_port_is_known_by_the_number_of_its_bridge(boot_hmem: Boot, release: str, known: bool) -> None:
    """``acpi_get_genport_coordinates``: as recorded of QEMU's generic ports (``x86-7.3-cxl-perf-port``)."""
    acpi = {"SRAT": srat(generic_port(2, 12), generic_port(3, 13)), "HMAT": access_bandwidth_and_latencies((2, 3))}
    performance = boot_hmem(release, acpi=acpi).nodes.performance
    assert performance is not None
    expected = [AccessCoordinate(70, 70, 70, 70)] * 2 if known else None
    assert performance.genport_coordinates(13) == expected
    assert performance.genport_coordinates(14) is None
    # Targets that are no ports have zeros where a handle has its number.
    assert performance.genport_coordinates(0) == [AccessCoordinate()] * 2


def test_an_initiator_of_its_own_hides_how_fast_a_generic_port_is(boot_hmem: Boot) -> None:
    """``hmat_update_target_attrs`` returns before it stores anything."""
    tables = {"SRAT": srat(generic_port(2, 12)), "HMAT": hmat(near(2), latency(READ_LATENCY, [10, 30]))}
    performance = boot_hmem("6.12", acpi=tables).nodes.performance
    assert performance is not None
    assert performance.genport_coordinates(12) == [AccessCoordinate()] * 2


def test_each_way_is_told_as_the_table_has_it_whoever_is_best(boot_hmem: Boot) -> None:
    """Domain 0 reaches itself in 10, domain 1 in 30; of a node that no domain has nothing is said."""
    performance = boot_hmem(
        "6.12", acpi={"SRAT": srat(), "HMAT": hmat(latency(READ_LATENCY, [10, 30]))}
    ).nodes.performance
    assert performance is not None
    assert performance.initiator_coordinate(0, 1) == AccessCoordinate(read_latency=30)
    assert performance.initiator_coordinate(0, 5) == performance.initiator_coordinate(1, 0) == AccessCoordinate()


def test_nothing_is_known_without_an_hmat(boot_hmem: Boot) -> None:
    assert boot_hmem("6.12", acpi={"SRAT": srat(generic_port(2, 12))}).nodes.performance is None


def test_what_cxl_says_of_a_node_stands_in_place_of_the_hmat(boot_hmem: Boot) -> None:
    """6.12: ``ext_updated``. Who is linked is what was found for the target before: ``p_nodes`` is static."""
    acpi = {"SRAT": srat(), "HMAT": access_bandwidth_and_latencies(())}
    system = boot_hmem("6.12", acpi=acpi, modules=["dax_hmem", "kmem"])
    performance = system.nodes.performance
    assert performance is not None
    for access in range(2):
        assert performance.update_target_coordinates(1, AccessCoordinate(1, 2, 3, 4), access) == 0
    assert performance.update_target_coordinates(7, AccessCoordinate(), 0) == -ENODEV
    assert system.sysfs.write("/sys/devices/system/memory/memory72/state", b"online_movable") > 0
    assert values(system, 1, 0) == values(system, 1, 1) == (1, 2, 3, 4)
    assert initiators(system, 1, 0) == ["node0"]


# --- caches


def test_caches_show_up_and_the_second_of_a_level_is_refused(boot_hmem: Boot) -> None:
    first = MemorySideCache(memory_pd=0, cache_size=1 << 30, cache_attributes=0x0040_1111)
    second = MemorySideCache(memory_pd=0, cache_size=1 << 20, cache_attributes=0x0080_2211)
    other = MemorySideCache(memory_pd=7, cache_size=1, cache_attributes=0)
    system = boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(first, second, other)})
    where = "/sys/devices/system/node/node0/memory_side_cache"
    assert system.sysfs.listdir(where) == ["index1"]
    shown = {n: system.sysfs.read(f"{where}/index1/{n}") for n in ("size", "line_size", "indexing", "write_policy")}
    assert shown == {"size": b"1073741824\n", "line_size": b"64\n", "indexing": b"0\n", "write_policy": b"0\n"}
    assert "node node0: attempt to add duplicate cache level:1" in system.log.lines


# --- tables that are wrong


def claiming(structure: Struct, length: int, *, present: int | None = None) -> UnknownEntry:
    """A structure that says it has ``length`` bytes; as many are there, unless ``present`` says how many."""
    data = structure.pack()[:4] + length.to_bytes(4, "little") + structure.pack()[8:]
    size = length if present is None else present
    return UnknownEntry(data[:size].ljust(size, b"\0"))


CACHE = MemorySideCache(memory_pd=0, cache_size=1, cache_attributes=0)
READ = latency(READ_LATENCY, [1, 2])


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (claiming(near(1), 41), "Unexpected address range header length: 41"),
        (claiming(READ, 31), "Unexpected locality header length: 31"),
        (claiming(READ, 40), "Unexpected locality header length:40, minimum required:48"),
        (claiming(CACHE, 24), "Unexpected cache header length: 24"),
    ],
)
def test_a_structure_of_a_wrong_length_voids_the_whole_table(boot_hmem: Boot, entry: UnknownEntry, line: str) -> None:
    acpi = {"SRAT": srat(), "HMAT": hmat(entry)}
    system = boot_hmem("6.12", acpi=acpi, modules=["dax_hmem"])
    assert said(system)[-2:] == [line, "Ignoring: Invalid table"]
    assert values(system, 0, 0) is None
    assert system.sysfs.listdir("/sys/bus/dax/devices") == ["dax0.0"]


@pytest.mark.parametrize(("revision", "sound"), [(1, True), (2, False)])
def test_an_unknown_memory_domain_is_fatal_unless_an_old_table_does_not_vouch_for_it(
    boot_hmem: Boot, revision: int, sound: bool
) -> None:
    stray = Proximity(flags=0, processor_pd=0, memory_pd=9)
    system = boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(stray, revision=revision)})
    assert (values(system, 0, 0) is not None) == sound


def test_an_unknown_revision_is_ignored(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(revision=3)})
    assert said(system) == ["Ignoring: Unknown revision:3"]


@pytest.mark.parametrize(("release", "prefix"), [("6.1", "ACPI: "), ("6.12", "")])
def test_a_structure_of_length_zero_ends_the_first_walk(boot_hmem: Boot, release: str, prefix: str) -> None:
    acpi = {"SRAT": srat(), "HMAT": hmat(claiming(READ, 0, present=48))}
    lines = boot_hmem(release, acpi=acpi).log.lines
    at = lines.index(f"{prefix}[HMAT:0x00] Invalid zero length")
    assert lines[at + 1] == "acpi/hmat: Ignoring: Invalid table"


def test_a_structure_far_beyond_its_table_is_an_error_of_the_machine(boot_hmem: Boot) -> None:
    far = Locality(data_type=1, number_of_initiators=1 << 16, number_of_targets=1 << 10, entry_base_unit=1)
    with pytest.raises(MachineError, match="behind the table"):
        boot_hmem("6.12", acpi={"SRAT": srat(), "HMAT": hmat(claiming(far, 0xFFFFFFFF, present=32))})


@given(st.binary(max_size=200))
def test_rubbish_behind_the_header_never_breaks_the_boot(rubbish: bytes) -> None:
    log, kernel = EventLog(), Kernel("6.12", "x86_64", config={"NUMA": "y", "DEV_DAX_HMEM": "m"})
    nodes = System(Machine("test", kernel), load([])).nodes
    state = HmatState(kernel, log, nodes, lambda nid, res: None)
    tables = {"SRAT": srat(), "HMAT": Hmat(rest=rubbish, header=Header(signature=b"HMAT", revision=2)).sealed()}
    with suppress(MachineError):
        assert state.hmat_init(tables) != any("Ignoring" in line for line in log.lines)
