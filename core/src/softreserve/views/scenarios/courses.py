"""Courses of a trouble: a machine is booted, steps are carried out, and what comes of it is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import attrs

from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.machine.steps import Runner, differences, programs_in, run_step
from softreserve.model.errors import MachineError, PluginError, SoftReserveError, UnknownPluginError
from softreserve.model.trouble import Course, Stage
from softreserve.plugins.selection import Selection
from softreserve.views.observe import request_of
from softreserve.views.scenarios.checks import Moment, unmet

if TYPE_CHECKING:
    from softreserve.config.scenario_file import ScenarioFile
    from softreserve.kernel.system import System
    from softreserve.model.expectations import Expectation
    from softreserve.model.kexec import KexecImage
    from softreserve.model.scenario import Scenario
    from softreserve.model.steps import Step

__all__ = ["Looked", "Played", "Sessions", "play", "play_all"]

#: Opens a session in which shell words of a system's steps are run.
Sessions = Callable[["System"], AbstractContextManager[Runner]]


@attrs.frozen
class Looked:
    """One thing that was expected, in words; ``when``, of a kernel and its steps; and ``found``: what is there instead.

    ``found`` is empty where it is as expected.
    """

    when: str
    words: str
    found: str = ""


@attrs.frozen
class Played:
    """What came of a course.

    :param not_run: why it was not played to its end, or not at all; empty: it was.
    :param takes_program: whether that is because nobody lets programs run.
    """

    course: Course
    looked: tuple[Looked, ...] = ()
    not_run: str = ""
    takes_program: bool = False

    @property
    def wrong(self) -> tuple[Looked, ...]:
        """What is not as expected."""
        return tuple(one for one in self.looked if one.found)

    @property
    def as_told(self) -> bool:
        """Whether all of it is as somebody met it."""
        return not self.not_run and not self.wrong


def play_all(file: ScenarioFile, sessions: Sessions | None = None) -> Iterator[Played]:
    """Play every course of a scenario.

    :param sessions: where programs run; ``None``: courses that need some are not played, and say so.
    :raises ConfigError: everything that is wrong with a machine or with steps. One of the library is sound, and takes a
        plugin that is not there: it is not played, and says so.
    :raises PluginError: a plugin failed.
    """
    ends: dict[str, Moment] = {}
    for course in file.trouble.courses:
        try:
            scenario = file.scenario(course.name)
        except PluginError:
            raise
        except SoftReserveError as error:
            if not file.of_library:
                raise
            yield Played(course, not_run=str(error))
            continue
        yield play(course, scenario, sessions, ends)


def play(
    course: Course,
    scenario: Scenario,
    sessions: Sessions | None = None,
    ends: dict[str, Moment] | None = None,
) -> Played:
    """Play one course.

    :param sessions: see :func:`play_all`.
    :param ends: the ends of other courses, by their names; that of this one is added.
    :raises PluginError: a plugin failed.
    """
    programs = [name for name, _ in programs_in(scenario.steps, scenario.kexec)]
    if programs and sessions is None:
        return Played(course, not_run=f"step {programs[0]} takes a program", takes_program=True)
    player = _Player(Selection(exactly=scenario.plugins), sessions, ends or {})
    try:
        last = player.run(course, scenario)
    except (MachineError, UnknownPluginError) as error:
        return Played(course, tuple(player.looked), str(error))
    if ends is not None:
        ends[course.name] = last
    return Played(course, tuple(player.looked), player.not_run)


class _Player:
    """Plays one course; ``looked`` grows as it goes."""

    def __init__(self, selection: Selection, sessions: Sessions | None, others: Mapping[str, Moment]) -> None:
        self.selection = selection
        self.sessions = sessions
        self.others = dict(others)
        self.looked: list[Looked] = []
        self.not_run = ""

    def run(self, course: Course, scenario: Scenario) -> Moment:
        """Boot, do the steps of each kernel, cross to the next; returns the end.

        :raises MachineError: a kernel does not come up, or something cannot be looked at.
        """
        machine, image = scenario.machine, None
        steps, then = scenario.steps, scenario.kexec
        stages = list(course.stages)
        hooks = self.selection.hooks_for(machine)
        missing = [name for name in course.needs if name not in hooks.names]
        if missing:
            raise MachineError(f"shows nothing without plugins that are not loaded: {', '.join(missing)}")
        system = boot(machine, hooks, userspace=machine.userspace.wanted(course.userspace))
        while True:
            last = self._kernel(system, image, stages.pop(0), steps)
            if then is None or self.not_run:
                return last
            image = kexec.load(system, request_of(then, system))
            if image.status:
                self.not_run = f"kexec: {image.output[-1] if image.output else f'status {image.status}'}"
                return last
            system = boot(image.machine, self.selection.hooks_for(image.machine), userspace=system.userspace)
            steps, then = then.steps, then.kexec

    def _kernel(self, system: System, image: KexecImage | None, stage: Stage, steps: Sequence[Step]) -> Moment:
        """One kernel: what it is like after its boot, and after each step."""
        prefix = f"Linux {system.kernel.release}"
        now = Moment(system, 0, image, self.others)
        self._look(stage.booted, now, prefix)
        with self._session(system, steps) as runner:
            for step, expected in zip(steps, stage.after, strict=True):
                mark = len(system.log)
                result = run_step(system, step, runner)
                when = f"{prefix}, {step.name}"
                if result.status is None:
                    self.not_run = f"step {step.name}: {result.why}"
                    return now
                now = Moment(system, mark, image, self.others)
                if step.expects:
                    found = differences(step, result)
                    self.looked.append(Looked(when, _step_words(step), "; ".join(found)))
                self._look(expected, now, when)
        return now

    def _look(self, expected: Sequence[Expectation], now: Moment, when: str) -> None:
        self.looked += [Looked(when, one.words, unmet(one, now)) for one in expected]

    def _session(self, system: System, steps: Sequence[Step]) -> AbstractContextManager[Runner | None]:
        if self.sessions is None or not any(programs_in(steps)):
            return nullcontext()
        try:
            return self.sessions(system)
        except SoftReserveError as error:
            raise MachineError(str(error)) from None


def _step_words(step: Step) -> str:
    if step.writes is not None:
        from softreserve.machine.snapshot import answer_words

        answers = ", ".join(answer_words(result, 0) for result in step.results or ())
        if len(step.writes) > 1:
            return f"{len(step.writes)} writes give {answers}"
        return "".join(f"{value!r} written to {path} gives {answers}" for path, value in step.writes)
    told = [f"ends with {step.status}"] if step.status is not None else []
    told += ["prints what is told"] if step.output is not None else []
    return f"{step.run!r} {' and '.join(told)}"
