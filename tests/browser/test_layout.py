"""A report where people read it: wide and narrow windows, enlarged, in print, beside another."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_machines
from browsing import Browsing
from softreserve.cli import main

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a machine under two kernels."""
    small_machines.need("x86_64")
    path = tmp_path_factory.mktemp("pair") / "pair.html"
    assert main(["report", "example:unaligned", "--kernel", "6.1,7.3", "-o", str(path)]) == 0
    return path


def test_what_became_of_a_range_leads_to_it_in_the_picture(open_report: Browsing, pair: Path) -> None:
    page = open_report(pair)
    page.get_by_role("link", name="0x1601ff000-0x1602fefff").first.click()
    assert page.locator("#said").inner_text().startswith("0x1601ff000 ")
    hit = page.locator("g.bar.hit").first
    assert "soft reserved, no dax device" in (hit.text_content() or "")
    box, scroll = hit.bounding_box(), page.locator(".scroll").bounding_box()
    assert box is not None
    assert scroll is not None
    assert scroll["y"] <= box["y"] <= scroll["y"] + scroll["height"]


def test_two_kernels_stand_beside_each_other_where_there_is_room(open_report: Browsing, pair: Path) -> None:
    sections = open_report(pair, viewport={"width": 1600, "height": 900}).locator(".system")
    first, second = (sections.nth(number).bounding_box() for number in range(2))
    assert first is not None
    assert second is not None
    assert first["y"] == second["y"]
    assert first["x"] + first["width"] <= second["x"]


@pytest.mark.parametrize(
    ("width", "scale"), [pytest.param(400, 1, id="phone"), pytest.param(640, 2, id="enlarged to 200 %")]
)
def test_a_narrow_window_needs_no_scrolling_sideways(open_report: Browsing, pair: Path, width: int, scale: int) -> None:
    page = open_report(pair, viewport={"width": width, "height": 700}, device_scale_factor=scale)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("searchbox", name="address").fill("4G")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_of_lanes_and_of_the_axis_stay_while_the_picture_scrolls(open_report: Browsing, pair: Path) -> None:
    page = open_report(pair)
    page.evaluate("document.querySelector('.scroll').scrollTop = 400")
    scroll = page.locator(".scroll").bounding_box()
    assert scroll is not None
    for name in ("address", "EFI map"):
        box = page.locator(".scroll .name:visible, .scroll .title:visible", has_text=name).first.bounding_box()
        assert box is not None
        assert scroll["y"] <= box["y"] < scroll["y"] + 60


def test_in_print_there_is_all_of_the_picture_and_nothing_to_press(open_report: Browsing, pair: Path) -> None:
    page = open_report(pair)
    page.emulate_media(media="print")
    assert not page.locator("#tools").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.evaluate(
        "(() => { const s = document.querySelector('.scroll'); return s.scrollHeight <= s.clientHeight; })()"
    )
    assert page.pdf().startswith(b"%PDF")


def test_no_words_stick_out_of_their_bar(open_report: Browsing, pair: Path) -> None:
    """The font is whatever the reader has; those of Debian are among the widest."""
    sticking_out = open_report(pair).evaluate(
        """() => [...document.querySelectorAll("g.bar text")].filter((text) => {
            const box = text.parentElement.querySelector("rect").getBoundingClientRect();
            return text.getBoundingClientRect().right > box.right + 1;
        }).map((text) => text.textContent)"""
    )
    assert sticking_out == []


def test_whoever_hears_the_page_is_told_what_each_table_and_picture_is(open_report: Browsing, pair: Path) -> None:
    page = open_report(pair)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("main table, main svg[role], main [role=region], main section")].filter(
            (e) => !e.getAttribute("aria-label")).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert page.get_by_role("table", name="what became of each range").count() == 2
    assert page.get_by_role("img", name="node 0; CPUs 0-1").count() == 2
