"""What the dax bus costs: thousands of devices, through the files of sysfs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

from large_machines import BLOCK, DAX, GIB, MIB, REGION, subdivided, write
from ratios import Ratios, seconds, timed
from softreserve.kernel.system import System
from softreserve.machine.snapshot import state_lines

ALIVE = 1000
OPERATIONS = 6 * 1666  # whole turns

Write = tuple[str, str]


def _turns() -> Iterator[Write]:
    """Grow a device, shrink, empty and delete it, and create it again; one device after the other."""
    for turn in count():
        name = f"dax0.{turn % ALIVE + 1}"
        size = f"{DAX}/devices/{name}/size"
        yield size, str(6 * MIB)
        yield size, str(2 * MIB)
        yield size, "0"
        yield f"{REGION}/delete", name
        yield f"{REGION}/create", "1"
        yield size, str(4 * MIB)


def _carry_out(system: System, writes: list[Write]) -> None:
    for path, value in writes:
        write(system, path, value)


def _keep_in_dict(writes: list[Write]) -> None:
    """The least that could be done for these writes: take the path apart, read the number, keep it."""
    tree: dict[str, dict[str, int]] = {}
    for path, value in writes:
        *_, owner, name = path.split("/")
        tree.setdefault(owner, {})[name] = int(value) if value.isdecimal() else len(value)


def test_ten_thousand_operations_with_a_thousand_devices(ratios: Ratios) -> None:
    system = subdivided(64 * GIB, ALIVE, 4 * MIB)
    writes = list(islice(_turns(), OPERATIONS))
    ratios.check(
        f"{OPERATIONS:,} dax operations beside entries of a dict",
        timed(lambda: _carry_out(system, writes)),
        timed(lambda: _keep_in_dict(writes)),
        bound=65,
    )
    assert system.sysfs.listdir(f"{DAX}/devices") == sorted(f"dax0.{number}" for number in range(ALIVE + 1))


def test_state_of_a_thousand_devices(ratios: Ratios) -> None:
    """A trace keeps the state after every write."""
    system = subdivided(64 * GIB, ALIVE, 4 * MIB)
    line = "dax dax0.{0} driver=- size={1} align={1} target_node={1} mapping0={1}-{1}@{1}"
    ratios.check(
        f"state of {ALIVE:,} devices beside as many formatted lines",
        timed(lambda: state_lines(system)),
        timed(lambda: [line.format(number, MIB) for number in range(ALIVE)]),
        bound=55,
    )


def test_time_to_bind_grows_with_the_number_of_devices_and_no_faster(ratios: Ratios) -> None:
    def bind(devices: int) -> Callable[[], float]:
        def work() -> float:
            system = subdivided(256 * GIB, devices, BLOCK)
            writes = [(f"{DAX}/drivers/kmem/bind", f"dax0.{number}") for number in range(1, devices + 1)]
            return seconds(lambda: _carry_out(system, writes))

        return work

    ratios.check("1,000 devices bound to kmem beside 100", bind(1000), bind(100), bound=13)
