"""A machine for people, on a terminal."""

from __future__ import annotations

from softreserve.cli.terminal import Styled, print_table, say
from softreserve.views.summary import Summary

__all__ = ["human_size", "print_summary"]


def human_size(size: int) -> str:
    """``1.5 GiB``: the largest unit of which there is one, at most two digits after the point."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"


def print_summary(summary: Summary) -> None:
    """A machine as a table of ranges, its dax devices, and what is lost to alignment."""
    words = f"{summary.release}, {summary.arch}, {human_size(summary.page_size)} pages"
    say(Styled(f"{summary.machine}: Linux {words}, nodes {summary.nodes or '-'}", "heading"))
    say(Styled(f"plugins: {', '.join(summary.plugins)}", "aside"))
    loaded = ", ".join(summary.modules) or "no module"
    say(Styled(f"userspace: {summary.userspace}, {loaded} loaded", "aside"))
    _print_capacity(summary)
    say()
    rows = []
    for item in summary.ranges:
        style = {"Soft Reserved": "reserved", "System RAM": "memory"}.get(item.owner, "")
        rows.append(
            (
                f"{item.start:012x}-{item.end - 1:012x}",
                human_size(item.end - item.start),
                Styled("  " * item.depth + item.owner, style),
                str(item.node) if item.node >= 0 and item.depth == 0 else "",
                Styled(item.why, "aside"),
            )
        )
    headings = ("range (last byte included)", "size", "owner", "node", "how it came about")
    print_table(headings, rows, right={1, 3})


def _print_capacity(summary: Summary) -> None:
    """What can be used of the soft reserved memory, and what alignment takes away."""
    if not summary.soft_reserved:
        say("no soft reserved memory")
        return
    total = sum(item.end - item.start for item in summary.soft_reserved)
    block = human_size(summary.memory_block_size)
    say(f"soft reserved: {human_size(total)}")
    for what, usable in (
        ("as dax devices", sum(item.as_device for item in summary.soft_reserved)),
        (f"as System RAM, in memory blocks of {block}", sum(item.as_memory for item in summary.soft_reserved)),
    ):
        lost = [Styled(f"; lost to alignment: {human_size(total - usable)}", "loss")] if usable < total else []
        say(f"  {what}: {human_size(usable)}", *lost)
