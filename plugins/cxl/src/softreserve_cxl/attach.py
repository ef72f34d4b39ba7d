"""Which decoders a region has on the way to its devices. Linux: ``drivers/cxl/core/region.c``.

All functions return 0 or ``-errno``.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EBUSY, EINVAL, ENODEV, ENXIO
from typing import Final

from softreserve.model.cxl import GRANULARITIES, ways_to_eiw

from softreserve_cxl import behaviours
from softreserve_cxl.performance import cxl_region_perf_data_calculate, cxl_region_shared_upstream_bandwidth_update
from softreserve_cxl.topology import (
    Config,
    Decoder,
    Dport,
    EndpointDecoder,
    Port,
    Region,
    RegionRef,
    RootDecoder,
    SwitchDecoder,
)

_FILE: Final = "drivers/cxl/core/region.c"
_SETUP: Final = "cxl_port_setup_targets"

__all__ = ["cxl_decoder_detach", "cxl_region_attach", "decode_commit", "decode_reset"]


def _way_up(decoder: EndpointDecoder) -> Iterator[Port]:
    """Ports from a device to the root, which is left out."""
    port: Port | None = decoder.port
    while port is not None and port.parent is not None:
        yield port
        port = port.parent


# --- attaching


def cxl_region_attach(region: Region, decoder: EndpointDecoder, pos: int) -> int:
    """Make a decoder the ``pos``-th of a region (-1: wherever it belongs, in one that was committed before)."""
    status = _may_attach(region, decoder)
    if status:
        return status
    cxl_region_perf_data_calculate(region, decoder)
    if region.auto:
        return _attach_auto(region, decoder, pos)
    status = _validate_position(region, decoder, pos) or _attach_position(region, decoder, pos)
    if status:
        return status
    region.targets[pos] = decoder
    decoder.pos = pos
    if len(region.targets) == region.ways:
        status = _setup_targets(region)
        if status:
            return status
        region.state = Config.ACTIVE
        cxl_region_shared_upstream_bandwidth_update(region)
    assert region.res is not None
    decoder.ways, decoder.granularity = region.ways, region.granularity
    decoder.set_range(region.res.start, region.res.size)
    return 0


def _may_attach(region: Region, decoder: EndpointDecoder) -> int:
    """The checks of ``cxl_region_attach``, in its order; ways that no decoder has cannot be asked for."""
    if decoder.part is None:
        return decoder.by_partition(-ENODEV, -EINVAL)
    if decoder.part != region.mode:
        return -EINVAL
    if region.state > Config.INTERLEAVE_ACTIVE:
        return -EBUSY
    if region.state < Config.INTERLEAVE_ACTIVE or region.res is None:
        return -ENXIO
    if len(region.targets) >= region.ways:
        return -EINVAL
    if _root_dport(region, decoder) is None or decoder.dpa is None:
        return -ENXIO
    return 0 if decoder.dpa.size * region.ways == region.res.size else -EINVAL


def _root_dport(region: Region, decoder: EndpointDecoder) -> Dport | None:
    """The end of the root that leads to the device's host bridge."""
    bridge = decoder.port.host_bridge
    return bridge.parent_dport if bridge.parent is region.root.port else None


def _next(port: Port, decoder: EndpointDecoder) -> Port | None:
    """The switch below a port on the way to a device; ``None``: the device is next."""
    way = list(_way_up(decoder))
    below = way[way.index(port) - 1]
    return below if below is not decoder.port else None


def _next_dport(port: Port, decoder: EndpointDecoder) -> Dport | None:
    """The end of a port that leads to a device."""
    way = list(_way_up(decoder))
    return way[way.index(port) - 1].parent_dport


def _validate_position(region: Region, decoder: EndpointDecoder, pos: int) -> int:
    if not 0 <= pos < region.ways:
        return -ENXIO
    there = region.targets.get(pos)
    if there is decoder:
        return 0
    if there is not None or any(other.memdev is decoder.memdev for other in region.targets.values()):
        return -EBUSY
    return 0


def _attach_position(region: Region, decoder: EndpointDecoder, pos: int) -> int:
    root = region.root
    if _root_dport(region, decoder) != root.targets[_place(root, pos)]:
        return -ENXIO
    for port in _way_up(decoder):
        status = _port_attach(port, region, decoder)
        if status:
            for other in _way_up(decoder):
                _port_detach(other, region, decoder)
            return status
    return 0


def _place(root: RootDecoder, pos: int) -> int:
    """Which target of a window a position of a region belongs to.

    Linux: ``cxl_hb_modulo``, before 6.11 also ``drivers/cxl/acpi.c: cxl_hb_xor``, by the address that the position
    would have at the beginning of the window.
    """
    maps, ways = root.xor_maps, root.ways
    if maps is None or ways == 1 or root.res is None or not root.bus.system.kernel.has(behaviours.CXL_XOR_PLACES):
        return pos % ways
    address = root.res.start + pos * root.granularity
    found = sum(((address & bits).bit_count() & 1) << at for at, bits in enumerate(maps))
    if ways % 3 == 0:
        # The kernel takes bytes for a number of bits; shifts of x86 look at six bits of theirs.
        low = ways_to_eiw(ways) + root.granularity & 63
        found |= (address >> low << low) % (1 << 52) % 3 << len(maps)
    return found


def _port_attach(port: Port, region: Region, decoder: EndpointDecoder) -> int:
    """Take a decoder of a port, and count its targets. Linux: ``cxl_port_attach_region``."""
    ref = port.regions.get(region)
    counted = True
    if ref is not None:
        # An endpoint counts whatever it decodes; a port counts switches once, however many devices are behind them.
        below = _next(port, decoder) if port is not decoder.port else None
        others = (other for other in ref.endpoints if other is not decoder)
        counted = below is None or all(_next(port, other) is not below for other in others)
        ref.nr_targets += counted
    else:
        chosen = _pick_decoder(port, region, decoder)
        if chosen is None or _out_of_order(port, region, chosen):
            return -EBUSY
        ref = port.regions[region] = RegionRef(chosen)
        if chosen.region is not None:
            del port.regions[region]
            return -EBUSY
    chosen = ref.decoder
    if isinstance(chosen, SwitchDecoder) and ref.nr_targets > chosen.nr_targets:
        ref.nr_targets -= counted
        return -ENXIO
    region.locked |= chosen.locked
    if port is not decoder.port:
        if decoder in ref.endpoints:
            ref.nr_targets -= counted
            return -EBUSY
        ref.endpoints[decoder] = None
    ref.nr_eps += 1
    chosen.region = region
    return 0


def _pick_decoder(port: Port, region: Region, decoder: EndpointDecoder) -> Decoder | None:
    """Linux: ``cxl_port_pick_region_decoder``."""
    if port is decoder.port:
        return decoder
    if region.auto:
        return next((found for found in port.decoders if _maps(region, found)), None)
    number = port.commit_end + 1
    if number >= len(port.decoders):
        return None
    found = port.decoders[number]
    in_order = all(below.enabled for below in port.decoders[:number])
    return found if found.region is None and in_order else None


def _maps(region: Region, decoder: Decoder) -> bool:
    """Whether a decoder decodes what the region is. Linux: ``spa_maps_hpa``."""
    res = region.res
    return res is not None and (decoder.start, decoder.size) == (res.start, res.size)


def _out_of_order(port: Port, region: Region, chosen: Decoder) -> bool:
    """Whether a region above this one is there already: decoders go by address. Linux: ``alloc_region_ref``."""
    assert region.res is not None
    for other, ref in port.regions.items():
        if other.res is None or other.res.start < region.res.start:
            continue
        if not (region.auto and ref.decoder.id > chosen.id):
            return True
    return False


def _attach_auto(region: Region, decoder: EndpointDecoder, pos: int) -> int:
    """Take a decoder as it was committed; with the last one the region is whole. Linux: ``cxl_region_attach_auto``."""
    if not decoder.auto or pos >= 0:
        return -EINVAL
    if any(target.memdev.port is not target.port for target in region.targets.values()):
        # A kernel that keeps decoders of devices that are gone reads memory that it has given back.
        return -ENXIO
    free = next(number for number in range(region.ways) if number not in region.targets)
    region.targets[free] = decoder
    decoder.pos = free
    if len(region.targets) < region.ways:
        return 0
    status = _sort_targets(region)
    for number, target in sorted(region.targets.items()):
        status = status or _attach_position(region, target, number)
    status = status or _setup_targets(region)
    if not status:
        region.state = Config.COMMIT
        cxl_region_shared_upstream_bandwidth_update(region)
    return status


def _sort_targets(region: Region) -> int:
    """Put the decoders into the order in which they interleave. Linux: ``cxl_region_sort_targets``."""
    found = list(region.targets.values())
    for decoder in found:
        decoder.pos = _calc_interleave_pos(region, decoder)
    found.sort(key=lambda decoder: decoder.pos)
    region.targets = dict(enumerate(found))
    return -ENXIO if found[0].pos < 0 else 0


def _calc_interleave_pos(region: Region, decoder: EndpointDecoder) -> int:
    """A device's place in its region, by the decoders above it; -ENXIO: one of them leads elsewhere."""
    pos = 0
    for port in _way_up(decoder):
        parent = port.parent
        assert parent is not None
        mapping = region.root if port.is_bridge else _mapping(region, parent)
        if mapping is None:
            text = f"failed to find decoder mapping {decoder.start:#x}-{decoder.start + decoder.size - 1:#x}"
            return _not_found(port, text)
        dport = port.parent_dport
        if dport not in mapping.targets[: mapping.ways]:
            way = dport.path.rpartition("/")[2] if dport is not None else ""
            return _not_found(port, f"failed to find {port.name}:{way} in target list of {mapping.name}")
        pos = pos * mapping.ways + mapping.targets.index(port.parent_dport)
    return pos


def _not_found(port: Port, text: str) -> int:
    port.bus.system.printk(f"{port.uport_string}: {text}", f"{_FILE}: find_pos_and_ways")
    return -ENXIO


def _mapping(region: Region, port: Port) -> SwitchDecoder | None:
    """The decoder of a port that decodes a region."""
    found = (decoder for decoder in port.decoders if isinstance(decoder, SwitchDecoder) and _maps(region, decoder))
    return next(found, None)


# --- targets


def _setup_targets(region: Region) -> int:
    """Lay out the interleaving of host bridges and switches, or check it. Linux: ``cxl_region_setup_targets``."""
    for _, decoder in sorted(region.targets.items()):
        for port in reversed(list(_way_up(decoder))[1:]):
            status = _port_setup_targets(port, region, decoder)
            if status:
                _teardown_targets(region)
                return status
    if len({decoder.port.is_bridge for decoder in region.targets.values()}) > 1:
        line = f"{region.driver_string('cxl')} {region.name}: mismatched CXL topologies detected"
        region.bus.system.printk(line, f"{_FILE}: cxl_region_setup_targets")
        _teardown_targets(region)
        return -ENXIO
    return 0


def _port_setup_targets(port: Port, region: Region, decoder: EndpointDecoder) -> int:
    """Linux: ``cxl_port_setup_targets``."""
    ref = port.regions.get(region)
    if ref is None:
        # Gone since a decoder was written to its target twice; the kernel follows a null pointer here.
        return -ENXIO
    chosen, dport = ref.decoder, _next_dport(port, decoder)
    assert isinstance(chosen, SwitchDecoder)
    if ref.nr_targets.bit_count() != 1:
        return -EINVAL
    if not ref.nr_targets_set:
        status = _set_interleaving(region, port, chosen, ref.nr_targets)
        if status:
            return status
    elif dport in chosen.targets[: ref.nr_targets_set]:
        return _check_last_peer(region, port, decoder)
    if ref.nr_targets_set == ref.nr_targets:
        return -ENXIO
    if not region.auto:
        chosen.targets[ref.nr_targets_set] = dport
        chosen.target_map[ref.nr_targets_set] = dport.number if dport is not None else 0
    elif chosen.targets[ref.nr_targets_set] != dport:
        return -ENXIO
    ref.nr_targets_set += 1
    return 0


def _set_interleaving(region: Region, port: Port, chosen: SwitchDecoder, ways: int) -> int:
    parent = port.parent
    assert parent is not None
    if port.is_bridge:
        root_ways = region.root.ways if region.root.ways.bit_count() == 1 else region.root.ways // 3
        granularity = region.granularity * root_ways
    else:
        above = parent.regions[region].decoder
        granularity = above.granularity * above.ways
    if granularity not in GRANULARITIES:
        return -EINVAL
    if region.auto:
        as_expected = chosen.ways == ways and (ways == 1 or chosen.granularity == granularity)
        if as_expected and _maps(region, chosen) and chosen.enabled:
            return 0
        _differs(region, port, chosen, f"iw: {ways} ig: {granularity}")
        return -ENXIO
    assert region.res is not None
    chosen.ways, chosen.granularity = ways, granularity
    chosen.set_range(region.res.start, region.res.size)
    return 0


def _differs(region: Region, port: Port, chosen: SwitchDecoder, expected: str) -> None:
    """Print what a decoder should have been programmed to, and what it is."""
    assert region.res is not None
    start, end = chosen.start, chosen.start + chosen.size - 1
    state = "enabled" if chosen.enabled else "disabled"
    for text in (
        f"expected {expected} [mem {region.res.start:#010x}-{region.res.end:#010x} flags 0x200]",
        f"got iw: {chosen.ways} ig: {chosen.granularity} state: {state} {start:#x}:{end:#x}",
    ):
        line = f"{region.driver_string('cxl')} {region.name}: {port.uport_name}:{port.name} {_SETUP} {text}"
        port.bus.system.printk(line, f"{_FILE}: {_SETUP}")


def _check_last_peer(region: Region, port: Port, decoder: EndpointDecoder) -> int:
    """Devices behind one end must be as far apart in the region as all that is above them interleaves."""
    distance, above = region.root.ways, port
    while True:
        distance *= above.regions[region].nr_targets
        if above.is_bridge or above.parent is None:
            break
        above = above.parent
    peer = region.targets.get(decoder.pos - distance)
    fits = peer is not None and port in _way_up(peer) and _next_dport(port, peer) == _next_dport(port, decoder)
    return 0 if fits else -ENXIO


def _teardown_targets(region: Region) -> None:
    """Take the layout back; one that was committed before stays as it is."""
    if region.auto:
        return
    for decoder in region.targets.values():
        for port in list(_way_up(decoder))[1:]:
            ref = port.regions.get(region)
            if ref is not None:
                ref.nr_targets_set = 0
                ref.decoder.set_range(0, 0)


# --- programming


def decode_commit(region: Region) -> int:
    """Program all decoders, from the devices up. Linux: ``cxl_region_decode_commit``."""
    for done, (_, decoder) in enumerate(sorted(region.targets.items())):
        way = list(_way_up(decoder))
        for at, port in enumerate(way):
            status = port.regions[region].decoder.commit()
            if status:
                for below in reversed(way[: at + 1]):
                    below.regions[region].decoder.reset()
                decode_reset(region, done)
                return status
    return 0


def decode_reset(region: Region, count: int) -> None:
    """Stop the decoders of the first ``count`` devices. Linux: ``cxl_region_decode_reset``."""
    if region.stays:
        return
    for _, decoder in sorted(region.targets.items(), reverse=True)[-count:] if count else ():
        for port in reversed(list(_way_up(decoder))):
            port.regions[region].decoder.reset()


# --- detaching


def cxl_decoder_detach(decoder: EndpointDecoder) -> None:
    """Take a decoder out of its region; the region stops, and loses its driver."""
    region = decoder.region
    if region is None:
        _cancel_auto_attach(decoder)
        return
    if region.state > Config.ACTIVE:
        decode_reset(region, region.ways)
        region.state = Config.ACTIVE
    for port in _way_up(decoder):
        _port_detach(port, region, decoder)
    if region.targets.get(decoder.pos) is decoder:
        if region.state == Config.ACTIVE:
            region.state = Config.INTERLEAVE_ACTIVE
            _teardown_targets(region)
        del region.targets[decoder.pos]
    decoder.set_range(0, 0)
    region.bus.device_release_driver(region)


def _cancel_auto_attach(decoder: EndpointDecoder) -> None:
    """A region that never became whole forgets the decoder; older kernels keep it."""
    if not decoder.bus.system.kernel.has(behaviours.CXL_STAGED_DECODERS_FORGOTTEN):
        return
    for region in [device for device in decoder.bus.devices.values() if isinstance(device, Region)]:
        for pos in [pos for pos, target in region.targets.items() if target is decoder]:
            del region.targets[pos]
            decoder.pos = -1


def _port_detach(port: Port, region: Region, decoder: EndpointDecoder) -> None:
    """Give a decoder of a port back with its last device; before, the kernel goes on to count devices that left.

    Linux: ``cxl_port_detach_region``.
    """
    ref = port.regions.get(region)
    if ref is None or (ref.decoder is not decoder and decoder not in ref.endpoints):
        return
    if ref.decoder is not decoder:
        below = _next(port, decoder)
        del ref.endpoints[decoder]
        ref.nr_targets -= all(_next(port, other) is not below for other in ref.endpoints)
    ref.nr_eps -= 1
    if not ref.nr_eps:
        ref.decoder.region = None
        del port.regions[region]
