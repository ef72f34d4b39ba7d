"""The matrix of an HMAT structure: which entry is whose, what is lost, and how far it may reach behind its table."""

from __future__ import annotations

import pytest
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.model.acpi.hmat_tables import Locality
from softreserve.model.acpi.tables import Header, RawTable
from softreserve.model.errors import MachineError
from softreserve_hmem.hmat_locality import MemoryLocality, best_value, hmat_normalize, updated_coordinate

READ_LATENCY, READ_BANDWIDTH = 1, 4
NO_ENTRY = 0xFFFF
MIB = 1 << 20


def read(structure: Locality, *, missing: int = 0) -> MemoryLocality:
    """The structure of a table, as the kernel reads it; ``missing`` bytes of it lie behind the table."""
    body = structure.pack()[: len(structure.pack()) - missing]
    header = Header(signature=b"HMAT", revision=2, length=Header.size() + len(body))
    return MemoryLocality(RawTable(header.pack() + body, "HMAT"), Header.size())


#: 2 initiators by 3 targets; bandwidth in units of 1000 MB/s.
MATRIX = [[1, 2, 3], [4, 0, NO_ENTRY]]


def test_rows_are_initiators_and_columns_targets() -> None:
    found = read(Locality.build(READ_BANDWIDTH, 1000, [5, 7], [1, 2, 3], MATRIX))
    assert [[found.value(row, column) for column in range(3)] for row in range(2)] == [[1000, 2000, 3000], [4000, 0, 0]]
    assert [[found.between(i, t) for t in (1, 2, 3)] for i in (5, 7)] == [[1000, 2000, 3000], [4000, 0, 0]]
    assert (found.between(1, 1), found.between(5, 5)) == (0, 0)


def test_of_equal_domains_the_first_counts() -> None:
    found = read(Locality.build(READ_BANDWIDTH, 1, [5, 5], [1, 1], [[1, 2], [3, 4]]))
    assert found.between(5, 1) == 1


def test_a_value_is_lost_where_the_table_has_one_and_the_kernel_none() -> None:
    """2**31 times the entry: only one of it fits into 32 bits. No entry, and an entry of 0, say nothing at all."""
    found = read(Locality.build(READ_BANDWIDTH, 1 << 31, [5, 7], [1, 2, 3], MATRIX))
    assert [[found.is_lost(row, column) for column in range(3)] for row in range(2)] == [
        [False, True, True],
        [True, False, False],
    ]


def test_no_value_is_worse_than_any() -> None:
    assert best_value(READ_LATENCY, 5, 0) is True
    assert best_value(READ_LATENCY, 0, 0) is False
    assert best_value(READ_LATENCY, 0, 5) is False


@pytest.mark.parametrize(("data_type", "better"), [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3), (5, 3)])
def test_latencies_are_best_small_and_bandwidths_large(data_type: int, better: int) -> None:
    assert [value for value in (1, 2, 3) if best_value(data_type, value, 2)] == [better]


@pytest.mark.parametrize(
    ("data_type", "name", "unit", "fields"),
    [
        (0, "Access Latency", " nsec", {"read_latency", "write_latency"}),
        (1, "Read Latency", " nsec", {"read_latency"}),
        (2, "Write Latency", " nsec", {"write_latency"}),
        (3, "Access Bandwidth", " MB/s", {"read_bandwidth", "write_bandwidth"}),
        (4, "Read Bandwidth", " MB/s", {"read_bandwidth"}),
        (5, "Write Bandwidth", " MB/s", {"write_bandwidth"}),
        (6, "Reserved", "", set()),
    ],
)
def test_a_data_type_has_a_name_a_unit_and_fields(data_type: int, name: str, unit: str, fields: set[str]) -> None:
    found = read(Locality.build(data_type, 1, [0], [0], [[1]]))
    assert (found.type_name, found.suffix, set(found.kinds)) == (name, unit, fields)
    changed = updated_coordinate(AccessCoordinate(1, 2, 3, 4), data_type, 99)
    assert {field for field in AccessCoordinate._fields if getattr(changed, field) == 99} == fields


def test_what_lies_behind_the_table_reads_as_zeros_up_to_a_mebibyte() -> None:
    assert read(Locality.build(READ_BANDWIDTH, 1, [5], [1], [[7]]), missing=2).value(0, 0) == 0
    targets = MIB // 6  # of 4 bytes, and an entry of 2 bytes for each
    long = Locality.build(READ_BANDWIDTH, 1, [5], range(targets), [[7] * targets])
    assert read(long, missing=MIB).between(5, targets - 1) == 0
    with pytest.raises(MachineError, match=f"ends {MIB + 1} bytes behind the table"):
        read(long, missing=MIB + 1)


@pytest.mark.parametrize(("tenths", "value"), [(9, 0), (10, 1), (11, 2), (20, 2), (21, 3)])
@pytest.mark.parametrize("data_type", [READ_LATENCY, READ_BANDWIDTH])
def test_revision_1_counts_in_tenths_and_rounds_up_from_one_on(data_type: int, tenths: int, value: int) -> None:
    assert hmat_normalize(tenths, 1, data_type, 1) == hmat_normalize(1, tenths, data_type, 1) == value
