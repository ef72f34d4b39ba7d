"""Findings: what a person should know about a machine.

The core's own rules are in :mod:`softreserve.views.lint_rules`; plugins add theirs by ``softreserve_lint``. All of
them read what the boot left behind - its log, its resources, its devices - and none works out again what it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.views.report import report

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["lint"]


def lint(system: System) -> list[Finding]:
    """Everything that there is to say about a booted system: the worst first, then by address.

    Load its modules before (:meth:`softreserve.kernel.modules.Modules.coldplug`) if dax devices are to be looked at.
    """
    return list(report(system).findings)
