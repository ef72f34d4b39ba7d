"""Rows of a fleet as one HTML page: what each question told, and a row for all machines that are described alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from softreserve.model.findings import SEVERITIES
from softreserve.views.fleet.summary import FleetSummary
from softreserve.views.page.page import environment

__all__ = ["Alike", "fleet_page"]

#: Rows that stand in the page: those that lose most come first.
_ROWS: Final = 3000
#: Names of machines that a row tells.
_NAMES: Final = 3


@attrs.define
class Alike:
    """Machines that are described alike, and what they answer to a question: ``row`` is that of the first of them."""

    row: dict[str, Any]
    names: list[str]
    count: int = 1

    @property
    def words(self) -> str:
        """What they are called."""
        more = self.count - len(self.names)
        return ", ".join(self.names) + (f" and {more:,} more" if more else "")

    @property
    def findings(self) -> tuple[tuple[int, str], ...]:
        """How many of each severity that there are, the worst first."""
        return tuple((self.row["findings"][name], name) for name in SEVERITIES if self.row["findings"].get(name))

    @property
    def rank(self) -> tuple[int, ...]:
        """What sorts by findings: the worst count first."""
        return tuple(self.row["findings"].get(name) or 0 for name in SEVERITIES)


def fleet_page(title: str, rows: Iterable[dict[str, Any]], version: str) -> tuple[str, FleetSummary]:
    """The page as one HTML file, and what the rows come to.

    :param title: what people call the fleet.
    :param rows: as ``softreserve fleet`` writes them.
    :param version: of softreserve.
    :raises InputError: jinja2 is not installed.
    """
    summary = FleetSummary()
    found: dict[tuple[str, str], Alike] = {}
    machines = set()
    for row in rows:
        summary.add(row)
        machines.add(row["machine"])
        alike = found.setdefault((row["digest"] or row["machine"], row["question"]), Alike(row, [], 0))
        alike.count += 1
        if len(alike.names) < _NAMES:
            alike.names.append(row["machine"])
    summary.machines = len(machines)
    summary.different = len({key for key, _ in found})
    answers = [one for one in found.values() if one.row["error"] is None]
    answers.sort(key=lambda one: -one.row["lost"])
    failed = [one for one in found.values() if one.row["error"] is not None]
    text = (
        environment()
        .get_template("fleet.html")
        .render(
            title=title,
            version=version,
            summary=summary,
            answers=answers[:_ROWS],
            failed=failed[:_ROWS],
            more=max(len(answers) - _ROWS, 0) + max(len(failed) - _ROWS, 0),
            losing=any(one.row["lost"] for one in answers),
        )
    )
    return text, summary
