"""What plugins of a kind promise, besides those that boot an architecture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from softreserve.config import PREFIXES
from softreserve.config.machine_file import OWN_KEYS
from softreserve.config.sections import VALUES, sections_of
from softreserve.config.structure import structure
from softreserve.kernel import border
from softreserve.kernel.initcalls import Level
from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES
from softreserve.kernel.numa.node_offers import nodes_are_off
from softreserve.kernel.sysfs import Directory
from softreserve.machine.kexec import load as kexec
from softreserve.model.errors import SoftReserveError
from softreserve.model.kexec import KexecRequest
from softreserve.model.ranges import merged, uncovered
from softreserve.plugins.brought import by_name
from softreserve.plugins.hooks import hooks_of
from softreserve.testing.exercise import hexadecimal
from softreserve.testing.promises.every import exercised
from softreserve.testing.watch import watched
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softreserve.kernel.system import System
    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = [
    "adds_commands_of_its_own",
    "brings_drivers_that_are_there",
    "brings_modules_that_are_there",
    "brings_nodes_that_are_there",
    "crosses_every_kexec",
    "decides_for_added_memory",
    "finds_the_same_in_words",
    "offers_ranges_that_are_taken_or_refused_in_words",
    "prints_lines",
    "reads_or_refuses_in_words",
]

_COMMAND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RULE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _systems(subject: Subject, board: Board) -> Iterator[System]:
    """All machines, booted one after the other."""
    with watched(board):
        for words, machine in subject.machines.items():
            yield subject.boot(machine, words=words)


def _asked(subject: Subject, hook: str, system: System) -> list[Any]:
    """What the plugin alone answers about a system that was booted with it: a list."""
    hooks = subject.alone()
    method: Any = getattr(hooks, hook)
    try:
        return list(method(system) or ())
    except SoftReserveError as error:
        raise subject.because(error) from error


def brings_nodes_that_are_there(subject: Subject, board: Board) -> None:
    """Every node that it brings is possible, and what its addresses belong to, unless firmware says otherwise."""
    offers: list[Any] = []

    def note(where: str, answer: Any) -> None:
        if where == "softreserve_nodes" and answer:
            offers.extend(answer)

    with watched(board, subject.name, note):
        for machine in subject.machines.values():
            if "numa=off" in machine.cmdline.text:
                continue  # there is one node then, whatever anybody brings
            offers.clear()
            system = subject.boot(machine)
            for offer in offers:
                where, nid = "softreserve_nodes", offer.nid
                if nid not in system.nodes.possible and not nodes_are_off(system):
                    raise subject.broken(where, f"node {nid} is not possible (machine: {machine.name})")


def _needs_dax_bus(subject: Subject, system: System) -> None:
    bus = system.sysfs.node("/sys/bus/dax")
    if not isinstance(bus, Directory):
        words = "no installed plugin brings the dax bus: install the wheel that does, and let yours depend on it"
        raise subject.broken("", words)


def brings_drivers_that_are_there(subject: Subject, board: Board) -> None:
    """A driver of its own is on the bus of some machine."""
    brought: set[str] = set()
    seen: set[str] = set()
    probed: list[Any] = []

    def begin(where: str, arguments: tuple[Any, ...]) -> None:
        device: Any = arguments[0] if ": probe of driver " in where else None
        probed[:] = [] if device is None else [device, list(device.ranges)]

    def note(where: str, answer: Any) -> None:
        if where == "softreserve_dax_drivers" and answer:
            brought.update(driver.name for driver in answer)
        if probed and list(probed[0].ranges) != probed[1]:
            raise subject.broken(where, f"changed the ranges of {probed[0].name}, which are what the bus gave it")
        probed.clear()

    with watched(board, subject.name, note, begin=begin):
        for machine in subject.machines.values():
            system = subject.boot(machine)
            _needs_dax_bus(subject, system)
            names = system.sysfs.listdir("/sys/bus/dax/drivers")
            seen.update(names if not isinstance(names, int) else ())
    if brought and not brought & seen:
        words = "it was never on the bus: no kernel that it was tested with has its option, or its module did not load"
        raise subject.broken(f"driver {min(brought)}", words)


def offers_ranges_that_are_taken_or_refused_in_words(subject: Subject, board: Board) -> None:
    """Of every byte that it offers, the resource tree or the log tells what became of it."""
    offers: list[Any] = []

    def note(where: str, answer: Any) -> None:
        if where == "softreserve_dax_devices" and answer:
            offers.extend(answer)

    with watched(board, subject.name, note):
        for machine in subject.machines.values():
            offers.clear()
            system = subject.boot(machine)
            _needs_dax_bus(subject, system)
            told = sorted(
                (event.start, event.end)
                for event in system.log
                if event.start is not None and event.end is not None and event.stage != "efi stub"
            )
            for offer in offers:
                place = hexadecimal(offer.start, offer.end)
                known = [span for span in told if span[0] < offer.end and offer.start < span[1]]
                known += [(res.start, res.end + 1) for res in system.find_soft_reserved()]
                if next(uncovered(offer.start, offer.end, merged(known)), None) is not None:
                    words = f"offered {place}, of which nothing is told (machine: {machine.name})"
                    raise subject.broken("softreserve_dax_devices", words)


def brings_modules_that_are_there(subject: Subject, board: Board) -> None:
    """A module of its own is in some kernel, at a level that there is, and what it depends on is there, too."""
    brought: set[str] = set()
    seen: set[str] = set()
    modules: list[Any] = []

    def note(where: str, answer: Any) -> None:
        if where == "softreserve_modules" and answer:
            modules.extend(answer)

    with watched(board, subject.name, note):
        for machine in subject.machines.values():
            modules.clear()
            names = subject.boot(machine).modules.names()
            seen.update(names)
            brought.update(module.name for module in modules)
            for module in modules:
                if module.level not in [*Level]:
                    raise subject.broken("softreserve_modules", f"module {module.name}: {module.level} is no level")
                gone = [name for name in module.depends if name not in names] if module.name in names else []
                if gone:
                    words = f"module {module.name} depends on {gone[0]}, which nobody brings (machine: {machine.name})"
                    raise subject.broken("softreserve_modules", words)
    if brought and not brought & seen:
        words = "no kernel that it was tested with has its option: test it with machines of your own (machines)"
        raise subject.broken(f"module {min(brought)}", words)


def decides_for_added_memory(subject: Subject, board: Board) -> None:
    """What it says of added memory is what happens, and the same whenever it is asked."""
    for machine in exercised(subject):
        with watched(board):
            system = subject.boot(machine)
            hooks = hooks_of(system)
            first, second = (hooks.online_policy(system) for _ in range(2))
            if first != second:
                words = f"answered {first!r}, then {second!r} for the same system (machine: {machine.name})"
                raise subject.broken("softreserve_online_policy", words)
            _add_memory(subject, system, first)


def _add_memory(subject: Subject, system: System, policy: str | None) -> None:
    """Add a memory block above everything, and see what becomes of it."""
    memory = system.memory
    size = memory.block_size
    taken = [*system.iomem.find("System RAM"), *system.find_soft_reserved()]
    start = (max(res.end for res in taken) // size + 2) * size
    if memory.add_memory(min(system.nodes.online), start, size):
        return  # beyond what this machine can have
    block = memory.blocks.find(start // size)
    asked = hooks_of(system).memory_added(system, min(system.nodes.online), start, size)
    wanted = next((answer for answer in (policy, asked) if answer not in (None, "offline")), None)
    if wanted is not None and (block is None or not block.online):
        hook = "softreserve_online_policy" if wanted == policy else "softreserve_memory_added"
        words = f"answered {wanted!r}, and memory that was added at {hexadecimal(start, start + size)} is offline"
        raise subject.broken(hook, words)
    assert wanted is None or wanted in ONLINE_TYPES


def crosses_every_kexec(subject: Subject, board: Board) -> None:
    """Kernels are loaded under its policies; system calls that there are not are none of its business."""
    done = 0
    for system in _systems(subject, board):
        hooks = hooks_of(system)
        if hooks.kexec_load(system, KexecRequest("no_such_call")) is not None:
            raise subject.broken("softreserve_kexec_load", "answered for the system call no_such_call, wanted None")
        for policy in hooks.kexec_policies(system):
            for call in system.arch.kexec_loaders:
                try:
                    done += not kexec(system, KexecRequest(call, policy=policy.name)).status
                except SoftReserveError as error:
                    raise subject.because(error, f" (machine: {system.machine.name})") from error
    if not done:
        raise subject.broken("softreserve_kexec_load", "no kernel could be loaded on any machine")


def finds_the_same_in_words(subject: Subject, board: Board) -> None:
    """Findings have a rule whose name is words with dashes, a message in one line, and are the same twice."""
    for system in _systems(subject, board):
        try:
            first, second = (report(system) for _ in range(2))
            found = _asked_lint(subject, system, first)
        except SoftReserveError as error:
            raise subject.because(error, f" (machine: {system.machine.name})") from error
        if first.findings != second.findings:
            other = next(
                f for f in (*second.findings, *first.findings) if f not in first.findings or f not in second.findings
            )
            words = f"not the same at two calls: {other.rule}: {other.message} (machine: {system.machine.name})"
            raise subject.broken("softreserve_lint", words)
        for finding in found:
            problem = _finding_problem(finding, system.memory.physmem_end)
            if problem:
                raise subject.broken("softreserve_lint", f"{problem} (machine: {system.machine.name})")


def _asked_lint(subject: Subject, system: System, found: Any) -> list[Any]:
    return subject.alone().lint(system, found.outcome, found.onlined)


def _finding_problem(finding: Any, last: int) -> str | None:
    """Why nobody can use a finding, or ``None``.

    :param last: the last byte that has an address.
    """
    if not _RULE.fullmatch(finding.rule):
        return f"the rule {finding.rule!r} is no name: wanted small letters, digits and dashes"
    if not finding.message.strip() or not finding.message.isprintable():
        return f"{finding.rule}: the message {finding.message[:60]!r} is no line of text"
    if (finding.start is None) != (finding.end is None):
        return f"{finding.rule}: wanted both ends of the range, or none"
    if finding.start is not None and not 0 <= finding.start < finding.end:
        return f"{finding.rule}: {finding.start:#x} to {finding.end:#x} is no range"
    if finding.end is not None and finding.end - 1 > last:
        return f"{finding.rule}: {hexadecimal(finding.start, finding.end)} is beyond the addresses of the machine"
    return None


def adds_commands_of_its_own(subject: Subject, board: Board) -> None:
    """Its commands have names that no command of the core has."""
    from click import Command, Group

    from softreserve.cli import COMMANDS

    added: list[str] = []

    class Noting(Group):
        """Notes what is added to it."""

        def add_command(self, cmd: Command, name: str | None = None) -> None:
            added.append(str(name or cmd.name))
            super().add_command(cmd, name)

    group = Noting("softreserve")
    board.doing = "softreserve_cli"
    try:
        subject.alone().cli(group)
    except SoftReserveError as error:
        raise subject.because(error) from error
    if not group.commands:
        raise subject.broken("softreserve_cli", "added no command")
    for name in added:
        if not _COMMAND.fullmatch(name):
            raise subject.broken(
                "softreserve_cli", f"{name!r} is no name that people can type: wanted letters and dashes"
            )
        if added.count(name) > 1:
            raise subject.broken("softreserve_cli", f"added the command {name} twice")
        if name in COMMANDS:
            raise subject.broken("softreserve_cli", f"the command {name} is the core's: wanted another name")


def reads_or_refuses_in_words(subject: Subject, board: Board) -> None:
    """Its importers have names and words, and refuse what they cannot read."""
    hooks = subject.alone()
    board.doing = "softreserve_importers"
    try:
        found: list[Any] = [*by_name(hooks.importers(), PREFIXES).values()]
        board.doing = "softreserve_machine_sections"
        for section in sections_of(hooks, OWN_KEYS).values():
            where = f"softreserve_machine_sections: section {section.name!r}"
            for values in ({}, {"no-such-key": "nonsense"}):
                border.call(where, structure, values, section.kind, VALUES, plugin=subject.name)
            found.append(section)
    except SoftReserveError as error:
        raise subject.because(error) from error
    if not found:
        raise subject.broken("", "brings neither an importer nor a section of machine files")


def prints_lines(subject: Subject, board: Board) -> None:
    """Its emitters and lanes show every machine."""
    for system in _systems(subject, board):
        hooks = hooks_of(system)
        for name in by_name(hooks.emitters(), EMITTERS):
            for line in emit(system, name):
                if not line.replace("\t", "").isprintable():
                    raise subject.broken(f"softreserve_emitters: emitter {name!r}", f"printed {line!r}, wanted text")
        hooks.report_lanes(system)
