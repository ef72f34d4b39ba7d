"""CPUs in sysfs, and directories that every machine has. Linux: ``drivers/base/{cpu,topology}.c``.

The topology is not part of a machine's description: every node with CPUs is one package of cores without siblings.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from softreserve.kernel.driver_core.uevent import subsystem_files, uevent_file
from softreserve.kernel.numa.numa import format_bitmap, format_list
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["online", "publish"]

_CPU = "/sys/devices/system/cpu"
_DIRECTORIES = (
    "/sys/bus/cpu/devices",
    "/sys/bus/platform/devices",
    "/sys/class",
    "/sys/dev/block",
    "/sys/dev/char",
    "/sys/kernel",
)


def publish(system: System) -> None:
    """Make ``/sys/devices/system/cpu``, and the directories that programs open to find nothing in them."""
    for path in _DIRECTORIES:
        system.sysfs.directory(path)
    for name, node in subsystem_files(system, "/sys/bus/cpu").items():
        system.sysfs.add(f"/sys/bus/cpu/{name}", node)
    count = system.cpus
    up = online(system)
    groups = {
        "possible": range(count),
        "present": range(count),
        "online": up,
        "offline": set(range(count)) - up,
        "isolated": (),
    }
    for name, cpus in groups.items():
        system.sysfs.add(f"{_CPU}/{name}", _text(format_list(cpus)))
    system.sysfs.add(f"{_CPU}/uevent", uevent_file(system, _CPU, lambda: "", lambda: " cpu"))
    system.sysfs.add(f"{_CPU}/kernel_max", _text(str(system.kernel.number("NR_CPUS", 8192) - 1)))
    members: dict[int, list[int]] = {}
    for cpu in range(count):
        members.setdefault(_package(system, cpu), []).append(cpu)
    packages = {nid: _Group(cpus, count) for nid, cpus in members.items()}
    for cpu in range(count):
        nid = _package(system, cpu)
        directory = _cpu(cpu, nid, _Group([cpu], count), packages[nid])
        # features, which are in its alias, are not part of a machine's description either
        said = partial("cpu cpu{}".format, cpu)
        directory.children["uevent"] = uevent_file(system, f"{_CPU}/cpu{cpu}", lambda: "", said)
        system.sysfs.add(f"{_CPU}/cpu{cpu}", directory)
        system.sysfs.add(f"/sys/bus/cpu/devices/cpu{cpu}", Link(f"{_CPU}/cpu{cpu}"))


def online(system: System) -> set[int]:
    """Numbers of the CPUs that run: those that are on a node that is online."""
    return {cpu for nid in system.nodes.online for cpu in system.nodes.cpumask(nid)}


def _package(system: System, cpu: int) -> int:
    """All CPUs of a node are one package."""
    return max(system.nodes.cpu_node(cpu), 0)


class _Group:
    """CPUs as the files show them; many files show the same ones."""

    def __init__(self, cpus: list[int], count: int) -> None:
        self.bitmap = _text(format_bitmap(cpus, count))
        self.list = _text(format_list(cpus))


def _cpu(cpu: int, nid: int, itself: _Group, package: _Group) -> Directory:
    topology: dict[str, Node] = {"core_id": _text(str(cpu)), "physical_package_id": _text(str(nid))}
    for name, group in (
        ("thread_siblings", itself),
        ("core_cpus", itself),
        ("core_siblings", package),
        ("package_cpus", package),
    ):
        topology[name] = group.bitmap
        topology[f"{name}_list"] = group.list
    return Directory(
        {
            "topology": Directory(topology),
            "subsystem": Link("/sys/bus/cpu"),
            f"node{nid}": Link(f"/sys/devices/system/node/node{nid}"),
        }
    )


def _text(text: str) -> Attribute:
    return Attribute(0o444, lambda: f"{text}\n")
