"""``softreserve new``: a machine file of somebody's own, from answers or options."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import click

from softreserve.cli.options import in_bytes, on_behalf, plugin_option
from softreserve.cli.terminal import Styled, say
from softreserve.config.new_machine import SCHEMA_FILE, SPEEDS, Kind, Plan, machine_text, shared
from softreserve.model.errors import InputError, MachineError, nearest, shown
from softreserve.model.names import name_problem
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.model.findings import Finding
    from softreserve.views.report import Report, Verdict

__all__ = ["Written", "new_command"]


@attrs.frozen
class Written:
    """A machine file that was written: the machine's name, what it is, and what lint has to say of it."""

    file: str
    name: str
    words: str
    verdict: Verdict
    findings: tuple[Finding, ...]


_GIB = 1 << 30
_SUFFIX = ".toml"
_STDOUT = "-"
#: Bytes of each socket, where nobody says how many.
_DRAM, _HBM = 256 * _GIB, 64 * _GIB


def _size_option(name: str, words: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", metavar="SIZE", callback=in_bytes, help=words)


def _number_option(name: str, target: str, metavar: str, words: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", target, metavar=metavar, type=int, help=words)


def _speed_options(function: Any) -> Any:
    for kind, speed in reversed([*SPEEDS.items()]):
        for what, unit in (("bandwidth", "MB/S"), ("latency", "NS")):
            words = f"HMAT: {what} of {kind.upper()} for its own socket.  [default: {getattr(speed, what)}]"
            function = _number_option(f"{kind}-{what}", f"{kind}_{what}", unit, words)(function)
    return function


@click.command("new")
@click.argument("file", metavar="NAME.toml")
@click.option("--arch", metavar="NAME", help="Its architecture.  [default: the first that is installed]")
@_number_option("sockets", "sockets", "N", "How many sockets; they are all alike.  [default: 2]")
@_number_option("cpus", "cpus", "N", "CPUs of each socket.  [default: 32]")
@_number_option("snc", "clusters", "N", "Nodes that each socket is divided into.  [default: 1]")
@_size_option("dram", "DRAM of each socket: 512G.  [default: 256G]")
@_size_option("hbm", "HBM of each socket.  [default: 64G, or none with --cxl]")
@_size_option("cxl", "CXL memory of each socket, set up by the firmware.  [default: none]")
@click.option("--no-hmat", is_flag=True, help="Leave out the HMAT: firmware that does not tell how fast memory is.")
@_speed_options
@click.option("--kernel", metavar="RELEASE", help="The kernel that it boots.  [default: 6.12]")
@click.option("--cmdline", metavar="TEXT", help="The kernel's command line.  [default: empty]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plugin_option
def new_command(file: str, plugin: tuple[str, ...], *, as_json: bool, **given: Any) -> None:
    """Write a machine file, with comments: a server with HBM or CXL memory, marked specific purpose.

    On a terminal, without options, it asks; Enter takes what is proposed. NAME.toml is never overwritten; - is standard
    output. The machine is booted once, and what softreserve lint has to say of it is told.
    """
    name = _machine_name(file)
    said = any(value is not None and value is not False for value in given.values())
    asks = not said and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    with on_behalf(plugin):
        if file != _STDOUT and os.path.lexists(file):  # before somebody answers ten questions
            raise InputError("is there already, and stays as it is", path=file)
        plan = _asked(name) if asks else _of_options(name, given)
        text = machine_text(plan, command=_command(file, plan))
        if file == _STDOUT:
            sys.stdout.write(text)
            return
        told = _tried(file, text)
        from softreserve.live.whole import new_file

        new_file(file, text.encode())
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("new", Written(file, plan.name, plan.words, told.verdict, told.findings))
    else:
        _print(file, plan, told)


def _machine_name(file: str) -> str:
    """What the machine is called.

    :raises click.BadParameter: no machine file can have that name.
    """
    if file == _STDOUT:
        return "machine"
    if not file.endswith(_SUFFIX):
        raise click.BadParameter(f"{shown(file)}: wanted a name that ends in {_SUFFIX}", param_hint="'NAME.toml'")
    name = os.path.basename(file).removesuffix(_SUFFIX)
    wrong = name_problem(name)
    if wrong is not None:
        raise click.BadParameter(f"the file's name is the machine's: {wrong}", param_hint="'NAME.toml'")
    return name


# --- what somebody wants


def _of_options(name: str, given: dict[str, Any]) -> Plan:
    """What options say, and what they do not say as most have it."""
    values = {key: given[key] for key in ("sockets", "cpus", "clusters", "cmdline") if given[key] is not None}
    values |= {"arch": _known_arch(given["arch"] or _first_arch()), "hmat": not given["no_hmat"]}
    if given["kernel"] is not None:
        values["kernel"] = _known_kernel(given["kernel"], values["arch"])
    if given["cmdline"] is not None:
        values["cmdline"] = _known_cmdline(given["cmdline"])
    clusters = max(values.get("clusters", 1), 1)
    dram, hbm, cxl = (given[kind] for kind in SPEEDS)
    values["dram"] = dram if dram is not None else shared(_DRAM, clusters)
    values["hbm"] = hbm if hbm is not None else 0 if cxl else shared(_HBM, clusters)
    values["cxl"] = cxl or 0
    speeds = {
        kind: speed._replace(**{what: said for what in speed._fields if (said := given[f"{kind}_{what}"]) is not None})
        for kind, speed in SPEEDS.items()
    }
    return Plan(name=name, speeds=speeds, **values)


def _first_arch() -> str:
    from softreserve.plugins.architectures import presumed_arch

    found = presumed_arch()
    if not found:
        raise InputError("no plugin is installed that boots an architecture")
    return found


def _known_arch(arch: str) -> str:
    from softreserve.plugins.architectures import arch_infos

    known = [info.name for info in arch_infos()]
    if arch not in known:
        words = f"no installed plugin boots {shown(arch)}; known: {', '.join(known)}{nearest(arch, known)}"
        raise click.BadParameter(words, param_hint="'--arch'")
    return arch


def _known_kernel(release: str, arch: str) -> str:
    from softreserve.config.builds import built

    try:
        built(release, arch)
    except MachineError as error:
        raise click.BadParameter(str(error), param_hint="'--kernel'") from None
    return release


def _known_cmdline(text: str) -> str:
    from softreserve.config.parts import checked_cmdline

    try:
        checked_cmdline(text)
    except InputError as error:
        raise click.BadParameter(str(error), param_hint="'--cmdline'") from None
    return text


# --- questions


def _asked(name: str) -> Plan:
    """What somebody answers; each answer is looked at at once."""
    say(f"A machine {name!r}. Enter takes what stands in brackets; sizes: 512M, 64G, 1T.")
    plan = Plan(name=name, arch=_ask("architecture", _first_arch(), _known_arch))
    plan = attrs.evolve(plan, kernel=_ask("kernel", plan.kernel, lambda text: _known_kernel(text, plan.arch)))

    def ask(plan: Plan, words: str, field: str, default: object, read: Callable[[str], Any] = _number) -> Plan:
        def checked(text: str) -> Plan:
            changed = attrs.evolve(plan, **{field: read(text)})
            if field in ("sockets", "cpus", "clusters") and not plan.dram and changed.clusters > 0:
                attrs.evolve(changed, dram=shared(_DRAM, changed.clusters)).check()
            else:
                changed.check()
            return changed

        found: Plan = _ask(words, default, checked)
        return found

    plan = ask(plan, "sockets, all alike", "sockets", plan.sockets)
    plan = ask(plan, "CPUs of each socket", "cpus", plan.cpus)
    plan = ask(plan, "nodes that each socket is divided into", "clusters", plan.clusters)
    for field, words, size in (
        ("dram", "DRAM of each socket", _DRAM),
        ("hbm", "high-bandwidth memory of each socket, 0 for none", _HBM),
        ("cxl", "CXL memory of each socket, 0 for none", 0),
    ):
        default = human_size(shared(size, plan.clusters)) if size else "0"
        plan = ask(plan, words, field, default, _size)
    if not click.confirm("an HMAT: does the firmware tell how fast memory is?", default=True):
        return attrs.evolve(plan, hmat=False)
    for kind in SPEEDS:
        if getattr(plan, kind):
            plan = _with_speed(_with_speed(plan, kind, "latency", "ns"), kind, "bandwidth", "MB/s")
    return plan


def _with_speed(plan: Plan, kind: Kind, what: str, unit: str) -> Plan:
    """The plan with one number of the HMAT's."""
    speed = plan.speeds[kind]

    def checked(text: str) -> Plan:
        changed = attrs.evolve(plan, speeds={**plan.speeds, kind: speed._replace(**{what: _number(text)})})
        changed.check()
        return changed

    found: Plan = _ask(f"{what} of {kind.upper()} for its own socket, {unit}", getattr(speed, what), checked)
    return found


def _ask(words: str, default: object, read: Callable[[str], Any]) -> Any:
    """An answer that can be read: until there is one, it is asked for again."""

    def readable(text: str) -> Any:
        try:
            return read(text.strip())
        except click.BadParameter as error:
            raise click.UsageError(error.message) from None
        except InputError as error:
            raise click.UsageError(str(error)) from None

    return click.prompt(words, default=str(default), value_proc=readable)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"wanted a whole number, not {shown(text)}")
    return int(text)


def _size(text: str) -> int:
    from softreserve.config.reader import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise InputError(str(error)) from None


# --- what comes of it


def _command(file: str, plan: Plan) -> str:
    """The command that makes the same file again."""
    return shlex.join(["softreserve", "new", os.path.basename(file), *_words(plan)])


def _words(plan: Plan) -> Iterator[str]:
    for name, field in (("arch", "arch"), ("kernel", "kernel"), ("cmdline", "cmdline")):
        value = getattr(plan, field)
        if value:
            yield from (f"--{name}", value)
    for name, field in (("sockets", "sockets"), ("cpus", "cpus"), ("snc", "clusters")):
        yield from (f"--{name}", str(getattr(plan, field)))
    for kind, speed in plan.speeds.items():
        size = getattr(plan, kind)
        yield from (f"--{kind}", _written(size))
        if size and plan.hmat:
            yield from (f"--{kind}-latency", str(speed.latency), f"--{kind}-bandwidth", str(speed.bandwidth))
    if not plan.hmat:
        yield "--no-hmat"


def _written(size: int) -> str:
    return next(
        (f"{size >> shift}{unit}" for shift, unit in ((30, "G"), (20, "M")) if size % (1 << shift) == 0), str(size)
    )


def _tried(file: str, text: str) -> Report:
    """What there is to say of the machine, read and booted."""
    from softreserve.config.machine_file import read_machine_file
    from softreserve.machine.boot import boot
    from softreserve.plugins.selection import Selection
    from softreserve.views.report import report

    machine = read_machine_file(file, text.encode()).machine
    return report(boot(machine, Selection().hooks_for(machine), recording=True, userspace="udev"))


def _print(file: str, plan: Plan, told: Report) -> None:
    from collections import Counter

    from softreserve.cli.output import VERDICT_STYLES, counted

    verdict = told.verdict
    say(f"{file}: {plan.words}")
    say(Styled(verdict.text, VERDICT_STYLES[verdict.severity]))
    found = counted(Counter(finding.severity for finding in told.findings))
    quoted = shlex.quote(file)
    say(f"softreserve lint {quoted} has ", *found)
    say(f"see it: softreserve boot {quoted}")
    schema = os.path.join(os.path.dirname(file), SCHEMA_FILE)
    if not os.path.exists(schema):
        say(f"for an editor that knows TOML: softreserve schema machine > {shlex.quote(schema)}")
