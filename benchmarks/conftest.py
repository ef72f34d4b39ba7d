"""The table of figures at the end of a run."""

from __future__ import annotations

import pytest
from ratios import Ratios, Row

_ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the figures."""
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    rows = config.stash[_ROWS]
    if rows:
        terminalreporter.section("ratios")
        terminalreporter.line(f"{'':60} {'work':>13} {'floor':>13} {'ratio':>8} {'at most':>8}")
        for row in rows:
            terminalreporter.line(str(row))


@pytest.fixture
def ratios(request: pytest.FixtureRequest) -> Ratios:
    """Checks ratios, and keeps the figures for the table."""
    return Ratios(request.config.stash[_ROWS])
