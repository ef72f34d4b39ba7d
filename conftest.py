"""For all tests: what may not be skipped in continuous integration, how examples are drawn, what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import settings

# A loaded machine is no failure; continuous integration draws the same examples every time.
settings.register_profile("softreserve", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("softreserve")

#: Projects of others, with tests that take their own environment: tests/test_testing_examples.py runs them.
collect_ignore_glob = ["examples/testing-*"]

#: What is set where real programs and FUSE, or a browser, must be there: by the mark of the tests that need them.
_REQUIRED = {
    "clients": "SOFTRESERVE_REQUIRE_CLIENTS",
    "fuse": "SOFTRESERVE_REQUIRE_CLIENTS",
    "browser": "SOFTRESERVE_REQUIRE_BROWSER",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test with real programs into a failure, where that is asked for."""
    report = yield
    required = [name for mark, name in _REQUIRED.items() if item.get_closest_marker(mark) and os.environ.get(name)]
    if report.skipped and required:
        report.outcome = "failed"
        report.longrepr = f"skipped, which {required[0]} forbids: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped: a line for each reason, not for each test."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    for reason, times in reasons.most_common():
        terminalreporter.write_line(f"skipped {times}: {reason}")
