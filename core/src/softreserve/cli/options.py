"""What the commands about a machine have in common: naming it, changing it for a "what if", and booting it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from softreserve import config
from softreserve.cli import Helped
from softreserve.cli.terminal import plain_output, tell
from softreserve.config.changes import Changes
from softreserve.config.preferences import personal
from softreserve.kernel.system import System
from softreserve.model.errors import nearest, shown
from softreserve.model.machine import Machine
from softreserve.model.release import NEWEST, OLDEST
from softreserve.model.scenario import Gap, Scenario
from softreserve.model.userspace import USERSPACES, Userspace
from softreserve.model.value import NamedTuple
from softreserve.plugins.hooks import Hooks
from softreserve.plugins.selection import OPTION, Layer, Selection, asking

__all__ = [
    "EMITTED",
    "GAPS",
    "PLUGIN_HELP",
    "Booted",
    "Choice",
    "Choices",
    "MachineCommand",
    "TracedCommand",
    "asked",
    "booted",
    "described",
    "given_plugins",
    "machine_argument",
    "machine_options",
    "on_behalf",
    "plain_option",
    "plugin_option",
    "tell_gaps",
    "trace_option",
]

if TYPE_CHECKING:
    _ClickChoice = click.Choice[str]
else:
    _ClickChoice = click.Choice  # takes no parameters before 8.2

F = TypeVar("F", bound=Callable[..., Any])

#: Where a command's context has the gaps of the machines that it is about.
GAPS = "softreserve.gaps"
#: Where it has names that ``--emit`` was given and that the core does not know.
EMITTED = "softreserve.emitted"
#: Where it has what it said of the changes of its machines.
_TOLD = "softreserve.told"

_LOG_OPTION = "--from-dmesg"
_MACHINE = (
    "MACHINE is a capture directory, a TOML machine file, example:NAME, dmesg:FILE (a kernel log, best with efi=debug),"
    " PREFIX:PLACE where a plugin reads that, or - for a machine file or log on standard input."
)


class Choice(_ClickChoice):
    """One of some words; a wrong one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(error.message.rstrip(".") + nearest(str(value), map(str, self.choices)), param, ctx)


class _UserspaceChoice(Choice):
    """The name of a user space; ``help`` lists them and ends the command, which needs no machine for that."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does it."""
        if value == "help" and ctx is not None and not ctx.resilient_parsing:
            from softreserve.cli.userspace import print_userspaces

            print_userspaces()
            ctx.exit()
        return super().convert(value, param, ctx)


def in_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """For ``callback``: an address or a size that is written ``4096``, ``0x1000`` or ``4G``, as a number of bytes."""
    from softreserve.config.reader import parse_size

    if value is None:
        return None
    try:
        return parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _plainly(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.with_resource(plain_output())


#: For ``grep`` and ``awk``.
plain_option = click.option(
    "--plain",
    is_flag=True,
    expose_value=False,
    callback=_plainly,
    help="No colours, each row on one line, two blanks or more between its cells, of which none is empty.",
)


#: A plugin by its name, left out, or code: as help names it.
PLUGIN_HELP = "Load this plugin too: a name, or code (package.module, FILE.py); no:NAME leaves one out."
plugin_option = click.option("-p", "--plugin", multiple=True, metavar="NAME", help=PLUGIN_HELP)


@contextmanager
def on_behalf(plugin: Sequence[str], trace: str | None = None) -> Iterator[None]:
    """Carry out a command in the name of whoever gave it: what ``-p`` says counts, before the command and behind it.

    So do the environment and the user's configuration.

    :param plugin: as given behind the command.
    :param trace: how much of each call of a hook is told; ``None``: nothing.
    """
    with asking(personal(Layer(OPTION, given_plugins(plugin)))):
        if trace is None:
            yield
            return
        from softreserve.cli.trace import traced

        with traced(full=trace == _FULL):
            yield


def given_plugins(plugin: Sequence[str]) -> tuple[str, ...]:
    """What ``-p`` says before the command, and behind it."""
    everywhere: tuple[str, ...] = click.get_current_context().find_root().params.get("plugin", ())
    return (*everywhere, *plugin)


#: How much of an answer ``--trace`` tells; a bare option means the first.
_SHORT, _FULL = _AMOUNTS = ("short", "full")
_TRACE, _TRACE_PLUGINS = "--trace", "--trace-plugins"


def trace_option(*, taken: bool = False) -> Callable[[F], F]:
    """The option that tells calls of hooks, as the argument ``trace_plugins`` of a :class:`TracedCommand`.

    :param taken: whether the command has another ``--trace``.
    """
    return click.option(
        *((_TRACE_PLUGINS,) if taken else (_TRACE, _TRACE_PLUGINS)),
        "trace_plugins",
        type=Choice(_AMOUNTS),
        metavar=f"[={_FULL}]",
        help=f"Say on standard error which plugin answers which hook; with ={_FULL} all of each answer.",
    )


class TracedCommand(Helped):
    """A command with :func:`trace_option`: its value stands behind a sign of equality, or is left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, with the bare option as what it stands for."""
        end = args.index("--") if "--" in args else len(args)
        own = {name for param in self.params if param.name == "trace_plugins" for name in param.opts}
        found = [f"{word}={_SHORT}" if word in own else word for word in args[:end]]
        return super().parse_args(ctx, found + args[end:])


_LOGS = (
    click.option(_LOG_OPTION, metavar="FILE", expose_value=False, help="The same as dmesg:FILE in MACHINE's place."),
    click.option(
        "--acpi",
        metavar="DIR|FILE",
        help="ACPI tables of a kernel log: a directory as /sys/firmware/acpi/tables, or what acpidump printed.",
    ),
    click.option(
        "--efi-map", metavar="FILE", help="The firmware's map: as efi=debug prints it, or memmap of a UEFI shell."
    ),
)
_KERNEL = click.option("--kernel", metavar="RELEASE", help="Boot this kernel release (6.1, 6.12 ...).")
_KERNELS = click.option(
    "--kernel",
    metavar="RELEASE[,RELEASE...]",
    help="Boot this kernel release (6.1, 6.12 ...); several: compare each with the one before.",
)
_CHANGES = (
    click.option("--arch", metavar="NAME", help="Boot it on this architecture, or on that of this plugin."),
    click.option(
        "--config",
        metavar="NAME=VALUE",
        multiple=True,
        callback=lambda _ctx, _param, given: given or None,
        help="Build the kernel with this CONFIG_ option (DEV_DAX=n); may be repeated.",
    ),
    click.option("--page-size", metavar="BYTES", help="Page size of the kernel: 4K, 16K or 64K."),
)
_CMDLINE = click.option("--cmdline", metavar="TEXT", help='Another command line; "+TEXT" appends to the one it has.')
_CMDLINES = click.option(
    "--cmdline",
    "cmdlines",
    multiple=True,
    metavar="TEXT",
    help='Another command line; "+TEXT" appends to the one it has; given again: compare them all.',
)
#: The same where each of them is a question of its own.
_EACH = (
    click.option(
        "--kernel", metavar="RELEASE[,RELEASE...]", help="Boot this kernel release (6.1, 6.12 ...), and each other."
    ),
    click.option(
        "--cmdline",
        "cmdlines",
        multiple=True,
        metavar="TEXT",
        help='Another command line; "+TEXT" appends to the one that a machine has, "+" is just that; may be repeated.',
    ),
)
_USERSPACE = click.option(
    "--userspace",
    type=_UserspaceChoice(USERSPACES),
    metavar="NAME",
    is_eager=True,
    help="What has run after the kernel: none, udev, which loads modules, or udev with the rules of a distribution for "
    "added memory: rhel9, sles15 ...; help lists them.  [default: what the machine says, else udev; none where a "
    "recorded boot is reproduced: by observe, by --emit of a capture, by its own steps]",
)


_DAXCTL_CONF = click.option(
    "--daxctl-conf",
    metavar="FILE",
    help="daxctl's configuration on the machine, or its directory: lint says what comes of it.",
)


class MachineCommand(TracedCommand):
    """A command about a machine: the old way to name a log becomes the argument that it stands for.

    :param waits: whether people wait for its end, and see on a terminal that something is done.
    """

    def __init__(self, *args: Any, waits: bool = True, **extra: Any) -> None:
        super().__init__(*args, **{"epilog": _MACHINE, **extra})
        self.waits = waits

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, with progress."""
        if not (self.waits and sys.stderr.isatty()):
            return super().invoke(ctx)
        from softreserve.cli.progress import progress

        with progress(str(self.name)):
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with ``--from-dmesg FILE`` as ``dmesg:FILE``."""
        return super().parse_args(ctx, list(_logs_as_machines(args)))


def _logs_as_machines(arguments: list[str]) -> Iterator[str]:
    """The arguments with ``--from-dmesg FILE`` as ``dmesg:FILE`` before all others."""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif option != _LOG_OPTION:
            rest.append(word)
        elif equals or (value := next(words, "")):
            yield f"{config.LOG}{value}"
        else:
            rest.append(word)  # click says what is missing
    yield from rest


def machine_argument(name: str = "machine", *, required: bool = True, several: bool = False) -> Callable[[F], F]:
    """The MACHINE argument."""
    return click.argument(name, required=required, nargs=-1 if several else 1)


class Choices(NamedTuple):
    """What the options that all commands about a machine share say. ``None``: nothing.

    :param plugin: as given with ``-p``.
    :param acpi: a directory, or file, with the tables of a log.
    :param efi_map: a file with the firmware's map, which a log or capture may lack.
    :param daxctl_conf: a file, or directory, with daxctl's configuration.
    :param cmdlines: all that ``--cmdline`` says, where it may be given several times.
    """

    changes: Changes = Changes()
    plugin: tuple[str, ...] = ()
    acpi: str | None = None
    efi_map: str | None = None
    userspace: Userspace | None = None
    daxctl_conf: str | None = None
    cmdlines: tuple[str, ...] = ()

    @property
    def release(self) -> str | None:
        """The first kernel that ``--kernel`` names: what wrote a log that does not tell."""
        return (self.changes.kernel or "").partition(",")[0].strip() or None


class Booted(NamedTuple):
    """A running system, what it was made of, and what loads the plugins for the kernels after it."""

    system: System
    scenario: Scenario
    hooks_for: Callable[[Machine], Hooks]


def machine_options(
    *,
    changes: bool = True,
    boots: bool = True,
    kernels: bool = False,
    cmdlines: bool = False,
    own_trace: bool = False,
    one: bool = True,
) -> Callable[[F], F]:
    """The options that all commands about a machine share, as one argument ``choices`` (:class:`Choices`).

    :param changes: whether the machine can be changed for a "what if".
    :param boots: whether it is booted.
    :param kernels: whether ``--kernel`` may name several releases.
    :param cmdlines: whether ``--cmdline`` may be given several times.
    :param own_trace: whether the command has a ``--trace`` of its own.
    :param one: whether it is about one machine: files of a log can be named, and calls traced. Else each kernel and
        each command line is a question to all machines.
    """
    kernel, cmdline = (_KERNELS if kernels else _KERNEL, _CMDLINES if cmdlines else _CMDLINE) if one else _EACH
    of_changes = (_CHANGES[0], kernel, cmdline, *_CHANGES[1:]) if changes else ()

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(*, trace_plugins: str | None = None, **values: Any) -> Any:
            changed = {name: values.pop(name) for name in Changes._fields if name in values}
            others = {name: values.pop(name) for name in Choices._fields if name in values}
            if cmdlines or not one:
                changed["cmdline"] = others["cmdlines"][-1] if others["cmdlines"] else None
            choices = Choices(Changes(**changed), **others)
            with on_behalf(choices.plugin, trace_plugins):
                return function(choices=choices, **values)

        options = (
            *of_changes,
            plugin_option,
            *((trace_option(taken=own_trace),) if one else ()),
            *((_USERSPACE,) if boots else ()),
            *((_DAXCTL_CONF,) if boots and one else ()),
            *(_LOGS if one else ()),
        )
        for option in reversed(options):
            command = option(command)
        return cast(F, command)

    return decorate


def described(machine: str, choices: Choices, *, with_steps: bool = False) -> Scenario:
    """The machine that a person named, as it is described."""
    return _mapped(config.load(machine, with_steps=with_steps, acpi=choices.acpi, release=choices.release), choices)


def _mapped(scenario: Scenario, choices: Choices) -> Scenario:
    """With the firmware's map, and daxctl's configuration, that a person named."""
    if choices.efi_map is not None:
        from softreserve.config.firmware_map import with_efi_map

        scenario = with_efi_map(scenario, choices.efi_map)
    if choices.daxctl_conf is not None:
        from softreserve.config.daxctl_conf import with_daxctl_conf

        scenario = with_daxctl_conf(scenario, choices.daxctl_conf)
    return scenario


def asked(
    machine: str | Scenario, choices: Choices, *, with_steps: bool = False
) -> tuple[Scenario, Callable[[Machine], Hooks]]:
    """The machine that a person asked for, changes included, and what loads the plugins for it.

    Who answers something tells the gaps, too (:func:`tell_gaps`); what cannot be answered is enough of a message.
    """
    if isinstance(machine, str):
        scenario = described(machine, choices, with_steps=with_steps)
    else:
        scenario = _mapped(machine, choices)
    selection = Selection(exactly=scenario.plugins)
    if given_plugins(choices.plugin):
        from softreserve.cli.brought import check_names

        check_names(selection, click.get_current_context())
    changed = choices.changes.apply(scenario, selection)
    if changed.machine.arch != scenario.machine.arch:
        from softreserve.machine.carry import lost_on

        for line in lost_on(scenario.machine, changed.machine.arch):
            _tell_once(line)
    version = changed.machine.kernel.version
    if version.nearest != version.line:
        _tell_once(
            f"how Linux behaves is known from {OLDEST} to {NEWEST}; {version.line} is taken for {version.nearest}"
        )
    emitted = click.get_current_context().meta.get(EMITTED)
    return changed, functools.partial(_able, selection, emitted) if emitted else selection.hooks_for


def _able(selection: Selection, emitted: Sequence[str], machine: Machine) -> Hooks:
    """The plugins for a machine, which bring what is to be printed.

    :raises click.BadParameter: they do not.
    """
    from softreserve.plugins.brought import by_name, who_brings
    from softreserve.views.emit import EMITTERS

    hooks = selection.hooks_for(machine)
    known = (*EMITTERS, *by_name(hooks.emitters(), EMITTERS))
    unknown = next((name for name in emitted if name not in known), None)
    if unknown is not None:
        hint = nearest(unknown, known) or who_brings(
            lambda hooks: unknown in [emitter.name for emitter in hooks.emitters()], "prints it"
        )
        words = f"{shown(unknown)} is not one of {', '.join(map(repr, known))}{hint}"
        raise click.BadParameter(words, param_hint="'--emit'")
    return hooks


def _tell_once(line: str) -> None:
    """Say it on standard error where the command has not said it yet: of another kernel, perhaps."""
    told: list[str] = click.get_current_context().meta.setdefault(_TOLD, [])
    if line not in told:
        told.append(line)
        tell(line)


def tell_gaps(gaps: Sequence[Gap]) -> None:
    """Say once on standard error what an answer lacks, and keep it for JSON."""
    told: list[Gap] = click.get_current_context().meta.setdefault(GAPS, [])
    for gap in gaps:
        if gap not in told:
            told.append(gap)
            tell(str(gap))


def booted(
    machine: str | Scenario,
    choices: Choices,
    *,
    with_steps: bool = False,
    recording: bool = False,
    reproducing: bool = False,
) -> Booted:
    """Boot what a person asked for, up to the user space that is wanted.

    :param recording: whether reasons are looked up in the events later.
    :param reproducing: whether what a recorded boot showed or did is wanted: that was before udev ran.
    """
    from softreserve.machine.boot import boot

    scenario, hooks_for = asked(machine, choices, with_steps=with_steps)
    hooks = hooks_for(scenario.machine)
    asked_for = choices.userspace or ("none" if reproducing and scenario.recorded else None)
    userspace = scenario.machine.userspace.wanted(asked_for)
    system = boot(scenario.machine, hooks, recording=recording, userspace=userspace)
    tell_gaps(scenario.gaps)
    return Booted(system, scenario, hooks_for)
