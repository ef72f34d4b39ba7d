"""A machine is the same whenever, wherever and beside whatever it is booted."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from softreserve.testing.apart import BrokenError, DiedError, HungError, apart
from softreserve.testing.booting import word_of
from softreserve.testing.exercise import account, canonical, exercise, parted
from softreserve.testing.fresh import fresh
from softreserve.testing.promises.every import exercised
from softreserve.testing.subject import Subject
from softreserve.testing.watch import watched

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks
    from softreserve.testing.apart import Board

__all__ = [
    "gives_the_same_after_a_fork",
    "gives_the_same_elsewhere",
    "gives_the_same_in_another_process",
    "gives_the_same_twice",
    "keeps_systems_apart",
]

#: Every call of a plugin, with what it answered and what the system was then; and all that can be seen at the end.
_Told = tuple[list[tuple[str, str, int]], dict[str, str]]


def _told(
    subject: Subject, machine: Machine, board: Board, *, thorough: bool = True, hooks: Hooks | None = None
) -> _Told:
    """Boot a machine, do everything with it, and tell."""
    calls: list[tuple[str, str, int]] = []
    running: list[System] = []

    def note(where: str, answer: object) -> None:
        calls.append((where, canonical(answer), len(running[0].log) if running else 0))

    hooks = hooks or subject.among_others(machine.arch)
    with watched(board, subject.name, note):
        system = subject.boot(machine, hooks)
        running.append(system)
        seen = account(system)
        if thorough:
            exercise(subject, system)
            seen |= {f"{name}, after all was tried": text for name, text in account(system).items()}
    return calls, seen


def _same(subject: Subject, first: _Told, second: _Told, words: str) -> None:
    """Whether two accounts are the same.

    :param words: what was done twice.
    """
    for one, other in zip(first[0], second[0], strict=False):
        if one != other:
            was, then = (f"answered {text}" for text in parted(one[1], other[1]))
            if one[1] == other[1]:
                was, then = (f"left a kernel log of {call[2]} lines" for call in (one, other))
            if one[0] != other[0]:
                was, then = (f"{call[0]} was called" for call in (one, other))
            raise subject.broken(one[0], f"not the same: {words}, first it {was}, then it {then}")
    for name in dict.fromkeys((*first[1], *second[1])):
        was, then = (told[1].get(name, "nothing") for told in (first, second))
        if was != then:
            where = _guess(subject, name)
            was, then = parted(was, then)
            raise subject.broken(where, f"not the same: {words}, {name} was {was}, then {then}")


def _guess(subject: Subject, name: str) -> str:
    """The hook that most likely makes something."""
    if name.startswith("/sys") and "sysfs" in subject.hooks:
        return "softreserve_sysfs"
    for hook in ("sysfs", "register_resources", "modules", "early_reserve", "numa_info", "dax_drivers", "dax_devices"):
        if hook in subject.hooks:
            return f"softreserve_{hook}"
    return f"softreserve_{min(subject.hooks, default='')}"


def gives_the_same_twice(subject: Subject, board: Board) -> None:
    """Two boots of one machine are the same."""
    for machine in exercised(subject):
        first, second = (_told(subject, machine, board) for _ in range(2))
        _same(subject, first, second, f"{machine.name} was booted twice")


def keeps_systems_apart(subject: Subject, board: Board) -> None:
    """A boot in the midst of another one, of another machine, changes nothing for either."""
    machines = list(subject.machines.values())
    machine, other = exercised(subject)[-1], machines[0]
    alone = _told(subject, machine, board, thorough=False)
    begun: set[str] = set()

    def boot_another(where: str, answer: object) -> None:
        if where not in begun:
            begun.add(where)
            subject.boot(other)

    calls: list[tuple[str, str, int]] = []
    with watched(board, subject.name, boot_another):
        system = subject.boot(machine)
    between = (calls, account(system))
    _same(subject, ([], alone[1]), between, f"{other.name} was booted in the midst of {machine.name}: state is shared")
    seen = account(system)
    later = subject.boot(other)
    exercise(subject, later)
    words = f"{other.name} was booted and used after {machine.name}: state is shared"
    _same(subject, ([], seen), ([], account(system)), words)


def gives_the_same_after_a_fork(subject: Subject, board: Board) -> None:
    """A process that is forked when the plugin was used already boots the same."""
    machine = exercised(subject)[0]
    first = _told(subject, machine, board, thorough=False)

    def again(inner: Board) -> _Told:
        return _told(subject, machine, inner, thorough=False)

    try:
        second: Any = apart(
            lambda inner: _told(subject, machine, inner, thorough=False), limit=board.limit / 2, within=board
        )
    except HungError as error:
        words = f"did not come back in a process that was forked: a lock or a thread is gone there ({error.place})"
        raise subject.broken(error.doing or "import", words) from error
    except DiedError as error:
        raise subject.broken(error.doing or "import", f"in a process that was forked, it {error.how}") from error
    _same(subject, first, second, f"{machine.name} was booted in a forked process")


def gives_the_same_elsewhere(subject: Subject, board: Board) -> None:
    """Another directory, another environment, another process: nothing of it counts."""
    machine = exercised(subject)[0]
    first = _told(subject, machine, board, thorough=False)

    def work(inner: Board) -> _Told:
        hooks = subject.among_others(machine.arch)
        os.chdir(tempfile.gettempdir())
        os.environ.update(
            LANG="C.UTF-8", TZ="Asia/Tokyo", TERM="dumb", COLUMNS="40", HOME="/nonexistent", SOMETHING="1"
        )
        return _told(subject, machine, inner, thorough=False, hooks=hooks)

    second = apart(work, limit=board.limit / 2, within=board)
    _same(subject, first, second, f"{machine.name} was booted in another directory and environment")


def gives_the_same_in_another_process(subject: Subject, board: Board) -> None:
    """Fresh processes with other hash seeds boot the same."""
    word = word_of(subject.plugin)
    if word is None:
        return
    board.doing = "import"
    command = ["-m", __name__, json.dumps([word, subject.arch, board.limit])]
    seeds = [{"PYTHONHASHSEED": seed} for seed in ("1", "2")]
    try:
        told = fresh(subject, board, [command, command], environment=seeds)
    except BrokenError:
        if isinstance(subject.plugin, str):
            raise
        return  # its module needs what only this process has
    first, second = (([tuple(call) for call in calls], seen) for calls, seen in told)
    _same(subject, first, second, "a machine was booted in processes with other hash seeds")


def main(words: str) -> None:
    """In a fresh process: tell of one boot, as JSON."""
    plugin, arch, limit = json.loads(words)
    subject = Subject(plugin, arch)

    def work(board: Board) -> tuple[list[Any], Mapping[str, str]]:
        return _told(subject, exercised(subject)[0], board)

    print(json.dumps(apart(work, limit=limit)))


if __name__ == "__main__":
    main(sys.argv[1])
