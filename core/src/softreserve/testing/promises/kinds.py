"""What plugins of a kind promise, besides those that boot an architecture."""

from __future__ import annotations

import re
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from softreserve.config import PREFIXES
from softreserve.config.importers import read_by
from softreserve.config.machine_file import OWN_KEYS
from softreserve.config.sections import VALUES, sections_of
from softreserve.config.structure import structure
from softreserve.kernel import border
from softreserve.kernel.initcalls import Level
from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES
from softreserve.kernel.numa.node_offers import nodes_are_off
from softreserve.kernel.sysfs import Directory
from softreserve.machine.kexec import load as kexec
from softreserve.model.errors import ConfigError, InputError, PluginError, SoftReserveError, shown
from softreserve.model.kexec import KexecRequest
from softreserve.model.ranges import merged, uncovered
from softreserve.plugins.brought import by_name
from softreserve.plugins.hooks import hooks_of
from softreserve.testing.exercise import canonical, hexadecimal, parted
from softreserve.testing.promises.every import exercised
from softreserve.testing.watch import watched
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softreserve.kernel.system import System
    from softreserve.plugins.extensions import Importer
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
    "runs_or_refuses_in_words",
]

_COMMAND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STATUSES: Final = 256
_LINES: Final = 1_000_000
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
    earlier: list[Any] = []

    def note(where: str, answer: Any) -> None:
        if where == "softreserve_modules" and answer:
            shared = next((module for module in answer if any(module is other for other in earlier)), None)
            if shared is not None:
                words = f"module {shared.name} is the same object as in a system before: systems share it"
                raise subject.broken(where, words)
            modules.extend(answer)
            earlier.extend(answer)

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
                raise subject.broken("softreserve_lint", f"{finding.rule}: {problem} (machine: {system.machine.name})")


def _asked_lint(subject: Subject, system: System, found: Any) -> list[Any]:
    return subject.alone().lint(system, found.outcome, found.onlined)


def _finding_problem(finding: Any, last: int) -> str | None:
    """What of a finding is not as people know it, where it can be told at all; or ``None``.

    :param last: the last byte that has an address.
    """
    if not _RULE.fullmatch(finding.rule):
        return "the rule is no name: wanted small letters, digits and dashes"
    if finding.end is not None and finding.end - 1 > last:
        return f"{hexadecimal(finding.start, finding.end)} is beyond the addresses of the machine"
    return None


def adds_commands_of_its_own(subject: Subject, board: Board) -> None:
    """Its commands have names that no command of the core has."""
    from softreserve.cli import COMMANDS
    from softreserve.cli.brought import commands_of

    where = board.doing = "softreserve_cli"
    try:
        commands = commands_of(subject.alone(), COMMANDS)
    except SoftReserveError as error:
        raise subject.because(error) from error
    if not commands:
        raise subject.broken(where, "added no command")
    for name in commands:
        if not _COMMAND.fullmatch(name):
            raise subject.broken(where, f"{name!r} is no name that people can type: wanted letters and dashes")


def runs_or_refuses_in_words(subject: Subject, board: Board) -> None:
    """A command that is given nothing, or a file that is not there, does something or says what it lacks."""
    from click.testing import CliRunner

    from softreserve.cli.brought import commands_of

    for name, command in commands_of(subject.alone()).items():
        where = board.doing = f"softreserve_cli: command {name!r}"
        for arguments in ([], ["no-such-file"]):
            board.tick()
            with TemporaryDirectory() as folder, chdir(folder):
                run: Any = CliRunner().invoke(
                    command, arguments, prog_name=f"softreserve {name}", standalone_mode=False
                )
            problem = _run_problem(run.return_value, run.exception, run.output)
            if problem:
                given = " ".join(arguments) or "nothing"
                raise subject.broken(where, f"{problem} (it was given {given})")


def _run_problem(answer: Any, error: BaseException | None, output: str) -> str | None:
    """What of a command's end nobody can use, or ``None``: it did what it does, or said what it lacks."""
    from click import Abort, ClickException

    if isinstance(error, SoftReserveError) and not isinstance(error, PluginError):
        return None if len(str(error).splitlines()) == 1 else f"wanted one line, not {str(error)!r}"
    if error is not None and not isinstance(error, (SystemExit, Abort, ClickException)):
        return f"failed: {border.reason(error)}"
    if answer is not None and (type(answer) is not int or not 0 <= answer < _STATUSES):
        return f"answered {shown(answer)}, wanted an exit code from 0 to {_STATUSES - 1}, or None"
    strange = next((char for char in output if not char.isprintable() and char not in "\n\t"), None)
    return f"printed {strange!r}, which steers a terminal" if strange is not None else None


def reads_or_refuses_in_words(subject: Subject, board: Board) -> None:
    """Its importers have names and words, refuse what they cannot read, and read the same twice."""
    hooks = subject.alone()
    board.doing = "softreserve_importers"
    try:
        found: list[Any] = [*by_name(hooks.importers(), PREFIXES).values()]
        with watched(board):
            for importer in found:
                _reads_twice(subject, importer)
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


def _reads_twice(subject: Subject, importer: Importer) -> None:
    """Let it read what is nothing, a file that is not there, an empty one and a folder; each twice."""
    with TemporaryDirectory() as folder:
        empty = Path(folder, "empty")
        empty.touch()
        for place in ("", "place", str(empty), str(Path(folder, "gone")), folder):
            first, second = (_read(importer, place) for _ in range(2))
            if first != second:
                where = f"softreserve_importers: importer {importer.prefix!r}"
                was, then = parted(first, second)
                raise subject.broken(where, f"not the same: {place!r} was read twice, first it was {was}, then {then}")


def _read(importer: Importer, place: str) -> str:
    """What it reads, or why it cannot.

    :raises PluginError: it fails, or answers no machine.
    """
    try:
        return canonical(read_by(importer, f"{importer.prefix}:{place}").machine)
    except (InputError, ConfigError) as error:
        return str(error)


def prints_lines(subject: Subject, board: Board) -> None:
    """Its emitters and lanes show every machine."""
    for system in _systems(subject, board):
        hooks = hooks_of(system)
        for name in by_name(hooks.emitters(), EMITTERS):
            where = board.doing = f"softreserve_emitters: emitter {name!r}"
            for number, line in enumerate(emit(system, name)):
                if not line.replace("\t", "").isprintable():
                    raise subject.broken(where, f"printed {line!r}, wanted text")
                if number == _LINES:
                    raise subject.broken(where, f"its lines have no end: there are more than {_LINES} of them")
        hooks.report_lanes(system)
