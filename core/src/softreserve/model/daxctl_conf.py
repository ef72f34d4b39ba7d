"""Sections of daxctl's configuration, ``/etc/daxctl.conf.d/*.conf``: what dax devices are to be from boot on."""

from __future__ import annotations

from typing import Final

from softreserve.model import value

__all__ = ["COMMAND", "DaxctlSection"]

#: The section that is for devices, and the command that it stands for.
COMMAND: Final = "reconfigure-device"


@value.frozen
class DaxctlSection:
    """``[reconfigure-device NAME]``, or another section.

    :param name: all of its name, in lower case, as all names are.
    :param place: the file, and the line where it begins.
    :param keys: names and values, in the order of the file; of one that is given twice the last value.
    """

    name: str
    place: str
    keys: tuple[tuple[str, str], ...] = ()
