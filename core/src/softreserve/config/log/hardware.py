"""What a log tells of processors as such, and of what lies where in memory, but for the kernel itself."""

from __future__ import annotations

import re
from typing import Any, Final

from softreserve.config.log.messages import Messages, ends
from softreserve.config.parts import presumed_phys_bits
from softreserve.model.machine import PHYS_BITS_MAX, PHYS_BITS_MIN, KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.model.userspace import UserspaceFacts, Virt

__all__ = ["read_cpu", "read_crash_kernel", "read_image"]

#: The first processor, as it calls itself.
_NAME: Final = re.compile(r"(?:smpboot: )?CPU0: (.*)")
#: Who made a processor, by words of its name; and by lines that only theirs cause.
_VENDORS: Final = (
    (
        "GenuineIntel",
        re.compile(r"Intel"),
        re.compile(r"microcode: (?:CPU\d+ )?sig=0x|\w+/m?k?tme: |sgx: "),
    ),
    (
        "AuthenticAMD",
        re.compile(r"AMD|Virtual CPU|QEMU"),
        re.compile(r"AMD-Vi: |microcode: CPU\d+: patch_level="),
    ),
    ("HygonGenuine", re.compile(r"Hygon"), re.compile(r"hygon_")),
    ("  Shanghai  ", re.compile(r"(?i:zhaoxin)"), re.compile(r"zhaoxin_")),
)
#: What says that there is a hypervisor: the kernel, or the names of machines that are none.
_VIRTUAL: Final = re.compile(
    r"Hypervisor detected|(?:.*: )?Booting paravirtualized kernel on (?!bare hardware)|kvm-clock: |"
    r"DMI: .*\b(?:QEMU|KVM|VMware|VirtualBox|Bochs|OpenStack|Xen|Virtual Machine|Google Compute|Cloud Hypervisor)\b"
)
#: By what, as user space calls it: what the kernel says, and the names of machines. systemd: ``src/basic/virt.c``.
_BY: Final[tuple[tuple[Virt, re.Pattern[str]], ...]] = (
    ("microsoft", re.compile(r"Hypervisor detected: Microsoft Hyper-V|DMI: Microsoft Corporation Virtual Machine/")),
    ("xen", re.compile(r"Hypervisor detected: Xen|DMI: Xen HVM domU")),
    ("vmware", re.compile(r"Hypervisor detected: VMware|DMI: VMware, Inc\.")),
)
#: The end of what the page tables of a kernel reach, in pages of 4 KiB. Linux: ``arch/x86/kernel/e820.c``.
_MAX_ARCH_PFN: Final = re.compile(r"(?:e820: )?last_pfn = 0x[0-9a-f]+ max_arch_pfn = (0x[0-9a-f]+)")
_FIVE_LEVELS: Final = 1 << 52 >> 12
#: What the chipset's remapping of DMA says; it reaches what the processors do. Linux: ``drivers/iommu/intel/dmar.c``.
_HOST_BITS: Final = re.compile(r"DMAR: Host address width (\d{1,2})$")
_INITRD: Final = re.compile(r"RAMDISK: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
#: Where a crash kernel's memory is: in MiB on x86 before 6.7, with its end (exclusive) since.
_CRASH_MIB: Final = re.compile(r"Reserving (\d{1,8})MB of (?:low )?memory at (\d{1,8})MB for crashkernel")
_CRASH: Final = re.compile(r"crashkernel (?:low memory )?reserved: (0x[0-9a-f]{1,16}) - (0x[0-9a-f]{1,16}) \(")


def read_cpu(log: Messages, highest: int) -> dict[str, Any]:
    """What the processors are like, by fields of a :class:`~softreserve.model.machine.Machine`.

    :param highest: as many bits have the addresses of the memory map.
    """
    virtual = bool(log.matching(_VIRTUAL))
    bits = max(log.each(_HOST_BITS, lambda found: int(found[1])), default=0)
    known = PHYS_BITS_MIN <= max(bits, highest) <= PHYS_BITS_MAX and bits
    return {
        "hypervisor": virtual,
        "kvm": log.has("Hypervisor detected: KVM"),
        "userspace": UserspaceFacts(virt=next((virt for virt, words in _BY if log.matching(words)), None)),
        "cpu_vendor": _vendor(log),
        "la57": any(pfn == _FIVE_LEVELS for pfn in log.each(_MAX_ARCH_PFN, lambda found: int(found[1], 16))),
        "phys_bits": max(bits, highest) if known else presumed_phys_bits(highest, virtual=virtual),
    }


def read_image(log: Messages) -> KernelImage:
    """Where the initial RAM disk lies; of the kernel itself a log tells no place."""
    found = log.each(_INITRD, lambda found: PhysRange(*ends(found[1], found[2])))
    return KernelImage(initrd=found[0] if found else None)


def read_crash_kernel(log: Messages) -> tuple[PhysRange, ...]:
    """Where the kernel kept memory for a crash kernel."""
    found = log.each(_CRASH_MIB, lambda found: PhysRange.from_size(int(found[2]) << 20, int(found[1]) << 20))
    return (*found, *log.each(_CRASH, lambda found: PhysRange(*ends(found[1], hex(int(found[2], 16) - 1)))))


def _vendor(log: Messages) -> str:
    name = log.first(_NAME) or ""
    for vendor, words, _ in _VENDORS:
        if words.search(name):
            return vendor
    return next((vendor for vendor, _, marks in _VENDORS if log.matching(marks)), _VENDORS[1][0])
