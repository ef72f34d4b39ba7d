"""``softreserve boot``."""

from __future__ import annotations

import sys

import click

from softreserve.cli.options import Changes, asked, change_options, changed, machine_argument, plugin_option
from softreserve.machine.boot import boot
from softreserve.views.emit import EMITTERS, emit

__all__ = ["boot_command"]


@click.command("boot")
@machine_argument(required=False)
@click.option("--emit", "what", type=click.Choice(list(EMITTERS)), help="Print this, as the kernel would, and no more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; numbers are bytes.")
@change_options
@plugin_option
@click.option("--from-dmesg", metavar="FILE", help="Take the machine from a kernel log; - is standard input.")
@click.option("--acpi", metavar="DIR", help="With --from-dmesg: ACPI tables, as in /sys/firmware/acpi/tables.")
@click.option("--trace", is_flag=True, help="Say on standard error which plugin answers which hook.")
def boot_command(
    machine: str | None,
    what: str | None,
    as_json: bool,
    arch: str | None,
    kernel: str | None,
    cmdline: str | None,
    page_size: str | None,
    plugin: tuple[str, ...],
    from_dmesg: str | None,
    acpi: str | None,
    trace: bool,
) -> None:
    """Boot MACHINE and show what Linux makes of its memory: a summary, or one of the kernel's own files."""
    changes = Changes(arch, kernel, cmdline, page_size)
    if (machine is None) == (from_dmesg is None):
        raise click.UsageError("give either MACHINE or --from-dmesg FILE")
    if acpi is not None and from_dmesg is None:
        raise click.UsageError("--acpi goes with --from-dmesg")
    if from_dmesg is not None:
        from softreserve.config.dmesg import read_dmesg

        scenario, selection = changed(read_dmesg(from_dmesg, acpi), plugin, changes)
    else:
        scenario, selection = asked(str(machine), plugin, changes)
    hooks = selection.hooks_for(scenario.machine)
    if trace:
        hooks.trace = lambda line: print(line, file=sys.stderr)
    # reasons are looked up in the events; the kernel's own files need none
    system = boot(scenario.machine, hooks, recording=what is None)
    if what is not None:
        lines = emit(system, what)
        if as_json:
            from softreserve.cli.jsonout import print_json

            print_json("emit", {"what": what, "lines": lines})
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        return
    from softreserve.cli.jsonout import print_json
    from softreserve.views.summary import summarize

    summary = summarize(system)
    if as_json:
        print_json("boot", summary.as_json())
    else:
        from softreserve.cli.output import print_summary

        print_summary(summary)
