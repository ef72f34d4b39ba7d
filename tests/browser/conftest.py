"""Pages in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Browsing, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all of these tests, gone before others begin: it keeps an event loop running."""
    with chromium() as found:
        yield found


@pytest.fixture
def browsing(browser: Browser, tmp_path: Path) -> Iterator[Browsing]:
    """Opens pages; what goes wrong in them is for the test to look at."""
    found = Browsing(browser, tmp_path)
    yield found
    found.close()


@pytest.fixture
def open_report(browsing: Browsing) -> Iterator[Browsing]:
    """Opens pages, ``open_report(path_or_html, color_scheme="dark")``; fails where one complains or asks elsewhere."""
    yield browsing
    assert not browsing.wrong
