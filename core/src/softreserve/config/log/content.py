"""The text of a kernel log, of the bytes in which somebody keeps it."""

from __future__ import annotations

__all__ = ["log_text"]


def log_text(data: bytes) -> str:
    """The text of a log, which need not be clean. Windows' own programs write UTF-16, with a mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")
