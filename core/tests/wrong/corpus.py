"""All rows; importing this makes them."""

from __future__ import annotations

from wrong import ROWS, answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges

__all__ = ["ROWS"]

_MODULES = (answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges)
