from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.kernfs import in_readdir_order, name_hash


def test_devices_are_listed_in_the_order_in_which_a_real_kernel_lists_them() -> None:
    """Linux 6.1.192, ten hmem regions of which seven are in use: ``daxctl list`` prints the reverse of this."""
    names = ["dax0.0", "dax1.0", "dax2.0", "dax4.0", "dax6.0", "dax8.0", "dax9.0"]

    assert in_readdir_order(names) == ["dax0.0", "dax6.0", "dax9.0", "dax2.0", "dax8.0", "dax1.0", "dax4.0"]


def test_a_region_s_first_device_is_listed_before_its_second() -> None:
    assert in_readdir_order(["dax0.1", "dax0.0"]) == ["dax0.0", "dax0.1"]


@given(st.text(min_size=1, max_size=40))
def test_hashes_leave_out_the_numbers_of_the_dots_and_the_end(name: str) -> None:
    assert 2 <= name_hash(name) < (1 << 31) - 1
