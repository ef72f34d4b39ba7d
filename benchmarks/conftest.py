"""The table of figures at the end of a run, and a file of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ratios import Ratios, Row, write

_ROWS = pytest.StashKey[list[Row]]()
_FILE = "--benchmarks-json"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the figures be kept."""
    parser.addoption(_FILE, type=Path, metavar="FILE", help="write the ratios and their bounds to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the figures; find out before minutes have gone by that they cannot be written."""
    path: Path | None = config.getoption(_FILE)
    if path is not None and not path.parent.is_dir():
        raise pytest.UsageError(f"{_FILE}: {path.parent} is no directory")
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    rows = config.stash[_ROWS]
    if rows:
        terminalreporter.section("ratios")
        terminalreporter.line(f"{'':64} {'work':>13} {'floor':>13} {'ratio':>8} {'bound':>8}")
        for row in rows:
            terminalreporter.line(str(row))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write them."""
    path: Path | None = session.config.getoption(_FILE)
    if path is not None:
        write(session.config.stash[_ROWS], path)


@pytest.fixture
def ratios(request: pytest.FixtureRequest) -> Ratios:
    """Checks ratios, and keeps the figures for the table."""
    return Ratios(request.config.stash[_ROWS])
