"""Runs of scenarios that take real programs: their words and exit codes are those that people reported."""

from __future__ import annotations

import pytest
from hosts import need, unavailable
from softreserve.config.scenario_file import find_scenario, library_names
from softreserve.live.shell import runner
from softreserve.machine.steps import programs_in
from softreserve.views.scenarios.courses import play

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

FILES = {name: find_scenario(name) for name in library_names()}
#: Name and run of every one that takes a program.
RUNS = [
    (name, course.name)
    for name, file in FILES.items()
    for course in file.trouble.courses
    if any("daxctl" in step for stage in course.stages for step in stage.steps)
]


def test_there_are_runs_that_take_programs() -> None:
    assert {name.partition("-")[0] for name, _ in RUNS} == {"s09", "s10", "s27"}


@pytest.mark.parametrize(("name", "course"), RUNS)
def test_the_program_says_what_people_reported(name: str, course: str) -> None:
    need("daxctl")
    file = FILES[name]
    found = next(one for one in file.trouble.courses if one.name == course)
    scenario = file.scenario(course)
    assert list(programs_in(scenario.steps))
    played = play(found, scenario, runner)
    if played.not_run:
        unavailable(played.not_run)
    assert played.as_told, played.wrong
