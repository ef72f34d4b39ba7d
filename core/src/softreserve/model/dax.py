"""What plugins give to the dax bus - ranges, and drivers - and what it tells.

The bus itself lives in a plugin; this module only holds what passes through hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from softreserve.model.ranges import PhysRange

__all__ = ["DaxCapacity", "DaxDevice", "DaxDriver", "DaxOffer"]


class DaxOffer(NamedTuple):
    """A range (bytes, half open) offered to the bus.

    :param target_node: the node that its memory would be, which must be possible; -1: none, and kmem refuses it.
    :param source: where it comes from, in a few words: what people are told.
    :param plugin: whose it is; known when it was asked for.
    """

    start: int
    end: int
    target_node: int
    source: str
    plugin: str = ""


class DaxCapacity(NamedTuple):
    """What of a range (bytes, half open) a dax device can have, and what of that can be System RAM; ``None``: none."""

    device: PhysRange | None
    memory: PhysRange | None


class DaxDevice(Protocol):
    """What a driver sees of a device."""

    name: str
    #: Node that its users are near to, or -1. Linux: ``dev_to_node``.
    numa_node: int

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Ranges in bytes, ends inclusive, in the order in which they were added."""

    @property
    def target_node(self) -> int:
        """Node that the memory would be, or -1."""

    @property
    def memmap_on_memory(self) -> bool:
        """Whether somebody asked for the memory map to lie in the memory itself."""


@runtime_checkable
class DaxDriver(Protocol):
    """A driver of the dax bus. Linux: ``drivers/dax/bus.h: struct dax_device_driver``.

    The bus makes the module: whoever brings a driver names the module, its option and its kernel file.

    A driver may have two more methods. ``match(device) -> bool`` says which devices are its own, in place of ``type``
    and ``match_always``; no driver of Linux can do that, see
    :func:`~softreserve.plugins.hookspecs.softreserve_dax_drivers`. ``device_attributes(device)`` gives files, by name,
    that a device shows while it is bound to the driver (:class:`~softreserve.kernel.sysfs.Attribute`). ``init_name`` is
    the function that starts the module, where that is not ``MODULE_init``: ``initcall_blacklist=`` goes by it.
    """

    name: str
    #: The module that registers it; the driver is there while that module is loaded.
    module: str
    #: The configuration option that builds it, without ``CONFIG_``; empty: built apart from the kernel, as a module.
    option: str
    #: The kernel file that it stands in; decides the order among built-in drivers.
    source: str
    #: ``"device"`` or ``"kmem"``: the devices that it takes from 6.3 on; others: none. Linux: ``enum dax_driver_type``.
    type: str
    #: Whether it matches every device. Linux before 6.3: ``match_always``.
    match_always: bool

    def probe(self, device: DaxDevice) -> int:
        """Bind: 0, or ``-errno`` with everything undone; -ENODEV leaves the device to the next driver in silence."""

    def remove(self, device: DaxDevice) -> None:
        """Unbind; cannot fail."""
