"""What the next kernel has for a range, over architecture, system call, policy and use (dossier, section 6).

Each cell is (state in the next kernel, whether a segment was put there). They follow from the sources named there; the
cells of ``kexec_load`` with the default policy, and of ``kexec_file_load``, are also what the captures recorded.
"""

from typing import Any

import pytest
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import Machine
from softreserve.model.ranges import PhysRange
from softreserve.views.crossing import fate

USES = ["unclaimed", "devdax", "kmem", "virtio_mem"]
#: Memory of a paravirtual device, far from all RAM: it is in no firmware map.
VIRTIO = PhysRange(0x1000000000, 0x1010000000)

SOFT, RESERVED, RAM, LOST = "soft reserved", "reserved", "RAM", "lost"

#: (flavour, system call, policy) -> state of specific purpose memory in the next kernel, segments may land there
X86 = {
    ("S", "kexec_load", "default"): (RESERVED, False),
    ("L1", "kexec_load", "default"): (RAM, False),
    ("L3", "kexec_load", "default"): (SOFT, False),  # --reuse-cmdline carries memmap= over
    ("S", "kexec_load", "runtime-map"): (SOFT, False),
    ("L1", "kexec_load", "runtime-map"): (SOFT, False),
    ("S", "kexec_load", "memmap-append"): (SOFT, False),
    ("L1", "kexec_load", "memmap-append"): (SOFT, False),
    ("S", "kexec_load", "memmap-reserve"): (RESERVED, False),
    ("L1", "kexec_load", "memmap-reserve"): (RESERVED, False),
    ("S", "kexec_load", "fake-mem-append"): (RESERVED, False),
    ("L1", "kexec_load", "fake-mem-append"): (RAM, False),
    ("S", "kexec_file_load", "default"): (SOFT, False),
    ("L1", "kexec_file_load", "default"): (RAM, False),
    ("S", "kexec_file_load", "runtime-map"): (SOFT, False),
    ("L1", "kexec_file_load", "runtime-map"): (SOFT, False),
    ("S", "kexec_file_load", "memmap-append"): (SOFT, False),
    ("L1", "kexec_file_load", "memmap-append"): (SOFT, False),
}
ARM64 = [(call, policy) for call in ("kexec_load", "kexec_file_load") for policy in ("default", "runtime-map")]


def claim(system: System, use: str) -> PhysRange | None:
    """Put the memory to use; where it then is."""
    if use == "virtio_mem":
        assert system.memory.add_memory_driver_managed(0, VIRTIO.start, VIRTIO.size, "System RAM (virtio_mem)") == 0
        return VIRTIO
    if use != "unclaimed":
        if system.modules.get("dax_hmem") is None:
            pytest.skip("not installed here: softreserve-hmem")
        # blocks that are online keep a driver's memory in place when it is unbound
        system.sysfs.write("/sys/devices/system/memory/auto_online_blocks", b"offline")
        for module in ("dax_hmem", "device_dax", "kmem"):
            assert system.modules.load(module) == 0
        wanted, other = ("kmem", "device_dax") if use == "kmem" else ("device_dax", "kmem")
        system.sysfs.write(f"/sys/bus/dax/drivers/{other}/unbind", b"dax0.0")
        system.sysfs.write(f"/sys/bus/dax/drivers/{wanted}/new_id", b"dax0.0")
        driver = system.sysfs.readlink("/sys/devices/platform/hmem.0/dax0.0/driver")
        assert isinstance(driver, str)
        assert driver.endswith(wanted)
    return None


def outcome(lab: Any, machine: Machine, request: KexecRequest, use: str, where: PhysRange) -> tuple[str, bool]:
    system = lab.boot(machine)
    where = claim(system, use) or where
    image = kexec.load(system, request)
    assert image.status == 0
    following = lab.boot(image.machine)
    return fate(following, where), any(where.overlaps(s.range) for s in image.segments)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("cell", X86, ids="-".join)
@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_x86(lab: Any, cell: Any, use: Any, release: str) -> None:
    flavour, syscall, policy = cell
    wanted = (LOST, False) if use == "virtio_mem" else X86[cell]
    machine = lab.x86(flavour, release=release)
    assert outcome(lab, machine, KexecRequest(syscall, policy=policy), use, lab.sp) == wanted


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("cell", ARM64, ids="-".join)
@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_arm64(lab: Any, cell: Any, use: Any, release: str) -> None:
    """The next kernel reads the firmware's own map: specific purpose memory is what it was, whatever one does."""
    syscall, policy = cell
    machine = lab.arm64(release=release)
    where = PhysRange(34 << 30, 50 << 30)
    wanted = (LOST, False) if use == "virtio_mem" else (SOFT, False)
    assert outcome(lab, machine, KexecRequest(syscall, policy=policy), use, where) == wanted


@pytest.mark.parametrize("flavour", ["S", "L1"])
def test_the_iomem_source_leaves_a_hole(lab: Any, flavour: str) -> None:
    machine = lab.x86(flavour, cmdline="add_efi_memmap")
    assert outcome(lab, machine, KexecRequest("kexec_load"), "unclaimed", lab.sp)[0] == LOST


def test_segments_land_in_specific_purpose_memory_where_it_is_the_top_of_ram_and_a_warning_says_so(lab: Any) -> None:
    machine = lab.x86("L1")
    system = lab.boot(machine)
    top = lab.sp.end - 1
    image = kexec.load(system, KexecRequest("kexec_load", mem_max=top))
    assert any(lab.sp.overlaps(s.range) for s in image.segments)
    assert any("Soft Reserved" in warning for warning in image.warnings)
    below = kexec.load(system, KexecRequest("kexec_load", mem_max=lab.sp.start - 1))
    assert not below.warnings


def test_kexec_file_load_never_puts_segments_into_driver_managed_memory(lab: Any) -> None:
    """The only memory that is large and high enough belongs to a driver: it is passed over."""
    system = lab.boot(lab.x86("S"))
    claim(system, "virtio_mem")
    image = kexec.load(system, KexecRequest("kexec_file_load"))
    assert not any(VIRTIO.overlaps(s.range) for s in image.segments)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("System RAM (virtio_mem)", 0),
        ("System RAM ()", 0),
        ("System RAM(kmem)", -22),
        ("System RAM (kmem) ", -22),
        ("system RAM (kmem)", -22),
        ("System RAM", -22),
    ],
)
def test_the_name_of_driver_managed_memory_is_checked(lab: Any, name: str, status: int) -> None:
    system = lab.boot(lab.x86("S"))
    before = len(system.firmware_memmap.entries)
    assert system.memory.add_memory_driver_managed(0, VIRTIO.start, VIRTIO.size, name) == status
    assert len(system.firmware_memmap.entries) == before


def test_plain_hot_added_memory_has_a_firmware_map_entry_and_reaches_the_next_kernel(lab: Any) -> None:
    system = lab.boot(lab.x86("S"))
    assert system.memory.add_memory(0, VIRTIO.start, VIRTIO.size) == 0
    assert system.firmware_memmap.lines()[-1].endswith(f"{VIRTIO.start:#x} {VIRTIO.last:#x} System RAM")
    image = kexec.load(system, KexecRequest("kexec_load"))
    assert fate(lab.boot(image.machine), VIRTIO) == RAM


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        (("kexec_file_load", "kexec_file_load"), (SOFT, SOFT)),
        (("kexec_load", "kexec_file_load"), (RESERVED, RESERVED)),
        (("kexec_load", "kexec_load"), (RESERVED, RESERVED)),
    ],
)
def test_chains(lab: Any, calls: tuple[str, str], wanted: Any) -> None:
    system = lab.boot(lab.x86("S"))
    found = []
    for call in calls:
        system = lab.boot(kexec.load(system, KexecRequest(call)).machine)
        found.append(fate(system, lab.sp))
    assert tuple(found) == wanted


def test_two_adjacent_ranges_become_one_for_the_next_kernel(lab: Any) -> None:
    """The stub joins them in e820, the import splits them again; the kexec table knows only the joined one."""
    system = lab.boot(lab.x86("S"))
    following = lab.boot(kexec.load(system, KexecRequest("kexec_file_load")).machine)
    assert sum("Soft Reserved" in line for line in following.iomem.lines()) == 1
