"""The state of a system as text: the files of ``expected/`` in a capture, and the state records of a trace.

Everything is read through the same tree that a user program sees; nothing is computed here.
"""

from __future__ import annotations

import errno
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, SysfsTree
from softreserve.model.sysfs_text import NOISE, attribute_line, errno_name, natural

if TYPE_CHECKING:
    from softreserve.kernel.mm.memory_block import BlockRange, BlockTable
    from softreserve.kernel.system import System

__all__ = ["FILES", "answer_words", "state_lines", "write_line"]

_REGION: Final = re.compile(r"hmem\.\d+")
_MAPPING: Final = re.compile(r"mapping\d+")
_NODE: Final = re.compile(r"node\d+")
_DAX_RESOURCE: Final = re.compile(r"Soft Reserved|hmem\.\d+|dax\d+\.\d+")


def _dump(node: Node | None, path: str) -> Iterator[str]:
    """Lines for a node and everything below it: directory, link, attribute, or attribute that cannot be read."""
    if isinstance(node, Link):
        yield f"{path} -> {node.text(path)}"
    elif isinstance(node, Attribute):
        yield _attribute_line(path, node)
    elif node is not None:
        yield f"{path}/"
        for name in _in_natural_order(node):
            if name not in NOISE:
                yield from _dump(node.get(name), f"{path}/{name}")


def _in_natural_order(directory: Directory) -> Iterator[str]:
    """Names in a directory; a million memory blocks are not collected for it."""
    if directory.names is None or not directory.in_order:
        yield from sorted(directory.listing(), key=natural)
    else:
        yield from merge(sorted(directory.children, key=natural), directory.names(), key=natural)


def _attribute_line(path: str, attribute: Attribute) -> str:
    return attribute_line(path, attribute.read(path) if attribute.mode & 0o444 else None)


def _directory(tree: SysfsTree, path: str) -> Directory:
    """The directory at ``path``; an empty one where there is none."""
    node = tree.node(path, follow=True)
    return node if isinstance(node, Directory) else Directory()


def _iomem(system: System) -> Iterable[str]:
    return system.iomem.lines()


def _firmware_memmap(system: System) -> Iterable[str]:
    return system.firmware_memmap.lines()


def _dax(system: System) -> Iterator[str]:
    yield from _dumper("/sys/bus/dax")(system)
    platform = "/sys/devices/platform"
    directory = _directory(system.sysfs, platform)
    for name in sorted(directory.listing(), key=natural):
        if name.startswith("hmem"):
            yield from _dump(directory.get(name), f"{platform}/{name}")
    # Devices of other regions, each by itself.
    bus = _directory(system.sysfs, "/sys/bus/dax/devices")
    for name in sorted(bus.listing(), key=natural):
        where = system.sysfs.resolve(f"/sys/bus/dax/devices/{name}")
        if where is not None and not where.startswith(f"{platform}/hmem"):
            yield from _dump(system.sysfs.node(where), where)


def _memory_blocks(system: System) -> Iterator[str]:
    """The directory of memory blocks. Online blocks of one range differ in their number only."""
    path = "/sys/devices/system/memory"
    root = system.sysfs.node(path)
    if not isinstance(root, Directory):
        return
    yield f"{path}/"
    others = sorted(root.children.keys() - NOISE, key=natural)
    above = bisect_left(others, natural("memory0"), key=natural)
    for name in others[:above]:
        yield from _dump(root.get(name), f"{path}/{name}")
    for blocks in system.memory.blocks:
        yield from _range_of_blocks(root, path, blocks)
    for name in others[above:]:
        yield from _dump(root.get(name), f"{path}/{name}")


def _range_of_blocks(root: Directory, path: str, blocks: BlockRange) -> Iterator[str]:
    """Lines for every block of a range; offline ones may go to different zones, and are read one by one."""
    step = blocks.end - blocks.first if blocks.online else 1
    for first in range(blocks.first, blocks.end, step):
        where = f"{path}/memory{first}"
        lines = [line.removeprefix(where) for line in _dump(root.get(f"memory{first}"), where)]
        index = lines.index(f"/phys_index = {first:08x}")
        for number in range(first, first + step):
            where = f"{path}/memory{number}"
            lines[index] = f"/phys_index = {number:08x}"
            for line in lines:
                yield where + line


def _dumper(path: str) -> Callable[[System], Iterator[str]]:
    return lambda system: _dump(system.sysfs.node(path), path)


#: Observation name to the function that makes its lines, one by one: there may be millions.
FILES: dict[str, Callable[[System], Iterable[str]]] = {
    "iomem.txt": _iomem,
    "firmware-memmap.txt": _firmware_memmap,
    "dax.txt": _dax,
    "memory-blocks.txt": _memory_blocks,
    "nodes.txt": _dumper("/sys/devices/system/node"),
    "memory-tiers.txt": _dumper("/sys/devices/virtual/memory_tiering"),
}


# ------------------------------------------------------------------------------------------------ records of a trace


def write_line(path: str, value: str, status: int, wanted: int) -> str:
    """``path <- value : ANSWER``; see :func:`answer_words`."""
    what = f"{path} <- {value}".replace("\n", "\\n")
    return f"{what} : {answer_words(status, wanted)}"


def answer_words(status: int, wanted: int) -> str:
    """``0``, or ``-ERRNO``, or ``short N`` where fewer bytes were taken than given."""
    if status < 0:
        return f"-{errno_name(status)}"
    return "0" if status == wanted else f"short {status}"


def _value(directory: Node | None, name: str) -> str:
    node = directory.get(name) if isinstance(directory, Directory) else None
    value = node.read(name) if isinstance(node, Attribute) else -errno.ENOENT
    return f"!{errno_name(value)}" if isinstance(value, int) else value.decode("utf-8", "replace").strip()


def state_lines(system: System) -> list[str]:
    """The state as in a trace record: regions, devices, memory blocks, nodes, policy, resources."""
    tree = system.sysfs
    nodes = _directory(tree, "/sys/devices/system/node")
    memory = _directory(tree, "/sys/devices/system/memory")
    shown = " ".join(f"{name}={_value(nodes, name)}" for name in ("online", "has_memory", "has_normal_memory"))
    return [
        *_regions(tree),
        *_devices(tree),
        *_blocks(memory, system.memory.blocks),
        f"nodes {shown}",
        f"auto_online_blocks={_value(memory, 'auto_online_blocks')}",
        *_dax_resources(system),
    ]


def _regions(tree: SysfsTree) -> Iterator[str]:
    platform = _directory(tree, "/sys/devices/platform")
    # below the device that made them, or beside it
    places = [platform, _directory(tree, "/sys/devices/platform/hmem_platform.0")]
    devices = {name: place.get(name) for place in places for name in filter(_REGION.fullmatch, place.listing())}
    for name in sorted(devices, key=natural):
        device = devices[name]
        region = device.get("dax_region") if isinstance(device, Directory) else None
        fields = ("size", "available_size", "seed", "create")
        yield f"region {name} " + " ".join(f"{field}={_value(region, field)}" for field in fields)


def _devices(tree: SysfsTree) -> Iterator[str]:
    where = "/sys/bus/dax/devices"
    for name in sorted(_directory(tree, where).listing(), key=natural):
        device = _directory(tree, f"{where}/{name}")
        driver = device.get("driver")
        words = [f"driver={driver.target.rsplit('/', 1)[-1] if isinstance(driver, Link) else '-'}"]
        words += [f"{field}={_value(device, field)}" for field in ("size", "align", "target_node")]
        for mapping in sorted(filter(_MAPPING.fullmatch, device.listing()), key=natural):
            held = device.get(mapping)
            start, end, offset = (_value(held, field) for field in ("start", "end", "page_offset"))
            words.append(f"{mapping}={start}-{end}@{offset}")
        yield f"dax {name} " + " ".join(words)


def _blocks(memory: Directory, table: BlockTable) -> Iterator[str]:
    """Neighbours that look alike, joined. Online blocks of one range do: the first speaks for the others."""
    first = end = 0
    words = ""
    for blocks in table:
        step = blocks.end - blocks.first if blocks.online else 1
        for number in range(blocks.first, blocks.end, step):
            found = _block_words(memory.get(f"memory{number}"))
            if (number, found) != (end, words):
                if end:
                    yield f"blocks {first}-{end - 1} {words}"
                first, words = number, found
            end = number + step
    if end:
        yield f"blocks {first}-{end - 1} {words}"


def _block_words(block: Node | None) -> str:
    names = block.listing() if isinstance(block, Directory) else []
    node = min(filter(_NODE.fullmatch, names), key=natural, default="-")  # of several, a record names the first
    return f"{node} {_value(block, 'state')} {_value(block, 'valid_zones')}"


def _dax_resources(system: System) -> Iterator[str]:
    """Top-level entries of /proc/iomem that are or hold Soft Reserved, hmem.N or daxN.M, with all below them."""
    group: list[str] = []
    for line in [*system.iomem.lines(), ""]:
        if not line.startswith(" "):
            if any(_DAX_RESOURCE.fullmatch(text.split(" : ", 1)[1]) for text in group):
                yield from (f"iomem {text}" for text in group)
            group = []
        if line:
            group.append(line)
