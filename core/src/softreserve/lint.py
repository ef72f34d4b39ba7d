"""Findings: what a person should know about a machine.

The core's own rules are in :mod:`softreserve.lint_rules`; plugins add theirs by ``softreserve_lint``. All of them read
what the boot left behind - its log, its resources, its devices - and none works out again what the boot knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["SEVERITIES", "Finding", "lint"]

#: The worst first. A machine with notes only is sound.
SEVERITIES: Final = ("error", "warning", "note")


@attrs.frozen
class Finding:
    """One finding: what happens on this kernel, and what to change. The range is bytes, half open, or absent.

    :param severity: ``error``: memory is lost, or used against the firmware's wish; ``warning``: not what was meant;
        ``note``: good to know.
    :param rule: the name of the rule; it stays the same over releases.
    """

    severity: str = attrs.field(validator=attrs.validators.in_(SEVERITIES))
    rule: str
    message: str
    start: int | None = None
    end: int | None = None


def lint(system: System) -> list[Finding]:
    """Everything that there is to say about a booted system: the worst first, then by address.

    Load its modules before (:meth:`softreserve.kernel.modules.Modules.coldplug`) if dax devices are to be looked at.
    """
    from softreserve import lint_rules

    found = [*lint_rules.findings(system), *system.hooks.lint(system)]
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.start or 0, f.rule))
