"""Sub-dividing a region with the real daxctl: scenarios for everything that ndctl's own acceptance test checks.

Sizes are of the example machine: one region of 2 GiB at 4 GiB, alignment 2 MiB. Where ranges are expected, they follow
from ``drivers/dax/bus.c: alloc_dev_dax_range`` and its callers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hosts import Host

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

MIB, GIB = 1 << 20, 1 << 30
BASE, SIZE = 4 * GIB, 2 * GIB
FIRST = "dax0.0"


def create(host: Host, *options: str) -> str:
    (device,) = host.json(f"daxctl create-device -r 0 {' '.join(options)}")
    return str(device["chardev"])


def resize(host: Host, device: str, size: int) -> None:
    host.run(f"daxctl disable-device {device}")
    host.ok(f"daxctl reconfigure-device -s {size} {device}")


def destroy(host: Host, device: str) -> None:
    host.ok(f"daxctl disable-device {device} && daxctl destroy-device {device}")


def sizes_agree(host: Host, device: str) -> bool:
    total = sum(end + 1 - start for start, end, _ in host.mappings(device))
    return total == int(host.sysfs(f"/sys/bus/dax/devices/{device}/size"))


@pytest.fixture
def region(old: Host) -> Host:
    """The region with its first device disabled and empty."""
    assert old.region()["path"] == "/platform/hmem.0"
    assert list(old.devices("-D", "-r", "0")) == [FIRST]
    assert len(old.mappings(FIRST)) == 1
    resize(old, FIRST, 0)
    assert old.available() == SIZE
    return old


def test_a_region_is_emptied_and_given_back_whole(region: Host) -> None:
    resize(region, FIRST, 0)
    assert region.available() == SIZE

    resize(region, FIRST, SIZE)
    region.ok(f"daxctl enable-device {FIRST}")

    assert region.available() == 0
    assert region.devices()[FIRST]["mode"] == "devdax"
    assert "state" not in region.devices()[FIRST]


def test_a_device_without_a_size_takes_all_there_is(region: Host) -> None:
    device = create(region)

    assert region.mappings(device) == [(BASE, BASE + SIZE - 1, 0)]
    assert region.available() == 0

    destroy(region, device)
    assert region.available() == SIZE


@pytest.mark.parametrize("keep_first", [True, False])
def test_a_hole_and_the_end_are_filled_by_one_device(region: Host, keep_first: bool) -> None:
    """With the region's first device there the hole is in the middle; without it, at the beginning."""
    quarter = SIZE // 4
    if keep_first:
        resize(region, FIRST, quarter)
    first, second = create(region, "-s", str(quarter)), create(region, "-s", str(quarter))
    if not keep_first:
        create(region, "-s", str(quarter))
    assert (first, second) == ("dax0.1", "dax0.2")
    destroy(region, first)

    device = create(region, "-s", str(2 * quarter))

    hole = BASE + quarter if keep_first else BASE
    assert device == "dax0.1"  # the lowest free number
    assert region.mappings(device) == [
        (hole, hole + quarter - 1, 0),
        (BASE + 3 * quarter, BASE + SIZE - 1, quarter >> 12),
    ]
    assert sizes_agree(region, device)
    assert region.available() == 0

    region.ok("daxctl disable-device -r 0 all")
    region.run("daxctl destroy-device -r 0 all")  # the first device cannot go, whatever else does
    assert set(region.devices("-i")) == {FIRST}


def grow_alternately(host: Host, steps: int) -> str:
    """Grow the first device and a second one in turn, each by the same piece, until the region is full."""
    piece = SIZE // steps
    resize(host, FIRST, piece)
    second = create(host, "-s", str(piece))
    for size in range(2 * piece, SIZE // 2 + 1, piece):
        resize(host, FIRST, size)
        resize(host, second, size)
    return second


def test_two_devices_that_grow_in_turn_are_interleaved(region: Host) -> None:
    second = grow_alternately(region, 8)
    piece = SIZE // 8

    for device, start in ((FIRST, BASE), (second, BASE + piece)):
        assert region.mappings(device) == [
            (at, at + piece - 1, number * piece >> 12) for number, at in enumerate(range(start, BASE + SIZE, 2 * piece))
        ]
    assert region.available() == 0


def test_growing_never_extends_downwards_but_extends_the_last_range_upwards(region: Host) -> None:
    quarter = SIZE // 4
    names = [create(region, "-s", str(quarter)) for _ in range(4)]
    assert names == ["dax0.1", "dax0.2", "dax0.3", "dax0.4"]
    assert [len(region.mappings(name)) for name in names] == [1, 1, 1, 1]
    destroy(region, "dax0.1")
    destroy(region, "dax0.4")

    resize(region, "dax0.2", 2 * quarter)
    resize(region, "dax0.3", 2 * quarter)

    assert region.mappings("dax0.2") == [
        (BASE + quarter, BASE + 2 * quarter - 1, 0),
        (BASE, BASE + quarter - 1, quarter >> 12),
    ]
    assert region.mappings("dax0.3") == [(BASE + 2 * quarter, BASE + SIZE - 1, 0)]
    assert region.available() == 0
    destroy(region, "dax0.3")
    destroy(region, "dax0.2")
    assert region.available() == SIZE


@pytest.mark.parametrize("align", [2 * MIB, GIB])
def test_a_device_is_made_with_an_alignment(region: Host, align: int) -> None:
    device = create(region, "-s", str(GIB), "-a", str(align))

    assert region.devices()[device]["align"] == align
    destroy(region, device)
    assert region.available() == SIZE


def test_an_alignment_that_the_machine_does_not_have_is_refused(region: Host) -> None:
    status, output = region.run("daxctl create-device -r 0 -s 1G -a 512M")

    assert status != 0
    assert "created 0 devices" in output


def test_a_device_is_made_again_from_the_listing_of_its_mappings(region: Host, tmp_path: Path) -> None:
    second = grow_alternately(region, 8)
    (listing,) = region.json(f"daxctl list -M -d {second}")
    (tmp_path / "input.json").write_text(json.dumps(listing))
    ranges = region.mappings(second)
    destroy(region, second)

    (device,) = region.json(f"daxctl create-device --input {tmp_path}/input.json")

    assert region.mappings(device["chardev"]) == ranges
    assert sizes_agree(region, device["chardev"])
    destroy(region, device["chardev"])


def test_a_device_larger_than_what_is_free_is_refused_and_leaves_its_seed(region: Host) -> None:
    resize(region, FIRST, GIB)

    status, output = region.run("daxctl create-device -r 0 -s 2G")

    assert status == 250  # ENXIO, whatever the reason
    assert "dax0.1: failed to set size" in output
    assert region.sysfs("/sys/devices/platform/hmem.0/dax_region/seed") == "dax0.1"
    # daxctl asks for another device, and takes the seed that is waiting.
    assert create(region, "-s", str(GIB)) == "dax0.1"
    assert region.devices("-i")["dax0.2"]["size"] == 0


def test_nothing_is_made_where_nothing_is_free(old: Host) -> None:
    status, output = old.run("daxctl create-device -r 0 -s 2M")

    assert status == 228  # ENOSPC
    assert "error creating devices: No space left on device" in output
    assert set(old.devices("-i")) == {FIRST}
