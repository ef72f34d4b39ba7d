"""What the first stage gives to the second."""

from __future__ import annotations

from softreserve.model import value
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.machine import E820Entry

__all__ = ["Handoff"]


@value.frozen
class Handoff:
    """What the kernel proper is handed by stub or loader.

    ``e820`` is the whole boot table (zero page, then extension), ``ext_entries`` how many of it are in the extension;
    ``None`` on architectures without e820.
    """

    efi_map: EfiMemoryMap | None
    e820: tuple[E820Entry, ...] | None = None
    ext_entries: int = 0
