"""Pictures as SVG: a lane of a page and its address axis; what all pictures have in common.

Text comes from strangers: every piece of it is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import attrs

from softreserve.model.sizes import human_size
from softreserve.model.visible import clean
from softreserve.views.picture.axis import Axis, Piece
from softreserve.views.picture.lanes import Stage, Stretch

__all__ = [
    "AXIS_WIDTH",
    "LANE_WIDTH",
    "PATTERNS",
    "STYLE",
    "Bar",
    "address_axis",
    "bars",
    "column",
    "kind_of",
    "shortened",
    "text_of",
    "where",
]

#: How wide a lane and the axis of a page are, in pixels.
LANE_WIDTH: Final = 132
AXIS_WIDTH: Final = 164
#: What one character of a label takes, on average, in pixels; and how many fit into a lane.
_CHARACTER: Final = 6.6
_FITTING: Final = int((LANE_WIDTH - 12) / _CHARACTER)
#: Characters of an address and of a size that fit beside each other on the axis.
_ABREAST: Final = 22
#: A bar of this height has room for a second line.
_TWO_LINES: Final = 31

#: Fill and line of each kind: on white, and on black. Told apart without colours by :data:`PATTERNS` and labels.
_COLOURS: Final = {
    "special": ("#fde0b0", "#b35c00", "#5a3a08", "#ffb454"),
    "dax": ("#bfe8d8", "#00745a", "#0d4a3c", "#4fd1ad"),
    "kmem": ("#cfe6f7", "#0068a8", "#12405f", "#6cc3ff"),
    "lost": ("#f9d0cc", "#a3180d", "#5c1d19", "#ff8a80"),
    "ram": ("#e3ecf4", "#5b7d99", "#24323e", "#7f9bb3"),
    "offline": ("#ececec", "#666666", "#333333", "#a5a5a5"),
    "kernel": ("#dcd6f5", "#5a45b0", "#352c63", "#a997ff"),
    "boot": ("#e7eedd", "#6f8550", "#323b25", "#a5bd82"),
    "runtime": ("#f3e3f1", "#96508c", "#48283f", "#d992cd"),
    "tables": ("#f6f0c8", "#80720f", "#45400f", "#d8c94a"),
    "reserved": ("#e4e1dd", "#77706a", "#38342f", "#a8a097"),
    "device": ("#d9efef", "#3f8080", "#1f4040", "#7fc4c4"),
    "persistent": ("#f8dceb", "#a8346f", "#562038", "#f08fbc"),
    "node": ("#eef0f2", "#4c5661", "#2a2f36", "#aab4bf"),
    "conflict": ("#f9d0cc", "#a3180d", "#5c1d19", "#ff8a80"),
    "other": ("#f4ead9", "#8a6a2f", "#423621", "#cda763"),
    "many": ("#f5f5f5", "#888888", "#2b2b2b", "#999999"),
}
#: Kinds with a pattern over their colour: what is drawn in a tile of 8 by 8 pixels.
_TILES: Final = {
    "special": "M-2,10 10,-2 M-6,6 6,-6 M2,14 14,2",
    "lost": "M0,0 8,8 M8,0 0,8",
    "kmem": "M0,4 8,4",
    "dax": "M4,0 4,8",
    "offline": "M2,2 2,3 M6,6 6,7",
    "conflict": "M0,0 8,8 M8,0 0,8",
    "many": "M0,2 8,2 M0,6 8,6",
}


def _rules(dark: bool) -> str:
    """CSS: the colours of each kind, fill and line, and what bars of it are filled with."""
    rules = []
    for kind, colours in _COLOURS.items():
        fill, line = colours[2:] if dark else colours[:2]
        rules.append(f".k-{kind}{{--f:{fill};--l:{line}}}")
    return "".join(rules)


#: How bars are filled, as CSS: colours on white, and what else is to be said on black.
STYLE: Final = (
    ".bar rect{fill:var(--f);stroke:var(--l)}.bar text{paint-order:stroke;stroke:var(--f);stroke-width:3px}"
    + "".join(f".k-{kind} rect{{fill:url(#p-{kind})}}" for kind in _TILES)
    + _rules(dark=False),
    _rules(dark=True),
)
#: Definitions of the patterns.
PATTERNS: Final = "".join(
    f'<pattern id="p-{kind}" class="k-{kind}" width="8" height="8" patternUnits="userSpaceOnUse">'
    f'<path d="M0,0H8V8H0z" fill="var(--f)"/>'
    f'<path d="{tile}" stroke="var(--l)" opacity=".32" fill="none"/></pattern>'
    for kind, tile in _TILES.items()
)


def text_of(text: str) -> str:
    """A stranger's text for SVG or HTML: everything in it can be seen, and none of it is markup."""
    return escape(clean(text))


def where(start: int, end: int) -> str:
    """A range (half open) as people read it, with the last byte."""
    return f"{start:#x}-{end - 1:#x}"


def shortened(text: str, room: int) -> str:
    """A text that can be seen, of so many characters at the most."""
    text = clean(text)
    return text if len(text) <= room else text[: max(room - 1, 1)] + "…"


# --- lanes of a page, downwards


@attrs.frozen
class Bar:
    """What is drawn from one place of the axis to another: a stretch, or so many that there is no room for each.

    ``number`` and ``last`` are those of the first and the last stretch.
    """

    top: int
    bottom: int
    number: int
    last: int


def column(stage: Stage, axis: Axis, prefix: str) -> str:
    """A lane as an SVG element.

    :param prefix: what the identifiers of its bars begin with; their numbers are those of the stretches.
    """
    drawn = []
    for bar in bars(stage.stretches, axis):
        first, last = stage.stretches[bar.number], stage.stretches[bar.last]
        label, size, kind = first.label, human_size(first.size), kind_of(stage.stretches, bar)
        title = f"{first.label}, {size}, {where(first.start, first.end)}"
        if first.node >= 0 and first.kind != "node":
            title += f", node {first.node}"
        if bar.last > bar.number:
            count = bar.last - bar.number + 1
            label, size = f"{count} ranges", where(first.start, last.end)
            title = f"{count} ranges, {size}"
        drawn.append(_drawn(bar, prefix, kind, label, size, title))
    name = text_of(stage.title)
    box = f'width="{LANE_WIDTH}" height="{axis.length + 1}"'
    return f'<svg class="lane" data-lane="{prefix}" {box} role="group" aria-label="{name}">{"".join(drawn)}</svg>'


def _drawn(bar: Bar, prefix: str, kind: str, label: str, size: str, title: str) -> str:
    """A bar; ``x`` and width of what is in it are those of all bars, and stand in the page's style."""
    height = bar.bottom - bar.top
    lines = f'<text y="{bar.top + 12}">{escape(shortened(label, _FITTING))}</text>'
    if height >= _TWO_LINES:
        lines += f'<text y="{bar.top + 25}" class="size">{escape(shortened(size, _FITTING))}</text>'
    last = f' data-last="{prefix}-{bar.last}"' if bar.last > bar.number else ""
    return (
        f'<g class="bar k-{kind}" id="{prefix}-{bar.number}"{last}><title>{text_of(title)}</title>'
        f'<rect y="{bar.top + 0.5}" height="{height - 1}"/>{lines}</g>'
    )


def kind_of(stretches: Sequence[Stretch], bar: Bar) -> str:
    """The kind of all that a bar stands for; "many" where they have several."""
    kinds = {stretch.kind for stretch in stretches[bar.number : bar.last + 1]}
    return kinds.pop() if len(kinds) == 1 else "many"


def bars(stretches: Sequence[Stretch], axis: Axis) -> Iterator[Bar]:
    """Bars, without overlaps, from the top.

    A stretch has all pieces of the axis that it fills; of a piece that it has a part of, it has that part alone if
    nobody else is in it, else it is told with the others.
    """
    waiting: Bar | None = None  # what shares the last piece
    for number, stretch in enumerate(stretches):
        top, bottom = round(axis.place(stretch.start)), round(axis.place(stretch.end))
        pieces = axis.between(stretch.start, stretch.end)
        first, last = axis.pieces[pieces[0]], axis.pieces[pieces[-1]]
        if stretch.start > first.start:
            if waiting is not None and waiting.top == first.at:
                waiting = attrs.evolve(waiting, last=number)
            else:
                if waiting is not None:
                    yield waiting
                waiting = Bar(first.at, first.at + first.length, number, number)
            if last is first:
                continue
            top = first.at + first.length
        if waiting is not None:
            yield waiting
            waiting = None
        if stretch.end < last.end:
            if top < last.at:
                yield Bar(top, last.at, number, number)
            waiting = Bar(last.at, last.at + last.length, number, number)
        elif top < bottom:
            yield Bar(top, bottom, number, number)
    if waiting is not None:
        yield waiting


def address_axis(axis: Axis) -> str:
    """The axis as an SVG element: each cut with its address, each piece with its size; where it is broken."""
    drawn = [_piece(piece) for piece in axis.pieces]
    if axis.pieces:
        end = axis.pieces[-1]
        drawn.append(f'<text x="2" y="{end.at + end.length + 11}">{end.end:#x}</text>')
    height = axis.length + 14
    box = f'width="{AXIS_WIDTH}" height="{height}"'
    return f'<svg class="axis" {box} role="img" aria-label="addresses">{"".join(drawn)}</svg>'


def _piece(piece: Piece) -> str:
    right = AXIS_WIDTH - 4
    size = human_size(piece.end - piece.start)
    told = f"{piece.folded + 1} in {size}" if piece.folded else size
    if len(told) + len(f"{piece.start:#x}") <= _ABREAST:
        size = told
    line = f'<path class="tick" d="M0,{piece.at + 0.5} H{AXIS_WIDTH}"/>'
    text = f'<text x="2" y="{piece.at + 12}">{piece.start:#x}</text>'
    words = f'<text x="{right}" y="{piece.at + 12}" class="size end">{size}</text>'
    if not piece.empty:
        return line + text + words
    middle = piece.at + piece.length - 3
    zigzag = " ".join(f"{x},{middle + (2 if n % 2 else -2)}" for n, x in enumerate(range(0, AXIS_WIDTH + 1, 8)))
    return f'{line}{text}{words}<polyline class="break" points="{zigzag}"><title>nothing: {size}</title></polyline>'
