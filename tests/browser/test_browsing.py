"""What goes wrong in a page is noticed: the other tests of pages rely on it."""

from __future__ import annotations

import pytest
from browsing import Browsing

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_page_is_opened_and_shows_its_text(open_report: Browsing) -> None:
    assert open_report("<!doctype html><title>t</title><h1>One machine</h1>").inner_text("h1") == "One machine"


@pytest.mark.parametrize(
    ("body", "noticed"),
    [
        ("<script>console.error('broken')</script>", "console: broken"),
        ("<script>console.warn('doubtful')</script>", "console: doubtful"),
        ("<script>nothing.at.all()</script>", "exception: nothing is not defined"),
        ("<img src='https://example.org/x.png'>", "from elsewhere: https://example.org/x.png"),
        ("<link rel=stylesheet href=missing.css>", "missing.css"),
    ],
)
def test_an_error_an_exception_and_a_request_are_noticed(browsing: Browsing, body: str, noticed: str) -> None:
    browsing(f"<!doctype html><title>t</title>{body}")
    assert any(noticed in line for line in browsing.wrong), browsing.wrong
