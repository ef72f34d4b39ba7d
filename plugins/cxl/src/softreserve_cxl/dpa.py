"""Device memory: which part of a memory device a decoder has. Linux: ``drivers/cxl/core/hdm.c``.

Device physical addresses are bytes from 0 on: volatile memory first, then persistent.
"""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOSPC, ENXIO
from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import Resource, release_resource, request_region
from softreserve.kernel.sysfs import Attribute, Node, c_text
from softreserve.model.cxl import DECODER_MULTIPLE
from softreserve.model.units import U64_MAX, kstrtoull

if TYPE_CHECKING:
    from softreserve_cxl.topology import EndpointDecoder

__all__ = ["cxl_dpa_release", "cxl_dpa_reserve", "files"]

_MODES: Final = ("ram", "pmem")


def files(decoder: EndpointDecoder) -> dict[str, Node]:
    """``mode``, ``dpa_size``, ``dpa_resource``."""
    dpa = decoder.dpa
    return {
        "mode": Attribute(0o644, lambda: f"{decoder.part or 'none'}\n", lambda data: mode_store(decoder, data)),
        "dpa_size": Attribute(
            0o644, lambda: f"{dpa.size if dpa is not None else 0:#018x}\n", lambda data: dpa_size_store(decoder, data)
        ),
        "dpa_resource": Attribute(0o444, lambda: f"{dpa.start if dpa is not None else U64_MAX:#x}\n"),
    }


def mode_store(decoder: EndpointDecoder, data: bytes) -> int:
    """Write to ``mode``: bytes taken, or ``-errno``. Linux: ``cxl_dpa_set_part``, before 6.15 ``cxl_dpa_set_mode``."""
    mode = c_text(data).removesuffix("\n")
    if mode not in _MODES:
        return -EINVAL
    if decoder.enabled:
        return -EBUSY
    if mode not in decoder.memdev.partitions:
        return decoder.by_partition(-EINVAL, -ENXIO)
    decoder.part = mode
    return len(data)


def dpa_size_store(decoder: EndpointDecoder, data: bytes) -> int:
    """Write to ``dpa_size``: what was there is given back first. Linux: the same function."""
    size = kstrtoull(c_text(data))
    if size < 0:
        return size
    if size % DECODER_MULTIPLE:
        return -EINVAL
    status = _cxl_dpa_free(decoder)
    if not status and size:
        status = _cxl_dpa_alloc(decoder, size)
    return status or len(data)


def _cxl_dpa_free(decoder: EndpointDecoder) -> int:
    if decoder.dpa is None:
        return 0
    if decoder.region is not None or decoder.enabled or decoder.id != decoder.port.hdm_end:
        return -EBUSY
    cxl_dpa_release(decoder)
    return 0


def _cxl_dpa_alloc(decoder: EndpointDecoder, size: int) -> int:
    """Take the lowest free memory of the partition; what is free in those before it is lost."""
    if decoder.part is None:
        return decoder.by_partition(-EBUSY, -EINVAL)
    partitions = decoder.memdev.partitions
    res = partitions[decoder.part]
    start = _first_free(res)
    if size > res.end - start + 1:
        return -ENOSPC
    before = list(partitions.values())[: list(partitions).index(decoder.part)]
    skip = res.start - _first_free(before[-1]) if before else 0
    return cxl_dpa_reserve(decoder, start, size, skip)


def _first_free(partition: Resource) -> int:
    return partition.children[-1].end + 1 if partition.children else partition.start


def cxl_dpa_reserve(decoder: EndpointDecoder, base: int, size: int, skip: int) -> int:
    """Give ``size`` bytes from ``base`` on to a decoder, and ``skip`` bytes before them to nobody: 0 or -EBUSY."""
    if decoder.dpa is not None or decoder.port.hdm_end + 1 != decoder.id:
        return -EBUSY
    root = decoder.memdev.dpa
    if skip and (passed := request_region(root, base - skip, skip, decoder.name)) is not None:
        decoder.skips.append(passed)
    decoder.dpa = request_region(root, base, size, decoder.name)
    if decoder.dpa is None or bool(skip) != bool(decoder.skips):
        cxl_dpa_release(decoder)
        decoder.port.hdm_end += 1
        return -EBUSY
    if decoder.part is None:
        partitions = decoder.memdev.partitions.items()
        decoder.part = next((name for name, res in partitions if res is decoder.dpa.parent), None)
    decoder.port.hdm_end += 1
    return 0


def cxl_dpa_release(decoder: EndpointDecoder) -> None:
    """Give the memory of a decoder back."""
    for res in (decoder.dpa, *decoder.skips):
        if res is not None:
            release_resource(res)
    decoder.dpa = None
    decoder.skips.clear()
    decoder.port.hdm_end -= 1
