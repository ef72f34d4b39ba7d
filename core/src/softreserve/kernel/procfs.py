"""Files of ``/proc`` that programs read to learn of memory and CPUs. Linux: ``fs/proc``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.sysfs import Attribute

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["files"]


def files(system: System) -> Iterator[tuple[str, Attribute]]:
    """Names and files."""
    yield "iomem", Attribute(0o444, lambda: "".join(f"{line}\n" for line in system.iomem.lines()))
    yield "cmdline", Attribute(0o444, lambda: f"{system.cmdline.text}\n")
