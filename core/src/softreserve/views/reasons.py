"""Which finding accounts for which part of the specific purpose memory."""

from __future__ import annotations

from collections.abc import Iterable

from softreserve.model.findings import SEVERITIES, Finding
from softreserve.model.outcome import LOSSES, Part

__all__ = ["Reasons", "needs_reason"]


def needs_reason(part: Part) -> bool:
    """Whether a part is put to a use that specific purpose memory is not for."""
    return part.use in LOSSES or part.use == "ram"


class Reasons:
    """Findings that explain something, by use and address."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        from intervaltree import IntervalTree

        self._trees = IntervalTree()
        self._anywhere: dict[str, Finding] = {}
        for number, finding in enumerate(sorted(findings, key=lambda f: SEVERITIES.index(f.severity))):
            if finding.explains and finding.start is not None and finding.end is not None:
                self._trees.addi(finding.start, finding.end, (number, finding))
            elif finding.explains:
                self._anywhere.setdefault(finding.explains, finding)

    def of(self, part: Part) -> Finding | None:
        """The finding that says why a part is what it is: the worst that names its range, or one that names none."""
        here = sorted(item.data for item in self._trees.at(part.start) if item.data[1].explains == part.use)
        return here[0][1] if here else self._anywhere.get(part.use)
