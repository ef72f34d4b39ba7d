"""Whatever stands in a file, reading it gives a machine or says what is wrong; nothing else."""

from __future__ import annotations

import gzip
import html
import json
import quopri
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.config import load
from softreserve.config.log import is_log, log_text, parse_log
from softreserve.config.steps import read_steps
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import ConfigError, InputError
from softreserve.model.kernel import Kernel

MAP = (
    "efi: mem00: [Conventional|   |  |  |SP|  |  |  |  |  |  |   |WB|WT|WC|UC] "
    "range=[0x0000000100000000-0x000000017fffffff] (2048MB)\n"
    "efi:   0x000180000000-0x0001ffffffff [Boot Data   |   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC]\n"
)
LOG = (
    "[    0.000000] Linux version 6.12.0 (x)\n"
    "[    0.000000] Command line: quiet\n"
    "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000007fffffff] usable\n"
    "[    0.010000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff] hotplug\n"
    "[    0.010000] SRAT: PXM 0 -> APIC 0x00 -> Node 0\n"
    "[    0.100000] smp: Brought up 1 node, 4 CPUs\n"
)
MACHINE = """
name = "m"
cpus = 2
[kernel]
release = "6.12"
config = { NODES_SHIFT = 6 }
[[efi_map]]
start = "4G"
size = "2G"
attributes = "SP|WB"
type = "conventional"
[acpi.srat]
cpus = [{ domain = 0, count = 2 }]
memory = [{ domain = 1, start = "4G", size = "2G" }]
[acpi.slit]
distances = [[10, 20], [20, 10]]
[[acpi.hmat.locality]]
kind = "read latency"
initiators = [0]
targets = [1]
values = [[100]]
[[acpi.hmat.cache]]
memory = 1
size = "1G"
"""
STEPS = """
[[step]]
name = "a"
encoding = "latin-1"
writes = [["/sys/a", "1"], ["/sys/b", 4096]]
[kexec]
syscall = "kexec_file_load"
kernel = "6.1"
setup_data = [["0x1000", "0x1fff"]]
image = { code = { start = 4096, size = "1M" } }
"""
#: What people and programs put where something else belongs.
PIECES = (
    *(
        "",
        "-1",
        "0",
        "0x",
        "9" * 30,
        "9" * 5000,
        "16E",
        "4GB",
        "true",
        "1.5",
        "[]",
        "{}",
        "[" * 2000,
        '"',
        "\n",
        "=",
        "x",
    ),
    *("\0", "\u00e9", "\ufeff", "../", "0xffffffffffffffff", "0x1ffffffffffffffff", "1979-05-27"),
)


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """A text of which up to four stretches were replaced."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + length :]
    return text


@given(spoiled(MAP))
def test_a_spoiled_map_is_read_or_refused(text: str) -> None:
    with suppress(InputError):
        for descriptor in parse_efi_memmap(text):
            assert 0 <= descriptor.start < 1 << 64
            assert 0 <= descriptor.pages < 1 << 64
            assert 0 <= descriptor.type < 1 << 32


@given(spoiled(LOG))
def test_a_spoiled_log_is_read_or_refused(text: str) -> None:
    with suppress(InputError):
        machine = parse_log(text).machine
        assert all(0 <= entry.start < entry.start + entry.size <= 1 << 64 for entry in machine.e820 or ())


#: What people and programs make of a log, as far as a mistake in it may lead astray.
WRAPPERS: tuple[Callable[[str], bytes], ...] = (
    str.encode,
    lambda text: text.encode("utf-16-le"),
    lambda text: "".join(f"> > {line}\n" for line in text.split("\n")).encode(),
    lambda text: json.dumps({"Output": text}).encode(),
    lambda text: b"Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(text.encode()),
    lambda text: f"<pre>{html.escape(text)}</pre>".encode(),
    lambda text: f"Panic#1 Part2\n{text}Panic#1 Part1\n{text}".encode(),
    lambda text: "\n".join(reversed(text.split("\n"))).encode(),
    lambda text: gzip.compress(text.encode()),
)


@given(spoiled(LOG), st.sampled_from(WRAPPERS), st.binary(max_size=8), st.integers(0, 100))
def test_a_spoiled_log_in_any_form_is_read_or_refused(
    text: str, wrap: Callable[[str], bytes], more: bytes, at: int
) -> None:
    data = wrap(text)
    with suppress(InputError):
        log = log_text(data[:at] + more + data[at + len(more) :])
        assert is_log(log) in (True, False)
        machine = parse_log(log).machine
        assert all(0 <= entry.start < entry.start + entry.size <= 1 << 64 for entry in machine.e820 or ())


@contextmanager
def refused_clearly() -> Iterator[None]:
    """Let a refusal pass if each of its problems is a line."""
    problems = ["a line"]
    try:
        yield
    except ConfigError as error:
        problems = list(error.problems)
    assert problems
    assert all("\n" not in problem and len(problem) < 1000 for problem in problems)


@given(spoiled(MACHINE))
def test_a_spoiled_machine_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "spoiled.toml"
    path.write_text(text)
    with refused_clearly():
        assert all(len(table) >= 36 for table in load(path).machine.acpi.values())


@given(spoiled(STEPS))
def test_spoiled_steps_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "steps.toml"
    path.write_text(text)
    with refused_clearly():
        assert all("/" not in step.name for step in read_steps(path, Kernel("6.12", "x86_64"))[0])
