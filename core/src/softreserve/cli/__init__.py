"""The command line. Commands are imported when they are called, so that a fast command stays fast.

Exit codes: 0 done (help, too, which is what is shown without a command); 1 findings or differences; 2 bad usage or bad
input, a clear line each; 3 a plugin (or we) failed; 130 interrupted.
Emulated commands end with what the real ones end with.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from softreserve import __version__
from softreserve.cli.terminal import guarded_streams, tell
from softreserve.model.errors import ConfigError, SoftReserveError, nearest, shown

if TYPE_CHECKING:
    from softreserve.cli.brought import Brought

__all__ = ["COMMANDS", "Helped", "main"]

#: Where each command is, as ``module:object``; and its line in the list of commands.
COMMANDS = {
    "align": ("softreserve.cli.align:align_command", "Show what alignment leaves of a range, kernel by kernel."),
    "boot": ("softreserve.cli.boot:boot_command", "Boot a machine and show what Linux makes of its memory."),
    "capture": ("softreserve.cli.capture:capture_command", "Capture the memory of a running host as a machine."),
    "completion": ("softreserve.cli.completion:completion_command", "Make a shell complete what you type."),
    "diff": ("softreserve.cli.diff:diff_command", "Show what another kernel, command line or machine changes."),
    "doctor": ("softreserve.cli.doctor:doctor_command", "Try out what works here, and how to get the rest."),
    "examples": ("softreserve.cli.examples:examples_command", "List the example machines."),
    "explain": ("softreserve.cli.explain:explain_command", "Say why memory is what it is, and what would change it."),
    "export": ("softreserve.cli.export:export_command", "Write a machine's /sys and /proc as a directory."),
    "fleet": ("softreserve.cli.fleet.command:fleet_command", "Ask many machines the same: rows, and a summary."),
    "fleet-query": ("softreserve.cli.fleet.query:query_command", "Ask the rows of a fleet in SQL."),
    "inventory": ("softreserve.cli.inventory:inventory_command", "Make up many machines to try fleet on."),
    "kaslr": ("softreserve.cli.kaslr:kaslr_command", "Show where the kernel image may land, where not, and why."),
    "kexec": ("softreserve.cli.kexec:kexec_command", "Cross a kexec, or a chain of them."),
    "lint": ("softreserve.cli.lint:lint_command", "Find firmware mistakes and surprises for the operator."),
    "man": ("softreserve.cli.manual:man_command", "Print the manual page of a command."),
    "new": ("softreserve.cli.new:new_command", "Write a machine file of your own to begin with."),
    "new-plugin": ("softreserve.cli.new_plugin:new_plugin_command", "Write a plugin of your own to begin with."),
    "observe": ("softreserve.cli.observe:observe_command", "Boot, run all steps, write what a capture records."),
    "plugins": ("softreserve.cli.plugins:plugins_command", "List plugins, their versions and their hooks."),
    "report": ("softreserve.cli.report:report_command", "Draw machines as one HTML page."),
    "run": ("softreserve.cli.run:run_command", "Boot a machine and carry out a file of steps."),
    "scenario": ("softreserve.cli.scenario:scenario_command", "Play troubles that people had again: list, show, run."),
    "schema": ("softreserve.cli.schema:schema_command", "Print the JSON Schema of an answer, or of machine files."),
    "serve": ("softreserve.cli.serve:serve_command", "Mount a machine's /sys and /proc, live."),
    "shell": ("softreserve.cli.shell:shell_command", "Run programs where /sys is the machine's."),
    "show-input": ("softreserve.cli.show_input:show_input_command", "Show what was understood of an input."),
    "sweep": ("softreserve.cli.fleet.sweep:sweep_command", "Ask one machine many questions, and for better places."),
    "verify": ("softreserve.cli.verify:verify_command", "Compare a machine's boot with what it showed, line by line."),
}

#: Where a click context keeps the commands of plugins, and the one that is carried out.
_BROUGHT, _RUNNING = f"{__name__}.brought", f"{__name__}.running"

#: How near a word is to the name of a command that was meant: nearer than words of five letters of which two differ.
_LIKE = 0.65

_INTERRUPTED = 130
_BROKEN_PIPE = 141
#: Exit codes that there are.
_STATUSES = 256
_OURS = 3

#: When set, a mistake of ours ends in a traceback.
_TRACEBACK = "SOFTRESERVE_TRACEBACK"


class _ReaderGoneError(Exception):
    """Standard output is a pipe that nobody reads any more. No OSError, which click would answer itself."""


@contextmanager
def _broken_pipes_are_ours() -> Iterator[None]:
    """Come before click, which ends the program with 1 when a reader goes; to us that means findings."""
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGoneError from error
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            raise _ReaderGoneError from error
        raise


@contextmanager
def _named_where_it_fails(ctx: click.Context) -> Iterator[None]:
    """See that a command of a plugin which fails is named.

    click's exceptions are its own way to end, and so are those of :mod:`sys` and of this program.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
        raise
    except BaseException as error:
        found = ctx.meta.get(_RUNNING)
        if found is None or (isinstance(error, OSError) and error.errno is not None):
            raise
        if isinstance(error, SoftReserveError) and getattr(error, "plugin", True):  # an error of a plugin has a culprit
            raise
        if isinstance(error, SystemExit) and isinstance(error.code, int | None):
            raise click.exceptions.Exit(error.code or 0) from error
        from softreserve.kernel.border import blamed

        told = blamed(error, f"softreserve_cli: command {found.command.name!r}", found.plugin)
        assert told is not None
        raise told from error


class _Context(click.Context):
    #: Of the context at the top: the arguments of the program, as they were given.
    arguments: Sequence[str] = ()
    #: Names that no plugin's command can have.
    own: Collection[str] = COMMANDS

    def make_formatter(self) -> click.HelpFormatter:
        from softreserve.cli.help import Help

        return Help(width=self.terminal_width, max_width=self.max_content_width)


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"softreserve {__version__}", color=ctx.color)
        ctx.exit()


_HELP = click.Option(
    ["-h", "--help"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="Show this message and exit.",
    callback=_show_help,
)


class Helped(click.Command):
    """A command with a ``--help`` of ours: click's looks for a translation first, which nobody has."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The same for all commands; ``None`` where it is not wanted."""
        return _HELP if self.add_help_option else None


class _Commands(Helped, click.Group):
    """The commands of :data:`COMMANDS`, and those of plugins, which are loaded only for what is not among them."""

    context_class = _Context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if isinstance(ctx, _Context):
            ctx.arguments = tuple(args)
        return super().parse_args(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _broken_pipes_are_ours():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _broken_pipes_are_ours(), _named_where_it_fails(ctx):
            answer = super().invoke(ctx)
        found = ctx.meta.get(_RUNNING)
        if found is not None and hasattr(answer, "__await__"):
            from softreserve.kernel.border import wrong

            answer.close()
            raise wrong(found.plugin, f"softreserve_cli: command {found.command.name!r}", answer, "a number or None")
        if found is not None and isinstance(answer, int) and (isinstance(answer, bool) or not 0 <= answer < _STATUSES):
            from softreserve.kernel.border import unsound

            where = f"softreserve_cli: command {found.command.name!r}"
            raise unsound(found.plugin, where, answer, f"an exit code from 0 to {_STATUSES - 1}, or None")
        return answer

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *self._of_plugins(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            command: click.Command | None = getattr(import_module(module), name)
        else:
            found = self._brought(ctx, cmd_name)
            command = found.command if found is not None else None
        if command is not None:
            command.context_class = _Context
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        found = self._brought(ctx, name)
        from softreserve.cli.brought import bringing, declares_plugins, in_the_name_of, named_plugins, without_plugins

        if found is None:
            ctx.fail(
                f"No such command {shown(name)}{nearest(name, self.list_commands(ctx), _LIKE) or bringing(ctx, name)}"
            )
        ctx.meta[_RUNNING] = found
        own = declares_plugins(found.command)
        ctx.with_resource(in_the_name_of(ctx.params.get("plugin", ()) if own else named_plugins(ctx)))
        rest = args[1:] if own else without_plugins(args[1:])
        return super().resolve_command(ctx, [name, *rest])

    def _brought(self, ctx: click.Context, name: str) -> Brought | None:
        """A command of a plugin.

        :raises PluginError: two plugins have it.
        """
        found = self._of_plugins(ctx, before=True).get(name) or self._of_plugins(ctx).get(name)
        if found is not None and found.wrong is not None:
            raise found.wrong
        return found

    def _of_plugins(self, ctx: click.Context, *, before: bool = False) -> Mapping[str, Brought]:
        """Commands that plugins bring.

        :param before: whether only what is named before the command counts: behind it, ``-p`` may be the command's own.
        """
        from softreserve.cli.brought import brought, named_plugins

        named = ctx.params.get("plugin", ()) if before else named_plugins(ctx)
        known: dict[tuple[str, ...], dict[str, Brought]] = ctx.meta.setdefault(_BROUGHT, {})
        if named not in known:
            known[named] = brought(COMMANDS, named, quiet=ctx.resilient_parsing or bool(known))
        return known[named]

    def _of_plugins_for_help(self, ctx: click.Context) -> Mapping[str, Brought]:
        """Commands of plugins, for the help; it is shown whatever is wrong with what nobody named here."""
        from softreserve.cli.brought import named_plugins

        try:
            return self._of_plugins(ctx)
        except SoftReserveError as error:
            if named_plugins(ctx):
                raise
            tell(str(error))
            return {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        rows = {name: words for name, (_, words) in COMMANDS.items()}
        for name, found in self._of_plugins_for_help(ctx).items():
            rows[name] = str(found.wrong) if found.wrong is not None else found.command.get_short_help_str()
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


@click.command(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": list(_HELP.opts), "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="Show the version and exit.",
    callback=_show_version,
)
@click.option("-p", "--plugin", multiple=True, metavar="NAME", is_eager=True, help="As behind each command.")
@click.pass_context
def cli(ctx: click.Context, plugin: tuple[str, ...]) -> None:
    """What Linux makes of EFI specific purpose (soft reserved) memory, without a kernel, root or hardware.

    A MACHINE is a capture directory, a TOML machine file, a kernel log, or example:NAME. To begin with:
    softreserve boot example:two-node
    """
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    _prepare_streams()
    with guarded_streams():
        try:
            status = _run(arguments)
            sys.stdout.flush()
        except (BrokenPipeError, _ReaderGoneError):
            _discard_output()
            return _BROKEN_PIPE
        except OSError as error:
            _discard_output()
            return _failed(error.strerror or str(error))
        return status


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command, and tell what went wrong.

    :raises OSError: of no file of ours: most likely standard output cannot be written.
    """
    try:
        status = cli.main(None if arguments is None else list(arguments), "softreserve", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        return _INTERRUPTED if _interrupted(error) else _told(error)
    return status if isinstance(status, int) else 0


def _interrupted(error: BaseException | None) -> bool:
    """Whether ``^C`` is behind an error: click makes another one of it, as Python does where it makes a class."""
    seen: set[int] = set()  # an error that is raised while it is told stands behind itself
    while error is not None and not isinstance(error, KeyboardInterrupt):
        if id(error) in seen:
            return False
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error is not None


def _told(error: BaseException) -> int:
    """Tell what went wrong; returns the exit code.

    :raises OSError: as it is, if it is of no file.
    """
    match error:
        case click.ClickException():
            return _failed(error.format_message())
        case click.Abort():
            return _failed("aborted")
        case ConfigError():
            return _failed(*error.problems)
        case SoftReserveError():
            _failed(str(error))
            return error.exit_code
        case OSError() if error.filename is not None:
            return _failed(f"{os.fsdecode(error.filename)}: {error.strerror}")
        case OSError() | _ReaderGoneError():
            raise error
    if os.environ.get(_TRACEBACK):
        raise error
    from softreserve.kernel.border import blamed

    found = blamed(error, "what it brought")
    if found is not None:
        _failed(str(found))
        return found.exit_code
    _failed(f"internal error: {type(error).__name__}: {error} (with {_TRACEBACK}=1 it says where; please report it)")
    return _OURS


def _prepare_streams() -> None:
    """See that printing does not fail where a stream is closed, lacks a character, or gets bytes that are no text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Keep the interpreter from complaining when it flushes at the end what nobody takes."""
    with suppress(io.UnsupportedOperation):  # no file, but something that stands in for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(*messages: str) -> int:
    for message in messages:
        tell(message)
    return 2
