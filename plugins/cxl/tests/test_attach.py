"""How decoders are put into regions and taken out again. Expected values: by hand from ``drivers/cxl/core/region.c``.

Of 7.3 unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EBUSY, EINVAL, ENODEV, ENXIO

import pytest
from cxl_machine import BUS, DEVICE, GIB, MIB, Boot, bridge, cedt, make, prepare, read, window, write
from softreserve.kernel.resource import IORESOURCE_MEM, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.model.acpi.cedt import Cedt, HostBridge, XorMaps
from softreserve.model.cxl import CxlDecoder, CxlHostBridge, CxlMemdev, CxlRootPort
from softreserve.plugins.hooks import hooks_of

QUARTER = 256 * MIB


def region_over(
    system: System,
    decoders: Sequence[str],
    *,
    each: int = QUARTER,
    granularity: int = 256,
    region: str = "region0",
    ways: int | None = None,
) -> None:
    """An empty region of so many ways, and ``each`` bytes of every decoder for it."""
    ways = len(decoders) if ways is None else ways
    assert write(system, "decoder0.0/create_ram_region", region) == 0
    steps: list[tuple[str, object]] = [(f"{region}/interleave_granularity", granularity)]
    steps += [(f"{region}/interleave_ways", ways), (f"{region}/size", ways * each)]
    for decoder in decoders:
        steps += [(f"{decoder}/mode", "ram"), (f"{decoder}/dpa_size", each)]
    assert [write(system, path, value) for path, value in steps] == [0] * len(steps)


def attach(system: System, decoders: Sequence[str], region: str = "region0") -> list[int]:
    """Write decoders to the targets, from the first on."""
    return [write(system, f"{region}/target{pos}", name) for pos, name in enumerate(decoders)]


def firmware_bridge(*committed: CxlDecoder, memdevs: Sequence[Sequence[CxlDecoder]]) -> CxlHostBridge:
    """A host bridge with decoders that somebody has committed, and devices, too."""
    devices = [DEVICE._replace(committed=tuple(decoders)) for decoders in memdevs]
    ports = tuple(CxlRootPort(number, device) for number, device in enumerate(devices))
    return CxlHostBridge(12, 12, (*ports, CxlRootPort(len(ports))), decoders=4, committed=committed)


def driver(system: System, action: str) -> bool:
    """Whether cxl_mem takes, or lets go of, the first device."""
    return system.sysfs.write(f"/sys/bus/cxl/drivers/cxl_mem/{action}", b"mem0") == 4


def said(system: System, word: str) -> list[str]:
    return [line for line in system.log.lines if word in line]


# --- by hand


def test_persistent_memory_is_no_target_of_a_volatile_region(boot_cxl: Boot) -> None:
    """``cxl_region_attach``: the mode of the decoder's partition is another one."""
    system = boot_cxl(cxl=[bridge(memdev=CxlMemdev(volatile=GIB, persistent=GIB))])
    prepare(system)
    assert write(system, "decoder2.0/dpa_size", 0) == write(system, "decoder2.0/mode", "pmem") == 0
    assert write(system, "decoder2.0/dpa_size", GIB) == 0
    assert write(system, "region0/target0", "decoder2.0") == -EINVAL


def test_a_device_is_in_a_region_once(boot_cxl: Boot) -> None:
    """``cxl_region_validate_position``: -EBUSY for a place that is taken, and for a device that is there already."""
    system = boot_cxl(cxl=[bridge(devices=2)])
    region_over(system, ["decoder2.0", "decoder2.1"])
    assert write(system, "region0/target0", "decoder2.0") == 0
    assert write(system, "region0/target1", "decoder2.1") == -EBUSY
    assert write(system, "decoder3.0/mode", "ram") == write(system, "decoder3.0/dpa_size", QUARTER) == 0
    assert write(system, "region0/target0", "decoder3.0") == -EBUSY
    assert [read(system, f"region0/target{pos}") for pos in range(2)] == ["decoder2.0", ""]


def test_a_decoder_written_to_its_place_again_is_refused_and_loses_the_bridge(boot_cxl: Boot) -> None:
    """``cxl_region_validate_position`` lets it pass, ``cxl_rr_ep_add`` finds it among those of the bridge: -EBUSY.

    Cleaning up takes the bridge's decoder from the region. The device's own was counted twice, and stays; with the
    next device the bridge has one target, and no place for the second: ``cxl_port_setup_targets``, -ENXIO.
    """
    system = boot_cxl(cxl=[bridge(devices=2)])
    region_over(system, ["decoder2.0", "decoder3.0"])
    assert attach(system, ["decoder2.0"]) == [0]
    assert read(system, "decoder1.0/region") == "region0"
    assert write(system, "region0/target0", "decoder2.0") == -EBUSY
    assert [read(system, f"decoder{name}/region") for name in ("1.0", "2.0")] == ["", "region0"]
    assert write(system, "region0/target1", "decoder3.0") == -ENXIO
    assert write(system, "region0/commit", 1) == -ENXIO


def test_a_bridge_that_was_lost_is_missed_when_the_other_bridge_completes_the_region(boot_cxl: Boot) -> None:
    """``cxl_port_setup_targets`` reads through the null pointer of ``cxl_rr_load`` there.

    What passes everything through has one target, so written twice is one too many: -ENXIO before -EBUSY.
    """
    acpi = cedt(window(8 * GIB, 4 * GIB, [12, 112]), bridges=[12, 112])
    system = boot_cxl(acpi=acpi, cxl=[bridge(12), bridge(112)])
    region_over(system, ["decoder3.0", "decoder4.0"])
    assert attach(system, ["decoder3.0", "decoder3.0"]) == [0, -EBUSY]
    assert write(system, "region0/target0", "decoder3.0") == -ENXIO
    assert write(system, "region0/target1", "decoder4.0") == -ENXIO
    assert write(system, "decoder0.0/delete_region", "region0") == 0


def test_a_bridge_cannot_interleave_over_three_and_the_region_stays_full(boot_cxl: Boot) -> None:
    """``cxl_port_setup_targets`` wants a power of two; the last target was counted before that.

    So the next one is one too many: ``cxl_region_attach``, -EINVAL and not -EBUSY.
    """
    acpi = cedt(window(8 * GIB, 4 * GIB, [12, 12, 12]))
    system = boot_cxl(acpi=acpi, cxl=[bridge(devices=4)])
    decoders = ["decoder2.0", "decoder3.0", "decoder4.0"]
    region_over(system, decoders)
    assert attach(system, decoders) == [0, 0, -EINVAL]
    assert [read(system, f"region0/target{pos}") for pos in range(3)] == decoders
    # What follows in the function is not done: the decoder has no address yet.
    assert [read(system, f"{name}/start") for name in decoders] == ["0x200000000", "0x200000000", "0x0"]
    assert write(system, "decoder5.0/mode", "ram") == write(system, "decoder5.0/dpa_size", QUARTER) == 0
    assert write(system, "region0/target0", "decoder5.0") == -EINVAL
    assert write(system, "region0/commit", 1) == -ENXIO


def test_a_bridge_has_eight_targets(boot_cxl: Boot) -> None:
    """``cxl_port_attach_region``: the ninth overflows; it leaves its own decoder, the others stay."""
    system = boot_cxl(cxl=[bridge(devices=9)])
    decoders = [f"decoder{number}.0" for number in range(2, 11)]
    region_over(system, decoders, ways=16)
    assert attach(system, decoders) == [0] * 8 + [-ENXIO]
    assert [read(system, f"{name}/region") for name in decoders] == ["region0"] * 8 + [""]
    assert read(system, "decoder1.0/region") == "region0"


def test_granularities_of_a_bridge_end_at_16_kib(boot_cxl: Boot) -> None:
    """``cxl_port_setup_targets``: that of the window times its ways, 32 KiB, has no encoding."""
    acpi = cedt(window(8 * GIB, 4 * GIB, [12, 112], granularity=6), bridges=[12, 112])
    system = boot_cxl(acpi=acpi, cxl=[bridge(12), bridge(112)])
    region_over(system, ["decoder3.0", "decoder4.0"], granularity=16384)
    assert attach(system, ["decoder3.0", "decoder4.0"]) == [0, -EINVAL]


def test_a_bridge_whose_decoders_are_all_committed_has_none_for_another_region(boot_cxl: Boot) -> None:
    """``cxl_port_pick_region_decoder`` finds none."""
    system = boot_cxl(cxl=[bridge(devices=2)._replace(decoders=1)])
    make(system)
    prepare(system, GIB, "decoder3.0", "region1")
    assert write(system, "region1/target0", "decoder3.0") == -EBUSY
    assert read(system, "decoder3.0/region") == ""


def test_a_region_below_one_that_has_a_bridge_is_out_of_order(boot_cxl: Boot) -> None:
    """``alloc_region_ref``, although the bridge's next decoder is free."""
    system = boot_cxl(cxl=[bridge(devices=2)])
    prepare(system, GIB, "decoder2.0", "region0")
    make(system, GIB, "decoder3.0", "region1")
    assert write(system, "region0/target0", "decoder2.0") == -EBUSY
    assert [read(system, f"decoder{name}/region") for name in ("1.0", "1.1", "2.0")] == ["region1", "", ""]


def test_a_decoder_belongs_to_one_region(boot_cxl: Boot) -> None:
    """``cxl_rr_assign_decoder``."""
    system = boot_cxl()
    prepare(system, GIB)
    assert write(system, "region0/target0", "decoder2.0") == 0
    assert write(system, "decoder0.0/create_ram_region", "region1") == 0
    steps = [("interleave_granularity", 256), ("interleave_ways", 1), ("size", GIB)]
    assert [write(system, f"region1/{name}", value) for name, value in steps] == [0, 0, 0]
    assert write(system, "region1/target0", "decoder2.0") == -EBUSY
    assert read(system, "decoder2.0/region") == "region0"
    assert write(system, "region0/commit", 1) == 0


def test_a_target_that_leaves_a_region_that_is_not_whole_leaves_nothing(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=[bridge(devices=2)])
    region_over(system, ["decoder2.0", "decoder3.0"])
    assert write(system, "region0/target0", "") == 0
    for _ in range(2):
        assert write(system, "region0/target0", "decoder2.0") == 0
        assert write(system, "region0/target0", "") == 0
        assert [read(system, f"decoder{name}/region") for name in ("1.0", "2.0")] == ["", ""]
        assert read(system, "region0/target0") == ""


def test_a_bridge_goes_on_to_count_a_target_that_left_while_others_stay(boot_cxl: Boot) -> None:
    """``cxl_port_detach_region``: no switch is below the bridge, so all that stay look like the one that left.

    Back again, it is the third: no power of two.
    """
    system = boot_cxl(cxl=[bridge(devices=2)])
    region_over(system, ["decoder2.0", "decoder3.0"])
    assert attach(system, ["decoder2.0", "decoder3.0"]) == [0, 0]
    assert write(system, "region0/target0", "") == 0
    assert [read(system, f"decoder{name}/region") for name in ("1.0", "2.0", "3.0")] == ["region0", "", "region0"]
    assert write(system, "region0/commit", 1) == -ENXIO
    assert write(system, "region0/target0", "decoder2.0") == -EINVAL


# --- programming


def test_decoders_of_a_device_are_committed_upwards_and_a_failure_takes_all_back(boot_cxl: Boot) -> None:
    """``cxl_decoder_commit``: decoder 0 of the second device has memory, but no region; decoder 1 is out of order."""
    system = boot_cxl(cxl=[bridge(devices=2)])
    assert write(system, "decoder3.0/mode", "ram") == write(system, "decoder3.0/dpa_size", QUARTER) == 0
    region_over(system, ["decoder2.0", "decoder3.1"])
    assert attach(system, ["decoder2.0", "decoder3.1"]) == [0, 0]
    assert write(system, "region0/commit", 1) == -EBUSY
    committed = [read(system, f"{port}/decoders_committed") for port in ("port1", "endpoint2", "endpoint3")]
    assert (read(system, "region0/commit"), committed) == ("0", ["0", "0", "0"])


def test_decoders_freed_out_of_order_are_free_with_the_highest(boot_cxl: Boot) -> None:
    """``cxl_decoder_reset``, ``cxl_port_commit_reap``."""
    system = boot_cxl(cxl=[bridge(devices=3)])
    for number in range(3):
        make(system, GIB, f"decoder{number + 2}.0", f"region{number}")
    counts = []
    for number in (1, 2, 0):
        assert write(system, f"region{number}/commit", 0) == 0
        counts.append(read(system, "port1/decoders_committed"))
    assert counts == ["3", "1", "0"]


def test_a_region_that_is_not_programmed_has_no_driver(boot_cxl: Boot) -> None:
    """``cxl_region_can_probe``."""
    system = boot_cxl()
    prepare(system)
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/bind", b"region0") == -ENXIO
    assert write(system, "region0/target0", "decoder2.0") == 0
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/bind", b"region0") == -ENXIO


# --- committed before


def test_committed_decoders_may_be_found_in_any_order(boot_cxl: Boot) -> None:
    """``auto_order_ok``: the region above was found first, and has the higher decoder of the bridge."""
    low, high = CxlDecoder(8 * GIB, GIB), CxlDecoder(9 * GIB, GIB)
    found = firmware_bridge(low._replace(targets=(1,)), high._replace(targets=(0,)), memdevs=[[high], [low]])
    system = boot_cxl(cxl=[found])
    assert [read(system, f"region{number}/commit") for number in range(2)] == ["1", "1"]
    assert [read(system, f"region{number}/resource") for number in range(2)] == ["0x240000000", "0x200000000"]


def test_decoders_of_a_bridge_that_were_committed_downwards_make_one_region(boot_cxl: Boot) -> None:
    """``auto_order_ok``: decoder 0 of the bridge has the higher address."""
    low, high = CxlDecoder(8 * GIB, GIB), CxlDecoder(9 * GIB, GIB)
    found = firmware_bridge(high._replace(targets=(0,)), low._replace(targets=(1,)), memdevs=[[high], [low]])
    system = boot_cxl(cxl=[found])
    assert [read(system, f"region{number}/commit") for number in range(2)] == ["1", "0"]
    assert said(system, "failed to attach") == ["cxl_port endpoint3: failed to attach decoder3.0 to region1: -16"]


@pytest.mark.parametrize(
    ("of_bridge", "answer"),
    [
        # find_pos_and_ways(): the root port is none of the targets
        (CxlDecoder(8 * GIB, GIB, targets=(1,)), -ENXIO),
        # cxl_port_setup_targets(): one target, but the decoder has two
        (CxlDecoder(8 * GIB, GIB, ways=2, targets=(0, 1)), -ENXIO),
    ],
)
def test_a_bridge_that_leads_elsewhere_makes_no_region(boot_cxl: Boot, of_bridge: CxlDecoder, answer: int) -> None:
    system = boot_cxl(cxl=[firmware_bridge(of_bridge, memdevs=[[CxlDecoder(8 * GIB, GIB)]])])
    assert read(system, "region0/commit") == "0"
    line = f"cxl_port endpoint2: failed to attach decoder2.0 to region0: {answer}"
    assert said(system, "failed to attach") == [line]


def test_two_decoders_of_one_device_are_not_two_ways(boot_cxl: Boot) -> None:
    """``check_last_peer``: both are behind the first root port, two places before is nothing."""
    way = CxlDecoder(8 * GIB, GIB, ways=2)
    system = boot_cxl(cxl=[firmware_bridge(way._replace(targets=(0, 1)), memdevs=[[way, way]])])
    assert read(system, "region0/commit") == "0"
    assert said(system, "failed to attach") == ["cxl_port endpoint2: failed to attach decoder2.1 to region0: -6"]


def test_a_device_more_than_a_committed_region_has_ways_is_left_out(boot_cxl: Boot) -> None:
    """``cxl_region_attach``: the region has all its targets, and failed: none of the three is at the third port."""
    way = CxlDecoder(8 * GIB, GIB, ways=2)
    system = boot_cxl(cxl=[firmware_bridge(way._replace(targets=(0, 3)), memdevs=[[way], [way], [way]])])
    assert said(system, "failed to attach") == [
        "cxl_port endpoint3: failed to attach decoder3.0 to region0: -6",
        "cxl_port endpoint4: failed to attach decoder4.0 to region0: -22",
    ]


def test_a_region_of_the_firmware_takes_only_what_was_committed(boot_cxl: Boot) -> None:
    """``cxl_region_attach_auto``."""
    way = CxlDecoder(8 * GIB, 2 * GIB, ways=2)
    system = boot_cxl(cxl=[firmware_bridge(way._replace(targets=(0, 1)), memdevs=[[way], []])])
    assert [read(system, f"region0/target{pos}") for pos in range(2)] == ["decoder2.0", ""]
    assert write(system, "decoder3.0/mode", "ram") == write(system, "decoder3.0/dpa_size", GIB) == 0
    assert write(system, "region0/target1", "decoder3.0") == -EINVAL


@pytest.mark.parametrize(("release", "left"), [("6.12", "decoder2.0"), ("7.2", "")])
def test_a_region_that_waits_for_a_device_forgets_one_that_goes(boot_cxl: Boot, release: str, left: str) -> None:
    """``cxl_cancel_auto_attach``, from 7.2 on; it is found again. Before, the region keeps it, and is never whole."""
    way = CxlDecoder(8 * GIB, 2 * GIB, ways=2)
    system = boot_cxl(release, cxl=[firmware_bridge(way._replace(targets=(0, 1)), memdevs=[[way], []])])
    assert driver(system, "unbind")
    assert read(system, "region0/target0") == left
    assert driver(system, "bind")
    assert read(system, "region0/target0") == "decoder2.0"
    assert read(system, "region0/commit") == "0"


def test_a_region_by_hand_does_not_take_committed_decoders_by_itself(boot_cxl: Boot) -> None:
    """``cxl_region_validate_position``: the place -1 is out of range."""
    found = firmware_bridge(CxlDecoder(8 * GIB, GIB, targets=(0,)), memdevs=[[CxlDecoder(8 * GIB, GIB)]])
    system = boot_cxl(cxl=[found], modules=["cxl_acpi"])
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    steps = [("interleave_granularity", 256), ("interleave_ways", 1), ("size", GIB)]
    assert [write(system, f"region0/{name}", value) for name, value in steps] == [0, 0, 0]
    assert system.modules.load("cxl_pci") == system.modules.load("cxl_mem") == 0
    assert read(system, "decoder2.0/region") == ""
    assert said(system, "failed to attach") == ["cxl_port endpoint2: failed to attach decoder2.0 to region0: -6"]


def test_a_locked_region_outlives_its_devices(boot_cxl: Boot) -> None:
    """``cxl_region_decode_reset`` leaves the decoders alone, so the driver finds them again."""
    decoder = CxlDecoder(8 * GIB, GIB, locked=True)
    system = boot_cxl(cxl=[firmware_bridge(decoder._replace(targets=(0,)), memdevs=[[decoder]])])
    assert driver(system, "unbind")
    assert (read(system, "region0/commit"), read(system, "region0/target0")) == ("0", "")
    assert system.sysfs.node(f"{BUS}/endpoint2") is None
    assert driver(system, "bind")
    assert (read(system, "region0/commit"), read(system, "region0/target0")) == ("1", "decoder2.0")
    assert (read(system, "decoder2.0/start"), read(system, "decoder2.0/size")) == ("0x200000000", "0x40000000")


@pytest.mark.parametrize(("release", "count"), [("6.12", "0"), ("7.3", "1")])
def test_kernels_that_do_not_know_of_locks_take_their_decoders_for_free(
    boot_cxl: Boot, release: str, count: str
) -> None:
    """``drivers/cxl/core/hdm.c: cxl_decoder_reset``; the registers take no writes, so the next kernel finds them."""
    decoder = CxlDecoder(8 * GIB, GIB, locked=True)
    found = firmware_bridge(decoder._replace(targets=(0,)), memdevs=[[decoder]])
    system = boot_cxl(release, cxl=[found])
    write(system, "region0/commit", 0)
    assert [read(system, f"{port}/decoders_committed") for port in ("port1", "endpoint2")] == [count, count]
    left = hooks_of(system).kexec_hardware(system, system.machine)
    assert left is not None
    assert left.cxl == (found,)


def test_targets_are_shown_up_to_the_first_that_is_not_there(boot_cxl: Boot) -> None:
    """``emit_target_list``: from 6.18 on root ports come with their devices; the second has none."""
    decoder = CxlDecoder(8 * GIB, GIB)
    for targets, shown in (((0, 1), "0"), ((1, 0), "")):
        of_bridge = decoder._replace(ways=2, targets=targets)
        system = boot_cxl(cxl=[firmware_bridge(of_bridge, memdevs=[[decoder]])])
        assert read(system, "decoder1.0/target_list") == shown


# --- endpoints that fail


@pytest.mark.parametrize(
    ("decoder", "lines"),
    [
        (
            CxlDecoder(8 * GIB, GIB, ways=3),
            ["decoder2.0: invalid committed configuration size: 0x40000000 ways: 3", "Failed to initialize decoder2.0"],
        ),
        (
            CxlDecoder(8 * GIB, 2 * GIB),
            ["Failed to initialize decoder2.0", "probe with driver cxl_port failed with error -16"],
        ),
    ],
)
def test_a_device_whose_decoders_make_no_sense_has_no_endpoint(
    boot_cxl: Boot, decoder: CxlDecoder, lines: list[str]
) -> None:
    """``drivers/cxl/core/hdm.c: init_hdm_decoder``; ``port.c: devm_cxl_add_endpoint`` gives the device up then."""
    system = boot_cxl(cxl=[firmware_bridge(memdevs=[[decoder]])])
    assert system.log.lines[-len(lines) - 1 :] == [
        *(f"cxl_port endpoint2: {line}" for line in lines),
        "cxl_mem mem0: endpoint2 failed probe",
    ]
    assert system.sysfs.node(f"{BUS}/endpoint2") is None
    assert system.sysfs.node(f"{BUS}/mem0/driver") is None
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_mem/unbind", b"mem0") == -ENODEV


def test_a_device_that_goes_gives_its_memory_back(boot_cxl: Boot) -> None:
    system = boot_cxl()
    assert write(system, "decoder2.0/mode", "ram") == write(system, "decoder2.0/dpa_size", GIB) == 0
    assert driver(system, "unbind")
    assert driver(system, "bind")
    assert read(system, "decoder2.0/dpa_size") == "0x0000000000000000"
    assert write(system, "decoder2.0/mode", "ram") == write(system, "decoder2.0/dpa_size", GIB) == 0


# --- what user space writes to a region


UUID = "01234567-89ab-cdef-0123-456789abcdef"


def test_a_region_of_persistent_memory_has_a_uuid_of_its_own_and_no_dax_device(boot_cxl: Boot) -> None:
    """``uuid_store``, ``alloc_hpa``; ``cxl_region_probe`` hands persistent memory to nobody without CXL_PMEM."""
    system = boot_cxl(cxl=[bridge(memdev=CxlMemdev(persistent=GIB))])
    for region in ("region0", "region1"):
        assert write(system, "decoder0.0/create_pmem_region", region) == 0
    steps: list[tuple[str, object, int]] = [
        ("region0/interleave_granularity", 256, 0),
        ("region0/interleave_ways", 1, 0),
        ("region0/size", GIB, -ENXIO),
        ("region0/uuid", "x", -EINVAL),
        ("region0/uuid", UUID.replace("a", "x"), -EINVAL),
        ("region0/uuid", "00000000-0000-0000-0000-000000000000", -EINVAL),
        ("region0/uuid", UUID, 0),
        ("region0/uuid", UUID.upper(), 0),
        ("region1/uuid", UUID, -EBUSY),
        ("region0/size", GIB, 0),
        ("decoder2.0/mode", "pmem", 0),
        ("decoder2.0/dpa_size", "x", -EINVAL),
        ("decoder2.0/dpa_size", GIB, 0),
        ("region0/target0", "decoder2.0", 0),
        ("region0/uuid", UUID.replace("0", "1"), -EBUSY),
        ("region0/uuid", UUID, 0),
        ("region0/commit", 1, 0),
    ]
    assert [(path, value, write(system, path, value)) for path, value, _ in steps] == steps
    assert (read(system, "region0/uuid"), read(system, "region0/commit")) == (UUID, "1")
    drivers = "/sys/bus/cxl/drivers/cxl_region"
    assert system.sysfs.write(f"{drivers}/bind", b"region0") == len("region0")
    assert system.sysfs.node(f"{BUS}/dax_region0") is None
    assert system.sysfs.write(f"{drivers}/unbind", b"region0") == len("region0")


def test_a_fresh_region_has_nothing_to_give_back(boot_cxl: Boot) -> None:
    """``kstrtoint``, ``free_hpa``, ``detach_target``."""
    system = boot_cxl()
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    steps = [("interleave_granularity", "x", -EINVAL), ("interleave_granularity", 256, 0), ("interleave_ways", 2, 0)]
    steps += [("size", "x", -EINVAL), ("size", 0, 0), ("target1", "", 0)]
    assert [(name, value, write(system, f"region0/{name}", value)) for name, value, _ in steps] == steps


def test_the_lowest_free_number_is_that_of_the_next_region(boot_cxl: Boot) -> None:
    """``unregister_region``: the window keeps one number, ``memregion_free`` takes the others."""
    system = boot_cxl()
    for number in range(3):
        assert write(system, "decoder0.0/create_ram_region", f"region{number}") == 0
    found = [read(system, "decoder0.0/create_ram_region")]
    for number in (1, 2, 0):
        assert write(system, "decoder0.0/delete_region", f"region{number}") == 0
        found.append(read(system, "decoder0.0/create_ram_region"))
    assert found == ["region3", "region1", "region1", "region0"]


def test_a_window_for_accelerators_has_no_regions_of_memory_expanders(boot_cxl: Boot) -> None:
    """``drivers/cxl/core/port.c: can_create_ram``: restrictions without the bit of type 3."""
    system = boot_cxl(acpi=cedt(window(8 * GIB, 4 * GIB, restrictions=0x0D)))
    names = ("create_ram_region", "create_pmem_region", "delete_region")
    assert [system.sysfs.node(f"{BUS}/decoder0.0/{name}") for name in names] == [None, None, None]


# --- windows


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interleave_ways": 5}, ["CFMWS Interleave Ways (5) invalid"]),
        # eig_to_granularity(): nothing is said
        ({"granularity": 7}, []),
    ],
)
def test_a_window_whose_encodings_nobody_knows_is_left_out(
    boot_cxl: Boot, changes: dict[str, int], reason: list[str]
) -> None:
    """``cxl_acpi_cfmws_verify``, ``__cxl_parse_cfmws``."""
    system = boot_cxl(acpi=cedt(window(32 * GIB, 4 * GIB, [12], **changes)), modules=["cxl_acpi"])
    failed = "Failed to add decode range: [0x800000000 - 0x8ffffffff] (-22)"
    found = [line for line in system.log.lines if line.startswith("cxl_acpi ACPI0017:00: ")]
    assert found == [f"cxl_acpi ACPI0017:00: {line}" for line in (*reason, failed)]
    assert system.sysfs.node(f"{BUS}/decoder0.0") is None


def test_a_window_that_an_earlier_one_grew_over_has_no_line(boot_cxl: Boot) -> None:
    """``drivers/cxl/acpi.c: add_cxl_resources``: the next window lies within what the first took."""
    acpi = cedt(window(8 * GIB, 2 * GIB), window(10 * GIB, 2 * GIB))
    system = boot_cxl("6.12", acpi=acpi, modules=[])
    insert_resource(system.iomem.root, Resource(9 * GIB, 13 * GIB - 1, "Soft Reserved", IORESOURCE_MEM))
    assert system.modules.load("cxl_acpi") == 0
    assert system.iomem.lines()[1:] == [
        "200000000-33fffffff : CXL Window 0",
        "  240000000-33fffffff : Soft Reserved",
    ]


def test_the_module_goes_where_there_was_no_cedt(boot_cxl: Boot) -> None:
    system = boot_cxl(acpi={}, cxl=[], modules=["cxl_acpi"])
    assert system.modules.unload("cxl_acpi") == 0
    assert "cxl_acpi" not in system.modules.live()


# --- XOR arithmetic


def by_maps(*uids: int, maps: Sequence[int]) -> dict[str, bytes]:
    """A window over bridges whose targets are chosen by maps."""
    found = window(8 * GIB, 4 * GIB, uids, interleave_arithmetic=1)
    cxims = XorMaps(length=8 + 8 * len(maps), nr_xormaps=len(maps))
    cxims.tail = b"".join(bits.to_bytes(8, "little") for bits in maps)
    return {"CEDT": Cedt([*(HostBridge(uid=uid, base=0x1000) for uid in uids), cxims, found]).sealed()}


@pytest.mark.parametrize(("release", "places"), [("6.3", [-ENXIO, 0]), ("6.10", [-ENXIO, 0]), ("6.11", [0, -ENXIO])])
def test_maps_choose_bridges_up_to_6_10(boot_cxl: Boot, release: str, places: list[int]) -> None:
    """``cxl_xor_calc_n``: bits 33 and 8 of 0x200000000 are an odd number, of 0x200000100 an even one."""
    bridges = (bridge(12), bridge(13))
    system = boot_cxl(release, acpi=by_maps(12, 13, maps=[1 << 33 | 1 << 8]), cxl=bridges)
    region_over(system, ["decoder3.0", "decoder4.0"])
    assert attach(system, ["decoder3.0"]) == places[:1]
    assert write(system, "region0/target0", "") == 0
    assert attach(system, ["decoder4.0"]) == places[1:]


@pytest.mark.parametrize(("release", "first"), [("6.10", "decoder6.0"), ("6.12", "decoder4.0")])
def test_three_bridges_take_turns_by_the_address_up_to_6_10(boot_cxl: Boot, release: str, first: str) -> None:
    """``cxl_xor_calc_n``: the rest of 0x200000000 by 3 is 2."""
    bridges = tuple(bridge(uid) for uid in (12, 13, 14))
    system = boot_cxl(release, acpi=by_maps(12, 13, 14, maps=[]), cxl=bridges)
    region_over(system, ["decoder4.0", "decoder5.0", "decoder6.0"])
    found = [decoder for decoder in ("decoder4.0", "decoder5.0", "decoder6.0") if attach(system, [decoder]) == [0]]
    assert found == [first]
