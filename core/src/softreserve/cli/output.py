"""Output for people (rich) and for programs (JSON)."""

from __future__ import annotations

import json
from typing import Any

from softreserve.summary import Summary

__all__ = ["human_size", "print_json", "print_summary"]

_JSON_VERSION = 1

#: Columns where no terminal says how many there are.
_WIDTH = 120


def print_json(what: str, values: dict[str, Any]) -> None:
    """One object that says what it is: ``schema`` and ``version``, then the values."""
    print(json.dumps({"schema": f"softreserve.{what}", "version": _JSON_VERSION, **values}, indent=1))


def human_size(size: int) -> str:
    """``1.5 GiB``: the largest unit of which there is one, at most two digits after the point."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"


def print_summary(summary: Summary) -> None:
    """A machine as a table of ranges, its dax devices, and what is lost to alignment."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    words = f"{summary.release}, {summary.arch}, {human_size(summary.page_size)} pages"
    console.print(Text(f"{summary.machine}: Linux {words}, nodes {summary.nodes or '-'}", style="bold"))
    console.print(Text(f"plugins: {', '.join(summary.plugins)}", style="dim"))
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
    for device in summary.devices:
        console.print(
            f"{device.name}: {human_size(device.size)}, target node {device.node}; "
            f"{human_size(device.as_memory)} of it fill whole memory blocks"
        )
    _print_loss(summary, console)


def _print_loss(summary: Summary, console: Any) -> None:
    loss = summary.loss
    if not loss.soft_reserved:
        console.print("no soft reserved memory")
        return
    lost = loss.soft_reserved - loss.in_devices
    block = human_size(summary.memory_block_size)
    console.print(
        f"soft reserved: {human_size(loss.soft_reserved)}; as dax devices {human_size(loss.in_devices)} "
        f"(lost: {human_size(lost)}); as System RAM in blocks of {block}: {human_size(loss.in_memory_blocks)} "
        f"(lost: {human_size(loss.soft_reserved - loss.in_memory_blocks)})"
    )
