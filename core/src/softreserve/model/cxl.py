"""CXL host bridges and memory devices, as a machine has them; frozen. What the CEDT says of them is in the CEDT.

All sizes and addresses are bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "DECODER_MULTIPLE",
    "GRANULARITIES",
    "LINK_SPEEDS",
    "LINK_WIDTHS",
    "WAYS",
    "CxlDecoder",
    "CxlHostBridge",
    "CxlLink",
    "CxlMemdev",
    "CxlPerformance",
    "CxlRoot",
    "CxlRootPort",
    "CxlSwitch",
    "eiw_to_ways",
    "ways_to_eiw",
]

#: Over how many devices a decoder can interleave. CXL 3.1, 8.2.4.20.7.
WAYS: Final = (1, 2, 3, 4, 6, 8, 12, 16)
#: In pieces of how many bytes.
GRANULARITIES: Final = tuple(256 << power for power in range(7))
#: What decoders begin at and decode, and what parts of a device have, are multiples of: bytes.
DECODER_MULTIPLE: Final = 256 << 20


def eiw_to_ways(encoded: int) -> int | None:
    """Over how many an encoded number of ways interleaves; ``None``: no valid encoding."""
    if encoded <= 4:
        return 1 << encoded
    return 3 << (encoded - 8) if 8 <= encoded <= 10 else None


def ways_to_eiw(ways: int) -> int:
    """The encoding of one of :data:`WAYS`."""
    return 8 + (ways // 3).bit_length() - 1 if ways % 3 == 0 else ways.bit_length() - 1


class CxlDecoder(NamedTuple):
    """An HDM decoder that was committed before the kernel: by the firmware, or by the kernel that started this one.

    :param start: first host physical address; ``size`` bytes are decoded.
    :param targets: numbers of root ports, in the order of interleaving (host bridges only).
    :param skip: bytes of the device that are passed over before its part begins (memory devices only).
    """

    start: int
    size: int
    ways: int = 1
    granularity: int = 256
    targets: tuple[int, ...] = ()
    locked: bool = False
    skip: int = 0


#: How fast lanes of a PCIe link can be (MT/s), and how many there can be.
LINK_SPEEDS: Final = (2500, 5000, 8000, 16000, 32000, 64000)
LINK_WIDTHS: Final = (1, 2, 4, 8, 12, 16, 32)


class CxlLink(NamedTuple):
    """The PCIe link of a device, as it was trained.

    :param speed: of each lane, in MT/s.
    :param flit: whether it is in flit mode (256 bytes; else 68).
    """

    speed: int
    width: int
    flit: bool = False


class CxlPerformance(NamedTuple):
    """What a device's CDAT says of a part of its memory: nanoseconds and MB/s."""

    read_latency: int
    write_latency: int
    read_bandwidth: int
    write_bandwidth: int


class CxlMemdev(NamedTuple):
    """A memory device (type 3): bytes that are volatile, persistent, and how many HDM decoders it has.

    :param committed: its first decoders, as they were left.
    :param link: ``None``: not known.
    :param volatile_performance: what its CDAT says; ``None``: nothing.
    :param persistent_performance: the same of its persistent memory.
    """

    volatile: int = 0
    persistent: int = 0
    serial: int = 0
    decoders: int = 4
    committed: tuple[CxlDecoder, ...] = ()
    link: CxlLink | None = None
    volatile_performance: CxlPerformance | None = None
    persistent_performance: CxlPerformance | None = None


class CxlRootPort(NamedTuple):
    """A root port of a host bridge, or a downstream port of a switch, and what is plugged into it."""

    number: int
    memdev: CxlMemdev | None = None
    switch: CxlSwitch | None = None


class CxlSwitch(NamedTuple):
    """A switch: its downstream ports.

    :param link: of its upstream port; ``None``: not known.
    :param performance: what its CDAT says of the way through it; ``None``: nothing.
    """

    ports: tuple[CxlRootPort, ...] = ()
    decoders: int = 4
    committed: tuple[CxlDecoder, ...] = ()
    link: CxlLink | None = None
    performance: CxlPerformance | None = None


class CxlHostBridge(NamedTuple):
    """A CXL host bridge: ``uid`` as in its CHBS of the CEDT, ``bus`` as PCI numbers it.

    :param decoders: HDM decoders; a bridge with a single root port needs none, and passes everything through.
    :param domain: proximity domain (_PXM), where ACPI gives it one.
    :param memdevs: devices of CXL 1.1 on its own bus, for which it is a restricted host.
    """

    uid: int
    bus: int
    root_ports: tuple[CxlRootPort, ...] = ()
    decoders: int = 0
    committed: tuple[CxlDecoder, ...] = ()
    domain: int | None = None
    memdevs: tuple[CxlMemdev, ...] = ()


class CxlRoot(NamedTuple):
    """The CXL root device (ACPI0017), which is what a kernel finds windows by.

    :param present: whether ACPI has it; a CEDT alone makes no CXL.
    :param qos_class: the QoS throttling group that its _DSM names for whatever performance it is asked about;
        ``None``: there is no such method, or it names none.
    """

    present: bool = True
    qos_class: int | None = None
