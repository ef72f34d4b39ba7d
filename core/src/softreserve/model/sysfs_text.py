"""Dumps of sysfs as text: one line for each directory, link and attribute, in the format of ``docs/captures.md``."""

from __future__ import annotations

import errno
import re
from functools import lru_cache
from typing import Final

__all__ = ["NOISE", "attribute_line", "errno_name", "natural"]

#: Left out of dumps: the same on every machine, or they only make noise.
NOISE: Final = frozenset(
    {"uevent", "subsystem", "power", "modalias", "driver_override", "bind", "unbind", "new_id", "remove_id"}
)

#: Numbers with two names on Linux, of which Python gives the one that the kernel's users do not read.
_ALIASES: Final = {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EDEADLK: "EDEADLK"}
_NUMBER: Final = re.compile(r"(\d+)")


def errno_name(number: int) -> str:
    """``ENXIO`` for 6 or -6."""
    return _ALIASES.get(abs(number)) or errno.errorcode.get(abs(number), str(abs(number)))


@lru_cache(4096)
def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key in which ``dax2`` comes before ``dax10``."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _NUMBER.split(text) if part)


def attribute_line(path: str, value: bytes | int | None) -> str:
    """The line of an attribute: its value, or ``-errno`` of reading it; ``None``: it is only for writing."""
    if value is None:
        return f"{path} ! WRITEONLY"
    if isinstance(value, int):
        return f"{path} ! {errno_name(value)}"
    text = value.decode("utf-8", "replace").removesuffix("\n").replace("\n", "\\n")
    return f"{path} = {text}"
