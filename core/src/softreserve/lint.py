"""Findings: what a person should know about a machine."""

from __future__ import annotations

import attrs

__all__ = ["Finding"]


@attrs.frozen
class Finding:
    """One finding. ``severity`` is ``error``, ``warning`` or ``note``; the range is bytes, half open, or absent."""

    severity: str
    rule: str
    message: str
    start: int | None = None
    end: int | None = None
