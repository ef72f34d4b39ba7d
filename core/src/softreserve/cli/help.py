"""Help texts on narrow terminals. click's are for 50 columns at least, and cut what is longer than a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from shutil import get_terminal_size

import click

__all__ = ["Help"]

_MIN = 30  # columns
_NARROW = 50


class Help(click.HelpFormatter):
    """Help that fits the terminal."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment, width, max_width)
        self.width = max(min(self.width, get_terminal_size().columns - 2), _MIN)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Options or commands, and what they do: below those that would leave too little room beside them."""
        beside = self.width // (5 if self.width < _NARROW else 3)
        broken = [(self._broken(first), second) for first, second in rows]
        super().write_dl(broken, min(col_max, beside), col_spacing)

    def _broken(self, term: str) -> str:
        """An option and the values to choose from, broken between values."""
        room, indent = self.width - self.current_indent, " " * 2 * self.current_indent
        lines = [""]
        for piece in re.findall(r"[^ |]*[ |]?", term):
            if lines[-1] and len(lines[-1] + piece.rstrip(" ")) > room:
                lines.append(indent)
            lines[-1] += piece
        return "\n".join(lines)

    def getvalue(self) -> str:
        """All of it, without blanks at the ends of lines."""
        return re.sub(" +$", "", super().getvalue(), flags=re.MULTILINE)
