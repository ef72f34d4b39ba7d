"""Sizes as people read them."""

from __future__ import annotations

__all__ = ["human_size"]


def human_size(size: int) -> str:
    """``1.5 GiB``: the largest unit of which there is one, at most two digits after the point."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"
