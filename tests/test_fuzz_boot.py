"""Whatever a firmware, a user or a program says to the kernel, it boots, says why not, or answers with an errno."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_machines import ARM64, LOW, NODE_1, X86, cedt, hmat, machine, need, settled, srat
from softreserve.kernel.sysfs import Attribute
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.machine.snapshot import state_lines
from softreserve.model.acpi.slit import Slit
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import InputError, MachineError
from softreserve.plugins.selection import Selection

#: Booting draws on everything: a few examples here, many in longer runs of one's own.
FEW = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = (
    "",
    "0",
    "1",
    "-1",
    "4K",
    "4095",
    "512M",
    "1G",
    "5G",
    "16E",
    "50%",
    "200%",
    "0x",
    "9" * 30,
    "x",
    "1Gx",
    "off",
)
PLACES = ("0", "4G", "6G", "0x180001000", "16E", "-1", "0xfffffffffffff000", "")
OPTIONS = (
    *("mem", "numa", "numa=fake", "kernelcore", "movablecore", "hugepages", "hugepagesz", "memhp_default_state", "efi"),
    *("memory_hotplug.memmap_on_memory", "memory_hotplug.online_policy", "memory_hotplug.auto_movable_ratio"),
    *(
        "dax_hmem.region_idle",
        "device_hmem.disable",
        "nr_cpus",
        "maxcpus",
        "acpi",
        "memmap",
        "efi_fake_mem",
        "crashkernel",
        "cma",
        "cma_pernuma",
        "default_hugepagesz",
    ),
)

words = st.one_of(
    st.builds("{}={}".format, st.sampled_from(OPTIONS), st.sampled_from(NUMBERS)),
    st.builds("memmap={}{}{}".format, st.sampled_from(NUMBERS), st.sampled_from("@#$!%"), st.sampled_from(PLACES)),
    st.builds("efi_fake_mem={}@{}:{}".format, st.sampled_from(NUMBERS), st.sampled_from(PLACES), st.just("0x40000")),
    st.builds("crashkernel={}{}".format, st.sampled_from(NUMBERS), st.sampled_from((",high", ",low", ",cma", "@4G"))),
    st.builds("crashkernel={}-{}:{}".format, *map(st.sampled_from, (NUMBERS, NUMBERS, NUMBERS))),
    st.builds("{}={}".format, st.sampled_from(("cma", "crashkernel")), st.sampled_from(PLACES)),
    st.builds("cma={}@{}-{}".format, *map(st.sampled_from, (NUMBERS, PLACES, PLACES))),
    st.builds("{}={}:{}".format, *map(st.sampled_from, (("hugepages", "numa_cma"), NUMBERS, NUMBERS))),
    st.builds("memmap={}%{}-{}+{}".format, *map(st.sampled_from, (NUMBERS, PLACES, "127x", "027x"))),
    st.sampled_from(("memmap=exactmap", "numa=fake=2U", "numa=fake=3", "efi=nosoftreserve", "movable_node", '"', "--")),
)
kernels = st.tuples(
    st.sampled_from((X86, ARM64)), st.sampled_from(("5.5", "5.8", "5.10", "6.1", "6.12", "6.18", "7.3"))
)


@given(kernels, st.lists(words, max_size=4))
@FEW
def test_any_command_line_boots_or_kills_the_kernel(kernel: tuple[str, str], options: list[str]) -> None:
    described = machine(*kernel, cmdline=" ".join(options))
    with suppress(MachineError):
        assert settled(described).iomem.lines()


TABLES = {
    "SRAT": srat(*LOW, NODE_1),
    "HMAT": hmat(),
    "SLIT": Slit([[10, 20], [20, 10]]).sealed(),
    "CEDT": cedt(0, 1 << 32),
}


@st.composite
def spoiled_tables(draw: st.DrawFn) -> dict[str, bytes | None]:
    """Tables of which one was cut, or has other bytes behind its signature and length; the checksum fits."""
    name = draw(st.sampled_from(sorted(TABLES)))
    data = bytearray(TABLES[name])
    for at in draw(st.lists(st.integers(8, len(data) - 1), max_size=6)):
        data[at] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    del data[draw(st.integers(36, len(data))) :]
    data[4:8] = len(data).to_bytes(4, "little")
    data[9] = 0
    data[9] = -sum(data) & 0xFF
    return {**TABLES, name: bytes(data)}


@given(st.sampled_from((X86, ARM64)), spoiled_tables())
@FEW
def test_any_table_boots_or_is_refused(arch: str, tables: dict[str, bytes | None]) -> None:
    with suppress(MachineError, InputError):
        assert settled(machine(arch, tables=tables)).iomem.lines()


# -------------------------------------------------------------------------------------------------------------- sysfs


VALUES = (
    *(b"\n", b"\0", b"1\0x", b"1", b"0\n", b"-1", b" 1", b"0x", b"9" * 5000, b"x" * 65536, b"\xff\xfe", b"\xe2\x98"),
    *(b"dax0.0\n", b"dax0." + b"9" * 5000, b"online", b"offline\n", b"online_movable\n", b"2097152", b"1073741824\n"),
    *(b"0x180000000-0x18fffffff", b"180000000-18fffffff\n", b"ffffffffffffffff-0", b"-", b"18446744073709551616", b"Y"),
)


@pytest.fixture(scope="module", params=[X86, ARM64])
def running(request: pytest.FixtureRequest) -> System:
    """A machine with all its drivers, on which everything may be done."""
    need(request.param)
    described = machine(request.param)
    system = boot(
        attrs.evolve(described, cmdline=CommandLine("memhp_default_state=offline")),
        Selection().hooks_for(described),
        recording=False,
    )
    for name in ("dax_hmem", "device_dax", "kmem"):
        system.modules.load(name)
    return system


def _attributes(system: System) -> Iterator[str]:
    seen: set[str] = set()
    for path, node in system.sysfs.walk("/sys"):
        kind = path.rstrip("0123456789/").rpartition("/")[2] + str(path.count("/"))
        if isinstance(node, Attribute) and node.mode & 0o222 and kind not in seen:
            seen.add(kind)
            yield path


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_write_is_answered_with_bytes_or_an_errno(running: System, data: st.DataObject) -> None:
    paths = sorted(_attributes(running))
    for _ in range(10):
        path, value = data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(VALUES))
        answer = running.sysfs.write(path, value)
        assert -4096 < answer <= min(len(value), running.kernel.page_size)
    assert state_lines(running)
