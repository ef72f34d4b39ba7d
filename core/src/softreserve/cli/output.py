"""A machine for people, on a terminal. Imports rich: to be imported late."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from softreserve.views.summary import Summary

__all__ = ["human_size", "print_summary"]

#: Columns where no terminal says how many there are.
_WIDTH = 120


def human_size(size: int) -> str:
    """``1.5 GiB``: the largest unit of which there is one, at most two digits after the point."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"


def print_summary(summary: Summary) -> None:
    """A machine as a table of ranges, its dax devices, and what is lost to alignment."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    words = f"{summary.release}, {summary.arch}, {human_size(summary.page_size)} pages"
    console.print(Text(f"{summary.machine}: Linux {words}, nodes {summary.nodes or '-'}", style="bold"))
    console.print(Text(f"plugins: {', '.join(summary.plugins)}", style="dim"))
    loaded = ", ".join(summary.modules) or "no module"
    console.print(Text(f"userspace: {summary.userspace}, {loaded} loaded", style="dim"))
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("range (last byte included)", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("owner", no_wrap=True)
    table.add_column("node", justify="right")
    table.add_column("how it came about", overflow="fold", min_width=20)
    for item in summary.ranges:
        style = "bold magenta" if item.owner == "Soft Reserved" else "green" if item.owner == "System RAM" else ""
        table.add_row(
            f"{item.start:012x}-{item.end - 1:012x}",
            human_size(item.end - item.start),
            Text("  " * item.depth + item.owner, style=style),
            str(item.node) if item.node >= 0 and item.depth == 0 else "",
            Text(item.why, style="dim"),
        )
    console.print(table)
    _print_capacity(summary, console)


def _print_capacity(summary: Summary, console: Console) -> None:
    """What can be used of the soft reserved memory, and what alignment takes away."""
    if not summary.soft_reserved:
        console.print("no soft reserved memory")
        return
    total = sum(item.end - item.start for item in summary.soft_reserved)
    block = human_size(summary.memory_block_size)
    console.print(f"soft reserved: {human_size(total)}")
    for what, usable in (
        ("as dax devices", sum(item.as_device for item in summary.soft_reserved)),
        (f"as System RAM, in memory blocks of {block}", sum(item.as_memory for item in summary.soft_reserved)),
    ):
        lost = (
            Text(f"; lost to alignment: {human_size(total - usable)}", style="bold red") if usable < total else Text()
        )
        console.print(Text(f"  {what}: {human_size(usable)}").append_text(lost))
