"""The page: one HTML file that needs nothing else, with the data that its pictures show."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs

from softreserve.model.errors import InputError
from softreserve.model.findings import Finding
from softreserve.model.outcome import LOSSES, USES
from softreserve.model.sizes import human_size
from softreserve.model.visible import clean
from softreserve.views.explain.trail import STAGES, stage_of
from softreserve.views.picture import svg
from softreserve.views.picture.axis import Axis
from softreserve.views.picture.lanes import KINDS, Stage, cuts, lanes, spans
from softreserve.views.picture.node_svg import NODE_STYLE, node_svg
from softreserve.views.picture.nodes import NodeView, node_tables, node_view
from softreserve.views.picture.strip import lanes_of
from softreserve.views.report import Report
from softreserve.views.report import report as report_of
from softreserve.views.summary import Summary, summarize, told_by_firmware

if TYPE_CHECKING:
    from jinja2 import Environment

    from softreserve.kernel.system import System
    from softreserve.model.events import Event
    from softreserve.model.scenario import Gap

__all__ = ["GENERATOR", "Dead", "Shown", "environment", "is_page", "page", "shown"]

#: What says in a page that it was made here, in its first kilobyte.
GENERATOR: Final = '<meta name="generator" content="softreserve'
#: Pieces of the address axis that are drawn at the most: more than that nobody scrolls through.
_PIECES: Final = 600
#: Rows of a table that stand in the page; the others are made by its script from the data.
_ROWS: Final = 1500
#: So do findings.
_FINDINGS: Final = 200
#: Ranges of specific purpose memory that stand beside the verdict.
_PARTS: Final = 12
#: Machines and kernels that a page has in its name.
_NAMED: Final = 4


@attrs.frozen
class Dead:
    """A kernel that does not come up, and why."""

    title: str
    why: str


@attrs.frozen
class Shown:
    """A booted system as a page shows it: ``title`` tells it from others on the page; ``problems`` are sentences."""

    title: str
    system: System
    summary: Summary
    findings: tuple[Finding, ...]
    stages: tuple[Stage, ...]
    nodes: NodeView
    gaps: tuple[Gap, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Stretches of all lanes."""
        return sum(len(stage.stretches) for stage in self.stages)


def shown(
    title: str, system: System, told: Report | None = None, gaps: Iterable[Gap] = (), problems: Iterable[str] = ()
) -> Shown:
    """A system that was booted with its events recorded.

    :param told: its report, where somebody has it.
    """
    told = report_of(system) if told is None else told
    summary = summarize(system, told)
    stages = tuple(lanes(system, told.outcome, summary.lanes))
    nodes = node_view(system, told)
    return Shown(title, system, summary, told.findings, stages, nodes, tuple(gaps), tuple(problems))


def is_page(beginning: bytes) -> bool:
    """Whether a file that begins so is a page that was made here."""
    return GENERATOR.encode() in beginning


def page(systems: Sequence[Shown], version: str = "", dead: Sequence[Dead] = ()) -> str:
    """The page of one system or of several, which stand beside each other on one axis.

    :param dead: what did not become a system beside them.
    :param version: of softreserve, for those who find the page later.
    :raises InputError: jinja2 is not installed.
    """
    stages = [stage for one in systems for stage in one.stages]
    axis = Axis.over(cuts(stages), spans(stages), least=18, step=1.4, most=_PIECES)
    titles = [one.title for one in systems] + [one.title for one in dead]
    folded = sum(piece.folded for piece in axis.pieces)
    kinds = {stretch.kind for stage in stages for stretch in stage.stretches}
    return (
        environment()
        .get_template("report.html")
        .render(
            title=_heading(titles),
            version=version,
            systems=systems,
            dead=dead,
            same=[_same(systems[0], one) if number else {} for number, one in enumerate(systems)],
            axis=axis,
            folded=folded,
            kinds={kind: words for kind, words in KINDS.items() if kind in kinds},
            data=_in_script(_data(systems)),
            large=sum(one.rows for one in systems) > _ROWS,
            rows_most=_ROWS,
            findings_most=_FINDINGS,
            parts_most=_PARTS,
        )
    )


def _same(first: Shown, other: Shown) -> dict[str, str]:
    """Titles of the lanes that two systems have alike, by their keys."""
    known = {stage.key: stage.stretches for stage in first.stages}
    return {stage.key: stage.title for stage in other.stages if known.get(stage.key) == stage.stretches}


# --- what the script works with


def _data(systems: Iterable[Shown]) -> dict[str, Any]:
    """Numbers are hexadecimal, ranges half open.

    ``words`` has every text once, and others stand in its place by their number. Per system: ``lanes`` with ``bars``
    (start, end, label, kind, node, note), ``events`` (stage, rule, function, start, end, before, after) in their order,
    ``findings`` (severity, rule, message, start, end).
    """
    words = _Words()
    found = [_system_data(one, words) for one in systems]
    return {"format": 1, "words": words.all, "systems": found}


class _Words:
    """Texts by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._numbers.setdefault(clean(text), len(self._numbers))

    @property
    def all(self) -> list[str]:
        return list(self._numbers)


def _system_data(one: Shown, words: _Words) -> dict[str, Any]:
    events = [*told_by_firmware(one.system), *one.system.log]
    # as explain tells them: by the stages of the way
    events.sort(key=lambda event: STAGES.index(stage_of(event)))
    return {
        "title": clean(one.title),
        "lanes": [
            {
                "key": clean(stage.key),
                "title": clean(stage.title),
                "bars": [
                    [f"{s.start:x}", f"{s.end:x}", words(s.label), words(s.kind), s.node, words(s.note)]
                    for s in stage.stretches
                ],
            }
            for stage in one.stages
        ],
        "events": [_event(event, words) for event in events if event.start is not None and event.end is not None],
        "findings": [[f.severity, words(f.rule), words(f.message), *_place(f.start, f.end)] for f in one.findings],
    }


def _event(event: Event, words: _Words) -> list[Any]:
    texts = [words(text) for text in (stage_of(event), event.rule, event.function)]
    return [*texts, *_place(event.start, event.end), words(event.before), words(event.after)]


def _place(start: int | None, end: int | None) -> list[str | None]:
    return [None if start is None else f"{start:x}", None if end is None else f"{end:x}"]


def _in_script(data: Any) -> str:
    """JSON that can stand in a script element: ASCII, and nothing that ends the element or begins a comment."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\x7f", "\\u007f")


# --- jinja2


@cache
def environment() -> Environment:
    """Templates, which escape all that they are given; nothing that is missing passes unnoticed.

    :raises InputError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError:
        raise InputError("a report needs jinja2, which is not installed: pip install 'softreserve[report]'") from None
    from markupsafe import Markup

    found = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    everywhere, *colours = NODE_STYLE
    light, dark = map("".join, zip(svg.STYLE, colours, strict=True))
    style = _source("page.css").replace("/*LIGHT*/", light).replace("/*DARK*/", dark) + everywhere
    page_script, index_script = (Markup(_source("theme.js") + _source(name)) for name in ("page.js", "index.js"))
    found.globals.update(
        style=Markup(style),
        page_script=page_script,
        index_script=index_script,
        patterns=Markup(svg.PATTERNS),
        address_axis=lambda axis: Markup(svg.address_axis(axis)),
        nodes=lambda view: Markup(node_svg(view)),
        node_tables=node_tables,
        lanes_of=lambda systems: [Markup(lane) for lane in lanes_of([one.stages for one in systems])],
        column=lambda stage, axis, prefix: Markup(svg.column(stage, axis, prefix)),
        uses=USES,
    )
    found.filters.update(size=human_size, clean=clean, json=Markup, hash=_hash, first_part=_first_part)
    found.tests["loss"] = lambda use: use in LOSSES
    return found


def _heading(titles: Sequence[str]) -> str:
    """What the page is called: all that stands on it, a machine's name once, or how many there are."""
    named = [*dict.fromkeys(titles)]
    found = named[:1]
    for before, title in pairwise(named):
        machine = re.split(r": |, ", before)[0]
        found.append(re.sub(rf"^{re.escape(machine)}(?:: |, )", "", title))
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return " | ".join([*found[:_NAMED], *more])


def _first_part(verdict: str) -> str:
    """A verdict up to the memory that it is about: the rest says what became of that."""
    return "".join(verdict.partition("specific purpose memory")[:2])


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a content security policy names a script or a style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
