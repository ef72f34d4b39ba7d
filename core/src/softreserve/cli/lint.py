"""``softreserve lint``."""

from __future__ import annotations

import attrs
import click

from softreserve.boot import boot
from softreserve.cli.options import Changes, asked, change_options, machine_argument, plugin_option

__all__ = ["lint_command"]

_SEVERITIES = ("error", "warning", "note")


@click.command("lint")
@machine_argument()
@change_options
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; ranges are bytes, half open.")
def lint_command(
    machine: str,
    arch: str | None,
    kernel: str | None,
    cmdline: str | None,
    page_size: str | None,
    plugin: tuple[str, ...],
    as_json: bool,
) -> int:
    """Find mistakes of the firmware and surprises for the operator. Ends with 1 when there is something to say."""
    scenario, selection = asked(machine, plugin, Changes(arch, kernel, cmdline, page_size))
    hooks = selection.hooks_for(scenario.machine)
    found = hooks.lint(boot(scenario.machine, hooks))
    found.sort(key=lambda f: (_SEVERITIES.index(f.severity), f.start or 0, f.rule))
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("lint", {"findings": [attrs.asdict(finding) for finding in found]})
    else:
        for finding in found:
            print(f"{finding.severity}: {finding.message} [{finding.rule}]")
    return 1 if found else 0
