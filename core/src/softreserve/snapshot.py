"""The state of a system as text: the files of ``expected/`` in a capture, and the state records of a trace.

Everything is read through the same tree that a user program sees; nothing is computed here.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from softreserve.sysfs import Attribute, Directory, Link, SysfsTree

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["FILES", "errno_name", "natural", "state_lines", "write_line"]

#: Left out of dumps: the same on every machine, or they only make noise.
_NOISE = frozenset(
    {"uevent", "subsystem", "power", "modalias", "driver_override", "bind", "unbind", "new_id", "remove_id"}
)


def errno_name(number: int) -> str:
    """``ENXIO`` for 6 or -6."""
    return errno.errorcode.get(abs(number), str(abs(number)))


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key in which ``dax2`` comes before ``dax10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def _dump(tree: SysfsTree, path: str, out: list[str]) -> None:
    """Lines for everything below ``path``: directory, link, attribute, or attribute that cannot be read."""
    node = tree.node(path)
    if node is None:
        return
    if isinstance(node, Link):
        out.append(f"{path} -> {tree.readlink(path)}")
    elif isinstance(node, Attribute):
        out.append(_attribute_line(tree, path, node))
    else:
        out.append(f"{path}/")
        for name in sorted(node.listing(), key=natural):
            if name not in _NOISE:
                _dump(tree, f"{path}/{name}", out)


def _attribute_line(tree: SysfsTree, path: str, node: Attribute) -> str:
    if not node.mode & 0o444:
        return f"{path} ! WRITEONLY"
    value = tree.read(path)
    if isinstance(value, int):
        return f"{path} ! {errno_name(value)}"
    text = value.decode("utf-8", "replace").removesuffix("\n").replace("\n", "\\n")
    return f"{path} = {text}"


def _names(tree: SysfsTree, path: str) -> list[str]:
    node = tree.node(path, follow=True)
    return sorted(node.listing(), key=natural) if isinstance(node, Directory) else []


def _iomem(system: System) -> list[str]:
    return list(system.iomem.lines())


def _firmware_memmap(system: System) -> list[str]:
    return system.firmware_memmap.lines()


def _dax(system: System) -> list[str]:
    tree, out = system.sysfs, list[str]()
    _dump(tree, "/sys/bus/dax", out)
    for name in _names(tree, "/sys/devices/platform"):
        if name.startswith("hmem"):
            _dump(tree, f"/sys/devices/platform/{name}", out)
    return out


def _dumper(path: str) -> Callable[[System], list[str]]:
    def dump(system: System) -> list[str]:
        out: list[str] = []
        _dump(system.sysfs, path, out)
        return out

    return dump


#: Observation name to the function that makes its lines.
FILES: dict[str, Callable[[System], list[str]]] = {
    "iomem.txt": _iomem,
    "firmware-memmap.txt": _firmware_memmap,
    "dax.txt": _dax,
    "memory-blocks.txt": _dumper("/sys/devices/system/memory"),
    "nodes.txt": _dumper("/sys/devices/system/node"),
    "memory-tiers.txt": _dumper("/sys/devices/virtual/memory_tiering"),
}


# ------------------------------------------------------------------------------------------------ records of a trace


def write_line(path: str, value: str, status: int, wanted: int) -> str:
    """``path <- value : 0``, or ``-ERRNO``, or ``short N`` where fewer bytes were taken than given."""
    shown = value.replace("\n", "\\n")
    if status < 0:
        return f"{path} <- {shown} : -{errno_name(status)}"
    return f"{path} <- {shown} : {'0' if status == wanted else f'short {status}'}"


def _value(tree: SysfsTree, path: str) -> str:
    value = tree.read(path)
    return f"!{errno_name(value)}" if isinstance(value, int) else value.decode("utf-8", "replace").strip()


def state_lines(system: System) -> list[str]:
    """The state as in a trace record: regions, devices, memory blocks, nodes, policy, resources."""
    tree = system.sysfs
    out = [*_regions(tree), *_devices(tree), *_blocks(tree)]
    nodes = "/sys/devices/system/node"
    shown = " ".join(f"{n}={_value(tree, f'{nodes}/{n}')}" for n in ("online", "has_memory", "has_normal_memory"))
    out.append(f"nodes {shown}")
    out.append(f"auto_online_blocks={_value(tree, '/sys/devices/system/memory/auto_online_blocks')}")
    out += _dax_resources(system)
    return out


def _regions(tree: SysfsTree) -> Iterator[str]:
    for name in _names(tree, "/sys/devices/platform"):
        if re.fullmatch(r"hmem\.\d+", name):
            where = f"/sys/devices/platform/{name}/dax_region"
            fields = ("size", "available_size", "seed", "create")
            yield f"region {name} " + " ".join(f"{f}={_value(tree, f'{where}/{f}')}" for f in fields)


def _devices(tree: SysfsTree) -> Iterator[str]:
    for name in _names(tree, "/sys/bus/dax/devices"):
        where = f"/sys/bus/dax/devices/{name}"
        driver = tree.readlink(f"{tree.resolve(where)}/driver")
        words = [f"driver={'-' if isinstance(driver, int) else driver.rsplit('/', 1)[-1]}"]
        words += [f"{f}={_value(tree, f'{where}/{f}')}" for f in ("size", "align", "target_node")]
        for mapping in _names(tree, where):
            if re.fullmatch(r"mapping\d+", mapping):
                start, end, offset = (_value(tree, f"{where}/{mapping}/{f}") for f in ("start", "end", "page_offset"))
                words.append(f"{mapping}={start}-{end}@{offset}")
        yield f"dax {name} " + " ".join(words)


def _blocks(tree: SysfsTree) -> Iterator[str]:
    where = "/sys/devices/system/memory"
    blocks: list[tuple[int, str]] = []
    for name in _names(tree, where):
        if re.fullmatch(r"memory\d+", name):
            nodes = " ".join(n for n in _names(tree, f"{where}/{name}") if re.fullmatch(r"node\d+", n))
            state, zones = (_value(tree, f"{where}/{name}/{f}") for f in ("state", "valid_zones"))
            blocks.append((int(name[6:]), f"{nodes} {state} {zones}"))
    # neighbours alike are joined: number minus position is constant within a run
    runs = groupby(enumerate(blocks), key=lambda item: (item[1][0] - item[0], item[1][1]))
    for (_, words), run in runs:
        numbers = [block[0] for block in map(itemgetter(1), run)]
        yield f"blocks {numbers[0]}-{numbers[-1]} {words}"


def _dax_resources(system: System) -> Iterator[str]:
    """Top-level entries of /proc/iomem that are or hold Soft Reserved, hmem.N or daxN.M, with all below them."""
    wanted = re.compile(r"Soft Reserved|hmem\.\d+|dax\d+\.\d+")
    group: list[str] = []
    for line in [*system.iomem.lines(), ""]:
        if not line.startswith(" "):
            if any(wanted.fullmatch(text.split(" : ", 1)[1]) for text in group):
                yield from (f"iomem {text}" for text in group)
            group = []
        if line:
            group.append(line)
