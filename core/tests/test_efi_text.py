import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap
from softreserve.model.efi_text import (
    native_line,
    numbered_line,
    parse_efi_memmap,
    read_binary,
    typeattr_format,
    write_binary,
)
from softreserve.model.errors import InputError
from softreserve.model.kernel import Kernel

WB_ALL = 0xF
SP = int(EfiAttribute.SP)
NEW = Kernel("6.12.117", "x86_64")
OLD = Kernel("6.1.0-56-amd64", "x86_64")

#: Printed by a real 6.1 kernel.
X86_LINE = (
    "efi: mem131: [Conventional|   |  |  |  |SP|  |  |  |  |  |   |WB|WT|WC|UC] "
    "range=[0x0000000100000000-0x000000017fffffff] (2048MB)"
)
#: Printed by a real 6.1 kernel with 64K pages.
ARM64_LINE = "efi:   0x000040000000-0x000043ffffff [Conventional|   |  |  |  |  |  |  |  |  |  |   |WB|  |  |  ]"

descriptors = st.builds(
    EfiDescriptor,
    type=st.integers(0, 15) | st.integers(16, 2**32 - 1),
    start=st.integers(0, 2**64 - 1),
    pages=st.integers(0, 2**64 - 1),
    attribute=st.sampled_from(list(EfiAttribute)).map(int) | st.integers(0, 2**64 - 1),
)


def test_an_x86_line_is_what_a_real_kernel_printed() -> None:
    assert numbered_line(131, EfiDescriptor(7, 0x100000000, 0x80000, WB_ALL | SP), OLD) == X86_LINE


def test_an_arm64_line_is_what_a_real_kernel_printed() -> None:
    assert native_line(EfiDescriptor(7, 0x40000000, 0x4000, 0x8), OLD) == ARM64_LINE


def test_a_bit_without_a_column_replaces_all_columns() -> None:
    assert typeattr_format(EfiDescriptor(7, 0, 1, WB_ALL | 1 << 21), NEW) == "[Conventional|attr=0x000000000020000f]"


def test_unaccepted_memory_has_a_name_only_where_the_kernel_knows_it() -> None:
    unaccepted = EfiDescriptor(15, 0, 1, 0)
    assert typeattr_format(unaccepted, NEW).startswith("[Unaccepted  |")
    assert typeattr_format(unaccepted, OLD).startswith("[type=15|")


def test_a_ten_digit_type_loses_its_bracket_in_the_64_byte_buffer() -> None:
    text = typeattr_format(EfiDescriptor(2**32 - 1, 0, 1, WB_ALL), NEW)
    assert len(text) == 63
    assert text.endswith("|UC")


def test_old_releases_print_long_names_and_fewer_columns() -> None:
    special = EfiDescriptor(7, 0, 1, WB_ALL | SP)
    assert (
        typeattr_format(special, Kernel("5.5", "x86_64"))
        == "[Conventional Memory|   |  |SP|  |  |  |  |  |   |WB|WT|WC|UC]"
    )
    assert (
        typeattr_format(special, Kernel("5.10", "x86_64"))
        == "[Conventional|   |  |  |SP|  |  |  |  |  |   |WB|WT|WC|UC]"
    )
    hot_pluggable = EfiDescriptor(7, 0, 1, int(EfiAttribute.HOT_PLUGGABLE))
    assert typeattr_format(hot_pluggable, Kernel("5.10", "x86_64")) == "[Conventional|attr=0x0000000000100000]"


@given(st.lists(descriptors, min_size=1, max_size=5), st.sampled_from(["5.5", "5.10", "6.1", "6.12"]))
def test_whatever_x86_prints_is_read_back(drawn: Any, release: str) -> None:
    kernel = Kernel(release, "x86_64")
    text = "\n".join(numbered_line(index, descriptor, kernel) for index, descriptor in enumerate(drawn))
    assert parse_efi_memmap(text).descriptors == tuple(drawn)


@given(st.lists(descriptors, min_size=1, max_size=5))
def test_what_arm64_prints_is_read_back_up_to_the_size_of_the_address_space(drawn: Any) -> None:
    text = "".join(f"[    0.000000] {native_line(descriptor, NEW)}\n" for descriptor in drawn)
    want = [EfiDescriptor(d.type, d.start, d.pages % 2**52, d.attribute) for d in drawn]
    assert list(parse_efi_memmap(text)) == want


def test_a_boot_log_is_read_up_to_the_first_map_of_its_own() -> None:
    text = f"""\
[    0.000000] Linux version 6.1.0
[    0.000000] efi: EFI v2.70 by EDK II
[    0.000000] {X86_LINE.replace("mem131", "mem00")}
[    0.010000] efi: EFI runtime memory map:
[    0.010000] {X86_LINE.replace("mem131", "mem00")}
"""
    assert len(parse_efi_memmap(text)) == 1


def test_a_map_printed_again_after_other_lines_is_not_read_twice() -> None:
    line = X86_LINE.replace("mem131", "mem00")
    assert len(parse_efi_memmap(f"{line}\n[    0.0] e820: update\n{line}\n")) == 1


def test_comments_blank_lines_and_a_missing_size_are_accepted() -> None:
    text = f"# a machine\n\n{X86_LINE.rpartition(' ')[0]}\n"
    assert list(parse_efi_memmap(text)) == [EfiDescriptor(7, 0x100000000, 0x80000, WB_ALL | SP)]


def test_entries_thrown_out_as_invalid_are_not_part_of_the_map() -> None:
    invalid = (
        "efi: mem00: [MMIO        |attr=0x0000000000200000] range=[0x0000000000001000-0x0000000000000000] (invalid)"
    )
    assert len(parse_efi_memmap(f"{invalid}\n{X86_LINE}")) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hello", "not a line of an EFI memory map"),
        (X86_LINE.replace("SP", "SQ"), "unknown memory attribute 'SQ'"),
        (X86_LINE.replace("Conventional", "Conventionel"), "unknown memory type 'Conventionel'"),
        (X86_LINE.replace("Conventional", "type=99999999999"), "unknown memory type"),
        (X86_LINE.replace("7fffffff]", "7ffffffe]"), "not a whole number of EFI pages"),
        (X86_LINE.replace("-0x", "-"), "not a 64-bit number"),
        (X86_LINE.replace("2048MB", "2048 MB"), "is not a size"),
        (X86_LINE.replace("range=", "rang="), "not of the form"),
        ("efi:   0x000040000000-0x000043ffffff [Conventional]", "not of the form '[type|attributes]'"),
        ("x" * 10_000_000, "not a line of an EFI memory map"),
        ("efi: mem00: [Reserved" + "|" * 10_000_000 + "] range=[0x0-0xfff] (0MB)", "too many attribute columns"),
        ("efi: mem" + "1" * 5000 + ": [Reserved|UC] range=[0x0-0xfff] (0MB)", "not of the form"),
        ("efi: mem00: [Reserved|UC] range=[0x0-0xfff] (" + "1" * 5000 + "MB)", "is not a size"),
    ],
)
def test_an_unusable_line_is_one_short_error_with_its_number(line: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_efi_memmap(f"{X86_LINE}\n{line}\n", path="map.txt")
    message = str(caught.value)
    assert message.startswith("map.txt: line 2: ")
    assert words in message
    assert len(message) < 300


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "[    0.000000] Linux version 6.1\n"])
def test_a_file_without_a_map_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match=r"map\.txt: no EFI memory map"):
        parse_efi_memmap(text, path="map.txt")


@given(st.text(max_size=80) | st.text(alphabet="efi: mem0[]|x-=range(MB)RUN\n", max_size=120))
def test_garbage_gives_an_input_error_or_a_map(text: str) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse_efi_memmap(text), EfiMemoryMap)


@given(st.lists(descriptors, min_size=1, max_size=5), st.sampled_from([40, 48, 56]))
def test_the_binary_form_is_read_back_with_its_stride(drawn: Any, desc_size: int) -> None:
    data = write_binary(drawn, desc_size)
    assert len(data) == desc_size * len(drawn)
    assert read_binary(data, desc_size) == EfiMemoryMap(drawn, desc_size)


def test_the_binary_layout_is_the_firmwares() -> None:
    data = struct.pack("<IIQQQQ", 7, 0, 0x100000, 0xFFFF800000000000, 3, WB_ALL)
    assert list(read_binary(data)) == [EfiDescriptor(7, 0x100000, 3, WB_ALL, virt=0xFFFF800000000000)]


@pytest.mark.parametrize(("data", "desc_size"), [(b"", 40), (bytes(41), 40), (bytes(40), 48), (bytes(39), 39)])
def test_a_wrong_length_or_stride_is_an_error(data: bytes, desc_size: int) -> None:
    with pytest.raises(InputError):
        read_binary(data, desc_size, path="map.bin")
