"""The shell script that collects where this program is not: it keeps what ``kept.toml`` lists, as the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

__all__ = ["extended", "script"]

#: What awk's regular expressions, extended ones as POSIX has them, write otherwise.
_OTHERWISE: Final = {
    r"\(\?:": "(",
    r"\[([^]]*)\\w([^]]*)\]": r"[\1A-Za-z0-9_\2]",
    r"\\d": "[0-9]",
    r"\\w": "[A-Za-z0-9_]",
    r"\\S": r"[^ \\t]",
    r"\\([.*\[])": r"[\1]",
}


def script() -> str:
    """The text of the script."""
    here = Path(__file__)
    kept = tomllib.loads(here.with_name("kept.toml").read_text())
    text = here.with_name("capture.sh").read_text()
    for what in ("lines", "parameters"):
        text = text.replace(f"@{what.upper()}@", "|".join(map(extended, kept[what])))
    return text


def extended(pattern: str) -> str:
    """A regular expression of ``kept.toml`` as awk takes it."""
    for ours, theirs in _OTHERWISE.items():
        pattern = re.sub(ours, theirs, pattern)
    return pattern
