"""Stacks of a kind come in one size: a node with less specific purpose memory than another one has lost a stack."""

from __future__ import annotations

import click
import softreserve as sr

RULE = "audit-uneven"


@sr.hookimpl
def softreserve_lint(outcome: sr.Outcome) -> list[sr.Finding]:
    """Warn of each node that has less than the one with most."""
    sizes = {row.node: row.special for row in outcome.nodes if row.special and row.node >= 0}
    most = max(sizes.values(), default=0)
    return [
        sr.Finding("warning", RULE, f"node {node} has {size:#x} bytes of specific purpose memory, another {most:#x}")
        for node, size in sizes.items()
        if size < most
    ]


@sr.hookimpl
def softreserve_cli(group: click.Group) -> None:
    """Add ``softreserve audit``."""

    @group.command("audit")
    @click.argument("machine", nargs=-1, required=True)
    def audit(machine: tuple[str, ...]) -> int:
        """Audit machines: a line for each, and 1 if one has lost memory."""
        lost = 0
        for name in machine:
            found = [finding.message for finding in sr.lint(sr.boot(sr.load(name))) if finding.rule == RULE]
            click.echo(f"{name}: {'; '.join(found) or 'even'}")
            lost |= bool(found)
        return lost
