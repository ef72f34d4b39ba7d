"""``softreserve observe``: boot a case, run its steps and its kexec, and write what a real kernel would have shown.

The output has the layout of a capture's ``expected/``.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.machine.snapshot import FILES
from softreserve.machine.steps import Runner, programs_in, run_step
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError, SoftReserveError
from softreserve.model.kexec import KexecRequest
from softreserve.model.units import U64_MAX, simple_strtoull

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.scenario import Scenario
    from softreserve.model.steps import KexecScenario, Step
    from softreserve.model.userspace import Userspace
    from softreserve.plugins.hooks import Hooks

__all__ = ["observe", "request_of"]

#: Makes a session for shell words on a running system; a ``SoftReserveError`` where this host cannot.
Sessions = Callable[["System"], "AbstractContextManager[Runner]"]


def observe(
    scenario: Scenario,
    out: Path,
    hooks_for: Callable[[Machine], Hooks],
    sessions: Sessions | None = None,
    *,
    userspace: Userspace = "none",
) -> list[str]:
    """Boot, run, and write everything into ``out`` (made if missing, once the machine has booted).

    :param hooks_for: loads the plugins for a machine; a fresh set per kernel.
    :param sessions: makes a session for shell words; ``None``: steps that need programs are not run.
    :param userspace: what has run before the first look at each kernel.
    :returns: one line for each step, and each kernel of a kexec, that could not be run, and why there is no session.
    :raises MachineError: the machine does not boot.
    """
    observer = _Observer(hooks_for, sessions)
    system = boot(scenario.machine, hooks_for(scenario.machine), userspace=userspace)
    observer.state(system, out, 0)
    observer.run_all(system, scenario.steps, scenario.kexec, out)
    return observer.skipped


class _Observer:
    def __init__(self, hooks_for: Callable[[Machine], Hooks], sessions: Sessions | None) -> None:
        self.hooks_for = hooks_for
        self.sessions = sessions
        self.skipped: list[str] = []

    def state(self, system: System, out: Path, mark: int, *, boot: bool = True) -> None:
        """Write the state files; ``log.txt`` holds the lines after the first ``mark``."""
        out.mkdir(parents=True, exist_ok=True)
        for name, lines in FILES.items():
            if name == "firmware-memmap.txt" and not (boot and system.firmware_memmap.entries):
                continue
            _write_lines(out / name, lines(system))
        _write_lines(out / "log.txt", system.log.lines_since(mark))

    def run_all(self, system: System, steps: Sequence[Step], kexec: KexecScenario | None, out: Path) -> None:
        """Run steps one after the other in one session, then cross the kexec if there is one."""
        with self._session(system, steps) as runner:
            self._steps(system, steps, out, runner)
        if kexec is not None:
            self._kexec(system, kexec, out / "kexec")

    def _session(self, system: System, steps: Sequence[Step]) -> AbstractContextManager[Runner | None]:
        if self.sessions is not None and any(programs_in(steps)):
            try:
                return self.sessions(system)
            except SoftReserveError as error:
                self.sessions = None
                self.skipped.append(str(error))
        return nullcontext()

    def _steps(self, system: System, steps: Sequence[Step], out: Path, runner: Runner | None) -> None:
        for step in steps:
            mark = len(system.log)
            result = run_step(system, step, runner, trace=True)
            if result.status is None:
                self.skipped.append(f"step {step.name}: {result.why}")
            where = out / "steps" / step.name
            self.state(system, where, mark, boot=False)
            if result.status is not None:
                _write(where / "status", f"{result.status}\n")
                _write(where / "output.txt", result.output)
            if result.trace is not None:
                _write(where / "trace.txt", result.trace)

    def _kexec(self, system: System, scenario: KexecScenario, out: Path) -> None:
        try:
            self._cross(system, scenario, out)
        except MachineError as error:
            self.skipped.append(f"kexec: {error}")

    def _cross(self, system: System, scenario: KexecScenario, out: Path) -> None:
        """Load the next kernel and, if that goes well, boot it and go on in it."""
        mark = len(system.log)
        image = kexec.load(system, request_of(scenario, system))
        load = out / "load"
        self.state(system, load, mark, boot=False)
        _write(load / "status", f"{image.status}\n")
        _write_lines(load / "output.txt", list(image.output))
        if image.status:
            self.skipped.append(f"kexec: {image.output[-1] if image.output else f'status {image.status}'}")
            return
        following = boot(image.machine, self.hooks_for(image.machine), userspace=system.userspace)
        self.state(following, out, 0)
        self.run_all(following, scenario.steps, scenario.kexec, out)


def request_of(scenario: KexecScenario, system: System) -> KexecRequest:
    """The kexec of a scenario as a request to the running kernel."""
    cmdline = scenario.cmdline
    if cmdline is None:
        cmdline = CommandLine(system.cmdline.text if scenario.reuse_cmdline else "")
        cmdline = cmdline.appended(scenario.append) if scenario.append else cmdline
    options = _loader_options(scenario.load)
    return KexecRequest(
        noefi="--noefi" in options,
        tools=scenario.tools,
        mem_min=_number(options.get("--mem-min"), 0),
        mem_max=_number(options.get("--mem-max"), U64_MAX),
        syscall=scenario.syscall,
        kernel=scenario.kernel,
        cmdline=cmdline,
        image=scenario.image,
        setup_data=scenario.setup_data,
    )


def _loader_options(command: str) -> dict[str, str]:
    """Long options of a kexec command that decide what is handed over; the last of each counts."""
    try:
        words = shlex.split(command)
    except ValueError:
        return {}
    return {name: value for name, _, value in (word.partition("=") for word in words if word.startswith("--"))}


def _number(text: str | None, default: int) -> int:
    return default if text is None else simple_strtoull(text)[0]


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    # Bytes that a step wrote and that are no UTF-8 come out as they went in.
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in lines)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", "surrogateescape")
