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
from softreserve import config
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiDescriptor
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import CACHEABLE, SPECIFIC_PURPOSE, descriptor, sample_machine

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
    ratios.check("boot beside its imports", timed(work), timed(floor), bound=1.4, rounds=10)


def test_reasons_cost_little(case: Path, ratios: Ratios) -> None:
    """A boot that notes why, and one that does not; and plugins that are loaded again, beside a boot."""
    machine, selection = config.load(case).machine, Selection()
    hooks = selection.hooks_for(machine)
    plain = timed(lambda: [boot(machine, hooks, recording=False) for _ in range(20)])
    with_reasons = timed(lambda: [boot(machine, hooks) for _ in range(20)])
    ratios.check("20 boots, events recorded, beside as many without", with_reasons, plain, bound=1.1)
    loading = timed(lambda: [selection.hooks_for(machine) for _ in range(20)])
    ratios.check("plugins loaded 20 times more beside as many boots", loading, plain, bound=0.06)


def _descriptors(count: int, *attributes: int) -> list[EfiDescriptor]:
    """Ranges of 4 MiB above 4 GiB, with these attributes in turn."""
    kinds = len(attributes)
    return [descriptor(4 * GIB + 4 * MIB * n, 4 * MIB, attribute=attributes[n % kinds]) for n in range(count)]


def _alternating(count: int) -> list[EfiDescriptor]:
    """Every second one is specific purpose memory."""
    return _descriptors(count, SPECIFIC_PURPOSE, CACHEABLE)


@pytest.mark.parametrize("recording", [False, True], ids=["without-events", "with-events"])
def test_boot_time_grows_with_descriptors_and_no_faster(recording: bool, ratios: Ratios) -> None:
    many, few = _alternating(1000), _alternating(100)
    ratios.check(
        f"boot with 1,000 descriptors beside 100{', events recorded' if recording else ''}",
        timed(lambda: booted(*many, recording=recording)),
        timed(lambda: booted(*few, recording=recording)),
        bound=8,
    )


#: Maps by what is in them. Of arm64, only what is joined or set aside: the table for the rest has few places.
MAPS: dict[str, tuple[str, Callable[[int], list[EfiDescriptor]]]] = {
    "alternating": ("x86_64", _alternating),
    "interleaved": ("x86_64", lambda count: _alternating(count)[::2] + _alternating(count)[1::2]),
    "reversed": ("x86_64", lambda count: _alternating(count)[::-1]),
    "all specific purpose": ("arm64", lambda count: _descriptors(count, SPECIFIC_PURPOSE)),
    "all RAM": ("arm64", lambda count: _descriptors(count, CACHEABLE)),
}


@pytest.mark.parametrize("what", MAPS)
def test_ten_times_the_descriptors_take_ten_times_as_long(what: str, ratios: Ratios) -> None:
    arch, descriptors = MAPS[what]
    many, few = (sample_machine(arch, above=descriptors(count)) for count in (20_000, 2_000))
    hooks = Selection().hooks_for(many)
    ratios.check(
        f"boot with 20,000 descriptors beside 2,000, {what}",
        timed(lambda: boot(many, hooks, recording=False)),
        timed(lambda: boot(few, hooks, recording=False)),
        bound=12,
    )
