"""ACPI tables. Expected bytes and offsets: ACPI specification 6.5, chapter 5.2, by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.hmat_tables import Hmat, Locality, MemorySideCache, Proximity, check_values
from softreserve.model.acpi.madt import GenericInterrupt, LocalApic, LocalX2apic, Madt
from softreserve.model.acpi.slit import Slit, slit_valid
from softreserve.model.acpi.srat import (
    CpuAffinity,
    GenericAffinity,
    GiccAffinity,
    MemoryAffinity,
    Srat,
    X2apicAffinity,
)
from softreserve.model.acpi.tables import (
    Header,
    RawTable,
    Table,
    TableError,
    UnknownEntry,
    acpi_get_table,
    acpi_parse_entries_array,
)
from softreserve.model.errors import InputError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

OLD, NEW = Kernel("6.1", "x86_64"), Kernel("6.12", "x86_64")

SRAT = Srat(
    [
        CpuAffinity(proximity_domain_lo=0, apic_id=0),
        X2apicAffinity(proximity_domain=1, apic_id=0x100),
        GiccAffinity(proximity_domain=2, acpi_processor_uid=7),
        GenericAffinity(proximity_domain=3),
        MemoryAffinity(proximity_domain=0, base=0, size_bytes=0x8000_0000),
        UnknownEntry(bytes([0x77, 5, 1, 2, 3])),
        MemoryAffinity(proximity_domain=1, base=0x1_0000_0000, size_bytes=0x4000_0000, flags=3),
    ]
)
HMAT = Hmat(
    [
        Proximity(processor_pd=0, memory_pd=1),
        Locality.build(0, 100, [0], [0, 1], [[1, 3]]),
        MemorySideCache(memory_pd=1, cache_size=1 << 30, cache_attributes=0x0040_1111),
    ],
    header=Header(signature=b"HMAT", revision=2),
)
GICC = GenericInterrupt(cpu_interface_number=0, uid=7, arm_mpidr=0x80)
GICC.tail = bytes(4)  # as from ACPI 6.3 on
MADT = Madt([LocalApic(processor_id=0, apic_id=0), LocalX2apic(apic_id=0x100, uid=1), GICC])
CEDT = Cedt([HostBridge(uid=7, base=0xC000_0000), FixedMemoryWindow(base_hpa=1 << 40, window_size=1 << 38, length=36)])
SLIT = Slit([[10, 20], [21, 10]])
TABLES: list[tuple[str, type[Table] | type[Slit], bytes]] = [
    ("SRAT", Srat, SRAT.sealed()),
    ("HMAT", Hmat, HMAT.sealed()),
    ("APIC", Madt, MADT.sealed()),
    ("CEDT", Cedt, CEDT.sealed()),
    ("SLIT", Slit, SLIT.sealed()),
]


def test_structures_have_the_sizes_of_the_specification() -> None:
    sizes = {kind: kind.size() for kind in (Header, CpuAffinity, MemoryAffinity, X2apicAffinity, GiccAffinity)}
    assert list(sizes.values()) == [36, 16, 40, 24, 18]
    assert (GenericAffinity.size(), Proximity.size(), Locality.size(), MemorySideCache.size()) == (32, 40, 32, 32)
    assert (HostBridge.size(), FixedMemoryWindow.size(), LocalApic.size(), LocalX2apic.size()) == (32, 36, 8, 16)
    assert GenericInterrupt.offset_of("arm_mpidr") == 68
    assert [kind.entries_offset() for kind in (Srat, Hmat, Madt, Cedt)] == [48, 40, 44, 36]


def test_a_memory_entry_is_forty_bytes_with_the_flags_at_28() -> None:
    entry = MemoryAffinity(proximity_domain=5, base=0x1122, size_bytes=0x3344, flags=7).pack()
    assert entry.hex(" ", 4) == (
        "01280500 00000000 22110000 00000000 44330000 00000000 00000000 07000000 00000000 00000000"
    )


@pytest.mark.parametrize(("signature", "kind", "data"), TABLES)
def test_a_sealed_table_has_the_right_length_and_sum_and_comes_back(
    signature: str, kind: type[Table] | type[Slit], data: bytes
) -> None:
    assert int.from_bytes(data[4:8], "little") == len(data)
    assert sum(data) % 256 == 0
    assert kind.parse(data).pack() == data
    assert RawTable(data, signature).length == len(data)


@pytest.mark.parametrize(("signature", "kind", "data"), TABLES)
@given(junk=st.data())
def test_any_bytes_under_a_sound_header_come_back_or_are_refused_in_one_line(
    signature: str, kind: type[Table] | type[Slit], data: bytes, junk: st.DataObject
) -> None:
    """Reading and writing is the identity whatever lies in a table, and never fails in another way."""
    body = junk.draw(st.binary(max_size=120))
    whole = data[:4] + (36 + len(body)).to_bytes(4, "little") + data[8:36] + body
    try:
        back = kind.parse(whole, "file").pack()
    except TableError as error:
        back, text = whole, str(error)
    else:
        text = ""
    assert back == whole
    assert "\n" not in text


def test_entries_without_fields_are_kept() -> None:
    found = Srat.parse(SRAT.sealed()).entries
    assert found == SRAT.entries
    assert found[5] == UnknownEntry(bytes([0x77, 5, 1, 2, 3]))


def test_an_entry_longer_than_its_fields_keeps_the_rest() -> None:
    data = Srat([UnknownEntry(bytes([3, 20]) + bytes(range(18)))]).sealed()
    (entry,) = Srat.parse(data).entries
    assert isinstance(entry, GiccAffinity)
    assert entry.tail == bytes([16, 17])


def test_a_locality_knows_its_lists_and_its_matrix() -> None:
    locality = HMAT.entries[1]
    assert isinstance(locality, Locality)
    assert (locality.initiators, locality.targets, locality.entries) == ((0,), (0, 1), (1, 3))
    assert locality.needed_tail == len(locality.tail) == 4 + 8 + 4


def test_an_apic_domain_has_32_bits_in_two_places() -> None:
    entry = CpuAffinity(proximity_domain_lo=0x04, apic_id=0, proximity_domain_hi=b"\x03\x02\x01")
    assert entry.proximity_domain == 0x01020304


def test_a_table_cut_in_the_middle_is_one_line_with_file_and_offset() -> None:
    data = SRAT.sealed()
    with pytest.raises(TableError) as caught:
        Srat.parse(data[:100], "acpi/SRAT.bin")
    expected = f"acpi/SRAT.bin: offset 0x64: SRAT cut off: its header says {len(data)} bytes, there are 100"
    assert str(caught.value) == expected
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "offset 0x0: SRAT cut off: 0 bytes, a header has 36"),
        (HMAT.sealed(), "offset 0x0: signature is 'HMAT', wanted 'SRAT'"),
        (b"SRAT" + bytes(32), "offset 0x4: SRAT says that it is 0 bytes long"),
        (b"SRAT" + (40).to_bytes(4, "little") + bytes(32), "SRAT cut off: 40 bytes, its fixed part ends at 48"),
    ],
)
def test_what_is_no_srat_is_named(data: bytes, words: str) -> None:
    with pytest.raises(TableError) as caught:
        Srat.parse(data)
    assert words in str(caught.value)


def test_a_slit_shorter_than_its_count_is_refused() -> None:
    data = SLIT.sealed()
    broken = data[:36] + (3).to_bytes(8, "little") + data[44:]
    with pytest.raises(TableError, match=r"offset 0x30: SLIT cut off: 3 localities need 53 bytes, the table has 48"):
        Slit.parse(broken)


@pytest.mark.parametrize(
    ("rows", "valid"),
    [
        ([[10, 20], [21, 10]], True),
        ([[10, 10], [20, 10]], False),
        ([[11]], False),
        ([[10, 255], [11, 10]], True),
        ([], True),
    ],
)
def test_a_slit_is_valid_with_10_on_the_diagonal_and_more_elsewhere(rows: list[list[int]], valid: bool) -> None:
    assert slit_valid(Slit(rows)) is valid


# --- the walk


def walk(kernel: Kernel, entries: bytes, types: dict[int, int]) -> tuple[int, list[int], list[str]]:
    """Walk an SRAT with these bytes as entries; ``types`` says what the handler of a type returns."""
    log, seen = EventLog(), []
    body = bytes(12) + entries
    data = b"SRAT" + (36 + len(body)).to_bytes(4, "little") + bytes(28) + body

    def handler_of(status: int):  # type: ignore[no-untyped-def]
        def handler(_table: RawTable, offset: int) -> int:
            seen.append(offset)
            return status

        return handler

    table = acpi_get_table({"SRAT": data}, "SRAT")
    assert table is not None
    handlers = [(type_, handler_of(status)) for type_, status in types.items()]
    return acpi_parse_entries_array(log, kernel, table, 48, handlers), seen, log.lines


def test_the_walk_counts_handled_entries_and_skips_other_types() -> None:
    entries = bytes([1, 3, 0]) + bytes([9, 2]) + bytes([1, 3, 0])
    assert walk(OLD, entries, {1: 0}) == (2, [48, 53], [])


def test_an_entry_that_is_only_a_header_at_the_very_end_is_not_seen() -> None:
    assert walk(OLD, bytes([1, 2]), {1: 0})[1] == []
    assert walk(OLD, bytes([1, 2, 0]), {1: 0})[1] == [48]


def test_an_entry_may_claim_more_than_the_table_has() -> None:
    assert walk(NEW, bytes([1, 200, 0]), {1: 0}) == (1, [48], [])


def test_an_entry_without_length_ends_the_walk_with_an_error_of_the_first_type() -> None:
    entries = bytes([1, 3, 0]) + bytes([1, 0, 0])
    assert walk(OLD, entries, {2: 0, 1: 0}) == (-22, [48, 51], ["ACPI: [SRAT:0x02] Invalid zero length"])
    assert walk(NEW, entries, {2: 0, 1: 0}) == (-22, [48, 51], ["[SRAT:0x02] Invalid zero length"])


def test_after_a_handler_failed_no_other_is_called() -> None:
    entries = bytes([5, 3, 0]) + bytes([1, 3, 0]) + bytes([1, 0, 0])
    assert walk(OLD, entries, {1: 0, 5: -22}) == (-22, [48], ["ACPI: [SRAT:0x01] Invalid zero length"])
    assert walk(NEW, entries, {1: 0, 5: -22}) == (-22, [48], [])


def test_more_entries_than_any_machine_has_are_refused_before_one_is_handled() -> None:
    most = bytes([1, 2]) * 65536
    assert walk(NEW, most + b"\0", {9: 0})[:2] == (0, [])
    for release in (OLD, NEW):
        with pytest.raises(TableError, match=r"^ACPI table SRAT: offset 0x20030: SRAT has more than 65536 entries"):
            walk(release, most + bytes([1, 2, 0]), {1: 0})
    with pytest.raises(TableError, match="more than 65536 entries"):
        Srat.parse(Srat(rest=most + bytes([1, 2])).sealed())
    assert len(Srat.parse(Srat(rest=most).sealed()).entries) == 65536


def test_more_values_of_an_hmat_than_any_machine_has_are_refused() -> None:
    check_values(1024 * 1024, 0)
    with pytest.raises(TableError, match=r"^ACPI table HMAT: offset 0x28: HMAT has more than 1048576 values"):
        check_values(1024 * 1024 + 1, 0x28)


def test_an_absent_table_is_none() -> None:
    assert acpi_get_table({}, "SRAT") is None


# --- the compiler of the ACPI project


@pytest.mark.clients
@pytest.mark.parametrize(("signature", "data"), [(name, data) for name, _, data in TABLES if name != "CEDT"])
def test_iasl_reads_what_we_write_and_writes_what_we_read(signature: str, data: bytes, tmp_path: Path) -> None:
    """Disassemble ours and compile that again: the same bytes. Debian 12's iasl is older than the CEDT."""
    if signature == "SRAT":  # iasl stops at entries that it does not know
        data = Srat([e for e in SRAT.entries if not isinstance(e, UnknownEntry)]).sealed()
    (tmp_path / "table.aml").write_bytes(data)
    down = subprocess.run(["iasl", "-d", "table.aml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert down.returncode == 0, down.stderr
    text = (tmp_path / "table.dsl").read_text(encoding="utf-8")
    assert "Unknown" not in text
    up = subprocess.run(["iasl", "-p", "again", "table.dsl"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stdout + up.stderr
    again = (tmp_path / "again.aml").read_bytes()
    # iasl puts its own name and version in place of the creator
    assert again[36:] == data[36:]
