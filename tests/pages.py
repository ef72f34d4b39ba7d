"""Pages of the documentation, as somebody reads them who types what they say.

A page is a session: its files and commands come in the order in which they stand, in one folder. In blocks of

- ``console`` stand lines that begin with ``$``, each with what it prints;
- ``sh`` stand lines to type; a block of ``text`` right behind it is what they print;
- ``toml``, ``python`` and others stands a file, if the line before it ends with its name in backquotes (and a colon),
  or if its first line is a comment with its name; else an example, which must be right by itself.

In what is printed ``...`` stands for anything: by itself on a line for lines. Commands in the text count as well:
``softreserve`` and words in backquotes, where words in capitals are to be filled in.

What cannot be typed has the reason in front of it: ``<!-- not run: REASON -->`` is for the next block or command, and
``<!-- not run from here on: REASON -->`` for the rest of the page; ``<!-- some of what is printed -->`` says that
the page leaves lines out of what it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import wheels

#: What is read of the repository. Below such a line a page is made by a program, and held by a test of its own.
PAGES = sorted(
    path.relative_to(wheels.ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "core/*.md", "plugins/*/*.md", "examples/*/*.md")
    for path in wheels.ROOT.glob(pattern)
    if path.name != "CHANGELOG.md" and "_build" not in path.parts
)
_MADE = re.compile(r"^<!-- what follows is written by .* -->$", re.MULTILINE)

_FENCE = re.compile(r"^(\s*)(```+)\s*(\S*).*$")
_COMMENT = re.compile(r"<!-- (not run|not run from here on|some of what is printed)(?:: (.*?))? -->")
#: A comment, or a command in backquotes: either may stand in the middle of a line.
_PIECE = re.compile(rf"{_COMMENT.pattern}|(`+)(softreserve(?: .*?)?|[^`]*?\| softreserve .*?)\3(?!`)")
_FILE = re.compile(r"`([\w./-]+\.\w+)`\)?:?$")
_NAMED = re.compile(r"^# (\S+\.(?:toml|py|json|txt))\n")


class Piece(NamedTuple):
    """A block of a page (``language`` is empty without one), or a command in its text (``inline``)."""

    line: int
    language: str
    text: str
    #: The file that it is, or nothing.
    file: str = ""
    #: Why it is not run, or nothing.
    reason: str = ""
    #: Whether lines that are printed are left out without ``...``.
    in_part: bool = False

    def __str__(self) -> str:
        return f"line {self.line}: {self.text.strip().partition(chr(10))[0]}"


class Typed(NamedTuple):
    """A command, and what it prints as far as the page says (``None``: nothing is said)."""

    line: int
    text: str
    printed: str | None = None
    in_part: bool = False
    #: Why it is not typed, or nothing.
    reason: str = ""


def pieces(page: str) -> list[Piece]:
    """All blocks and commands of a page, in order.

    :param page: its path from the root of the repository.
    """
    text = (wheels.ROOT / page).read_text()
    made = _MADE.search(text)
    return [*_pieces(text[: made.start()] if made else text)]


def _pieces(text: str) -> Iterator[Piece]:
    found: list[str] = []
    fence: re.Match[str] | None = None
    begun, before, reason, always, in_part = 0, "", "", "", False
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if fence is not None:
            if match and match[2] == fence[2] and not match[3]:
                content = "".join(f"{row.removeprefix(fence[1])}\n" for row in found)
                name = _NAMED.match(content) or _FILE.search(before)
                file = name[1] if name and fence[3] not in ("sh", "console", "text") else ""
                yield Piece(begun, fence[3], content, file, reason or always, in_part)
                fence, reason, before = None, "", ""
            else:
                found.append(line)
        elif match:
            fence, begun, found = match, number, []
        else:
            before = line.strip() or before
            for piece in _PIECE.finditer(line):
                match piece[1]:
                    case "not run":
                        reason = piece[2]
                    case "not run from here on":
                        always = piece[2]
                    case "some of what is printed":
                        in_part = True
                    case _:
                        yield Piece(number, "inline", piece[4].replace("\\|", "|"), "", reason or always, True)
                        reason = ""
    assert fence is None, "a block has no end"


def typed(found: Iterable[Piece]) -> Iterator[Piece | Typed]:
    """Commands of a page one by one; what is none of them as it is."""
    for piece, after in pairwise([*found, Piece(0, "", "")]):
        reason = piece.reason
        if piece.language == "sh" and after.language == "text":
            yield Typed(piece.line, piece.text, after.text, piece.in_part, reason)
        elif piece.language == "sh":
            yield from (Typed(piece.line, words, reason=reason) for words in lines(piece.text))
        elif piece.language == "console":
            for command in re.split(r"^\$ ", piece.text, flags=re.MULTILINE)[1:]:
                words, _, printed = command.partition("\n")
                yield Typed(piece.line, words, printed or None, piece.in_part, reason)
        elif piece.language == "inline":
            yield Typed(piece.line, piece.text, reason=reason)
        else:
            yield piece


def lines(text: str) -> list[str]:
    """Lines to type; one that ends with a backslash goes on, and comments are none."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def difference(shown: str, printed: str, *, in_part: bool = False) -> str | None:
    """What is wrong with what a page shows of something that was printed, or ``None``.

    :param in_part: whether lines may be left out without ``...``.
    """
    left = [line.rstrip() for line in printed.splitlines()]
    skipping = in_part
    for line in map(str.rstrip, shown.splitlines()):
        if line.strip() == "...":
            skipping = True
            continue
        wanted = re.compile(".*".join(map(re.escape, line.split("..."))))
        at = next((at for at, one in enumerate(left) if wanted.fullmatch(one)), None) if skipping else 0
        if at is None or not left or not wanted.fullmatch(left[at]):
            return f"shown, and not printed there: {line!r}; printed: {left[:1] if not skipping else left}"
        left = left[at + 1 :]
        skipping = in_part
    return None if skipping or not any(left) else f"printed, and not shown: {left}"


def links(page: str) -> Iterator[tuple[int, str]]:
    """``(line, target)`` of every link in the text of a page."""
    fenced = False
    for number, line in enumerate((wheels.ROOT / page).read_text().splitlines(), 1):
        fenced ^= bool(_FENCE.match(line))
        if not fenced:
            plain = re.sub(r"(`+).*?\1", lambda code: "x" * len(code[0]), line)
            yield from ((number, target) for target in re.findall(r"\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)\)", plain))


def anchors(path: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub and the site make them."""
    found: set[str] = set()
    fenced = False
    for line in path.read_text().splitlines():
        fenced ^= bool(_FENCE.match(line))
        if not fenced and (heading := re.match(r"#+ (.*)", line)):
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found
