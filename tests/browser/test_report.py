"""A report in a browser: what is displayed, and what answers to pointer and keys."""

from __future__ import annotations

import pytest
from browsing import Browsing
from softreserve.cli import main

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
pytestmark = pytest.mark.browser


@pytest.fixture
def unaligned(capsys: pytest.CaptureFixture[str]) -> str:
    """The page of a machine whose memory is lost for the most part."""
    assert main(["report", "example:unaligned", "-o", "-"]) == 0
    return capsys.readouterr().out


def test_the_verdict_is_seen_first(open_report: Browsing, unaligned: str) -> None:
    page = open_report(unaligned)
    verdict = page.locator(".verdict")
    assert verdict.inner_text() == (
        "LOST: 1.29 GiB of 1.58 GiB of specific purpose memory: "
        "290 MiB in dax devices for programs, 1.29 GiB set aside without a dax device [dax-alignment]"
    )
    box = verdict.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 200


def test_pointing_at_a_bar_tells_what_it_is_and_a_click_keeps_it(open_report: Browsing, unaligned: str) -> None:
    page = open_report(unaligned)
    bar = page.locator("g.bar", has_text="1 GiB").first
    bar.hover()
    details = page.locator("#details")
    assert "0x1000ff000-0x1400fefff" in details.inner_text()
    bar.click()
    page.locator("h1").hover()
    told = details.inner_text()
    assert "soft reserved, no dax device" in told
    assert "EFI descriptor" in told
    assert "drivers/firmware/efi/libstub/x86-stub.c: setup_e820" in told
    page.keyboard.press("Escape")
    assert "nothing is chosen" in details.inner_text()
