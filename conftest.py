"""For all tests: what may not be skipped is not skipped in continuous integration."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

#: Set where real programs and FUSE must be there.
REQUIRED = "SOFTRESERVE_REQUIRE_CLIENTS"

_MARKS = ("clients", "fuse")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test with real programs into a failure, where that is asked for."""
    report = yield
    if report.skipped and os.environ.get(REQUIRED) and any(item.get_closest_marker(mark) for mark in _MARKS):
        report.outcome = "failed"
        report.longrepr = f"skipped, which {REQUIRED} forbids: {report.longrepr}"
    return report
