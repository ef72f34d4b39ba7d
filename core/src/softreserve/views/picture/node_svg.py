"""Nodes as SVG: a row for each memory tier, the fastest first; memory stands over or under the processors it is near.

Kinds of memory have words and a border of their own: colours are not needed. The page that it stands in has the style.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final, NamedTuple

from softreserve.model.sizes import human_size
from softreserve.views.picture.nodes import KINDS, NodePicture, NodeView, demotion_words, speed, tier_words
from softreserve.views.picture.svg import shortened

__all__ = ["NODE_STYLE", "node_svg"]

#: Boxes that stand side by side, and lengths in units of the picture.
_ACROSS: Final = 8
_WIDTH, _HEIGHT, _GAP, _TIER_GAP = 140, 84, 10, 34
_LEFT, _TOP = 74, 6
#: Kinds of memory in a box; further ones are counted.
_KINDS_SHOWN: Final = 2


class _Box(NamedTuple):
    """A node and where it stands."""

    found: NodePicture
    x: float
    y: float


def node_svg(view: NodeView) -> str:
    """The picture as one ``<svg>`` element; of no node at all, one that says so."""
    parts: list[str] = []
    y = float(_TOP)
    width = _LEFT + _WIDTH
    for band in _bands(view.nodes):
        boxes, labels, y = _placed(band, view, y)
        width = max([width, *(int(box.x) + _WIDTH for box in boxes)])
        parts += [_label(words, at) for words, at in labels]
        parts += _arrows(boxes)
        parts += [_drawn(box) for box in boxes]
        y += _GAP
    if not view.nodes:
        parts.append(_text("no node is known", 4, y + 16, "node-label"))
        y += 30
    words = f"{len(view.nodes)} node{'' if len(view.nodes) == 1 else 's'} by memory tier"
    size = f'viewBox="0 0 {width + 2} {y:g}" width="{width + 2}" height="{y:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nodes" {size} role="group" aria-label="{words}">'
        f"{''.join(parts)}</svg>"
    )


# --- where what stands


def _bands(nodes: Iterable[NodePicture]) -> Iterator[list[list[NodePicture]]]:
    """Nodes by the processors that they are near, as many of those as have room side by side."""
    by_near = sorted(nodes, key=lambda found: (found.near < 0, found.near, found.node < 0, found.node))
    band: list[list[NodePicture]] = []
    taken = 0
    for _, group in groupby(by_near, key=lambda found: found.near):
        members = list(group)
        columns = _columns(members)
        if band and taken + columns > _ACROSS:
            yield band
            band, taken = [], 0
        band.append(members)
        taken += columns
    if band:
        yield band


def _columns(members: Sequence[NodePicture]) -> int:
    """How many boxes of one tier stand side by side at the most."""
    tiers = [_tier(found) for found in members]
    return min(_ACROSS, max(tiers.count(tier) for tier in tiers))


def _tier(found: NodePicture) -> tuple[bool, int]:
    """What sorts a node: those in no tier come last."""
    return (found.now.tier is None, found.now.tier or 0)


def _placed(
    band: Sequence[Sequence[NodePicture]], view: NodeView, y: float
) -> tuple[list[_Box], list[tuple[str, float]], float]:
    """Boxes and names of rows, and where the next thing can stand."""
    boxes: list[_Box] = []
    labels: list[tuple[str, float]] = []
    tiers = sorted({_tier(found) for members in band for found in members})
    for tier in tiers:
        labels.append((_tier_name(tier, view), y + _HEIGHT / 2))
        x = float(_LEFT)
        bottom = y
        for members in band:
            columns = _columns(members)
            here = [found for found in members if _tier(found) == tier]
            for number, found in enumerate(here):
                row, column = divmod(number, columns)
                box = _Box(found, x + column * (_WIDTH + _GAP), y + row * (_HEIGHT + _GAP))
                boxes.append(box)
                bottom = max(bottom, box.y + _HEIGHT)
            x += columns * (_WIDTH + _GAP)
        y = bottom + (_TIER_GAP if tier != tiers[-1] else 0)
    return boxes, labels, y + _GAP


def _tier_name(tier: tuple[bool, int], view: NodeView) -> str:
    if not view.tiered:
        return "no tiers"
    return "in no tier" if tier[0] else f"tier {tier[1]}"


# --- what it looks like


def _arrows(boxes: Sequence[_Box]) -> Iterator[str]:
    """From each node down to those that its cold pages go to, as far as they stand in the same band."""
    places = {box.found.node: box for box in boxes}
    for box in boxes:
        for node in box.found.now.demotes_to:
            target = places.get(node)
            if target is None or target.y <= box.y:
                continue
            x, y = box.x + _WIDTH / 2, box.y + _HEIGHT
            to_x, to_y = target.x + _WIDTH / 2, target.y - 3
            bend = (to_y - y) / 2
            curve = f"M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
            head = f"M{to_x - 4:g} {to_y - 8:g}h8L{to_x:g} {to_y:g}z"
            yield f'<path class="demotion" d="{curve}"/><path class="demotion-head" d="{head}"/>'


def _label(words: str, y: float) -> str:
    return _text(words, 4, y + 4, "node-label")


def _drawn(box: _Box) -> str:
    found = box.found
    kinds = {memory.kind for memory in found.memory}
    kind = kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "none"
    lines = [_text(found.name, box.x + 10, box.y + 18, "node-name")]
    cpus = shortened(f"CPUs {found.now.cpus}", 13) if found.now.cpus else "initiator" if found.initiates else ""
    if cpus:
        lines.append(_text(cpus, box.x + _WIDTH - 8, box.y + 18, "node-cpus"))
    for number, words in enumerate(_lines(found)):
        lines.append(_text(shortened(words, 21), box.x + 10, box.y + 36 + 15 * number, "node-line"))
    return (
        f'<g class="node n-{kind}" data-node="{found.node}" role="img" aria-label="{escape(_spoken(found))}">'
        f"<title>{escape(_spoken(found))}</title>"
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>{"".join(lines)}</g>'
    )


def _lines(found: NodePicture) -> list[str]:
    """What a box says: kinds of memory, how fast it is, where cold pages go; four lines at the most."""
    memory = [f"{KINDS[memory.kind]} {human_size(memory.size)}" for memory in found.memory]
    if len(memory) > _KINDS_SHOWN:
        memory[_KINDS_SHOWN - 1 :] = [f"and {len(memory) - _KINDS_SHOWN + 1} kinds more"]
    lines = memory or ["no memory"]
    fast = _brief(found)
    if fast:
        lines.append(fast)
    if found.now.demotes_to:
        lines.append(f"cold pages to {_numbers(found.now.demotes_to)}")
    elif found.now.tier is None and found.then.tier is not None:
        lines.append(f"tier {found.then.tier} once online")
    elif found.memory and not found.now.online:
        lines.append("not online")
    return lines


def _brief(found: NodePicture) -> str:
    """Reading only: writing is in the tables."""
    said = found.performance
    return speed({name: said[name] for name in ("read_bandwidth", "read_latency") if name in said})


def _numbers(nodes: Iterable[int]) -> str:
    return ", ".join(map(str, nodes))


def _spoken(found: NodePicture) -> str:
    """All of a box, and what there was no room for, as a sentence."""
    words = [found.name]
    words.append(f"CPUs {found.now.cpus}" if found.now.cpus else "no CPUs")
    words += [f"{memory.words}: {memory.why}" for memory in found.memory] or ["no memory"]
    words += [f"{name} {said}" for name, said in _named(found) if said]
    return "; ".join(words)


def _named(found: NodePicture) -> Iterator[tuple[str, str]]:
    yield "bandwidth and latency", speed(found.performance)
    yield "tier", tier_words(found)
    yield "demotes to node", demotion_words(found)
    yield "nearest processors on node", str(found.near) if found.near not in (-1, found.node) else ""
    yield "memory side cache", ", ".join(human_size(cache.size) for cache in found.caches)


def _text(words: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


#: How nodes look, as CSS: everywhere, and their colours on white and on black.
NODE_STYLE: Final = (
    ".nodes text{fill:var(--ink)}.nodes .node-name{font-weight:600}.nodes .node-label{opacity:.75}"
    ".nodes .node-cpus{text-anchor:end;font-size:11px}"
    ".nodes rect{fill:var(--f);stroke:var(--l);stroke-width:1.5}"
    ".nodes .n-hbm rect{stroke-width:3}.nodes .n-cxl rect{stroke-dasharray:8 3}"
    ".nodes .n-unknown rect,.nodes .n-none rect{stroke-dasharray:2 3}"
    ".demotion{fill:none;stroke:var(--ink);opacity:.7;stroke-width:1.5}.demotion-head{fill:var(--ink);opacity:.7}",
    ".nodes{--f:#fff;--l:#667}.n-dram{--f:#dcebf8;--l:#336699}.n-hbm{--f:#fde3c0;--l:#a85800}"
    ".n-cxl{--f:#d3efe4;--l:#00745a}",
    ".nodes{--f:#1d2127;--l:#99a}.n-dram{--f:#173249;--l:#7ab8ee}.n-hbm{--f:#4a3210;--l:#ffb454}"
    ".n-cxl{--f:#0d4033;--l:#4fd1ad}",
)
