"""What is told of a machine with many specific purpose ranges costs by the range, and nothing by the pair."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from large_machines import GIB, MIB
from ratios import Ratios, timed
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import Hooks, load
from softreserve.testing.machines import SPECIFIC_PURPOSE, descriptor, sample_machine
from softreserve.views.crossing import cross
from softreserve.views.difference import unified_diff
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.report import report
from softreserve.views.summary import summarize

FEW, MANY = 100, 1000


def hooks(machine: Machine) -> Hooks:
    return load(["x86", "hmem", "kexec"])


def described(ranges: int, size: int) -> Machine:
    """Ranges of specific purpose memory with as much RAM between them; no SRAT says which node they are."""
    above = []
    for start in range(4 * GIB, 4 * GIB + 2 * size * ranges, 2 * size):
        above += [descriptor(start, size, attribute=SPECIFIC_PURPOSE), descriptor(start + size, size)]
    return sample_machine("x86_64", above=above)


def settled(machine: Machine) -> System:
    return boot(machine, hooks(machine), userspace="udev")


def lint(machine: Machine) -> object:
    return report(settled(machine)).findings


def summary(machine: Machine) -> object:
    return summarize(settled(machine))


def difference(machine: Machine) -> object:
    other = attrs.evolve(machine, kernel=attrs.evolve(machine.kernel, release="6.1"))
    before, after = settled(machine), settled(other)
    return [list(unified_diff(emit(before, name), emit(after, name), ("a", "b"), 1)) for name in EMITTERS]


def crossing(machine: Machine) -> object:
    return cross(settled(machine), KexecRequest(), hooks)


@pytest.mark.parametrize("size", [4 * MIB, 256 * MIB], ids=["small-ranges", "large-ranges"])
@pytest.mark.parametrize("told", [lint, summary, difference, crossing])
def test_what_is_told_grows_with_the_ranges_and_no_faster(
    told: Callable[[Machine], object], size: int, ratios: Ratios
) -> None:
    many, few = described(MANY, size), described(FEW, size)
    ratios.check(
        f"{told.__name__} of {MANY:,} ranges of {size // MIB} MiB beside {FEW}",
        timed(lambda: told(many)),
        timed(lambda: told(few)),
        bound=12,
        rounds=2,
    )
