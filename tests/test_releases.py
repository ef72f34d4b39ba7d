"""Every machine under every release and architecture, and what is known of the history before 6.1.

Expected values: from the commits that brought the changes, named in ``docs/releases.md``; nothing of it was recorded.
"""

from __future__ import annotations

from errno import EBUSY, ENODEV
from pathlib import Path

import cases
import pytest
from small_machines import ARCHES, ARM64, GIB, LOW, MIB, RAM, X86, machine, memory, settled, sp, srat
from softreserve.config import example_names, load
from softreserve.config.changes import Changes
from softreserve.kernel.sysfs import SysfsTree
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.model.efi import EfiType
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.release import RELEASES
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor
from softreserve.views.lint import lint


def everywhere(described: Machine, plugins: tuple[str, ...] | None = None) -> None:
    """Boot a machine under every release and architecture that is installed, and look for findings."""
    for arch in ARCHES:
        for release in RELEASES:
            changed = Changes(arch=arch, kernel=release).apply(Scenario(described), Selection((), plugins)).machine
            system = settled(changed)
            assert system.iomem.lines(), (arch, release)
            lint(system)


@pytest.mark.parametrize("name", example_names())
def test_an_example_boots_everywhere(name: str) -> None:
    everywhere(load(f"example:{name}").machine)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.names())
def test_a_recorded_machine_boots_everywhere(name: str, tmp_path: Path) -> None:
    everywhere(load(cases.unpack(name, tmp_path)).machine)


def give_to_kmem(system: System) -> bool:
    """Unbind the dax device of a release before 6.3 and let kmem have it: whether it took it."""
    for path in ("device_dax/unbind", "kmem/new_id"):
        assert system.sysfs.write(f"/sys/bus/dax/drivers/{path}", b"dax0.0") == len(b"dax0.0")
    return there_is(system.sysfs, "/sys/bus/dax/drivers/kmem/dax0.0")


def there_is(sysfs: SysfsTree, path: str) -> bool:
    return sysfs.node(path, follow=True) is not None


# --- arm64


def soft_reserved(system: System) -> list[str]:
    """The resources from 6 GiB on that are, hold or are held by soft reserved memory."""
    return [line for line in system.iomem.lines() if int(line.split("-")[0], 16) >= 6 * GIB]


ALONE = [RAM, sp(6 * GIB, 7 * GIB)]
#: With a runtime region below, which memblock has as NOMAP too.
BESIDE = [RAM, descriptor(6 * GIB - 64 * 1024, 64 * 1024, EfiType.RUNTIME_SERVICES_DATA), *ALONE[1:]]
NODE_1 = {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB))}


@pytest.mark.parametrize("release", ["5.5", "5.8", "5.10"])
def test_arm64_had_specific_purpose_memory_in_memblock_as_nomap(release: str) -> None:
    system = settled(machine(ARM64, release, above=ALONE, config={"DAX": "m"}))
    assert system.memblock.is_memory(6 * GIB)
    assert not system.memblock.is_map_memory(6 * GIB)
    assert soft_reserved(system) == ["180000000-1bfffffff : Soft Reserved", "  180000000-1bfffffff : reserved"]
    beside = settled(machine(ARM64, release, above=BESIDE, config={"DAX": "m"}))
    assert beside.iomem.lines()[-2:] == ["17fff0000-1bfffffff : reserved", "  180000000-1bfffffff : Soft Reserved"]


def test_arm64_has_it_nowhere_in_memblock_now() -> None:
    system = settled(machine(ARM64, "6.1", above=ALONE, config={"DAX": "m"}))
    assert not system.memblock.is_memory(6 * GIB)
    assert soft_reserved(system) == ["180000000-1bfffffff : Soft Reserved"]


@pytest.mark.parametrize(
    ("size", "registered"), [(GIB, GIB), (2 * GIB, 0), (3 * GIB, 0), (4 * GIB, 0), (5 * GIB, GIB), (9 * GIB, GIB)]
)
def test_arm64_took_the_size_of_soft_reserved_memory_for_a_32_bit_number(size: int, registered: int) -> None:
    """Multiples of 4 GiB are empty, from 2 GiB on it is negative; else what is left after division by 4 GiB."""
    described = machine(ARM64, "5.10", above=[RAM, sp(8 * GIB, 8 * GIB + size)])
    found = [res.size for _, res in settled(described).iomem.walk() if res.name == "Soft Reserved"]
    assert found == ([registered] if registered else [])
    now = settled(machine(ARM64, "6.1", above=[RAM, sp(8 * GIB, 8 * GIB + size)]))
    assert [res.size for _, res in now.iomem.walk() if res.name == "Soft Reserved"] == [size]


def test_arm64_had_no_dax_device_inside_what_memblock_reserved() -> None:
    old = settled(machine(ARM64, "5.10", above=BESIDE, tables=NODE_1))
    assert not any("hmem" in line for line in old.iomem.lines())
    assert "hmem-refused" in {finding.rule for finding in lint(old)}


def test_arm64_could_not_hot_add_what_memblock_had() -> None:
    """The sections were there since boot: adding them again is -EEXIST."""
    for release, added in [("5.10", False), ("6.1", True)]:
        system = settled(machine(ARM64, release, above=ALONE, tables=NODE_1, config={"ZONE_DEVICE": "y"}))
        taken = give_to_kmem(system)
        assert (
            any("mapping0: 0x180000000-0x1bfffffff memory add failed" in line for line in system.log.lines) is not added
        )
        assert taken is added
        assert any("System RAM (kmem)" in line for line in system.iomem.lines()) is added


def test_arm64_memory_blocks_were_sections_of_1_gib() -> None:
    assert [settled(machine(ARM64, release)).memory.block_size // MIB for release in RELEASES] == [
        1024,
        1024,
        1024,
        *(128 for _ in RELEASES[3:]),
    ]


# --- x86


def test_the_hmat_was_necessary_for_a_dax_device() -> None:
    for release, without, with_hmat in [("5.5", False, True), ("5.8", False, True), ("5.10", True, True)]:
        bare = settled(machine(X86, release, tables={"HMAT": None}))
        described = settled(machine(X86, release))
        assert any("hmem.0" in line for line in bare.iomem.lines()) is without
        assert any("hmem.0" in line for line in described.iomem.lines()) is with_hmat


def test_every_soft_reserved_range_has_a_device_since_5_10() -> None:
    above = [RAM, sp(6 * GIB, 7 * GIB), sp(8 * GIB, 9 * GIB)]
    described = srat(*LOW, memory(1, 6 * GIB, 7 * GIB))
    for release, devices in [("5.8", ["hmem.0"]), ("5.10.7", ["hmem.0", "hmem.1"])]:
        system = settled(machine(X86, release, above=above, tables={"SRAT": described}))
        assert [res.name for _, res in system.iomem.walk() if (res.name or "").startswith("hmem")] == devices


@pytest.mark.parametrize(
    ("release", "whole", "finer"),
    [
        ("5.8", 1, 2),  # nobody looks at soft reserved memory beside the HMAT
        ("5.10.7", 1, 3),  # the line of a device lies around what it is made of, and is passed over; in it, it does not
        ("5.15.100", 2, 3),  # and is taken for soft reserved memory itself
        ("6.1", 1, 2),
    ],
)
def test_what_the_hmat_describes_got_a_second_device_until_6_1(release: str, whole: int, finer: int) -> None:
    halves = srat(*LOW, memory(1, 6 * GIB, 7 * GIB), memory(1, 7 * GIB, 8 * GIB))
    for tables, count in [({}, whole), ({"SRAT": halves}, finer)]:
        system = settled(machine(X86, release, tables=tables))
        found = [res.name for _, res in system.iomem.walk() if (res.name or "").startswith("hmem")]
        assert len(found) == count, found
        skipped = "HMEM: skip [mem 0x180000000-0x1ffffffff flags 0x200], already claimed"
        assert (skipped in system.log.lines) is (release == "5.10.7" and not tables)


def test_touching_ranges_were_one_before_5_10() -> None:
    above = [RAM, sp(6 * GIB, 7 * GIB), sp(7 * GIB, 8 * GIB)]
    for release, count in [("5.5", 1), ("5.8", 1), ("5.10", 2), ("6.12", 2)]:
        system = settled(machine(X86, release, above=above, tables={"HMAT": None}))
        assert [res.name for _, res in system.iomem.walk()].count("Soft Reserved") == count


def test_regions_cannot_be_shared_out_before_5_10() -> None:
    region, device = "/sys/devices/platform/hmem.0/dax_region", "/sys/bus/dax/devices/dax0.0"
    for release, shares in [("5.5", False), ("5.8", False), ("5.10", True), ("6.12", True)]:
        sysfs = settled(machine(X86, release)).sysfs
        assert isinstance(sysfs.read(f"{region}/id"), bytes)
        assert (there_is(sysfs, f"{region}/create")) is shares
        unbound = sysfs.write("/sys/bus/dax/drivers/device_dax/unbind", b"dax0.0")
        assert unbound == 6 or release == "6.12"
        assert (sysfs.write(f"{device}/size", b"0") >= 0) is (shares and release != "6.12")


def taken_by_kmem(release: str) -> System:
    system = settled(machine(X86, release))
    assert give_to_kmem(system)
    return system


def test_memory_of_kmem_is_the_drivers_since_5_8() -> None:
    old, new = taken_by_kmem("5.5"), taken_by_kmem("5.8")
    assert soft_reserved(old)[-1].strip() == "180000000-1ffffffff : System RAM"
    assert soft_reserved(new)[-1].strip() == "180000000-1ffffffff : System RAM (kmem)"
    entry = "0x180000000 0x1ffffffff System RAM"
    assert [line.split(" ", 1)[1] for line in old.firmware_memmap.lines()].count(entry) == 1
    assert entry not in [line.split(" ", 1)[1] for line in new.firmware_memmap.lines()]


def test_before_5_8_the_next_kernel_took_memory_of_kmem_for_its_own() -> None:
    for release, takes in [("5.5", True), ("5.8", False)]:
        system = taken_by_kmem(release)
        loaded = kexec.load(system, KexecRequest(syscall="kexec_load", image=IMAGE))
        ram = [PhysRange.from_size(e.start, e.size) for e in loaded.machine.e820 or () if e.type == 1]
        assert any(entry.overlaps(PhysRange(6 * GIB, 8 * GIB)) for entry in ram) is takes


IMAGE = KernelImage(code=PhysRange.from_size(32 * MIB, 16 * MIB), data=PhysRange.from_size(64 * MIB, 4 * MIB))


def test_several_efi_fake_mem_ranges_add_up_since_5_6() -> None:
    cmdline = "efi_fake_mem=512M@4G:0x40000,256M@0x130000000:0x40000"
    for release, marked in [("5.5", 1), ("5.8", 2), ("5.10", 2), ("6.1", 2)]:
        described = machine(X86, release, cmdline, above=[descriptor(4 * GIB, GIB)], config={"EFI_FAKE_MEMMAP": "y"})
        lines = settled(described).log.lines
        printed = lines[max(at for at, line in enumerate(lines) if line.startswith("efi: mem00:")) :]
        assert sum("|SP|" in line for line in printed if line.startswith("efi: mem")) == marked, release


def test_access1_came_with_5_10() -> None:
    for release, there in [("5.5", False), ("5.8", False), ("5.10", True)]:
        sysfs = settled(machine(X86, release)).sysfs
        assert (there_is(sysfs, "/sys/devices/system/node/node0/access1")) is there


def test_any_release_boots_as_what_changed_before_it_says() -> None:
    """5.13 came before bind told the error of a probe (5.14) and the fallback order was printed (5.16)."""
    for release, bound, printed in [("5.13.19", -ENODEV, False), ("5.15", -EBUSY, False), ("6.0.9", -EBUSY, True)]:
        system = settled(machine(X86, release))
        assert system.sysfs.write("/sys/bus/dax/drivers/device_dax/bind", b"dax0.0") == bound, release
        assert any(line.startswith("Fallback order") for line in system.log.lines) is printed, release


@pytest.mark.parametrize("arch", ARCHES)
def test_5_4_took_specific_purpose_memory_for_ram(arch: str) -> None:
    for release, reserved in [("5.4.0-26-generic", False), ("6.1", True)]:
        system = settled(machine(arch, release))
        assert any("Soft Reserved" in line for line in system.iomem.lines()) is reserved
