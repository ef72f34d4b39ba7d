"""The page of a report: one file that needs nothing else, whatever the machine says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest
from small_machines import GIB, MIB, RAM, X86, machine, need, settled, sp
from softreserve.cli import main
from softreserve.kernel.system import System
from softreserve.model.efi import EfiType
from softreserve.plugins.hooks import installed
from softreserve.testing.machines import descriptor

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")

from softreserve.model.ranges import PhysRange
from softreserve.views.explain.trail import trails
from softreserve.views.page.page import Shown, is_page, page, shown
from softreserve.views.report import report

if {"x86", "hmem"} - set(installed()):
    pytest.skip("not installed here: softreserve-x86, softreserve-hmem", allow_module_level=True)

#: What would be an element, an attribute, the end of a script, another direction of writing, a line of its own.
MARKUP = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\u202e\u2028\x00\x7f"


class Read(HTMLParser):
    """Elements with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def many(count: int) -> list[Any]:
    """So many descriptors above 4 GiB, every fourth of them specific purpose memory."""
    types = [EfiType.CONVENTIONAL, EfiType.BOOT_SERVICES_DATA, EfiType.CONVENTIONAL, EfiType.RUNTIME_SERVICES_DATA]
    size = 4 * MIB
    return [
        sp(4 * GIB + n * size, 4 * GIB + (n + 1) * size)
        if n % 4 == 2
        else descriptor(4 * GIB + n * size, size, types[n % 4])
        for n in range(count)
    ]


def page_of(system: System, title: str = "one") -> str:
    return page([shown(title, system)])


def test_the_verdict_comes_first_and_the_data_are_those_of_the_lanes() -> None:
    need(X86)
    system = settled(machine(above=[RAM, sp(6 * GIB + 4096, 8 * GIB)], tables={"HMAT": None}))
    one = shown("one", system)
    text = page([one])
    read = Read(text)
    assert one.summary.verdict.text.startswith("LOST: all 2 GiB")
    places = [read.text.index(words) for words in (one.summary.verdict.text, "The way of the memory", "Findings")]
    assert places == sorted(places)
    words = read.data["words"]
    lanes = read.data["systems"][0]["lanes"]
    assert [
        [(int(start, 16), int(end, 16), words[label]) for start, end, label, *_ in lane["bars"]] for lane in lanes
    ] == [[(s.start, s.end, s.label) for s in stage.stretches] for stage in one.stages]
    rules = [words[rule] for _, rule, *_ in read.data["systems"][0]["findings"]]
    assert rules == [finding.rule for finding in one.findings]
    events = {words[rule] for _, rule, *_ in read.data["systems"][0]["events"]}
    assert "handed over as soft reserved" in events
    assert "EFI descriptor 0" in events


def test_the_way_of_a_range_is_told_as_explain_tells_it() -> None:
    need(X86)
    system = settled(machine(above=[RAM, sp(6 * GIB + 4096, 8 * GIB)], tables={"HMAT": None}))
    one = shown("one", system)
    data = Read(page([one])).data
    words = data["words"]
    at = 7 * GIB
    told = [
        (words[stage], words[rule], words[function], int(start, 16), int(end, 16), words[before], words[after])
        for stage, rule, function, start, end, before, after in data["systems"][0]["events"]
        if int(start, 16) <= at < int(end, 16)
    ]
    (way,) = trails(system, report(system), [PhysRange(at, at + 1)])
    assert told == [
        (decision.stage, event.rule, event.function, event.start, event.end, event.before, event.after)
        for decision in way.decisions
        for event in decision.events
    ]
    assert len({stage for stage, *_ in told}) > 3


def test_nothing_is_fetched_and_nothing_but_the_pages_own_script_may_run() -> None:
    need(X86)
    read = Read(page_of(settled(machine())))
    policy = next(a["content"] for tag, a in read.elements if tag == "meta" and a.get("http-equiv")) or ""
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [a for _, a in read.elements if {"src", "style", "srcset"} & set(a)]
    assert not [a for _, a in read.elements if any(name.startswith("on") for name in a)]
    links = [a["href"] for tag, a in read.elements if tag in ("a", "link")]
    assert all((link or "").startswith("#") for link in links)


def test_the_same_machine_gives_the_same_page() -> None:
    need(X86)
    assert page_of(settled(machine())) == page_of(settled(machine()))


def test_two_hundred_descriptors_are_less_than_half_a_megabyte() -> None:
    need(X86)
    text = page_of(settled(machine(above=many(200))))
    assert len(text.encode()) < 500_000
    assert text.count("<tr><td>") > 400


def test_thousands_of_descriptors_are_folded_in_the_picture_and_all_there_in_the_data() -> None:
    need(X86)
    one = shown("one", settled(machine(above=many(2000))))
    read = Read(page([one]))
    bars = [a for tag, a in read.elements if tag == "g"]
    assert len(bars) < 6000
    assert "borders that matter less are folded away" in read.text
    assert sum(len(lane["bars"]) for lane in read.data["systems"][0]["lanes"]) == one.rows > 4000


def test_what_strangers_say_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    need(X86)
    one = shown("one", settled(machine(cmdline=f"quiet x={MARKUP}")))
    stage = one.stages[0]

    evil = attrs.evolve(stage.stretches[0], label=MARKUP, note=MARKUP)
    stages = (attrs.evolve(stage, title=MARKUP, words=MARKUP, plugin=MARKUP, stretches=(evil,)),)
    finding = attrs.evolve(one.findings[0], message=MARKUP)
    plain, hostile = (
        Read(page([changed]))
        for changed in (
            attrs.evolve(
                one,
                stages=(attrs.evolve(stage, plugin="x", stretches=(stage.stretches[0],)),),
                findings=(one.findings[0],),
            ),
            attrs.evolve(one, title=MARKUP, stages=stages, findings=(finding,), problems=()),
        )
    )
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert len(hostile.scripts) == 2
    assert "\u202e" not in hostile.text
    assert "\x00" not in hostile.text
    assert r"\u202e\u2028\x00\x7f" in hostile.text
    words = hostile.data["words"]
    assert any(word.startswith("</script><script>alert(1)") for word in words)


def test_compared_machines_share_an_axis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.html"
    assert main(["report", "example:two-node", "--kernel", "6.1,7.3", "-o", str(file)]) == 0
    read = Read(file.read_text())
    assert [one["title"] for one in read.data["systems"]] == ["two-node: Linux 6.1", "two-node: Linux 7.3"]
    # it stands again before the second, for print
    axes = [kind for _, a in read.elements if (kind := a.get("class") or "").startswith("group axis")]
    assert axes == ["group axis", "group axis again"]
    heights = {a["height"] for tag, a in read.elements if tag == "svg" and a.get("class") == "lane"}
    assert len(heights) == 1


def test_generations_stand_beside_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    if "kexec" not in installed():
        pytest.skip("not installed here: softreserve-kexec")
    assert main(["report", "example:two-node", "--kexec", "2", "-o", "-"]) == 0
    read = Read(capsys.readouterr().out)
    release = "Linux 6.12.117+deb12-amd64"
    assert [one["title"] for one in read.data["systems"]] == [
        f"two-node: {release}",
        f"two-node, generation 2: {release}",
        f"two-node, generation 3: {release}",
    ]


def test_command_lines_stand_beside_the_one_that_the_machine_has(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["report", "example:two-node", "--kernel", "6.12", "-o", "-"]
    texts = ["--cmdline", "+efi=nosoftreserve", "--cmdline", "+numa=off"]
    assert main([*call, *texts]) == 0
    titles = [one["title"] for one in Read(capsys.readouterr().out).data["systems"]]
    assert titles == [f"two-node: Linux 6.12{words}" for words in ("", ", +efi=nosoftreserve", ", +numa=off")]
    assert main([*call, *texts[:2]]) == 0
    read = Read(capsys.readouterr().out)
    assert "NOT SET ASIDE: all 2 GiB" in read.text
    assert len(read.data["systems"]) == 1


@pytest.mark.parametrize(
    "arguments", [["report", "{machine}", "-o", "{file}"], ["boot", "{machine}", "--svg", "{file}"]]
)
def test_a_file_of_somebody_else_stays(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine"
    file.write_text("<html>mine</html>")
    call = [word.format(machine="example:two-node", file=file) for word in arguments]
    for extra in [], ["--replace"] if "report" in arguments else []:
        assert main([*call, *extra]) == 2
        assert str(file) in capsys.readouterr().err
        assert file.read_text() == "<html>mine</html>"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_earlier_report_is_replaced_where_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.html"
    call = ["report", "example:two-node", "-o", str(file)]
    assert main(call) == 0
    assert is_page(file.read_bytes()[:1024])
    assert main(call) == 2
    assert "--replace takes the place of an earlier report" in capsys.readouterr().err
    assert main([*call, "--replace", "--kernel", "6.1"]) == 0
    assert "Linux 6.1" in file.read_text()


def test_without_jinja2_it_is_said_what_to_install() -> None:
    call = "from softreserve.cli import main; sys.exit(main(['report', 'example:two-node', '-o', '-']))"
    code = f"import sys; sys.modules['jinja2'] = None; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "softreserve: a report needs jinja2, which is not installed: pip install 'softreserve[report]'\n"
    )


# --- the picture of one lane


def test_one_lane_is_drawn_for_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lane.svg"
    assert main(["boot", "example:unaligned", "--svg", str(file)]) == 0
    text = file.read_text()
    capsys.readouterr()
    assert main(["boot", "example:unaligned", "--svg", str(file)]) == 0  # a picture of ours makes room
    assert main(["boot", "example:unaligned", "--svg", "-"]) == 0
    assert capsys.readouterr().out == text
    assert "LOST: 1.29 GiB of 1.58 GiB of specific purpose memory" in text
    assert "0x1000ff000-0x1400fefff" in text
    assert text.count('class="gap"') == 2  # below 1 MiB, and below 4 GiB
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_picture_is_no_file_of_the_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boot", "example:two-node", "--svg", "-", "--json"]) == 2
    assert "leave --emit and --json out" in capsys.readouterr().err


def test_pages_of_several_are_told_apart() -> None:
    need(X86)
    found: list[Shown] = [shown("a", settled(machine())), shown("b", settled(machine(release="6.1")))]
    read = Read(page(found))
    names = [a["id"] for tag, a in read.elements if a.get("id")]
    assert len(names) == len(set(names))


def test_machines_of_the_same_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[kernel]\nrelease = "6.12"\n[[efi_map]]\nstart = 0\nsize = "1G"\n'
    files = [tmp_path / "a.toml", tmp_path / "b.toml"]
    for file in files:
        file.write_text(f'name = "server"\n{text}')
    assert main(["report", *map(str, files), "-o", "-"]) == 0
    titles = [one["title"] for one in Read(capsys.readouterr().out).data["systems"]]
    assert titles == ["server: Linux 6.12", f"server: Linux 6.12 ({files[1]})"]


def test_a_kernel_that_does_not_come_up_is_said_to_beside_those_that_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dead.toml"
    file.write_text('cmdline = "mem=1M"\n[kernel]\nrelease = "6.12"\n[[efi_map]]\nstart = 0\nsize = "1G"\n')
    assert main(["report", str(file), "-o", "-"]) == 2
    assert capsys.readouterr().err == "softreserve: Kernel panic - not syncing: Invalid user supplied memory map\n"
    assert main(["report", str(file), "example:two-node", "-o", "-"]) == 0
    read = Read(capsys.readouterr().out)
    assert "dead: Linux 6.12Kernel panic - not syncing" in read.text
    assert len(read.data["systems"]) == 1


def test_a_page_of_several_is_named_after_each_machine_once_and_not_after_many() -> None:
    need(X86)
    one = shown("two-node: Linux 6.1", settled(machine()))
    titles = ("two-node: Linux 6.12", "two-node, generation 2: Linux 6.12", "other: Linux 6.1")
    others = [attrs.evolve(one, title=title) for title in titles]
    name = "two-node: Linux 6.1 | Linux 6.12 | generation 2: Linux 6.12 | other: Linux 6.1"
    assert f"<title>{name} - softreserve</title>" in page([one, *others])
    last = attrs.evolve(one, title="last: Linux 6.1")
    assert f"<h1>{name} | and 1 more</h1>" in page([one, *others, last])
