"""Tables that a machine file writes out, field by field as the ACPI specification has them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from softreserve.config.acpi_schema import (
    Acpi,
    CxlWindow,
    HmatCache,
    HmatLocality,
    HmatProximity,
    HmatTable,
    Size,
    SlitTable,
    SratCpus,
    SratInitiator,
    SratMemory,
    SratTable,
    build_acpi,
)
from softreserve.config.structure import FieldError
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.hmat_tables import Hmat, Locality, MemorySideCache, Proximity
from softreserve.model.acpi.madt import GenericInterrupt, LocalX2apic, Madt
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import GenericAffinity, GiccAffinity, MemoryAffinity, Srat, X2apicAffinity
from softreserve.model.arch import ArchInfo
from softreserve.model.machine import CPUS_MAX
from softreserve.plugins.architectures import arch_info

PC = ArchInfo("a-pc")


def locality(kind: str, *rows: tuple[int, ...]) -> HmatLocality:
    return HmatLocality(kind, tuple(range(len(rows))), tuple(range(len(rows[0]))), rows)


# --- SRAT and MADT


def test_cpus_are_numbered_through_over_all_domains() -> None:
    tables = build_acpi(Acpi(srat=SratTable((SratCpus(4, 2), SratCpus(9, 1)))), PC, 3)
    found = [entry for entry in Srat.parse(tables["SRAT"]).entries if isinstance(entry, X2apicAffinity)]
    assert [(cpu.apic_id, cpu.proximity_domain) for cpu in found] == [(0, 4), (1, 4), (2, 9)]
    processors = [entry for entry in Madt.parse(tables["APIC"]).entries if isinstance(entry, LocalX2apic)]
    assert [(cpu.apic_id, cpu.uid, cpu.flags) for cpu in processors] == [(n, n, 1) for n in range(3)]


def test_processors_of_arm64_come_in_clusters_of_sixteen(two_architectures: None) -> None:
    """MPIDR_EL1: Aff0 is the processor in its cluster, Aff1 the cluster."""
    tables = build_acpi(Acpi(srat=SratTable((SratCpus(0, 16), SratCpus(1, 18)))), arch_info("arm64"), 34)
    madt = [entry for entry in Madt.parse(tables["APIC"]).entries if isinstance(entry, GenericInterrupt)]
    assert [cpu.uid for cpu in madt] == [cpu.cpu_interface_number for cpu in madt] == list(range(34))
    assert [madt[n].arm_mpidr for n in (0, 1, 15, 16, 17, 31, 32, 33)] == [0, 1, 0xF, 0x100, 0x101, 0x10F, 0x200, 0x201]
    srat = [entry for entry in Srat.parse(tables["SRAT"]).entries if isinstance(entry, GiccAffinity)]
    assert [(cpu.acpi_processor_uid, cpu.proximity_domain) for cpu in srat] == [(n, int(n > 15)) for n in range(34)]


@pytest.mark.parametrize(
    ("flags", "bits"),
    [
        ({}, 0b001),
        ({"hotplug": True}, 0b011),
        ({"non_volatile": True}, 0b101),
        ({"enabled": False}, 0b000),
        ({"hotplug": True, "non_volatile": True, "enabled": False}, 0b110),
    ],
)
def test_flags_of_memory(flags: dict[str, bool], bits: int) -> None:
    memory = SratMemory(7, Size(4096), Size(8192), **flags)
    (entry,) = Srat.parse(build_acpi(Acpi(srat=SratTable(memory=(memory,))), PC, 1)["SRAT"]).entries
    assert isinstance(entry, MemoryAffinity)
    assert (entry.proximity_domain, entry.base, entry.size_bytes, entry.flags) == (7, 4096, 8192, bits)


def test_a_generic_initiator_has_a_handle_of_sixteen_bytes() -> None:
    given = (SratInitiator(3, "0102"), SratInitiator(4, "ab" * 17), SratInitiator(5))
    entries = Srat.parse(build_acpi(Acpi(srat=SratTable(initiators=given)), PC, 1)["SRAT"]).entries
    found = [(e.proximity_domain, bytes(e.device_handle)) for e in entries if isinstance(e, GenericAffinity)]
    assert found == [(3, b"\1\2" + bytes(14)), (4, b"\xab" * 16), (5, bytes(16))]


def test_as_many_cpus_as_linux_has_and_no_more() -> None:
    assert SratTable((SratCpus(0, CPUS_MAX - 1), SratCpus(1, 1)))
    with pytest.raises(FieldError, match=f"at most {CPUS_MAX} CPUs"):
        SratTable((SratCpus(0, CPUS_MAX), SratCpus(1, 1)))


def test_a_madt_comes_with_any_other_table_and_never_alone() -> None:
    assert build_acpi(Acpi(), PC, 4) == {}
    assert set(build_acpi(Acpi(slit=SlitTable(((10,),))), PC, 4)) == {"SLIT", "APIC"}
    window = build_acpi(Acpi(windows=(CxlWindow(Size(1 << 32), Size(1 << 30)),)), PC, 4)
    assert set(window) == {"CEDT", "APIC"}
    bridge, entry = Cedt.parse(window["CEDT"]).entries
    assert isinstance(bridge, HostBridge)
    assert bridge.uid == 0
    assert isinstance(entry, FixedMemoryWindow)
    assert (entry.base_hpa, entry.window_size, entry.tail) == (1 << 32, 1 << 30, bytes(4))


# --- SLIT


def test_distances_are_bytes_row_by_row() -> None:
    tables = build_acpi(Acpi(slit=SlitTable(((10, 255), (0, 10)))), PC, 1)
    assert Slit.parse(tables["SLIT"]).rows == (bytes([10, 255]), bytes([0, 10]))


@pytest.mark.parametrize(
    "rows", [((10,), (20, 10)), ((10, 20),), ((10, 20), (20, 10), (30, 30)), ((10, 20, 30), (20, 10, 30))]
)
def test_distances_have_as_many_columns_as_rows(rows: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(FieldError, match="as many columns as rows"):
        SlitTable(rows)


@pytest.mark.parametrize("value", [-1, 256])
def test_a_distance_is_a_byte(value: int) -> None:
    with pytest.raises(FieldError, match=f"from 0 to 255, not {value}"):
        SlitTable(((10, value), (10, 10)))


# --- HMAT


@pytest.mark.parametrize(
    ("kind", "data_type", "unit"),
    [
        ("access latency", 0, 1000),
        ("read latency", 1, 1000),
        ("write latency", 2, 1000),
        ("access bandwidth", 3, 1),
        ("read bandwidth", 4, 1),
        ("write bandwidth", 5, 1),
    ],
)
def test_a_kind_is_a_data_type_and_latencies_are_in_picoseconds(kind: str, data_type: int, unit: int) -> None:
    built = locality(kind, (7, -1), (0, 9)).build()
    assert (built.data_type, built.entry_base_unit, list(built.entries)) == (data_type, unit, [7, 0xFFFF, 0, 9])
    assert (built.initiators, built.targets) == ((0, 1), (0, 1))


@pytest.mark.parametrize(
    ("values", "unit", "entries"),
    [
        ((0xFFFE,), 1, [0xFFFE]),
        ((0xFFFF * 10,), 100, None),
        ((655340, 20), 10, [0xFFFE, 2]),
        ((0xFFFE * 10**7,), 10**7, [0xFFFE]),
        ((-1, -1), 1, [0xFFFF, 0xFFFF]),
    ],
)
def test_the_smallest_unit_is_taken_in_which_all_values_have_16_bits(
    values: tuple[int, ...], unit: int, entries: list[int] | None
) -> None:
    if entries is None:
        with pytest.raises(FieldError, match="fit into 16 bits"):
            locality("read bandwidth", values)
        return
    built = locality("read bandwidth", values).build()
    assert (built.entry_base_unit, list(built.entries)) == (unit, entries)


@pytest.mark.parametrize("values", [(0xFFFF,), (65535, 10), (0xFFFF * 10**7,), (10**12,), (1, 70000)])
def test_values_without_a_common_unit_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(FieldError, match="no unit of 1, 10, 100"):
        locality("read bandwidth", values)


@pytest.mark.parametrize(
    ("initiators", "targets", "rows"),
    [
        (2, 2, ((1, 2),)),
        (2, 2, ((1, 2), (3, 4), (5, 6))),
        (2, 2, ((1, 2), (3,))),
        (1, 2, ((1, 2, 3),)),
        (2, 1, ((1, 2),)),
    ],
)
def test_a_matrix_has_a_row_for_each_initiator_and_a_column_for_each_target(
    initiators: int, targets: int, rows: tuple[tuple[int, ...], ...]
) -> None:
    with pytest.raises(FieldError, match=f"wanted {initiators} rows of {targets} values"):
        HmatLocality("read latency", tuple(range(initiators)), tuple(range(targets)), rows)


def test_only_minus_one_stands_for_no_entry() -> None:
    with pytest.raises(FieldError, match="not -2"):
        locality("read latency", (1, -2))


def test_fields_of_a_cache_stand_in_their_bits() -> None:
    """ACPI 6.5, table 5.147: levels 0-3, level 4-7, associativity 8-11, write policy 12-15, line size 16-31."""
    cache = HmatCache(6, Size(1 << 30), level=2, levels=3, indexing="complex", write_policy="through", line_size=128)
    built = cache.build()
    assert (built.memory_pd, built.cache_size, built.cache_attributes) == (6, 1 << 30, 0x0080_2223)
    plain = HmatCache(6, Size(4096)).build()
    assert plain.cache_attributes == 0x0040_1111
    none = attrs.evolve(cache, indexing="none", write_policy="none", level=15, levels=15, line_size=0xFFFF)
    assert none.build().cache_attributes == 0xFFFF_00FF


def test_a_proximity_names_an_initiator_only_where_there_is_one() -> None:
    table = HmatTable(
        (HmatProximity(1), HmatProximity(2, 0)), (locality("read latency", (1,)),), (HmatCache(1, Size(4096)),)
    )
    entries = Hmat.parse(build_acpi(Acpi(hmat=table), PC, 1)["HMAT"]).entries
    found = [(e.memory_pd, e.processor_pd, e.flags) for e in entries if isinstance(e, Proximity)]
    assert found == [(1, 0, 0), (2, 0, 1)]
    assert [type(entry) for entry in entries[2:]] == [Locality, MemorySideCache]


@pytest.mark.parametrize(("name", "largest"), [("level", 15), ("levels", 15), ("line_size", 0xFFFF)])
def test_a_field_of_a_cache_takes_what_its_bits_hold(name: str, largest: int) -> None:
    def cache(value: int) -> HmatCache:
        fields: dict[str, Any] = {name: value}
        return HmatCache(1, Size(4096), **fields)

    for value in (0, largest):
        assert getattr(cache(value), name) == value
    for value in (-1, largest + 1):
        with pytest.raises(ValueError, match=f"from 0 to {largest}"):
            cache(value)


def test_a_handle_that_is_no_hexadecimal_is_refused() -> None:
    with pytest.raises(FieldError, match="wanted 16 bytes in hexadecimal, not 'xyz'"):
        SratInitiator(1, "xyz")


def test_zeros_and_missing_entries_do_not_decide_the_unit() -> None:
    built = locality("read bandwidth", (0, 655340, -1)).build()
    assert (built.entry_base_unit, list(built.entries)) == (10, [0, 0xFFFE, 0xFFFF])


def test_tables_have_the_revisions_whose_fields_they_have() -> None:
    acpi = Acpi(srat=SratTable((SratCpus(0, 1),)), hmat=HmatTable((HmatProximity(0),)))
    tables = build_acpi(acpi, PC, 1)
    assert {name: tables[name][8] for name in ("SRAT", "HMAT")} == {"SRAT": 3, "HMAT": 2}
