"""Specific purpose memory should be on a node without processors, or programs get it without asking for it."""

from __future__ import annotations

import click
import softreserve as sr

RULE = "audit-shared-node"
WORDS = (
    "specific purpose memory is on node {}, which has processors: once it is online, every program there gets some of"
    " it; give it a proximity domain of its own in the SRAT"
)


@sr.hookimpl
def softreserve_lint(outcome: sr.Outcome) -> list[sr.Finding]:
    """Warn of each range that shares a node with processors."""
    shared = {row.node for row in outcome.nodes if row.cpus}
    parts = [part for part in outcome.parts if part.node in shared]
    return [sr.Finding("warning", RULE, WORDS.format(part.node), part.start, part.end) for part in parts]


@sr.hookimpl
def softreserve_cli(group: click.Group) -> None:
    """Add ``softreserve audit``."""

    @group.command("audit")
    @click.argument("machine")
    def audit(machine: str) -> int:
        """Show specific purpose memory that shares a node with processors; 1 if there is some."""
        found = [finding for finding in sr.lint(sr.boot(sr.load(machine))) if finding.rule == RULE]
        for finding in found:
            click.echo(f"{finding.start:#x}-{finding.end:#x}: {finding.message}")
        return 1 if found else 0
