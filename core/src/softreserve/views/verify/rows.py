"""What a comparison comes to: rows of lines of one kind, and differences with their classes."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from softreserve.views.verify.facts import INPUT, OURS, OUTSIDE

__all__ = ["CLASSES", "Difference", "Row", "Verification"]

#: Classes of differences, the worst first, with what each means.
CLASSES = {
    OURS: "the prediction is wrong",
    INPUT: "the input lacks what decides it",
    OUTSIDE: "not modelled",
}


class Difference(NamedTuple):
    """A line that differs.

    :param where: the file: ``"log"``, ``"iomem.txt"`` ...
    :param kind: the kind of line.
    :param sort: one of :data:`CLASSES`, and ``why`` in words.
    :param observed: what was shown, and in which line of its file; ``None``: nothing.
    :param predicted: what we say instead; ``None``: nothing.
    """

    where: str
    kind: str
    sort: str
    why: str
    line: int | None
    observed: str | None
    predicted: str | None


class Row(NamedTuple):
    """How many lines of one kind are equal, of those that could be compared; ``note``: what else is to be known."""

    where: str
    kind: str
    equal: int
    total: int
    note: str = ""


@attrs.frozen
class Verification:
    """What was compared, and how it differs.

    :param unread: lines of the log that are of no kind that is modelled.
    :param hidden: what could not be compared, and why.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    unread: int = 0
    hidden: tuple[tuple[str, str], ...] = ()

    @property
    def equal(self) -> int:
        """Lines that are equal."""
        return sum(row.equal for row in self.rows)

    @property
    def total(self) -> int:
        """Lines that were compared."""
        return sum(row.total for row in self.rows)

    def of(self, sort: str) -> list[Difference]:
        """Differences of one of :data:`CLASSES`."""
        return [difference for difference in self.differences if difference.sort == sort]
