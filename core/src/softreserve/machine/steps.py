"""Steps: changes of a running system, each a sysfs write or shell words.

A step made of ``writes`` runs in process. Shell words run in the machine's namespace where a session is at hand; the
few words that need no program (``modprobe``, ``rmmod``, ``echo VALUE > PATH``) are understood here as well.

A step may say what is to come of it; :func:`differences` compares.
"""

from __future__ import annotations

import errno
import itertools
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from softreserve.machine import kmod
from softreserve.machine.snapshot import answer_words, state_lines, write_line

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.steps import KexecScenario, Step

__all__ = ["Runner", "StepResult", "differences", "needs_programs", "programs_in", "run_step", "run_words"]

#: The exit status of a shell that did not find a program.
_NOT_FOUND = 127

#: Of an attribute that is gone: what the writer got who had it open already, and what one gets who opens it then.
_GONE = (-errno.ENODEV, -errno.ENOENT)

#: Runs shell words on the machine: exit status and output.
Runner = Callable[[str], tuple[int, str]]


@attrs.frozen
class StepResult:
    """What a step gave. ``status`` is ``None`` where it could not be run; ``why`` then says the reason.

    ``results`` are those of its writes, as in :class:`~softreserve.model.steps.Step`.
    """

    name: str
    status: int | None
    output: str = ""
    trace: str | None = None
    why: str = ""
    results: tuple[int, ...] = ()


def run_step(system: System, step: Step, runner: Runner | None = None, *, trace: bool = False) -> StepResult:
    """Run one step. ``trace`` records the state after each write."""
    if step.writes is not None:
        return _run_writes(system, step, trace)
    words = step.run or ""
    if runner is not None:
        status, output = runner(words)
        if status == _NOT_FOUND and step.status != status:
            return StepResult(step.name, None, output, why=f"a program is missing: {_last_line(output) or words}")
        return StepResult(step.name, status, output)
    in_process = run_words(system, words)
    if in_process is None:
        return StepResult(step.name, None, why=f"needs programs: {words}")
    return StepResult(step.name, *in_process)


def _run_writes(system: System, step: Step, trace: bool) -> StepResult:
    output: list[str] = []
    results: list[int] = []
    record: list[str] = []
    before: list[str] = []
    if trace:
        before = state_lines(system)
        record += ["# 0", *before]
    for number, (path, value) in enumerate(step.writes or (), 1):
        data = value.encode("utf-8", "surrogateescape")
        taken = system.sysfs.write(path, data)
        results.append(0 if taken == len(data) else taken)
        line = write_line(path, value, taken, len(data))
        output.append(line)
        if trace:
            after = state_lines(system)
            record += [f"# {number} {line}", *(["same"] if after == before else after)]
            before = after
    return StepResult(step.name, 0, _lines(output), _lines(record) if trace else None, results=tuple(results))


def differences(step: Step, result: StepResult) -> list[str]:
    """What came otherwise than the step says; a line each. Nothing for a step that could not be run."""
    found: list[str] = []
    if result.status is None:
        return found
    for (path, value), wanted, got in zip(step.writes or (), step.results or (), result.results, strict=False):
        if wanted != got and (wanted, got) != _GONE:
            found.append(f"{write_line(path, value, got, 0)}, expected {answer_words(wanted, 0)}")
    if step.status not in (None, result.status):
        found.append(f"status {result.status}, expected {step.status}")
    if step.output is not None and step.output != result.output:
        found.append(_first_line_that_differs(result.output.splitlines(), step.output.splitlines()))
    return found


def _first_line_that_differs(got: list[str], wanted: list[str]) -> str:
    both = enumerate(itertools.zip_longest(got, wanted), 1)
    number, (ours, theirs) = next((item for item in both if item[1][0] != item[1][1]), (len(got), (None, None)))
    words = ["nothing more" if line is None else repr(line) for line in (ours, theirs)]
    return f"line {number} of the output is {words[0]}, expected {words[1]}"


def _last_line(text: str) -> str:
    return next(reversed(text.splitlines()), "")


def _lines(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


_ECHO = re.compile(r"echo\s+(-n\s+)?(?P<value>'[^']*'|\"[^\"$`\\]*\"|[^\s;&|<>'\"$`\\]*)\s*>\s*(?P<path>/sys/\S+)")
_SHELL_SYNTAX = re.compile(r"[|&<>$`(){}\\*?~!]")


def run_words(system: System, words: str) -> tuple[int, str] | None:
    """Run shell words that only load modules or write to sysfs: ``(status, output)``; ``None``: needs a real shell.

    The status is that of the last command, as in a shell.
    """
    actions = _parsed(words)
    if not actions:
        return None
    status, output = 0, ""
    for action in actions:
        status, text = action(system)
        output += text
    return status, output


def programs_in(steps: Sequence[Step], kexec: KexecScenario | None = None) -> Iterator[tuple[str, str]]:
    """Name and words of each step that needs programs, those after a kexec included."""
    yield from ((step.name, step.run) for step in steps if step.run is not None and needs_programs(step.run))
    if kexec is not None:
        yield from ((f"kexec/{name}", words) for name, words in programs_in(kexec.steps, kexec.kexec))


def needs_programs(words: str) -> bool:
    """Whether shell words take more than :func:`run_words` understands."""
    return not _parsed(words)


def _parsed(words: str) -> list[_Action]:
    """One action per command; none at all where any command is not understood."""
    argv = _plain_words(words)
    if argv and argv[0] in kmod.TOOLS:
        return [lambda system: _module_tool(system, argv)]
    actions = [_parse(command.strip()) for command in words.split(";") if command.strip()]
    understood = [action for action in actions if action is not None]
    return understood if len(understood) == len(actions) else []


def _plain_words(words: str) -> list[str]:
    """The words of one command in which a shell would find nothing but quotes, as records have them."""
    try:
        argv = shlex.split(words)
    except ValueError:
        return []
    return argv if shlex.join(argv) == words else []


_Action = Callable[["System"], tuple[int, str]]


def _parse(command: str) -> _Action | None:
    echo = _ECHO.fullmatch(command)
    if echo:
        value = echo["value"].strip("'\"") + ("" if echo[1] else "\n")
        return lambda system: _echo(system, echo["path"], value)
    if _SHELL_SYNTAX.search(command):
        return None
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        return None
    if program in kmod.TOOLS:
        return lambda system: _module_tool(system, [program, *arguments])
    return None


def _module_tool(system: System, argv: list[str]) -> tuple[int, str]:
    reply = kmod.run(system, argv)
    return reply.status, reply.text


def _echo(system: System, path: str, value: str) -> tuple[int, str]:
    import os

    status = system.sysfs.write(path, value.encode())
    if status >= 0:
        return 0, ""
    return 1, f"sh: 1: echo: echo: I/O error: {os.strerror(-status)}\n"
