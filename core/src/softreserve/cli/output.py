"""A machine for people, on a terminal: the verdict and what is lost first, then the details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from softreserve.cli.options import GAPS
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.model.findings import SEVERITIES
from softreserve.model.kernel import Kernel
from softreserve.model.outcome import LOSSES, USES, NodeRow
from softreserve.model.sizes import human_size
from softreserve.views.report import Shortfall, Verdict
from softreserve.views.summary import Summary

if TYPE_CHECKING:
    from softreserve.plugins.extensions import Lane

__all__ = ["VERDICT_STYLES", "counted", "print_kernel", "print_partial", "print_summary", "print_verdict"]

_RANGE = "range (last byte included)"
_OWNER_STYLES = {"Soft Reserved": "reserved", "System RAM": "memory"}
#: How a verdict is shown, by its severity.
VERDICT_STYLES = {"error": "loss", "warning": "loss", "note": "note", "good": "good"}


def print_summary(summary: Summary) -> None:
    """The verdict, specific purpose memory by use and by range, nodes, ``/proc/iomem`` with reasons, plugins' lanes."""
    words = f"{summary.release}, {summary.arch}, {human_size(summary.page_size)} pages"
    origin = Styled(f"; {summary.kernel_words}", "aside")
    say(Styled(f"{summary.machine}: Linux {words}, nodes {summary.nodes or '-'}", "heading"), origin)
    loaded = ", ".join(summary.modules) or "no module"
    onlined = "".join(f"; {human_size(o.size)} {o.online_type} by {o.by}" for o in summary.onlined_by)
    words = f"userspace: {summary.userspace}, {loaded} loaded; plugins: {', '.join(summary.plugins)}{onlined}"
    say(Styled(words, "aside"))
    print_partial()
    say()
    print_verdict(summary.verdict)
    for refused in summary.refused:
        say(Styled(f"{refused.start:012x}-{refused.end - 1:012x}: {refused.why}", "loss"))
    if summary.findings:
        say(Styled("softreserve lint has ", "aside"), *counted(summary.findings))
    say()
    if summary.outcome.total:
        _print_uses(summary)
        _print_marked(summary)
    _print_nodes(summary)
    _print_resources(summary)
    for lane in summary.lanes:
        _print_lane(lane)


def print_kernel(kernel: Kernel) -> None:
    """Whose kernel it is, where the answer rests on less than recorded boots."""
    if kernel.origin["known"] != "recorded":
        say(Styled(f"kernel {kernel.release}: {kernel.words}", "aside"))


def print_partial() -> None:
    """That the answer lacks something, where people keep it; standard error has had what that means."""
    gaps = click.get_current_context().meta.get(GAPS, ())
    if gaps:
        say(Styled(f"partial answer: without {', '.join(gap.missing for gap in gaps)}", "warning"))


def print_verdict(verdict: Verdict) -> None:
    """The sentence, and one line for each reason."""
    say(Styled(verdict.text, VERDICT_STYLES[verdict.severity]))
    for shortfall in verdict.shortfalls:
        amount = Styled(f"  {_amount(shortfall)}", shortfall.severity)
        say(amount, f": {shortfall.why} [{shortfall.rule}]", hang="      ")
    if verdict.lost_as_system_ram > verdict.lost + verdict.waiting:
        size = f"{human_size(verdict.lost_as_system_ram)} of {human_size(verdict.total)}"
        say(Styled(f"as system RAM, given to kmem: {size} would be lost", "loss"))


def counted(findings: Mapping[str, int]) -> list[Styled]:
    """How many there are of each severity, the worst first, as pieces of a line."""
    counts = [(findings[name], name) for name in SEVERITIES if findings.get(name)]
    pieces = [Styled(f"{count} {name}{'' if count == 1 else 's'}", name) for count, name in counts]
    return [piece for one in pieces for piece in (Styled(", ", ""), one)][1:] or [Styled("no findings", "good")]


def _amount(shortfall: Shortfall) -> str:
    size = human_size(shortfall.size)
    return size if shortfall.ranges == 1 else f"{size} in {shortfall.ranges} ranges, the first"


def _print_uses(summary: Summary) -> None:
    """What the memory is, and what it were if all devices had one driver."""
    columns = (summary.outcome.totals, summary.as_system_ram, summary.as_devdax)
    rows: list[tuple[Any, ...]] = []
    for use, words in USES.items():
        sizes = [column[use] for column in columns]
        if any(sizes):
            style = "loss" if use in LOSSES else ""
            rows.append((words, *(Styled(human_size(size) if size else "-", style if size else "") for size in sizes)))
    headings = ("specific purpose memory", "as it is", "all to kmem", "all to device_dax")
    print_table(headings, rows, right={1, 2, 3}, prose=False)
    say()


def _print_marked(summary: Summary) -> None:
    rows: list[tuple[Any, ...]] = []
    for marked in summary.outcome.ranges:
        for part in marked.parts:
            style = "loss" if part.use in LOSSES else "memory"
            size, node = human_size(part.size), str(part.node) if part.node >= 0 else "-"
            words = f"{part.words}, from {marked.source}" if marked.source else part.words
            rows.append((f"{part.start:012x}-{part.end - 1:012x}", size, node, Styled(words, style)))
    print_table((_RANGE, "size", "node", "what became of it"), rows, right={1, 2})
    say()


def _print_nodes(summary: Summary) -> None:
    onlined = {row.node: row for row in summary.onlined.nodes}
    now = {row.node: row for row in summary.outcome.nodes}
    rows = [
        _node_row(now.get(node), onlined.get(node)) for node in sorted(now | onlined, key=lambda node: (node < 0, node))
    ]
    headings = ("node", "CPUs", "RAM", "specific purpose", "of that online", "tier", "demotes to", "distances")
    print_table(headings, rows, right={0, 2, 3, 4}, prose=False)
    if any("(" in cell for row in rows for cell in row):
        say(Styled("(in brackets: once the memory of all dax devices is online)", "aside"))
    say()


def _node_row(now: NodeRow | None, onlined: NodeRow | None) -> tuple[str, ...]:
    row = now or onlined
    assert row is not None
    return (
        str(row.node) if row.node >= 0 else "none",
        row.cpus or "-",
        human_size(row.ram) if row.ram else "-",
        human_size(row.special) if row.special else "-",
        human_size(row.added) if now is not None and row.added else "-",
        *_now_and_then(_tier(now), _tier(onlined)),
        *_now_and_then(_targets(now), _targets(onlined)),
        " ".join(f"{node}:{distance}" for node, distance in row.distances.items()) or "-",
    )


def _tier(row: NodeRow | None) -> str:
    return "-" if row is None or row.tier is None else str(row.tier)


def _targets(row: NodeRow | None) -> str:
    return ",".join(map(str, row.demotes_to)) if row is not None and row.demotes_to else "-"


def _now_and_then(now: str, then: str) -> Iterator[str]:
    yield now if now == then else f"({then})" if now == "-" else f"{now} ({then})"


def _print_resources(summary: Summary) -> None:
    """``/proc/iomem``, cut where nodes meet."""
    rows: list[tuple[Any, ...]] = []
    for item in summary.ranges:
        owner = Styled("  " * item.depth + item.owner, _OWNER_STYLES.get(item.owner, ""))
        shares = [(share.start, share.end, share.node) for share in item.nodes] or [(item.start, item.end, -1)]
        for start, end, node in shares:
            why = item.why if start == item.start else "likewise, on another node"
            place = f"{start:012x}-{end - 1:012x}"
            rows.append((place, human_size(end - start), owner, str(node) if node >= 0 else "", Styled(why, "aside")))
    print_table((_RANGE, "size", "owner", "node", "how it came about"), rows, right={1, 3})


def _print_lane(lane: Lane) -> None:
    """What a plugin shows of the address space."""
    say()
    say(
        Styled(lane.name, "heading"),
        Styled(f" ({', '.join(filter(None, (lane.words, f'plugin {lane.plugin}')))})", "aside"),
    )
    rows = [(f"{bar.start:012x}-{bar.end - 1:012x}", human_size(bar.end - bar.start), bar.label) for bar in lane.bars]
    print_table((_RANGE, "size", "what it is"), rows, right={1})
