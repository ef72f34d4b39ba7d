"""The index of a folder and the node view, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_machines
from browsing import Browsing
from many_nodes import machine_text
from softreserve.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three machines, one of which loses memory, and of one that is broken."""
    pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    small_machines.need("x86_64")
    folder = tmp_path_factory.mktemp("fleet")
    lost = machine_text("bad", 1, 1).replace('start = "36G"', 'start = "37749248K"')
    for name, text in (("good", machine_text("good", 1, 1)), ("none", machine_text("none", 1)), ("bad", lost)):
        (folder / f"{name}.toml").write_text(text)
    (folder / "broken.toml").write_text("kernel = [\n")
    out = tmp_path_factory.mktemp("out") / "pages"
    assert main(["report", str(folder), "-o", str(out)]) == 2
    return out / "index.html"


def test_the_index_says_first_how_many_lose_memory(open_report: Browsing, index: Path) -> None:
    page = open_report(index)
    assert (
        page.inner_text(".verdict") == "3 machines: 1 with specific purpose memory that is lost; 1 could not be shown"
    )


def test_a_heading_sorts_once_up_and_once_down_and_broken_machines_stay_last(
    open_report: Browsing, index: Path
) -> None:
    page = open_report(index)
    heading = page.get_by_role("button", name="lost")
    heading.click()
    assert page.locator("tbody th").all_inner_texts() == ["good", "none", "bad", "broken.toml"]
    heading.click()
    assert page.locator("tbody th").all_inner_texts() == ["bad", "good", "none", "broken.toml"]
    assert page.get_by_role("columnheader", name="lost").get_attribute("aria-sort") == "descending"


def test_typing_leaves_the_machines_that_have_it(open_report: Browsing, index: Path) -> None:
    page = open_report(index)
    page.get_by_label("show only").fill("LOST:")
    assert page.locator("tbody tr:visible th").all_inner_texts() == ["bad"]
    assert page.get_by_role("status").inner_text() == "1 of 4 rows"
    page.get_by_label("show only").press("Enter")
    page.get_by_label("show only").fill("")
    assert page.locator("tbody tr:visible").count() == 4


def test_a_row_leads_to_the_page_of_its_machine(open_report: Browsing, index: Path) -> None:
    page = open_report(index)
    page.get_by_role("link", name="bad").click()
    assert page.inner_text("h1").startswith("bad: Linux 6.12")


def test_the_index_can_be_read_on_a_phone(open_report: Browsing, index: Path) -> None:
    page = open_report(index, viewport={"width": 400, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize(("processors", "hbm", "slow"), [(1, 0, 0), (16, 16, 32)])
def test_all_words_of_a_node_stand_in_its_box(
    open_report: Browsing, tmp_path: Path, processors: int, hbm: int, slow: int
) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    small_machines.need("x86_64")
    (tmp_path / "m.toml").write_text(machine_text("many", processors, hbm, slow))
    assert main(["report", str(tmp_path / "m.toml"), "-o", str(tmp_path / "m.html")]) == 0
    page = open_report(tmp_path / "m.html")
    boxes = page.locator("svg.nodes g.node")
    assert boxes.count() == processors + hbm + slow
    assert boxes.last.is_visible()
    sticking_out = page.evaluate(
        """() => [...document.querySelectorAll("svg.nodes g.node text")].filter((text) => {
            const box = text.parentElement.querySelector("rect").getBoundingClientRect();
            const words = text.getBoundingClientRect();
            return words.left < box.left || words.right > box.right || words.bottom > box.bottom;
        }).map((text) => text.textContent)"""
    )
    assert sticking_out == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
