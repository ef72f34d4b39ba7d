"""Unpacking what is kept in ``data``."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: Path, where: Path) -> None:
    """Unpack an archive of ours; Debian 12's Python 3.11.2 has no filters yet."""
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):
            opened.extractall(where, filter="data")
        else:
            opened.extractall(where)
