"""Scenario files: troubles that people had, with machines, steps and what is expected.

The format is described in ``docs/scenarios.md``; those of the library lie in ``scenarios/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import attrs

from softreserve.config import EXAMPLE, STDIN, load
from softreserve.config.changes import Changes
from softreserve.config.machine_file import machine_of
from softreserve.config.reader import Document, Problems, StrPath, Table, check_inside, parse_size, path_words
from softreserve.config.steps import scenario_steps
from softreserve.config.structure import exactly, structure
from softreserve.config.toml_lines import Key
from softreserve.model.errors import InputError, SoftReserveError, nearest, shown
from softreserve.model.expectations import SUBJECTS, Bytes, Differs, Expectation, Found, Same, Segment, VerdictIs
from softreserve.model.ranges import PhysRange
from softreserve.model.scenario import Scenario
from softreserve.model.trouble import TOLD, Course, Stage, Trouble
from softreserve.model.userspace import USERSPACES, Userspace
from softreserve.plugins.selection import Selection

__all__ = ["ScenarioFile", "find_scenario", "library_names"]

_LIBRARY: Final = os.path.join(os.path.dirname(__file__), "scenarios")
_SUFFIX: Final = ".toml"
_EXPECT: Final = "expect"
#: What is done on a machine.
_TODO: Final = ("step", "kexec")
#: Keys of a run that change the machine, as the options of the commands do.
_CHANGES: Final = ("arch", "kernel", "cmdline", "page_size")
_ID: Final = re.compile(r"[A-Z]+[0-9]+")


def library_names() -> tuple[str, ...]:
    """Names of the scenarios of the library, in the order of their numbers."""
    found = [name[: -len(_SUFFIX)] for name in os.listdir(_LIBRARY) if name.endswith(_SUFFIX)]
    return tuple(sorted(found))


def find_scenario(spec: str) -> ScenarioFile:
    """A scenario by what a person calls it: its name or a half of it, the path of a file, ``-``: standard input.

    :raises InputError: there is none.
    :raises ConfigError: everything that is wrong with the file.
    """
    names = library_names()
    asked = re.sub(r"^([a-z]+)([0-9])$", r"\g<1>0\2", spec.casefold())  # S1 is S01
    found = [name for name in names if asked in (name, *name.split("-", 1))]
    if found:
        return ScenarioFile(os.path.join(_LIBRARY, found[0] + _SUFFIX))
    if spec != STDIN and not spec.endswith(_SUFFIX) and not os.path.exists(spec):
        hint = nearest(spec, [*names, *(name.partition("-")[2] for name in names)])
        raise InputError(f"no such scenario; `softreserve scenario list` has all{hint}", path=spec)
    return ScenarioFile(spec)


class ScenarioFile:
    """A scenario file that was read: what it tells, and the machines of its courses.

    :param data: what stands in it, where somebody has read it already.
    :raises ConfigError: everything that is wrong with it, but for its machines and steps.
    """

    def __init__(self, path: StrPath, data: bytes | None = None) -> None:
        problems = Problems()
        self.path = os.fspath(path)
        self.document = Document(path, problems, data)
        top = self.document.read()
        problems.check()
        self._machine = top.value("machine")
        self._runs: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self.trouble = self._trouble(top)
        self.document.check_keys(strict=True)
        problems.check()

    @property
    def of_library(self) -> bool:
        """Whether it is one of those that come with the program."""
        return os.path.dirname(self.path) == _LIBRARY

    def scenario(self, course: str, under: str | None = None) -> Scenario:
        """The machine and steps of a course.

        :param under: the course whose machine it is to be, if it is another one.
        :raises ConfigError: everything that is wrong with them.
        :raises SoftReserveError: a change that cannot be made, or no plugin boots such a machine.
        """
        problems = Problems()
        document = Document(self.path, problems, b"")
        document.text = self.document.text
        number, run = self._runs[course if under is None else under]
        scenario = self._described(document, number, run)
        changes = Changes(**{name: run.get(name) for name in _CHANGES})
        plugins = run.get("plugins")
        if plugins is not None:
            scenario = attrs.evolve(scenario, plugins=tuple(plugins))
        try:
            scenario = changes.apply(scenario, Selection(exactly=scenario.plugins))
        except SoftReserveError as error:
            raise InputError(str(error), path=self.path, place=document.place(("run", number))) from None
        number, run = self._runs[course]
        todo = {name: value for name, value in _without_expectations(run).items() if name in _TODO}
        steps, kexec = scenario_steps(document.table(("run", number), todo), scenario.machine.kernel, None)
        document.check_keys(strict=True)
        problems.check()
        return attrs.evolve(scenario, steps=steps, kexec=kexec)

    def _described(self, document: Document, number: int, run: Mapping[str, Any]) -> Scenario:
        """The machine of a run, before its changes."""
        own = run.get("machine")
        given = self._machine if own is None else own
        if isinstance(given, str):
            if given.startswith(EXAMPLE):
                return load(given)
            path = os.path.join(os.path.dirname(self.path), given)
            check_inside(path, os.path.dirname(self.path) or os.curdir)
            return load(path)
        common = self._machine if isinstance(self._machine, dict) else {}
        values = _merged({"name": self.trouble.name, **common}, own or {})
        return machine_of(_Inline(document, values, own or {}, ("run", number)))

    # --- what is told

    def _trouble(self, top: Table) -> Trouble:
        name = os.path.basename(path_words(self.path)).removesuffix(_SUFFIX)
        id_ = top.get("id", str, "") or ""
        if id_ and not _ID.fullmatch(id_):
            top.problem("id", f"wanted letters and a number, such as S12, not {shown(id_)}")
        outside = top.get("outside", str, "") or ""
        runs = top.tables("run")
        if not runs and not outside:
            top.document.problem((), "no [[run]], and `outside` does not say why")
        if runs and self._machine is None and not all("machine" in run for run in runs):
            top.document.problem((), "no [machine], and not every run has one")
        if self._machine is not None and not isinstance(self._machine, dict | str):
            top.problem("machine", f'wanted a table or "example:NAME", not {shown(self._machine)}')
            self._machine = None
        for key in _TODO:
            if isinstance(self._machine, dict) and key in self._machine:
                top.document.problem(("machine", key), "stands in a run")
        links = tuple(top.strings("links"))
        for index, link in enumerate(links):
            if not re.fullmatch(r"https?://\S+", link):
                top.problem_in("links", index, f"wanted the address of a page, not {shown(link)}")
        needs = tuple(top.strings("needs"))
        courses: list[Course] = []
        for number, run in enumerate(runs):
            courses.append(self._course(run, number, [course.name for course in courses], needs))
        return Trouble(
            name=name,
            id=id_,
            title=top.need("title", str, ""),
            problem=" ".join(top.need("problem", str, "").split()),
            links=links,
            source=" ".join((top.need("source", str, "") if runs else top.get("source", str, "") or "").split()),
            outside=" ".join(outside.split()),
            courses=tuple(courses),
        )

    def _course(self, run: Table, number: int, before: list[str], needs: tuple[str, ...]) -> Course:
        told = run.get("told", str) or "shows"
        if told not in TOLD:
            run.problem("told", f"wanted one of {', '.join(TOLD)}, not {shown(told)}{nearest(told, TOLD)}")
        for key in _CHANGES:
            run.get(key, str)
        run.strings("plugins")
        userspace = run.get("userspace", str)
        if userspace is not None and userspace not in USERSPACES:
            hint = nearest(userspace, USERSPACES)
            run.problem("userspace", f"wanted one of {', '.join(USERSPACES)}, not {shown(userspace)}{hint}")
        machine = run.value("machine")
        if machine is not None and not isinstance(machine, dict | str):
            run.problem("machine", f'wanted a table or "example:NAME", not {shown(machine)}')
            machine = None
        on = self._on(run, machine)
        name = run.get("name", str) or f"{told} on {on}"
        if name in before:
            run.problem("name" if "name" in run else "kernel", f"another run is called {shown(name)}, too")
        self._runs[name] = (number, run.values)
        stages = tuple(self._stages(run, before))
        if not _expects(run.values):
            self.document.problem(run.key, "expects nothing")
        return Course(name, told, on, cast("Userspace | None", userspace), stages, needs)

    def _on(self, run: Table, own: object) -> str:
        """Which kernel it is, and on what, as far as that is said here."""
        common = self._machine if isinstance(self._machine, dict) and not isinstance(own, str) else {}
        kernel = _merged(common, own if isinstance(own, dict) else {}).get("kernel")
        kernel = kernel if isinstance(kernel, dict) else {}
        release = run.values.get("kernel") or kernel.get("release")
        arch = run.values.get("arch") or kernel.get("arch")
        return " ".join(str(word) for word in (release, arch) if word) or "its own kernel"

    def _stages(self, table: Table, before: list[str], *, kexec: bool = False) -> Iterator[Stage]:
        """The kernel that a table boots, and those after it."""
        booted = tuple(self._expected(table, before, kexec=kexec))
        steps = table.tables("step")
        after = tuple(tuple(self._expected(step, before, step=True)) for step in steps)
        yield Stage(booted, tuple(_done(step.values) for step in steps), after)
        next_table = table.table("kexec")
        if next_table is not None:
            yield from self._stages(next_table, before, kexec=True)
        for asked in (table, *steps):  # keys of steps and kexecs are looked at when the machine is known
            if asked.key[-2:-1] != ("run",):
                asked.asked.update(dict.fromkeys(asked.values))

    def _expected(
        self, table: Table, before: list[str], *, kexec: bool = False, step: bool = False
    ) -> Iterator[Expectation]:
        for item in table.tables(_EXPECT):
            item.asked.update(dict.fromkeys(item.values))
            subject = next((name for name in SUBJECTS if name in item.values), None)
            if subject is None:
                key = next(iter(item.values), "")
                hint = nearest(key, SUBJECTS)
                self.document.problem(item.key, f"says none of {', '.join(SUBJECTS)}{hint}")
                continue
            found, wrong = structure(item.values, SUBJECTS[subject], _HOOKS)
            for place, message in wrong:
                self.document.problem((*item.key, *place), message)
            if isinstance(found, Segment) and not kexec:
                item.problem(subject, "goes with a kexec")
            if isinstance(found, Found | VerdictIs) and step:
                item.problem(subject, "lint looks at a machine as it has booted: expect that of the run, not of a step")
            if isinstance(found, Same | Differs) and found.of_run not in before:
                item.problem("of_run", f"no run before is called {shown(found.of_run)}")
            if found is not None:
                yield found


class _Inline(Document):
    """The machine of a run, as a machine file of its own: what is wrong with it is told of the file that it is in.

    :param own: what of it stands in the run, under ``key``; the rest stands in the file's own machine.
    """

    def __init__(self, outer: Document, values: dict[str, Any], own: Mapping[str, Any], key: Key) -> None:
        super().__init__(outer.path, outer.problems, b"")
        self._outer, self._values, self._own, self._run = outer, values, own, key

    def read(self) -> Table:
        """The table."""
        return self.table((), self._values)

    def problem(self, key: Key, message: str) -> None:
        """Note a problem of a key, where the other file has it."""
        found: object = self._own
        for part in key:
            if not isinstance(found, dict):
                break
            if part not in found:
                self._outer.problem(("machine", *key), message)
                return
            found = found[part]
        self._outer.problem((*self._run, "machine", *key) if self._own else ("machine", *key), message)


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with what a run has in the place of theirs; anything but a table takes the place of the whole."""
    found = dict(common)
    for name, value in own.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both else value
    return found


def _without_expectations(values: Mapping[str, Any]) -> dict[str, Any]:
    """Steps and a kexec as files of steps have them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "step" and isinstance(value, list):
            found[name] = [_without_expectations(item) if isinstance(item, dict) else item for item in value]
        elif name == "kexec" and isinstance(value, dict):
            found[name] = _without_expectations(value)
        elif name != _EXPECT:
            found[name] = value
    return found


def _done(step: Mapping[str, Any]) -> str:
    """What a step does, and what is to come of it, in words; whether they are sound is looked at later."""
    if "run" in step:
        told = f" -> status {step['status']}" if "status" in step else ""
        return f"$ {step['run']}{told}"
    writes, results = step.get("writes"), step.get("result")
    found = []
    for number, write in enumerate(writes if isinstance(writes, list) else []):
        answer = results[number] if isinstance(results, list) and number < len(results) else results
        told = "" if answer is None or isinstance(answer, list) else f" -> {answer}"
        found.append(f"{write[1]} > {write[0]}{told}" if isinstance(write, list) and len(write) > 1 else str(write))
    return "\n".join(found)


def _expects(values: Mapping[str, Any]) -> bool:
    """Whether a run, or a kexec, says what is to come of it."""
    steps, kexec = values.get("step"), values.get("kexec")
    told = ("result", "status", "output", _EXPECT)
    found = [step for step in (steps if isinstance(steps, list) else ()) if isinstance(step, dict)]
    own = any(name in step for step in found for name in told)
    return own or _EXPECT in values or (isinstance(kexec, dict) and _expects(kexec))


# --- structuring


def _range(value: object) -> PhysRange:
    try:
        if not isinstance(value, str):
            raise ValueError
        first, last = value.split("-")
        return PhysRange.from_resource(int(first, 16), int(last, 16))
    except ValueError:
        message = f'wanted a range such as "0x100000000-0x17fffffff", last byte included, not {shown(value)}'
        raise ValueError(message) from None


_HOOKS: Final[dict[Any, Callable[[object], object]]] = {
    PhysRange: _range,
    Bytes: parse_size,
    str: exactly(str, "a string"),
    int: exactly(int, "a whole number"),
    bool: exactly(bool, "true or false"),
}
