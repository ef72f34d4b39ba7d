"""Findings: what a person should know about a machine, as values; see :mod:`softreserve.views.lint_rules`."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["SEVERITIES", "Finding"]

#: The worst first. A machine with notes only is sound.
SEVERITIES: Final = ("error", "warning", "note")


@attrs.frozen
class Finding:
    """One finding: what happens on this kernel, and what to change. The range is bytes, half open, or absent.

    :param severity: ``error``: memory is lost, or used against the firmware's wish; ``warning``: not what was meant;
        ``note``: good to know.
    :param rule: the name of the rule; it stays the same over releases.
    :param explains: a use of :data:`softreserve.model.outcome.USES`: the finding says why specific purpose memory in
        its range is put to that use, or, without a range, why all such memory is that no other finding explains.
    """

    severity: str = attrs.field(validator=attrs.validators.in_(SEVERITIES))
    rule: str
    message: str
    start: int | None = None
    end: int | None = None
    explains: str = ""
