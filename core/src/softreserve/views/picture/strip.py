"""All memory of a machine in one lane: above a page, and as a picture that stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from softreserve.model.sizes import human_size
from softreserve.views.picture.axis import Axis
from softreserve.views.picture.lanes import SPECIAL, Stage, Stretch, cuts, overview, spans
from softreserve.views.picture.svg import PATTERNS, STYLE, bars, kind_of, shortened, text_of, where

__all__ = ["is_strip", "lanes_of", "strip"]

_WIDTH: Final = 960
_MARGIN: Final = 16
#: How high bars are, and how narrow at the least.
_HEIGHT: Final = 52
_NARROWEST: Final = 12
#: A lane is cut into this many pieces at the most; so many ranges are named below it, in so many characters.
_PIECES: Final = 48
_NAMED: Final = 8
_LINE: Final = 140
#: What one character of a label takes, on average, in pixels.
_CHARACTER: Final = 7.8

#: What says in a picture that it was made here.
_GENERATOR: Final = 'data-generator="softreserve"'
_STYLE: Final = (
    "svg{--ink:#1b1f24;--paper:#fff}text{font:12px system-ui,sans-serif;fill:var(--ink)}.heading{font-weight:600;"
    "font-size:15px}.size{opacity:.75}.end{text-anchor:end}.paper{fill:var(--paper)}"
    ".gap{stroke:var(--ink);fill:none;opacity:.5}"
)


def strip(heading: str, verdict: str, stages: Iterable[Stage]) -> str:
    """An SVG file, for a README: the lane, and what became of each range of specific purpose memory.

    :param heading: the machine and its kernel.
    :param verdict: how it does, in a sentence.
    """
    stretches = overview(stages)
    named = [
        f'<g transform="translate({_MARGIN},{156 + 20 * number})">{line}</g>'
        for number, line in enumerate(_named(stretches))
    ]
    height = 156 + 20 * len(named)
    drawn = _lane(stretches, _axis(stretches), _WIDTH - 2 * _MARGIN)
    light, dark = STYLE
    style = f"{_STYLE}{light}@media(prefers-color-scheme:dark){{svg{{--ink:#e8e8e8;--paper:#15181c}}{dark}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {_GENERATOR} viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" aria-label="{text_of(heading)}: {text_of(verdict)}">'
        f"<style>{style}</style><defs>{PATTERNS}</defs>"
        f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="6"/>'
        f'<text x="{_MARGIN}" y="28" class="heading">{escape(shortened(heading, _LINE - 20))}</text>'
        f'<text x="{_MARGIN}" y="50">{escape(shortened(verdict, _LINE))}</text>'
        f'<g transform="translate({_MARGIN},66)">{drawn}</g>{"".join(named)}</svg>\n'
    )


def is_strip(beginning: bytes) -> bool:
    """Whether a file that begins so is a picture that was made here."""
    return beginning.startswith(b"<svg ") and _GENERATOR.encode() in beginning


def lanes_of(systems: Sequence[Iterable[Stage]]) -> list[str]:
    """The lanes of systems, on one axis, as SVG elements of a page; bars say with ``data-at`` where they begin."""
    found = [overview(stages) for stages in systems]
    axis = _axis(*found)
    height = _HEIGHT + 20
    return [
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="all memory in one lane">'
        f"{_lane(stretches, axis, _WIDTH)}</svg>"
        for stretches in found
    ]


def _axis(*lanes: Sequence[Stretch]) -> Axis:
    stages = [Stage("", "", "", tuple(stretches)) for stretches in lanes]
    return Axis.over(cuts(stages), spans(stages), least=_NARROWEST, step=1.6, most=_PIECES)


def _lane(stretches: Sequence[Stretch], axis: Axis, width: int) -> str:
    """Bars from left to right, and below them the first and the last address."""
    if not axis.pieces:
        return '<text y="20">no memory</text>'
    scale = width / axis.length
    drawn = []
    for bar in bars(stretches, axis):
        stretch, count = stretches[bar.number], bar.last - bar.number + 1
        label, size = stretch.label, human_size(stretch.size)
        title = f"{label}, {size}, {where(stretch.start, stretch.end)}"
        if count > 1:
            label = title = f"{count} ranges"
            size = ""
        left, across = bar.top * scale, (bar.bottom - bar.top) * scale
        room = int((across - 8) / _CHARACTER)
        text = f'<text x="{left + 5:.1f}" y="21">{escape(shortened(label, room))}</text>' if room >= 4 else ""
        if text and len(size) <= room:
            text += f'<text x="{left + 5:.1f}" y="40" class="size">{size}</text>'
        drawn.append(
            f'<g class="bar k-{kind_of(stretches, bar)}" data-at="{stretch.start:x}"><title>{text_of(title)}</title>'
            f'<rect x="{left:.1f}" y=".5" width="{max(across - 1, 1):.1f}" height="{_HEIGHT}"/>{text}</g>'
        )
    for piece in axis.pieces:
        if piece.empty:
            middle = (piece.at + piece.length / 2) * scale
            drawn.append(f'<path class="gap" d="M{middle - 4:.1f},46 l3,-14 M{middle + 1:.1f},46 l3,-14"/>')
    ends = axis.pieces[0].start, axis.pieces[-1].end - 1
    drawn.append(f'<text y="{_HEIGHT + 16}" class="size">{ends[0]:#x}</text>')
    drawn.append(f'<text x="{width}" y="{_HEIGHT + 16}" class="size end">{ends[1]:#x}</text>')
    return "".join(drawn)


def _named(stretches: Iterable[Stretch]) -> Iterator[str]:
    """A line for each range of specific purpose memory, as far as there is room."""
    special = [stretch for stretch in stretches if stretch.kind in SPECIAL]
    shown = special if len(special) <= _NAMED else special[: _NAMED - 1]
    for stretch in shown:
        node = f", node {stretch.node}" if stretch.node >= 0 else ""
        place = where(stretch.start, stretch.end)
        yield _line(stretch.kind, f"{place}  {human_size(stretch.size)}  {stretch.label}{node}")
    rest = special[len(shown) :]
    if rest:
        yield _line("many", f"and {len(rest)} more ranges, {human_size(sum(stretch.size for stretch in rest))}")


def _line(kind: str, words: str) -> str:
    box = '<rect width="12" height="12" y="-4"/>'
    return f'<g class="bar k-{kind}">{box}</g><text x="20" y="6">{escape(shortened(words, _LINE))}</text>'
