"""``softreserve inventory``."""

from __future__ import annotations

from collections import Counter

import attrs
import click

from softreserve.cli.options import on_behalf, plugin_option
from softreserve.cli.terminal import say
from softreserve.model.errors import MachineError

__all__ = ["WrittenInventory", "inventory_command"]


@attrs.frozen
class WrittenInventory:
    """Machine files that were written.

    :param output: their folder.
    :param machines: how many there are.
    :param different: how many different ones there are among them: a name is no difference.
    :param faults: machines by what their firmware gets wrong.
    """

    output: str
    machines: int
    different: int
    faults: dict[str, int]


@click.command("inventory")
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), metavar="N", default=100, show_default=True, help="How many."
)
@click.option(
    "--seed", type=int, metavar="NUMBER", default=0, show_default=True, help="Other servers; the same make the same."
)
@click.option("--arch", metavar="NAME", help="Only of this architecture.  [default: all that can be booted]")
@click.option("-o", "--output", "output", metavar="DIR", required=True, help="The folder, which is new or empty.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plugin_option
def inventory_command(
    count: int, seed: int, arch: str | None, output: str, as_json: bool, plugin: tuple[str, ...]
) -> None:
    """Make up servers to try softreserve fleet on: a machine file for each, in a folder for each rack.

    They come in lots of the same model, firmware and kernel; some firmware gets something wrong, and a few machines
    are unlike all others. The same count and seed give the same files.
    """
    with on_behalf(plugin):
        found = _written(count, seed, arch, output)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("inventory", found)
        return
    say(f"{output}: {found.machines:,} machines, {found.different:,} different")
    for fault, number in found.faults.items():
        say(f"  {fault}: {number:,}")
    say(f"ask them: softreserve fleet {output} --kernel 6.12,7.3")


def _written(count: int, seed: int, arch: str | None, output: str) -> WrittenInventory:
    from softreserve.config.inventory.made import made
    from softreserve.config.inventory.parcel import of_machine_file
    from softreserve.live.whole import whole_directory
    from softreserve.plugins.architectures import arch_info
    from softreserve.plugins.selection import Selection

    selection = Selection()
    arches = [selection.arch(arch)] if arch is not None else [*selection.declared]
    arches.sort(key=lambda name: (not arch_info(name).boots_from_e820, name))
    if not arches:
        raise MachineError("no installed plugin boots any architecture")
    faults: Counter[str] = Counter()
    digests = set()
    with whole_directory(output) as new:
        for machine in made(count, seed, arches):
            path = new / machine.name
            path.parent.mkdir(exist_ok=True)
            data = machine.text.encode()
            path.write_bytes(data)
            digests.add(of_machine_file("", data).digest)
            if machine.fault:
                faults[machine.fault] += 1
    return WrittenInventory(output, count, len(digests), dict(sorted(faults.items())))
