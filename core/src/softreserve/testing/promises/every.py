"""What every plugin promises, but for what it costs and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from softreserve.kernel.system import System
from softreserve.model.errors import SoftReserveError
from softreserve.plugins.selection import Selection
from softreserve.testing.booting import selection_of
from softreserve.testing.exercise import canonical, exercise
from softreserve.testing.machines import sample_machine
from softreserve.testing.toy import TOY
from softreserve.testing.watch import watched

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks
    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = ["boots_everywhere", "is_installed_once", "leaves_others_alone", "loads", "stands_exercise"]

#: Calls that have no answer.
_VOID = (": remove of driver ", ": initcall ")
#: An architecture that nobody boots.
_NOWHERE = "no-such-architecture"


def loads(subject: Subject, board: Board) -> None:
    """It loads, and implements hooks that exist and that can be tested."""
    board.doing = "import"
    if not subject.hooks:
        raise subject.broken("", "implements no hook: mark functions that are named as hooks with @hookimpl")
    manager = subject.alone().manager
    for caller in manager.get_hookcallers(manager.get_plugin(subject.name)) or []:
        for impl in caller.get_hookimpls():
            never = [name for name in impl.kwargnames if name in (caller.spec.argnames if caller.spec else ())]
            if never:
                words = f"the argument {never[0]} has a default, and is never given: remove the default"
                raise subject.broken(caller.name, words)
    if not subject.kinds and subject.hooks != {"arch_info"}:
        raise subject.broken("", f"is of no kind that can be tested: {', '.join(sorted(subject.hooks))}")


def is_installed_once(subject: Subject, board: Board) -> None:
    """Its name is one distribution's, its object has one name, and what it declares is so."""
    if not isinstance(subject.plugin, str):
        return
    selection = selection_of(subject.plugin)
    entries = selection.installed.get(subject.name, [])
    if len(entries) > 1:
        owners = ", ".join(sorted(entry.distribution for entry in entries))
        raise subject.broken("", f"is installed more than once: by {owners}")
    others = [
        name
        for name, found in selection.installed.items()
        if name != subject.name and any(entry.value == mine.value for entry in found for mine in entries)
    ]
    if others:
        raise subject.broken("", f"the same object has two names: {others[0]} is {entries[0].value}, too")
    board.doing = "softreserve_arch_info"
    hooks = subject.alone()
    for arch, names in selection.arches.items():
        if subject.name in names:
            _boots(subject, hooks, arch)


def _boots(subject: Subject, hooks: Hooks, arch: str) -> None:
    info = hooks.arch_info(arch)
    if canonical(info) != canonical(hooks.arch_info(arch)):
        raise subject.broken("softreserve_arch_info", f"not the same at two calls for {arch}")
    if hooks.stub_handoff(sample_machine(arch)) is None:
        words = f"it declares the architecture {arch} (group softreserve.arches) and answers None for its machines"
        raise subject.broken("softreserve_stub_handoff", words)


def leaves_others_alone(subject: Subject, board: Board) -> None:
    """For machines of architectures that are not its own it answers ``None``."""
    hooks = subject.alone()
    own = subject.arch if "arch" in subject.kinds else None
    for arch in {_NOWHERE, TOY, *Selection().arches} - {own}:
        if arch in Selection().arches and subject.name in Selection().arches[arch]:
            continue
        board.doing = "hooks of an architecture"
        machine = sample_machine(arch if arch in Selection().arches else _NOWHERE)
        system = System(machine, hooks)
        answers: dict[str, Callable[[], object]] = {
            "arch_info": partial(hooks.arch_info, arch),
            "stub_handoff": partial(hooks.stub_handoff, machine),
            "stub_place_image": partial(hooks.stub_place_image, machine, None),
            "early_reserve": partial(hooks.early_reserve, system),
            "numa_info": partial(hooks.numa_info, system),
            "memory_block_size": partial(hooks.memory_block_size, system),
        }
        for hook in answers:
            try:
                answer = answers[hook]()
            except SoftReserveError as error:
                raise subject.because(error, f" (asked for a machine of {machine.arch}: wanted None)") from error
            if answer is not None:
                words = f"answered {type(answer).__name__} for a machine of {machine.arch}, wanted None"
                raise subject.broken(f"softreserve_{hook}", words)


def boots_everywhere(subject: Subject, board: Board) -> None:
    """Every machine boots with it."""
    with watched(board):
        for words, machine in subject.machines.items():
            system = subject.boot(machine, words=words)
            if subject.name not in system.hooks.names:
                raise subject.broken("", f"was not asked when {words} booted")


def stands_exercise(subject: Subject, board: Board) -> None:
    """Files are read and written, modules loaded, drivers bound, kernels loaded, lint is run: nothing breaks."""

    def look(where: str, answer: object) -> None:
        if answer is not None and any(words in where for words in _VOID):
            raise subject.broken(where, f"answered {answer!r}, wanted None: it cannot fail")

    with watched(board, subject.name, look):
        for machine in exercised(subject):
            system = subject.boot(machine)
            try:
                exercise(subject, system)
            except SoftReserveError as error:
                raise subject.because(error, f" (machine: {machine.name})") from error


def exercised(subject: Subject) -> list[Machine]:
    """Machines on which everything is done: with tables and without, old and new."""
    wanted = ("ACPI with two nodes, Linux 6.1", "ACPI with two nodes, Linux 6.12", "Linux 7.3")
    found = [machine for words, machine in subject.machines.items() if words in wanted]
    return found or list(subject.machines.values())[:3]
