"""What holds on the dax bus whatever is written, and in whatever order.

``SOFTRESERVE_DAX_SEQUENCES`` says how many random sequences are tried for each release; 50 where it is not set.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from softreserve.kernel.resource import Resource
from softreserve.kernel.system import System
from softreserve_hmem.bus import dax_bus
from softreserve_hmem.region import DaxRegion, DevDax

SEQUENCES = int(os.environ.get("SOFTRESERVE_DAX_SEQUENCES", "50"))
STEPS = 40

MIB = 1 << 20
PIECE = 2 * MIB
#: A region that ends in the middle of a memory block of 128 MiB.
START, SIZE = 9 << 30, 704 * MIB
BLOCKS = range(START // (128 * MIB), (START + SIZE) // (128 * MIB))

DAX = "/sys/bus/dax"
REGION = "/sys/devices/platform/hmem.0/dax_region"

numbers = st.integers(0, 5)
drivers = st.sampled_from(["device_dax", "kmem"])
sizes = st.one_of(
    st.integers(0, SIZE // PIECE).map(lambda n: n * PIECE),
    st.sampled_from([0, 4096, PIECE + 4096, 128 * MIB, 256 * MIB, SIZE, SIZE + PIECE]),
)


class DaxMachine(RuleBasedStateMachine):
    """One region under random writes."""

    boot: ClassVar[Callable[..., System]]
    release: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.system = type(self).boot(
            type(self).release, [(START, START + SIZE, 1)], modules=["dax_hmem", "device_dax", "kmem"]
        )
        self.bus = dax_bus(self.system)
        self.region: DaxRegion = self.bus.devices["dax0.0"].region
        #: Ranges that were ever left in kmem's hands because their blocks were online at unbinding.
        self.leaks = False

    def write(self, path: str, text: str) -> bool:
        """Whether everything was taken; less than everything is never taken."""
        status = self.system.sysfs.write(path, text.encode())
        assert status < 0 or status == len(text)
        return status >= 0

    def device(self, number: int) -> DevDax | None:
        return self.region.devices.get(f"dax0.{number}")

    # --- writes

    @rule()
    def create(self) -> None:
        used = {device.id for device in self.region.devices.values()}
        before = self.region.seed
        if self.write(f"{REGION}/create", "1"):
            made = self.region.youngest
            assert made is not None
            assert made.id == min(set(range(len(used) + 1)) - used)
            assert self.region.seed is (made if before is None else before)
            assert made.driver is None
        else:
            assert not self.region.available_size

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        device = self.device(number)
        allowed = device is not None and number > 0 and not device.size and device.driver is None
        assert self.write(f"{REGION}/delete", f"dax0.{number}") == allowed
        assert (self.device(number) is None) == (device is None or allowed)

    @rule(number=numbers, size=sizes)
    def resize(self, number: int, size: int) -> None:
        device = self.device(number)
        if device is None:
            return
        before, available = device.size, self.region.available_size
        fits = device.driver is None and size - before <= available and not size % max(device.align, PIECE)
        assert self.write(f"{DAX}/devices/dax0.{number}/size", str(size)) == fits
        assert device.size == (size if fits else before)

    @rule(number=numbers, align=st.sampled_from([4096, PIECE, 1 << 30, 65536]))
    def align(self, number: int, align: int) -> None:
        device = self.device(number)
        if device is None:
            return
        before = device.align
        taken = self.write(f"{DAX}/devices/dax0.{number}/align", str(align))
        assert device.align == (align if taken else before)
        if taken:
            assert device.driver is None
            assert all(not span.size % max(align, PIECE) for span in device.spans)

    @rule(number=numbers, piece=st.integers(-1, SIZE // PIECE), pieces=st.integers(0, 100))
    def mapping(self, number: int, piece: int, pieces: int) -> None:
        device = self.device(number)
        # Memory of a bound kmem device that it does not know of would make the real kernel read foreign memory.
        if device is None or (device.driver is not None and device.driver.name == "kmem"):
            return
        start = START + piece * PIECE
        count = len(device.spans)
        taken = self.write(f"{DAX}/devices/dax0.{number}/mapping", f"{start:x}-{start + pieces * PIECE - 1:x}")
        assert len(device.spans) - count in ((0, 1) if taken else (0,))

    @rule(number=numbers, driver=drivers)
    def bind(self, number: int, driver: str) -> None:
        device = self.device(number)
        free = device is not None and device.driver is None
        if self.write(f"{DAX}/drivers/{driver}/bind", f"dax0.{number}"):
            assert free
            assert device is not None
            assert device.size
            assert self.region.seed is not device

    @rule(number=numbers, driver=drivers)
    def unbind(self, number: int, driver: str) -> None:
        device = self.device(number)
        bound = device is not None and device.driver is not None and device.driver.name == driver
        self.leaks |= bound and driver == "kmem" and self.any_block_online()
        assert self.write(f"{DAX}/drivers/{driver}/unbind", f"dax0.{number}") == bound
        assert device is None or not bound or device.driver is None

    @rule(number=numbers, driver=drivers, add=st.booleans())
    def name_ids(self, number: int, driver: str, add: bool) -> None:
        assert self.write(f"{DAX}/drivers/{driver}/{'new_id' if add else 'remove_id'}", f"dax0.{number}")
        if add and driver == "device_dax":
            registration = self.bus.drivers[driver]
            left = [d for d in self.bus.devices.values() if d.driver is None and d.size]
            assert self.leaks or not any(self.bus.match(registration, d) for d in left)

    @rule(block=st.sampled_from(BLOCKS), state=st.sampled_from(["online_movable", "online_kernel", "offline"]))
    def block(self, block: int, state: str) -> None:
        if f"memory{block}" in self.block_names():
            path = f"/sys/devices/system/memory/memory{block}/state"
            taken = self.write(path, state)
            value = self.system.sysfs.read(path)
            assert not taken or value == (b"offline\n" if state == "offline" else b"online\n")

    # --- what holds

    def block_names(self) -> list[str]:
        names = self.system.sysfs.listdir("/sys/devices/system/memory")
        assert isinstance(names, list)
        return names

    def any_block_online(self) -> bool:
        names = [name for name in self.block_names() if name in {f"memory{block}" for block in BLOCKS}]
        return any(self.system.sysfs.read(f"/sys/devices/system/memory/{n}/state") == b"online\n" for n in names)

    @invariant()
    def space_is_conserved(self) -> None:
        held = sum(device.size for device in self.region.devices.values())
        assert held + self.region.available_size == SIZE
        assert sum(res.size for res in self.region.res.children) == held
        if self.region.available_size:
            low, high = self.region.gaps.first()
            taken = [(res.start, res.end + 1) for res in self.region.res.children]
            assert all(end <= low or start >= high for start, end in taken)
            assert low == START or low in {end for _, end in taken}

    @invariant()
    def ranges_are_disjoint_and_inside(self) -> None:
        spans = [(s.start, s.end) for device in self.region.devices.values() for s in device.spans]
        assert all(START <= start < end < START + SIZE for start, end in spans)
        assert all(not start % PIECE and not (end + 1) % PIECE for start, end in spans)
        assert all(a[1] < b[0] for a, b in pairwise(sorted(spans)))

    @invariant()
    def page_offsets_count_up_and_mappings_have_numbers_of_their_own(self) -> None:
        for device in self.region.devices.values():
            offset = 0
            for span in device.spans:
                assert span.pgoff * 4096 == offset
                offset += span.size
            assert len({span.mapping for span in device.spans}) == len(device.spans)

    @invariant()
    def the_seed_waits_to_be_bound(self) -> None:
        seed = self.region.seed
        assert seed is None or (seed.driver is None and self.region.devices[seed.name] is seed and seed.id > 0)

    @invariant()
    def bus_and_sysfs_show_the_same(self) -> None:
        names = list(self.region.devices)
        assert sorted(names) == self.system.sysfs.listdir(f"{DAX}/devices")
        assert names == list(self.bus.devices)
        for name, device in self.region.devices.items():
            assert self.system.sysfs.read(f"{DAX}/devices/{name}/size") == b"%d\n" % device.size
            bound = [d for d, r in self.bus.drivers.items() if name in r.bound]
            assert bound == ([device.driver.name] if device.driver is not None else [])

    @invariant()
    def resources_nest(self) -> None:
        todo: list[Resource] = [self.system.iomem.root]
        lines = set()
        while todo:
            parent = todo.pop()
            todo += parent.children
            lines.add(parent.name)
            assert all(c.parent is parent and parent.start <= c.start <= c.end <= parent.end for c in parent.children)
            assert all(a.end < b.start for a, b in pairwise(parent.children))
        bound = {device.name for device in self.region.devices.values() if device.driver is not None}
        shown = {name for name in lines if name and name.startswith("dax")}
        assert bound <= shown
        assert self.leaks or bound == shown


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_the_bus_keeps_its_promises(boot_hmem: Callable[..., System], release: str) -> None:
    machine = type("Machine", (DaxMachine,), {"boot": staticmethod(boot_hmem), "release": release})
    options = settings(
        max_examples=SEQUENCES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(machine, settings=options)
