"""Writes the tables in ``benchmarks.md`` from the figures that are kept: ``python docs/benchmarks.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("benchmarks.md")
#: What stands above it is written by hand.
MARK = "<!-- what follows is written by docs/benchmarks.py -->\n"

FIGURES = Path(__file__).parents[1] / "benchmarks"


def page() -> str:
    """The whole page as it should be."""
    head, mark, _ = PAGE.read_text("utf-8").partition(MARK)
    assert mark, "the mark is gone"
    return head + mark + "".join(f"{line}\n" for line in lines())


def lines() -> Iterator[str]:
    """Everything below the mark."""
    yield from ("", "## By release", "")
    yield from history(releases(FIGURES / "history"))
    yield from ("", "## Measured by hand", "")
    yield from by_hand(json.loads((FIGURES / "by_hand.json").read_text("utf-8")))


def releases(folder: Path) -> list[dict[str, Any]]:
    """The run of each release, the newest first."""
    runs = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")]
    return sorted(runs, key=lambda run: [int(part) for part in run["release"].split(".")], reverse=True)


def history(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A row for each figure that any release has, with the bound of the newest that has it."""
    figures = [{figure["what"]: figure for figure in run["figures"]} for run in runs]
    yield f"| times its floor | bound | {' | '.join(run['release'] for run in runs)} |"
    yield f"|---|---|{'---|' * len(runs)}"
    for what in dict.fromkeys(what for run in figures for what in run):
        bound = next(run[what]["bound"] for run in figures if what in run)
        ratios = (f"{run[what]['ratio']:.3g}" if what in run else "-" for run in figures)
        yield f"| {what} | {bound:g} | {' | '.join(ratios)} |"
    for name, key in (("measured", "when"), ("Python", "python")):
        yield f"| *{name}* | | {' | '.join(run[key] for run in runs)} |"


def by_hand(rows: list[dict[str, str]]) -> Iterator[str]:
    """A row for each figure that no run of the benchmarks takes."""
    yield from ("| ours | beside | ratio | release, when | how |", "|---|---|---|---|---|")
    for row in rows:
        yield f"| {row['ours']} | {row['beside']} | {row['ratio']} | {row['release']}, {row['when']} | {row['how']} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
