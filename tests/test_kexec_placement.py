"""Where the real loaders put everything, byte for byte: what ``kexec -d`` printed when the captures were recorded.

The captures tell the emulator where the next kernel lies; here it has to find the place itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import cases
import pytest
from small_machines import need
from softreserve.config import load
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.machine.steps import run_step
from softreserve.model.kexec import KexecImage, KexecRequest, KexecTools
from softreserve.model.ranges import PhysRange
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor, sample_machine
from softreserve.views.observe import request_of

pytest.importorskip("softreserve_kexec", reason="needs the kexec plugin: pip install ./plugins/kexec")

X86 = ("x86-6.1-two-node-hmat", "x86-6.12-two-node-hmat")
ARM64 = ("arm64-6.1-two-node-hmat", "arm64-6.12-two-node-hmat", "arm64-6.12-flash-wc", "arm64-7.3-two-node-hmat")


def pages(start: int, size: int) -> PhysRange:
    """A buffer as the segment that it takes."""
    return PhysRange.from_size(start, -(-size // 4096) * 4096)


def number(pattern: str, text: str) -> int:
    """What kexec printed there, in hexadecimal digits."""
    found = re.search(pattern, text)
    assert found is not None, pattern
    return int(found[1], 16)


class Recorded:
    """A recorded load: the machine at that time, the request as it was made, and what kexec printed."""

    def __init__(self, name: str, where: Path, archives_in: Path = cases.ARCHIVES) -> None:
        self.case = cases.unpack(name, where, archives_in)
        scenario: Scenario = load(self.case)
        need(scenario.machine.arch)
        assert scenario.kexec is not None
        self.scenario = scenario.kexec
        self.system: System = boot(scenario.machine, Selection().hooks_for(scenario.machine))
        for step in scenario.steps:
            run_step(self.system, step)
        self.printed = (self.case / "expected" / "kexec" / "load" / "output.txt").read_text()

    def load(self, **changes: Any) -> KexecImage:
        """Load again, with no word about where the loader put things."""
        told: KexecRequest = request_of(self.scenario, self.system)
        return kexec.load(self.system, attrs.evolve(told, image=None, setup_data=(), **changes))


def segments(image: KexecImage) -> dict[str, PhysRange]:
    return {segment.what: segment.range for segment in image.segments}


@pytest.mark.parametrize(
    "name",
    [
        *X86,
        "x86-6.18-two-node-hmat",
        "x86-7.3-two-node-hmat",
        "x86-7.3-kexec-load-split",
        "x86-7.3-kexec-tools-2.0.32",
    ],
)
def test_kexec_load_on_x86_puts_segments_where_the_real_program_did(name: str, tmp_path: Path) -> None:
    recorded = Recorded(name, tmp_path)
    initrd = number(r"Loaded initrd at \S+ size 0x(\w+)", recorded.printed)
    kernel = number(r"kernel init_size 0x(\w+)", recorded.printed)
    image = recorded.load(kernel_size=kernel, initrd_size=initrd)
    found = segments(image)
    assert found["purgatory"].start == number(r"Loaded purgatory at addr 0x(\w+)", recorded.printed)
    assert found["setup and command line"].start == number(r"command line at 0x(\w+)", recorded.printed)
    assert found["kernel"] == pages(number(r"64bit kernel at 0x(\w+)", recorded.printed), kernel)
    assert found["initrd"] == pages(number(r"Loaded initrd at 0x(\w+)", recorded.printed), initrd)
    assert len(found) == int(re.findall(r"nr_segments = (\d+)", recorded.printed)[0])


#: With ``--mem-max``: version, limit, where the kernel was put, and the initrd; ``None``: there was no place for it.
LIMITED = [
    ("2.0.25", 0x43FFFFF, None, None),
    ("2.0.25", 0x4BFFFFF, 0xC00000, None),
    ("2.0.25", 0x4DFFFFF, 0xE00000, None),
    ("2.0.25", 0x51FFFFF, 0x1200000, None),
    ("2.0.25", 0x5FFFFFF, 0x2000000, 0x1839000),
    ("2.0.25", 0xFFFFFFFF, 0x7AC00000, 0x7ED25000),
    ("2.0.32", 0x43FFFFF, None, None),
    ("2.0.32", 0x4BFFFFF, None, None),
    ("2.0.32", 0x4DFFFFF, None, None),
    ("2.0.32", 0x4FFFFFF, 0x1000000, None),
    ("2.0.32", 0x51FFFFF, 0x1200000, None),
    ("2.0.32", 0x5FFFFFF, 0x2000000, 0x172D000),
    ("2.0.32", 0xFFFFFFFF, 0x7AC00000, 0x7EC19000),
]
INITRD = {"2.0.25": 0x7C6444, "2.0.32": 0x8D22A4}


@pytest.mark.parametrize("version", INITRD)
def test_the_real_program_found_these_places_below_a_limit(version: str, tmp_path: Path) -> None:
    """What ``kexec -d -c -l --mem-max`` printed on real 7.3.4, on the machine of that case."""
    recorded = Recorded("x86-7.3-kexec-tools-2.0.32", tmp_path)
    sizes = {"kernel_size": 0x3E4E000, "initrd_size": INITRD[version]}
    for _, mem_max, kernel, initrd in (line for line in LIMITED if line[0] == version):
        image = recorded.load(tools=KexecTools(version), mem_max=mem_max, **sizes)
        found = segments(image)
        if kernel is None or initrd is None:
            assert (found, image.output[-1]) == ({}, "locate_hole failed"), hex(mem_max)
            wanted = pages(0, sizes["kernel_size" if kernel is None else "initrd_size"]).size
            assert image.output[-2] == f"Could not find a free area of memory of {wanted:#x} bytes..."
        else:
            assert (found["kernel"].start, found["initrd"].start) == (kernel, initrd), hex(mem_max)


@pytest.mark.parametrize("name", X86)
def test_the_next_kernel_on_x86_finds_setup_data_where_the_real_one_did(name: str, tmp_path: Path) -> None:
    """What the log of the next kernel said: the EFI node is whole, of the seed only the header is left."""
    recorded = Recorded(name, tmp_path)
    image = recorded.load(kernel_size=0x3000000, initrd_size=0x600000)
    assert image.machine.setup_data == recorded.scenario.setup_data
    assert [hex(node.size) for node in recorded.scenario.setup_data] == ["0x10", "0x70"]


@pytest.mark.parametrize("name", ARM64)
def test_kexec_load_on_arm64_puts_segments_where_the_real_program_did(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is reserved in RAM only the firmware knows a part: ``/proc/iomem`` is the recorded one."""
    recorded = Recorded(name, tmp_path)
    lines = (recorded.case / "expected" / "kexec" / "load" / "iomem.txt").read_text().splitlines()
    monkeypatch.setattr(type(recorded.system.iomem), "lines", lambda iomem, **how: lines)
    kernel = number(r"image_size: +(\w+)", recorded.printed)
    initrd = number(r"initrd: base \w+, size (\w+)h", recorded.printed)
    found = segments(recorded.load(kernel_size=kernel, initrd_size=initrd))
    assert found["kernel"] == pages(number(r"kernel_segment: (\w+)", recorded.printed), kernel)
    assert found["initrd"] == pages(number(r"initrd: base (\w+)", recorded.printed), initrd)
    assert found["device tree"] == pages(number(r"dtb: +base (\w+)", recorded.printed), 4096)
    entry = number(r"kexec_load: entry = 0x(\w+)", recorded.printed)
    assert found["purgatory"].start == entry // 4096 * 4096
    assert len(found) == int(re.findall(r"nr_segments = (\d+)", recorded.printed)[0])


def test_kexec_file_load_on_x86_puts_segments_where_the_real_kernel_did(tmp_path: Path) -> None:
    """The kernel is silent; what the next one found tells. Its image takes ``init_size`` bytes (from its header)."""
    recorded = Recorded("x86-6.12-kexec-file", tmp_path)
    there = recorded.scenario.image
    assert there.code is not None
    assert there.initrd is not None
    image = recorded.load(kernel_size=0x37EE000, initrd_size=there.initrd.size)
    found = segments(image)
    assert found["initrd"] == there.initrd
    assert found["kernel"].start == there.code.start
    assert image.machine.setup_data == recorded.scenario.setup_data
    # RAM ends at 0x7feec000; purgatory (0x5000 bytes in either release) comes first, then what holds the nodes
    assert found["purgatory"] == PhysRange(0x7FEE7000, 0x7FEEC000)
    assert found["boot parameters, command line, EFI map"] == PhysRange(0x7FEE4000, 0x7FEE7000)


def test_kexec_file_load_of_7_3_puts_segments_where_the_real_kernel_said(tmp_path: Path) -> None:
    """``kexec -d -l`` of 2.0.32 takes this call, and makes the kernel print what it does."""
    recorded = Recorded("x86-7.3-two-node-hmat", tmp_path, cases.NEWER)
    assert recorded.scenario.syscall == "kexec_file_load"
    found = segments(recorded.load(kernel_size=0x3E4E000, initrd_size=0x8BE8DB))
    assert found["purgatory"] == PhysRange(0x7FEE7000, 0x7FEEC000)
    assert found["boot parameters, command line, EFI map"] == PhysRange(0x7FEE4000, 0x7FEE7000)
    assert found["kernel"] == pages(0x7AC00000, 0x3E4E000)
    assert found["initrd"] == pages(0x7EC2D000, 0x8BE8DB)


def test_kexec_tools_put_segments_where_the_running_kernel_was_told_to_have_no_memory() -> None:
    """They read the firmware's map, which ``mem=`` does not change."""
    need("x86_64")
    machine = sample_machine("x86_64", cmdline="mem=200M", above=[descriptor(4 << 30, 1 << 30)])
    system = boot(machine, Selection().hooks_for(machine))
    image = kexec.load(system, KexecRequest("kexec_load"))
    assert image.status == 0
    assert max(segment.range.end for segment in image.segments) > 200 << 20
