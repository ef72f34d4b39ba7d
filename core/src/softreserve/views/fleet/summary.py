"""What the rows of a fleet come to: sums and counts for each question."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["FleetSummary", "Told"]


@attrs.define
class Told:
    """What a question told. Counts are machines, sizes bytes.

    :param question: the options that ask it; empty: the machines as they are described.
    :param answers: machines that answer.
    :param failed: machines that do not.
    :param severities: machines by the severity of their verdict.
    :param losing: machines that lose memory.
    :param total: specific purpose memory of all.
    :param lost: what of that nobody can use.
    :param uses: what became of it: bytes by use.
    :param lint: machines by the rules of their findings.
    :param kexec: machines by what becomes of the memory over a kexec.
    """

    question: str
    answers: int = 0
    failed: int = 0
    severities: dict[str, int] = attrs.field(factory=dict)
    losing: int = 0
    total: int = 0
    lost: int = 0
    uses: dict[str, int] = attrs.field(factory=dict)
    lint: dict[str, int] = attrs.field(factory=dict)
    kexec: dict[str, int] = attrs.field(factory=dict)


@attrs.define
class FleetSummary:
    """Machines with what they answered.

    :param output: the file with the rows; ``None``: there is none.
    :param machines: how many there are.
    :param different: how many different ones there are among them.
    :param passed_over: names of what is no machine.
    :param errors: why machines do not answer, each sentence once, with how many rows have it.
    """

    output: str | None = None
    machines: int = 0
    different: int = 0
    passed_over: list[str] = attrs.field(factory=list)
    errors: dict[str, int] = attrs.field(factory=dict)
    questions: list[Told] = attrs.field(factory=list)

    JSON = ("output", "machines", "different", "passed_over", "errors", "questions")
    _status: int = 0

    @property
    def status(self) -> int:
        """The worst exit code of any machine."""
        return self._status

    def add(self, row: dict[str, Any]) -> None:
        """Count a row."""
        told = next((one for one in self.questions if one.question == row["question"]), None)
        if told is None:
            told = Told(row["question"])
            self.questions.append(told)
        self._status = max(self._status, row["status"])
        if row["error"] is not None:
            told.failed += 1
            _count(self.errors, row["error"])
            return
        told.answers += 1
        told.total += row["total"]
        told.lost += row["lost"]
        told.losing += bool(row["lost"])
        _count(told.severities, row["severity"])
        for use, size in row["uses"].items():
            _count(told.uses, use, size)
        for rule in row["lint"]:
            _count(told.lint, rule)
        if row["kexec"] is not None:
            _count(told.kexec, row["kexec"])


def _count(counts: dict[str, int], what: str, number: int = 1) -> None:
    counts[what] = counts.get(what, 0) + number
