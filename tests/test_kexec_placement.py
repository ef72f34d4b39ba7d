"""Where the real loaders put everything, byte for byte: what ``kexec -d`` printed when the captures were recorded.

The captures tell the emulator where the next kernel lies; here it has to find the place itself.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import cases
import pytest
from small_machines import need
from softreserve.config import load
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.machine.steps import run_step
from softreserve.model.kexec import KexecImage, KexecRequest
from softreserve.model.ranges import PhysRange
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection
from softreserve.views.observe import request_of

pytest.importorskip("softreserve_kexec", reason="needs the kexec plugin: pip install ./plugins/kexec")

X86 = ("x86-6.1-two-node-hmat", "x86-6.12-two-node-hmat")
ARM64 = ("arm64-6.1-two-node-hmat", "arm64-6.12-two-node-hmat", "arm64-6.12-flash-wc")


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

    def __init__(self, name: str, where: Path) -> None:
        self.case = cases.unpack(name, where)
        scenario: Scenario = load(self.case)
        need(scenario.machine.arch)
        assert scenario.kexec is not None
        self.scenario = scenario.kexec
        self.system: System = boot(scenario.machine, Selection().hooks_for(scenario.machine))
        for step in scenario.steps:
            run_step(self.system, step)
        self.printed = (self.case / "expected" / "kexec" / "load" / "output.txt").read_text()

    def load(self, *, kernel_size: int, initrd_size: int) -> KexecImage:
        """Load again, with no word about where the loader put things."""
        told: KexecRequest = request_of(self.scenario, self.system)
        request = attrs.evolve(told, image=None, setup_data=(), kernel_size=kernel_size, initrd_size=initrd_size)
        return kexec.load(self.system, request)


def segments(image: KexecImage) -> dict[str, PhysRange]:
    return {segment.what: segment.range for segment in image.segments}


@pytest.mark.parametrize("name", [*X86, "x86-7.3-kexec-tools-2.0.32"])
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
