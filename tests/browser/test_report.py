"""A report in a browser: what is displayed, and what answers to pointer and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import pytest
from browsing import Browsing
from small_machines import GIB, MIB, X86, machine, need, settled, sp
from softreserve.cli import main
from softreserve.plugins.hooks import installed
from softreserve.testing.machines import descriptor

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")

from softreserve.views.page.page import page as page_of
from softreserve.views.page.page import shown

pytestmark = [pytest.mark.browser, pytest.mark.slow]

if {"x86", "hmem", "kexec"} - set(installed()):
    pytest.skip("not installed here: softreserve-x86, softreserve-hmem, softreserve-kexec", allow_module_level=True)

Made = Callable[..., str]

#: The specific purpose memory of example:unaligned: what is lost first, and what is a dax device.
LOST, DAX = "0x1000ff000-0x1400fefff", "0x17a000000-0x18c1fffff"


@pytest.fixture
def made(capsys: pytest.CaptureFixture[str]) -> Made:
    """Makes a page as the command does."""

    def make(*arguments: str) -> str:
        assert main(["report", *arguments, "-o", "-"]) == 0
        return capsys.readouterr().out

    return make


def test_the_verdict_is_seen_first(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    verdict = page.locator(".verdict")
    assert verdict.inner_text() == (
        "LOST: 1.29 GiB of 1.58 GiB of specific purpose memory: "
        "290 MiB in dax devices for programs, 1.29 GiB set aside without a dax device [dax-alignment]"
    )
    box = verdict.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 200
    assert "no dax device: start or size is no multiple of 2 MiB" in page.locator(".shortfalls").inner_text()


def test_every_bar_can_be_read(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    boxes = page.eval_on_selector_all(
        "svg.lane g.bar > rect", "all => all.map(r => [r.getBBox().width, r.getBBox().height])"
    )
    assert len(boxes) > 50
    assert all(width > 100 and height >= 16 for width, height in boxes)
    assert page.locator("svg.axis .break").count() == 2


def test_pointing_at_a_bar_tells_what_it_is_and_a_click_keeps_it(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    details = page.locator("#details")
    bar = page.locator("svg.lane g.bar", has_text="1 GiB").first
    bar.hover()
    assert LOST in details.inner_text()
    bar.click()
    page.locator("h1").hover()
    told = details.inner_text()
    for words in ("soft reserved, no dax device", "1 GiB", "EFI descriptor", "x86-stub.c: setup_e820", "node"):
        assert words in told
    page.keyboard.press("Escape")
    assert "nothing is chosen" in details.inner_text()


def test_keys_go_from_bar_to_bar(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    told = page.locator("#details h3").first
    focused = "document.activeElement.id"
    page.locator("#b0-0-0").focus()
    assert told.inner_text() == "soft reserved, no dax device [dax-alignment]"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "b0-0-1"
    page.keyboard.press("End")
    assert told.inner_text() == "dax4.0, device_dax"
    page.keyboard.press("ArrowRight")
    assert told.inner_text() == "specific purpose, conventional"
    assert DAX in page.locator("#details").inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")  # what is kept goes along
    page.keyboard.press("Escape")
    assert page.evaluate(focused).startswith("b0-1-")
    # one stop for each lane; what has the focus is it
    assert page.locator("svg.lane g.bar[tabindex='0']").count() == page.locator("svg.lane").count()
    ring = page.evaluate("getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth")
    assert ring == "3px"


def test_an_address_is_found_in_every_stage_however_it_is_written(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    said, details = page.locator("#said"), page.locator("#details")
    found = "0x17a000000 (5.91 GiB) is in"
    forms = ("0x17a000000", "6341787648", "6048M", "6048MiB", "6_341_787_648", "00017a000000")
    for typed in (*forms, "17a000000-18c1fffff : Soft Reserved"):
        page.fill("#address", typed)
        page.press("#address", "Enter")
        assert said.inner_text().startswith(found), typed
        told = details.inner_text()
        assert all(words in told for words in ("dax4.0, device_dax", "soft reserved", "node 0", "memory")), typed
        assert page.locator("g.bar.hit").count() >= 5, typed
        page.keyboard.press("Escape")
    page.press("#address", "Enter")
    page.locator("#details dd button").first.click()
    assert page.locator("#details h3").first.inner_text() == "dax4.0, device_dax"
    for typed, answer in {
        "16E": "16E is no address",
        "3G": "nothing is at 0xc0000000 (3 GiB)",
        "0": "0x0 (0 B) is in",
        "here": "here is no address",
        "5G-4G": "5G-4G is no address",
        "": "nothing is no address",
    }.items():
        page.fill("#address", typed)
        page.press("#address", "Enter")
        assert said.inner_text().startswith(answer)


def test_an_address_in_the_link_is_found_as_the_page_opens(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    page.goto(page.url + "#0x17a000000")
    page.reload()
    assert "0x17a000000 in every stage" in page.locator("#details").inner_text()


def test_findings_lead_to_their_ranges_and_back(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    page.locator("#findings a.go").first.click()
    assert page.locator("#details h3").first.inner_text() == "soft reserved, no dax device [dax-alignment]"
    assert page.locator("g.bar.hit").count() >= 5
    hit = page.locator("#b0-0-0").bounding_box()
    assert hit is not None
    assert 0 <= hit["y"] < 800
    page.locator("#details ul a").first.click()
    assert page.locator(".findings li:target").count() == 1
    assert page.evaluate("document.querySelector('.findings li:target').getBoundingClientRect().top") < 800
    page.wait_for_selector(".mark.error")
    assert page.locator("#b0-0-0 .mark.error").count() == 1


def test_filters_leave_what_is_wanted(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node"))
    rows = page.locator("table.every tbody tr")
    every = rows.count()
    page.check("#only")
    special = rows.count()
    assert 0 < special < every
    assert page.locator("svg.lane g.bar:not(.dim):not(.k-many)").count() == special
    assert "rows are wanted" in page.locator(".pager").inner_text()
    page.uncheck("#only")
    page.select_option("#node", "1")
    assert {"node 1"} == set(page.locator("table.every tbody tr td:nth-child(5)", has_text="node").all_inner_texts())
    page.select_option("#node", "")
    page.select_option("#kind", "kernel")
    assert all(
        text.startswith("Kernel ") for text in page.locator("table.every tbody td:nth-child(5)").all_inner_texts()
    )
    page.select_option("#kind", "")
    page.click(".stages summary")
    page.uncheck("#stages label:has-text('EFI map') input")
    assert page.locator(".column[data-key=efi]").is_hidden()
    assert "EFI map" not in page.locator("table.every tbody").inner_text()


def test_tables_are_sorted_by_what_they_hold(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node"))
    size = page.locator("table.every th", has_text="size")
    size.locator("button").click()
    cells = page.locator("table.every tbody td:nth-child(4)")
    assert cells.first.inner_text() == "4 KiB"
    assert size.get_attribute("aria-sort") == "ascending"
    size.locator("button").click()
    assert cells.first.inner_text() == "2 GiB"
    assert size.get_attribute("aria-sort") == "descending"
    page.locator("table.every tbody tr").first.click()
    assert "2 GiB" in page.locator("#details").inner_text()


def test_light_and_dark_follow_the_system_and_the_switch(open_report: Browsing, made: Made) -> None:
    text = made("example:two-node")
    paper = "getComputedStyle(document.body).backgroundColor"
    fill = "getComputedStyle(document.querySelector('g.bar.k-ram rect')).fill"
    for scheme, own, other in (
        ("light", "rgb(255, 255, 255)", "rgb(21, 24, 28)"),
        ("dark", "rgb(21, 24, 28)", "rgb(255, 255, 255)"),
    ):
        page = open_report(text, color_scheme=scheme)
        before = page.evaluate(fill)
        assert page.evaluate(paper) == own
        page.click("#theme")
        assert page.evaluate(paper) == other
        assert page.evaluate(fill) != before


def test_what_is_the_same_stands_once_beside_each_other(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node", "--kernel", "6.1,6.12"))
    assert page.locator(".compared td.good").count() == 2
    assert page.locator(".column[data-key=efi]:visible").count() == 1
    page.check("#same")
    assert page.locator(".column[data-key=efi]:visible").count() == 2
    tops = page.eval_on_selector_all(
        ".column[data-key=dax] g.bar rect", "all => all.map(r => r.getBoundingClientRect().top)"
    )
    assert len(tops) == 2
    assert tops[0] == tops[1]


def test_lanes_of_one_stage_stand_beside_each_other_or_lanes_of_one_machine(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node", "--kernel", "6.1,6.12"), viewport={"width": 1600, "height": 900})
    name = "c.dataset.key + c.querySelector('svg').dataset.lane.slice(1, 2)"
    order = f"all => all.filter(c => c.offsetParent).map(c => {name})"
    lanes = page.eval_on_selector_all(".column", order)
    assert lanes[:3] == ["outcome0", "outcome1", "efi0"]
    assert page.locator(".title:visible", has_text="EFI map").inner_text() == "EFI map (the same in all)"
    page.locator("#b0-0-0").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "b1-0-0"
    page.select_option("#beside", "machines")
    machines = page.eval_on_selector_all(".column", order)
    assert sorted(machines) == sorted(lanes)
    assert machines == sorted(machines, key=lambda name: name[-1])
    page.select_option("#beside", "stages")
    assert page.eval_on_selector_all(".column", order) == lanes
    page.emulate_media(media="print")
    page.wait_for_selector(".pair .group[role=group] .title:has-text('Linux 6.12')")
    assert page.eval_on_selector_all(".column", order) == machines


def test_without_scripts_everything_is_there_to_be_read(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node"), java_script_enabled=False)
    assert page.locator("svg.lane g.bar").count() > 30
    assert page.locator("table.every tbody tr").count() == page.locator("svg.lane g.bar").count()
    assert page.locator("#tools").is_hidden()


def test_a_printed_page_has_all_lanes(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:two-node"), viewport={"width": 1047, "height": 700})  # A4 across, within margins
    page.emulate_media(media="print")
    assert page.locator("#tools").is_hidden()
    assert page.locator("#details").is_hidden()
    lanes, room = page.evaluate("(s => [s.scrollWidth, s.clientWidth])(document.querySelector('.scroll'))")
    assert lanes <= room
    assert page.pdf()[:4] == b"%PDF"


def test_what_is_folded_away_is_drawn_when_somebody_looks_closer(open_report: Browsing) -> None:
    need(X86)
    size = 4 * MIB
    above = [descriptor(4 * GIB + n * size, size, 7 - n % 2 * 3) for n in range(1500)]
    page = open_report(page_of([shown("large", settled(machine(above=above)))]))
    whole = page.locator("svg.lane[data-lane=b0-0] g.bar").count()
    folded = page.locator("svg.lane[data-lane=b0-0] g.bar[data-last]").nth(5)
    number, last = folded.get_attribute("id"), folded.get_attribute("data-last")
    assert number
    assert last
    assert page.locator(f"[id='{last}']").count() == 0
    folded.click()
    assert page.locator("#details h3").first.inner_text().endswith(" ranges")
    page.get_by_role("button", name="look closer").click()
    assert page.locator(f"[id='{last}'] text").first.text_content() in ("conventional", "boot services data")
    assert page.evaluate("document.activeElement.id") == number
    assert page.locator("svg.axis text").first.text_content() != "0x0"
    page.locator("#whole").click()
    assert page.locator("svg.lane[data-lane=b0-0] g.bar").count() == whole
    page.fill("#address", hex(4 * GIB + 777 * size))
    page.press("#address", "Enter")
    assert "boot services data" in page.locator("g.bar.hit text").all_text_contents()


def test_specific_purpose_memory_is_drawn_without_the_rest(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    height = "Number(document.querySelector('svg.axis').getAttribute('height'))"
    before, bars = page.evaluate(height), page.locator("svg.lane g.bar").count()
    page.check("#only")
    assert page.evaluate(height) < before
    assert page.locator("svg.lane[data-lane=b0-0] g.bar").count() == 5
    assert page.locator("#b0-0-4").is_visible()
    page.uncheck("#only")
    assert (page.evaluate(height), page.locator("svg.lane g.bar").count()) == (before, bars)


@pytest.mark.parametrize("example", ["unaligned", "xeon-max"])
def test_what_is_drawn_later_is_what_the_page_came_with(open_report: Browsing, made: Made, example: str) -> None:
    """The picture of a part is drawn by the page: of all it is the one that the command draws."""
    page = open_report(made(f"example:{example}"))
    seen = "all => all.map(g => [g.id, g.classList[1], g.textContent, g.getAttribute('data-last')])"
    axis = "document.querySelector('svg.axis').textContent"
    page.wait_for_selector("#tools:not([hidden])")
    before = page.eval_on_selector_all("svg.lane g.bar", seen), page.evaluate(axis)
    first, last = page.locator("svg.strip text.size").evaluate_all("all => all.map(t => t.textContent)")[-2:]
    page.fill("#address", f"{first}-{last}")
    page.press("#address", "Enter")
    assert page.locator("#whole").is_visible()
    assert (page.eval_on_selector_all("svg.lane g.bar", seen), page.evaluate(axis)) == before


def test_a_range_is_looked_at_closer(open_report: Browsing, made: Made) -> None:
    page = open_report(made("example:unaligned"))
    every = page.locator("svg.lane g.bar").count()
    page.fill("#address", "4G-5G")
    page.press("#address", "Enter")
    assert page.locator("#whole").inner_text() == "whole map (now 0x100000000-0x13fffffff)"
    assert 10 < page.locator("svg.lane g.bar").count() < every
    assert page.locator("svg.axis text").first.text_content() == "0x100000000"
    assert page.url.endswith("#0x100000000-0x13fffffff")
    page.fill("#address", "0x17a000000")  # out of sight: the whole map is back
    page.press("#address", "Enter")
    assert page.locator("svg.lane g.bar").count() == every
    assert page.locator("#whole").is_hidden()


def test_markup_in_names_is_text_wherever_it_is_shown(open_report: Browsing) -> None:
    need(X86)
    markup = "</script><img src=x onerror=alert(1)>\u202e\x07"
    one = shown(markup, settled(machine(cmdline=f"quiet {markup}")))
    stage, finding = one.stages[0], attrs.evolve(one.findings[0], message=markup, start=6 * GIB, end=7 * GIB)
    stretch = attrs.evolve(stage.stretches[0], label=markup, note=markup)
    stage = attrs.evolve(stage, title=markup, words=markup, stretches=(stretch, *stage.stretches[1:]))
    page = open_report(page_of([attrs.evolve(one, stages=(stage, *one.stages[1:]), findings=(finding,))]))
    seen = r"</script><img src=x onerror=alert(1)>\u202e\x07"
    page.locator("#b0-0-0").click()
    told = page.locator("#details").inner_text()
    assert told.count(seen) >= 4  # the bar, its lane, its note, the finding
    assert page.locator("h1").inner_text() == seen
    page.check("#only")
    page.locator("table.every th button").first.click()
    assert seen in page.locator("table.every tbody").inner_text()
    assert page.locator("img").count() == 0


def test_a_machine_with_nothing_to_show_has_a_page_that_says_so(open_report: Browsing) -> None:
    need(X86)
    one = shown("bare", settled(machine()))
    page = open_report(page_of([attrs.evolve(one, stages=(), findings=())]))
    assert "There is no memory to show." in page.locator("#picture").inner_text()
    assert "no findings" in page.locator("#findings").inner_text()
    page.fill("#address", "4G")
    page.press("#address", "Enter")
    assert page.locator("#said").inner_text() == "nothing is at 0x100000000 (4 GiB)"
    page.check("#only")
    page.uncheck("#only")
    page.fill("#address", "4G-5G")
    page.press("#address", "Enter")
    assert "nothing is at" in page.locator("#said").inner_text()


def _busy(measure: CDPSession) -> float:
    """Seconds that a page has worked for so far."""
    metrics = measure.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")


def test_ten_thousand_descriptors_open_in_less_than_two_seconds(open_report: Browsing) -> None:
    need(X86)
    size = 4 * MIB
    above = [
        sp(4 * GIB + n * size, 4 * GIB + (n + 1) * size)
        if n % 100 == 2
        else descriptor(4 * GIB + n * size, size, 7 - n % 2 * 3)
        for n in range(10_000)
    ]
    text = page_of([shown("large", settled(machine(above=above)))])
    page = open_report(text)
    # time of the processor that draws the page: the clock on the wall tells of the other tests too
    measure = page.context.new_cdp_session(page)
    measure.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy(measure)
    page.reload()
    page.wait_for_selector("#tools:not([hidden])")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert 0.05 < _busy(measure) - before < 2
    assert page.locator("svg.lane g.bar").count() < 6000
    place = hex(4 * GIB + 5002 * size)
    page.fill("#address", place)
    page.press("#address", "Enter")
    assert "is in" in page.locator("#said").inner_text()
    assert "specific purpose, conventional" in page.locator("#details").inner_text()
    page.locator(".pager button", has_text="on").click()
    assert page.locator("table.every tbody tr").count() == 1500
    assert "rows 1501 to 3000 of" in page.locator(".pager").inner_text()
