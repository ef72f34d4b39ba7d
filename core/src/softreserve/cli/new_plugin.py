"""``softreserve new-plugin``: a project of somebody's own, green against the contract kit from its first minute.

Templates lie beside this module, in :class:`string.Template`'s syntax; ``kinds.toml`` says what kinds there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import attrs
import click

from softreserve import __version__
from softreserve.cli.options import Choice
from softreserve.cli.terminal import say
from softreserve.model.errors import shown

__all__ = ["KINDS", "new_plugin_command", "project"]

_TEMPLATES: Final = Path(__file__).with_name("templates")
#: Of distributions and entry points, of packages and of files alike.
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 40


class Kind(NamedTuple):
    """What plugins of a kind are for, in words; the kit's class for it; what else they are made with.

    :param needs: distributions beside the core.
    :param arches: whether its name is that of an architecture, too.
    :param fixtures: what the kit's classes ask for besides its name.
    """

    words: str
    base: str
    needs: tuple[str, ...] = ()
    arches: bool = False
    fixtures: str = ""


def _kinds() -> dict[str, Kind]:
    import tomllib

    tables = tomllib.loads((_TEMPLATES / "kinds.toml").read_text("utf-8"))
    return {name: Kind(**table) for name, table in tables.items()}


KINDS: Final = _kinds()


def _free_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """For ``callback``: a name that a plugin can have, and none has."""
    from softreserve.plugins.hooks import installed

    if not _NAME.fullmatch(value) or len(value) > _LONGEST:
        raise click.BadParameter(f"{shown(value)}: wanted lower case letters, digits and single dashes: my-plugin")
    if value in installed():
        raise click.BadParameter(f"a plugin {value!r} is installed already: {installed()[value][0].distribution}")
    return value


def project(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """The files of a new plugin: where each goes, and its text."""
    from string import Template

    package = _package(name)
    major, minor, _ = __version__.split(".")
    series = f">={major}.{minor},<{major}.{int(minor) + 1}"
    words = {
        **KINDS[kind]._asdict(),
        "name": name,
        "package": package,
        "bases": ", ".join(sorted(("BasePlugin", KINDS[kind].base))),
        "ident": package.removeprefix("softreserve_"),
        "needs": ", ".join(f'"{needed}{series}"' for needed in ("softreserve", *KINDS[kind].needs)),
    }

    def text(template: str) -> str:
        return filled((_TEMPLATES / template).read_text("utf-8"))

    def filled(template: str) -> str:
        return Template(template).substitute(words)

    words["fixtures"] = filled(KINDS[kind].fixtures)
    yield "pyproject.toml", text("pyproject.toml.in") + (text("arches.toml.in") if KINDS[kind].arches else "")
    yield "README.md", text("README.md.in")
    yield f"src/{package}/__init__.py", f'"""A softreserve plugin: {KINDS[kind].words}."""\n'
    yield f"src/{package}/py.typed", ""
    yield f"src/{package}/plugin.py", text(f"kinds/{kind}.py.in")
    yield f"tests/test_{words['ident']}.py", text("test.py.in")


def _package(name: str) -> str:
    return f"softreserve_{name.replace('-', '_')}"


@attrs.frozen
class NewPlugin:
    """A project that was written: its directory, and the files in it."""

    directory: str
    kind: str
    name: str
    files: list[str]


@click.command("new-plugin")
@click.argument("kind", metavar="KIND", type=Choice(KINDS))
@click.argument("name", callback=_free_name)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The directory to make; nothing may be in it.  [default: softreserve-NAME]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new_plugin_command(kind: str, name: str, output: Path | None, as_json: bool) -> None:
    """Write a plugin to begin with: a project that installs, and keeps the contract of its kind.

    KIND is arch, numa, dax, policy, kexec, lint, cli, importer or emitter; NAME what `-p NAME` will load.
    """
    from shlex import quote

    from softreserve.live.whole import whole_directory

    target = output or Path(f"softreserve-{name}")
    files = dict(project(kind, name))
    with whole_directory(target, hint="name another with -o") as new:
        for place, text in files.items():
            (new / place).parent.mkdir(parents=True, exist_ok=True)
            (new / place).write_text(text, "utf-8")
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("new-plugin", NewPlugin(str(target), kind, name, sorted(files)))
        return
    say(f"{target}: {KINDS[kind].words}; begin with src/{_package(name)}/plugin.py")
    where = str(target) if target.is_absolute() or target.parts[:1] == ("..",) else f"./{target}"
    say(f"try it: pip install -e {quote(f'{where}[test]')} && pytest {quote(where)}")
