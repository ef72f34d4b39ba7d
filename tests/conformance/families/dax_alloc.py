"""``dax-alloc``: sharing out a dax region. Linux: ``drivers/dax/bus.c``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.driver_core.bus import Device
from softreserve.kernel.resource import request_resource
from softreserve_hmem import behaviours
from softreserve_hmem.region import DaxRegion, DevDax, RegionOwner, alloc_dax_region, dax_regions

from families._common import by_release, kernel, number

_ARCHES = {"x86-64": ("x86_64", 4096), "arm64-4k": ("arm64", 4096), "arm64-64k": ("arm64", 65536)}


class _AnyDriver:
    name = "any"
    module = "any"
    type = "device"


class _Owner(RegionOwner):
    def __init__(self) -> None:
        self.warned = 0

    def warn_once(self, device: DevDax, text: str) -> None:
        self.warned = 1


def _device(device: DevDax) -> dict[str, Any]:
    return {
        "name": device.name,
        "align": device.align,
        "bound": device.driver is not None,
        "resource": hex(device.resource),
        "size": device.size,
        "ranges": [
            {"start": hex(s.start), "end": hex(s.end), "page_offset": hex(s.pgoff), "mapping": s.mapping}
            for s in device.spans
        ],
    }


def _state(region: DaxRegion) -> dict[str, Any]:
    return {
        "devices": [_device(device) for device in region.devices.values()],
        "available_size": region.available_size,
        "seed": region.seed.name if region.seed else "",
        "create": region.youngest.name if region.youngest else "",
    }


def _bind(region: DaxRegion, device: DevDax) -> int:
    if device.driver is not None:
        return -16
    if not device.size:
        return -6
    device.driver = _AnyDriver()
    if region.seed is device:
        region.seed = None
    return 0


def _run(region: DaxRegion, op: dict[str, Any]) -> int:
    data = op.get("write", "").encode()
    kind = op["op"]
    if kind == "create":
        status = region.create_store(data)
    elif kind == "delete":
        status = region.delete_store(data)
    else:
        device = region.devices[op["dev"]]
        if kind == "bind":
            return _bind(region, device)
        if kind == "unbind":
            status = 0 if device.driver else -19
            device.driver = None
            return status
        store = {"size": device.size_store, "align": device.align_store, "mapping": device.mapping_store}[kind]
        status = store(data)
    return 0 if status == len(data) else status


def _compute(given: dict[str, Any], release: str) -> dict[str, Any]:
    arch, page_size = _ARCHES[given["arch"]]
    owner = _Owner()
    assumed = kernel(release, arch, page_size)
    regions = dax_regions() if assumed.has(behaviours.DAX_REGIONS_EXCLUSIVE) else None

    def allocated(number_: int, span: dict[str, Any]) -> DaxRegion | None:
        parent = Device(f"hmem.{number_}", f"/sys/devices/platform/hmem.{number_}", -1)
        ends = (number(span["start"]), number(span["end"]))
        made = alloc_dax_region(assumed, owner, parent, number_, ends, -1)
        if made is None or (regions is not None and request_resource(regions, made.res)):
            return None
        return made

    others = [0 if allocated(100 + at, span) else -12 for at, span in enumerate(given.get("others", []))]
    found: dict[str, Any] = {"others": others} if "others" in given else {}
    region = allocated(given["region_id"], given)
    if region is None:
        return {**found, "probe_rc": -12, "initial": None, "steps": []}
    region.create_dev_dax(0 if given["region_idle"] else region.res.size)
    initial = _state(region)
    steps = []
    for op in given["ops"]:
        owner.warned = 0
        status = _run(region, op)
        steps.append({"rc": status, **_state(region)} | ({"warn": 1} if owner.warned else {}))
    tree = [{"start": hex(r.start), "end": hex(r.end), "name": r.name} for r in region.res.children]
    return {**found, "probe_rc": 0, "initial": initial, "steps": steps, "region_tree": tree}


def compute(given: dict[str, Any]) -> dict[str, Any]:
    """Results for both releases."""
    return by_release(given, lambda release: _compute(given, release))
