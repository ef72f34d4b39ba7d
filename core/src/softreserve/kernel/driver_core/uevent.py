"""Files ``uevent``: what is told of a thing, and events that somebody asks for. Linux: ``lib/kobject_uevent.c``.

An event goes to whoever listens on a netlink socket, which no program here can: asking for one only has an answer.
"""

from __future__ import annotations

import re
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Attribute, Directory, Node, Show
from softreserve.model.behaviours import SYNTHETIC_UEVENT_ERRNO

if TYPE_CHECKING:
    from collections.abc import Callable

    from softreserve.kernel.state import KernelState

__all__ = ["subsystem_files", "uevent_file"]

#: Linux: ``kobject_actions``.
_ACTIONS: Final = frozenset({b"add", b"remove", b"change", b"move", b"online", b"offline", b"bind", b"unbind"})
_HEX: Final = rb"[0-9A-Fa-f]"
#: What ``isalnum`` of the kernel takes: letters of Latin-1, too. Linux: ``lib/ctype.c``.
_WORD: Final = rb"[0-9A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]+"
#: A UUID, and words of the form KEY=VALUE. Linux: ``kobject_action_args``.
_ARGUMENTS: Final = rb"%b{8}-%b{4}-%b{4}-%b{4}-%b{12}(?: %b=%b)*" % (*[_HEX] * 5, _WORD, _WORD)


def uevent_file(
    state: KernelState, path: str, show: Show | None = None, device: Callable[[], str] | None = None
) -> Attribute:
    """The file ``uevent`` in the directory ``path``; without ``show`` it is for writing only.

    :param device: gives what begins a message about it, where it is a device: its driver, a space, its name.
    """

    def store(data: bytes) -> int:
        """Linux: ``kobject_synth_uevent``, ``drivers/base/core.c: uevent_store``."""
        trouble = _trouble(data)
        if trouble is None:
            return len(data)
        # printed at most ten times in five seconds by some kernels; there is no time here
        state.printk(f"synth uevent: {path.removeprefix('/sys')}: {trouble}", "lib/kobject_uevent.c")
        if device is not None:
            number = f": {-EINVAL}" if state.kernel.has(SYNTHETIC_UEVENT_ERRNO) else ""
            state.printk(f"{device()}: uevent: failed to send synthetic uevent{number}", "drivers/base/core.c")
        return -EINVAL

    return Attribute(0o200, store=store) if show is None else Attribute(0o644, show, store)


def subsystem_files(state: KernelState, path: str) -> dict[str, Node]:
    """What ``/sys/bus/NAME`` has, beside its devices, where there is nothing to drive them.

    Linux: ``drivers/base/bus.c: subsys_system_register``.
    """
    return {"drivers": Directory(), "uevent": uevent_file(state, path)}


def _trouble(data: bytes) -> str | None:
    """What is wrong with the words written, as the kernel says it."""
    words = data[:-1] if data.endswith((b"\n", b"\0")) else data
    action, space, arguments = words.partition(b" ")
    if action not in _ACTIONS:
        return "unknown uevent action string"
    if space and not re.fullmatch(_ARGUMENTS, arguments):
        return "incorrect uevent action arguments"
    return None
