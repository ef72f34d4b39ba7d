"""``/sys/devices/system/memory`` and the parameters of memory hotplug. Linux: ``drivers/base/memory.c``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.driver_core.uevent import subsystem_files, uevent_file
from softreserve.kernel.mm.memory_hotplug import online_type_from_str
from softreserve.kernel.mm.zone_policy import POLICIES
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, c_text, number_in
from softreserve.model.units import kstrtoull

if TYPE_CHECKING:
    from softreserve.kernel.mm.memory_block import BlockRange
    from softreserve.kernel.mm.memory_hotplug import MemoryHotplug
    from softreserve.kernel.system import System

__all__ = ["parse_parameters", "publish"]

_ROOT: Final = "/sys/devices/system/memory"
_BUS: Final = "/sys/bus/memory"
_PARAMETERS: Final = "/sys/module/memory_hotplug/parameters"
_UINT_MAX: Final = (1 << 32) - 1


# --- /sys/devices/system/memory


def publish(system: System) -> None:
    """Put memory blocks and parameters into the tree, where CONFIG_MEMORY_HOTPLUG is on.

    Blocks are made when somebody looks.
    """
    if not system.kernel.builtin("MEMORY_HOTPLUG"):
        return
    memory, tree = system.memory, system.sysfs
    blocks = _Blocks(system)
    root = Directory(names=blocks.names, lookup=blocks.lookup, in_order=True)
    root.children["block_size_bytes"] = Attribute(0o444, lambda: f"{memory.block_size:x}\n")
    root.children["auto_online_blocks"] = Attribute(
        0o644, lambda: f"{memory.default_online_type}\n", lambda data: _store_default_online_type(memory, data)
    )
    if system.kernel.builtin("ARCH_MEMORY_PROBE"):
        root.children["probe"] = Attribute(0o200, None, lambda data: _store_probe(system, data))
    tree.add(_ROOT, root)
    root.children["uevent"] = uevent_file(system, _ROOT, lambda: "", lambda: " memory")
    for name, node in subsystem_files(system, _BUS).items():
        tree.add(f"{_BUS}/{name}", node)
    tree.add(f"{_BUS}/devices", Directory(names=blocks.names, lookup=blocks.link, in_order=True))
    for name, (mode, show, store) in _parameters(system).items():
        tree.add(f"{_PARAMETERS}/{name}", _parameter(mode, show, store))


def _store_default_online_type(memory: MemoryHotplug, data: bytes) -> int:
    online_type = online_type_from_str(c_text(data))
    if online_type is None:
        return -EINVAL
    memory.default_online_type = online_type
    return len(data)


def _store_probe(system: System, data: bytes) -> int:
    memory = system.memory
    address = kstrtoull(c_text(data))
    if address < 0:
        return address
    if address % memory.block_size:
        return -EINVAL
    nid = system.nodes.memory_add_physaddr_to_nid(address)
    return memory.add_memory(nid, address, memory.block_size) or len(data)


class _Blocks:
    """Directories ``memoryN``."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._memory = system.memory
        self._kernel = system.kernel
        self._hotremove = system.kernel.builtin("MEMORY_HOTREMOVE")

    def names(self) -> Iterator[str]:
        """All names, by number."""
        for blocks in self._memory.blocks:
            yield from (f"memory{block}" for block in range(blocks.first, blocks.end))

    def _find(self, name: str) -> tuple[int, BlockRange] | None:
        """Number and range of the block with that directory name."""
        number = number_in(name, "memory")
        blocks = None if number is None else self._memory.blocks.find(number)
        return None if number is None or blocks is None else (number, blocks)

    def link(self, name: str) -> Node | None:
        """What stands for a block on its bus."""
        return None if self._find(name) is None else Link(f"{_ROOT}/{name}")

    def lookup(self, name: str) -> Node | None:
        """The directory of a block."""
        found = self._find(name)
        if found is None:
            return None
        block, blocks = found
        children: dict[str, Node] = {
            "phys_index": Attribute(0o444, lambda: f"{block:08x}\n"),
            "state": Attribute(0o644, lambda: self._state(block), lambda data: self._store_state(block, data)),
            "online": Attribute(0o644, lambda: self._online(block), lambda data: self._store_online(block, data)),
            "phys_device": Attribute(0o444, lambda: "0\n"),
            "removable": Attribute(0o444, lambda: f"{int(self._hotremove)}\n"),
            "subsystem": Link(_BUS),
            "uevent": uevent_file(self._system, f"{_ROOT}/{name}", lambda: "", lambda: f"memory {name}"),
        }
        if self._hotremove:
            children["valid_zones"] = Attribute(0o444, lambda: self._valid_zones(block))
        for nid in blocks.nodes:
            children[f"node{nid}"] = Link(f"/sys/devices/system/node/node{nid}")
        return Directory(children)

    def _is_online(self, block: int) -> bool:
        blocks = self._memory.blocks.find(block)
        return blocks is not None and blocks.online

    def _state(self, block: int) -> str:
        return "online\n" if self._is_online(block) else "offline\n"

    def _online(self, block: int) -> str:
        return f"{int(self._is_online(block))}\n"

    def _store_state(self, block: int, data: bytes) -> int:
        online_type = online_type_from_str(c_text(data))
        if online_type is None:
            return -EINVAL
        if online_type == "offline":
            status = self._memory.device_offline(block)
        else:
            status = self._memory.device_online(block, online_type)
        if status:
            return status if status < 0 else -EINVAL
        return len(data)

    def _store_online(self, block: int, data: bytes) -> int:
        wanted = self._kernel.kstrtobool(c_text(data))
        if wanted is None:
            return -EINVAL
        status = self._memory.device_online(block) if wanted else self._memory.device_offline(block)
        return status if status < 0 else len(data)

    def _valid_zones(self, block: int) -> str:
        """The block's zone; while it is offline, the zones it can go to, the default one first."""
        blocks = self._memory.blocks.find(block)
        if blocks is not None and blocks.online:
            return f"{blocks.zone.name if blocks.zone else 'none'}\n"
        zones = [self._memory.zone_for_block(block, t).name for t in ("online", "online_kernel", "online_movable")]
        return " ".join(zones[:1] + [name for name in zones[1:] if name != zones[0]]) + "\n"


# --- memory_hotplug.* parameters

_Show = Callable[[], str]
_Set = Callable[[str], bool]


def parse_parameters(system: System) -> None:
    """Take ``memory_hotplug.*`` from the command line; values that are not understood change nothing.

    Kernels without memory hotplug have no such parameters.
    """
    if not system.kernel.builtin("MEMORY_HOTPLUG"):
        return
    for name, (_, _, store) in _parameters(system).items():
        for value in system.cmdline.all(f"memory_hotplug.{name}"):
            store("y" if value is None else value)


def _parameters(system: System) -> dict[str, tuple[int, _Show, _Set]]:
    """Mode, text and setter (False: not understood) by name."""
    memory, policy = system.memory, system.memory.policy

    def set_policy(text: str) -> bool:
        word = text.removesuffix("\n")
        if word in POLICIES:
            policy.online_policy = word
        return word in POLICIES

    def set_ratio(text: str) -> bool:
        value = kstrtoull(text)
        if not 0 <= value <= _UINT_MAX:
            return False
        policy.auto_movable_ratio = value
        return True

    def set_numa_aware(text: str) -> bool:
        value = system.kernel.kstrtobool(text)
        if value is not None:
            policy.auto_movable_numa_aware = value
        return value is not None

    def set_memmap(text: str) -> bool:
        if text.removesuffix("\n") in ("force", "FORCE") and memory.memmap_can_be_forced:
            memory.force_memmap_on_memory()
            return True
        value = system.kernel.kstrtobool(text)
        if value is not None:
            memory.memmap_mode = "Y" if value else "N"
        return value is not None

    found: dict[str, tuple[int, _Show, _Set]] = {
        "online_policy": (0o644, lambda: f"{policy.online_policy}\n", set_policy),
        "auto_movable_ratio": (0o644, lambda: f"{policy.auto_movable_ratio}\n", set_ratio),
        "auto_movable_numa_aware": (0o644, lambda: "Y\n" if policy.auto_movable_numa_aware else "N\n", set_numa_aware),
    }
    if system.kernel.builtin("MHP_MEMMAP_ON_MEMORY"):
        found["memmap_on_memory"] = (0o444, lambda: f"{memory.memmap_mode}\n", set_memmap)
    return found


def _parameter(mode: int, show: _Show, store: _Set) -> Attribute:
    def write(data: bytes) -> int:
        return len(data) if store(c_text(data)) else -EINVAL

    return Attribute(mode, show, write if mode & 0o222 else None)
