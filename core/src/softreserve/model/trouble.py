"""A trouble that people had, as a scenario file tells it; see ``docs/scenarios.md``. Frozen.

People call it a scenario. Here :class:`~softreserve.model.scenario.Scenario` is a machine with its steps, of which each
course of a trouble has one.
"""

from __future__ import annotations

from typing import Final

import attrs

from softreserve.model.expectations import Expectation
from softreserve.model.userspace import Userspace

__all__ = ["HAPPENED", "TOLD", "Course", "Stage", "Trouble"]

#: The trouble as it was met.
HAPPENED: Final = "happened"
#: What a course is to the trouble, and how people are told.
TOLD: Final = {
    HAPPENED: "as it was met",
    "cured": "where it does not happen",
    "shows": "beside it",
}


@attrs.frozen
class Stage:
    """What is expected of one kernel.

    :param booted: after its boot, before the first step.
    :param steps: what each of its steps does and gives, for people.
    :param after: after each of its steps, in their order.
    """

    booted: tuple[Expectation, ...] = ()
    steps: tuple[str, ...] = ()
    after: tuple[tuple[Expectation, ...], ...] = ()


@attrs.frozen
class Course:
    """A boot, steps, perhaps a kexec, and what is expected.

    :param told: what it is to the trouble: one of :data:`TOLD`.
    :param on: the kernel and what else is particular, for people: ``6.12 x86_64``.
    :param userspace: what has run after the kernel; ``None``: as the machine says.
    :param stages: the kernel that is booted, and each one that is started by kexec after it.
    :param needs: plugins without which it shows nothing.
    """

    name: str
    told: str
    on: str
    userspace: Userspace | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    needs: tuple[str, ...] = ()


@attrs.frozen
class Trouble:
    """What went wrong for somebody, where it is told, and courses that show it.

    :param name: of the scenario: that of its file.
    :param id: its number in the library (``S12``); empty for others.
    :param problem: what people met, in whole sentences.
    :param links: where they tell of it.
    :param source: what the expected values stand on.
    :param outside: what of it is not shown here, and why; empty: nothing. Without courses that is all of it.
    """

    name: str
    id: str
    title: str
    problem: str
    links: tuple[str, ...]
    source: str
    outside: str = ""
    courses: tuple[Course, ...] = ()
