"""What regions, devices and mappings show in sysfs. Linux: ``drivers/dax/bus.c``.

Directories are made when somebody looks: a thousand devices cost nothing until then.
"""

from __future__ import annotations

from errno import ENXIO
from functools import partial

from softreserve.kernel.driver_core.uevent import uevent_file
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node

from softreserve_hmem import behaviours
from softreserve_hmem.bus import DaxBus
from softreserve_hmem.region import DaxRange, DaxRegion, DevDax

__all__ = ["region_contents"]


def region_contents(bus: DaxBus, region: DaxRegion) -> Directory:
    """What a region puts into the directory of its parent: ``dax_region/``, and its devices."""
    return Directory(
        names=lambda: ["dax_region", *region.devices],
        lookup=lambda name: _region_directory(region) if name == "dax_region" else _device(bus, region, name),
    )


def _region_directory(region: DaxRegion) -> Directory:
    children: dict[str, Node] = {
        "align": Attribute(0o400, lambda: f"{region.align}\n"),
        "id": Attribute(0o444, lambda: f"{region.id}\n"),
        "size": Attribute(0o444, lambda: f"{region.res.size}\n"),
    }
    if region.subdivides:
        children |= {
            "available_size": Attribute(0o444, lambda: f"{region.available_size}\n"),
            "create": Attribute(0o644, lambda: _name(region.youngest), region.create_store),
            "delete": Attribute(0o200, store=region.delete_store),
            "seed": Attribute(0o444, lambda: _name(region.seed)),
        }
    return Directory(children)


def _name(device: DevDax | None) -> str:
    return f"{device.name if device is not None else ''}\n"


def _device(bus: DaxBus, region: DaxRegion, name: str) -> Node | None:
    device = region.devices.get(name)
    return _device_directory(bus, device) if device is not None else None


def _device_directory(bus: DaxBus, device: DevDax) -> Directory:
    subdivides = device.region.subdivides
    children: dict[str, Node] = {
        "dev": Attribute(0o444, lambda: f"{bus.major}:{device.minor}\n"),
        "modalias": Attribute(0o444, lambda: "dax:t0\n"),
        "resource": Attribute(0o400, lambda: f"{device.resource:#x}\n"),
        "size": Attribute(0o644 if subdivides else 0o444, lambda: f"{device.size}\n", device.size_store),
        "subsystem": Link(bus.path),
        "uevent": bus.uevent(device, lambda: _uevent(bus, device)),
    }
    if subdivides:
        children["align"] = Attribute(0o644, lambda: f"{device.align}\n", device.align_store)
        children["mapping"] = Attribute(0o200, store=device.mapping_store)
        children |= {f"mapping{span.mapping}": _mapping_directory(bus, device, span) for span in device.spans}
    if device.target_node >= 0:
        children["target_node"] = Attribute(0o444, lambda: f"{device.target_node}\n")
    if bus.system.kernel.builtin("NUMA"):
        children["numa_node"] = Attribute(0o444, lambda: f"{device.numa_node}\n")
    if bus.system.kernel.has(behaviours.DAX_MEMMAP_ON_MEMORY):
        children["memmap_on_memory"] = Attribute(
            0o644, lambda: f"{int(device.memmap_on_memory)}\n", device.memmap_on_memory_store
        )
    if device.driver is not None:
        of_driver = getattr(device.driver, "device_attributes", None)
        if of_driver is not None:
            children |= of_driver(device)
        children["driver"] = Link(f"{bus.path}/drivers/{device.driver.name}")
    return Directory(children)


def _uevent(bus: DaxBus, device: DevDax) -> list[str]:
    driver = [f"DRIVER={device.driver.name}"] if device.driver is not None else []
    return [f"MAJOR={bus.major}", f"MINOR={device.minor}", f"DEVNAME={device.name}", *driver, "MODALIAS=dax:t0"]


def _mapping_directory(bus: DaxBus, device: DevDax, span: DaxRange) -> Directory:
    show = partial(_show_span, device, span)
    name = f"mapping{span.mapping}"
    return Directory(
        {
            "start": Attribute(0o400, partial(show, "start")),
            "end": Attribute(0o400, partial(show, "end")),
            "page_offset": Attribute(0o400, partial(show, "pgoff")),
            # without a bus: the name of what drives it is empty
            "uevent": uevent_file(bus.state, f"{device.path}/{name}", lambda: "", lambda: f" {name}"),
        }
    )


def _show_span(device: DevDax, span: DaxRange, field: str) -> str | int:
    """A field of a range; -ENXIO once the range was given back. Linux: ``get_dax_range``."""
    return f"{getattr(span, field):#x}\n" if span in device.spans else -ENXIO
