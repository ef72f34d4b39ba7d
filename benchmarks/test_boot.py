"""What a boot costs: beside the imports that nobody can avoid, and with many descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import archives
import pytest
from large_machines import GIB, MIB, booted
from ratios import Ratios, timed
from softreserve.model.efi import EfiDescriptor
from softreserve.testing.machines import CACHEABLE, SPECIFIC_PURPOSE, descriptor

CAPTURE = Path(__file__).parent.parent / "tests" / "data" / "captures" / "x86-6.12-two-node-hmat.tar.xz"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    archives.unpack(CAPTURE, tmp_path)
    (found,) = tmp_path.glob("**/input/efi-memmap.txt")
    return found.parent


def test_a_boot_takes_less_than_twice_its_imports(case: Path, ratios: Ratios) -> None:
    """``softreserve boot CASE --emit iomem`` and ``python -c "import attrs, pluggy, click"``, as whole processes."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def process(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    work = process("-m", "softreserve", "boot", str(case), "--emit", "iomem")
    floor = process("-c", "import attrs, pluggy, click")
    ratios.check("boot beside its imports", timed(work), timed(floor), most=2.0, rounds=10)


def _alternating(count: int) -> list[EfiDescriptor]:
    """Ranges of 4 MiB above 4 GiB, every second one specific purpose."""
    attributes = (SPECIFIC_PURPOSE, CACHEABLE)
    return [descriptor(4 * GIB + 4 * MIB * n, 4 * MIB, attribute=attributes[n % 2]) for n in range(count)]


@pytest.mark.parametrize("recording", [False, True], ids=["without-events", "with-events"])
def test_boot_time_grows_with_descriptors_and_no_faster(recording: bool, ratios: Ratios) -> None:
    many, few = _alternating(1000), _alternating(100)
    ratios.check(
        f"boot with 1,000 descriptors beside 100{', events recorded' if recording else ''}",
        timed(lambda: booted(*many, recording=recording)),
        timed(lambda: booted(*few, recording=recording)),
        most=20,
    )
