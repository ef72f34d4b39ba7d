"""A booted system beside what was observed of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.views.emit import emit
from softreserve.views.verify.files import compare_files
from softreserve.views.verify.log import compare_logs
from softreserve.views.verify.rows import Difference, Row, Verification

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.observed import Observed
    from softreserve.model.scenario import Scenario

__all__ = ["verify"]


def verify(scenario: Scenario, system: System, observed: Observed) -> Verification:
    """Compare everything that was observed; ``scenario`` is what ``system`` was booted from."""
    rows: list[Row] = []
    differences: list[Difference] = []
    unread = 0
    if observed.log:
        log = compare_logs(scenario, observed, [*emit(system, "log")], system.boot_lines)
        rows += log.rows
        differences += log.differences
        unread = log.unread
    files = compare_files(scenario, system, observed)
    rows += files.rows
    differences += files.differences
    return Verification(tuple(rows), tuple(differences), unread, tuple(observed.hidden.items()))
