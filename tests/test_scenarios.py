"""The library of scenarios: each comes as people met it; a kernel or machine that is otherwise turns it red."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from small_machines import X86, need
from softreserve.cli import main
from softreserve.config.scenario_file import ScenarioFile, find_scenario, library_names
from softreserve.machine.steps import programs_in
from softreserve.model.errors import SoftReserveError
from softreserve.model.expectations import Differs, Expectation, Same, Segment
from softreserve.model.trouble import HAPPENED, TOLD, Course
from softreserve.plugins.hooks import installed
from softreserve.views.scenarios import courses
from softreserve.views.scenarios.checks import Moment, unmet
from softreserve.views.scenarios.courses import play, play_all

NAMES = library_names()
MISSING = sorted({"x86", "arm64", "hmem", "cxl", "kexec"} - set(installed()))
ALL_WHEELS = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed here: softreserve-{', softreserve-'.join(MISSING)}"
)

Run = Callable[..., tuple[int, str, str]]


@cache
def scenario(name: str) -> ScenarioFile:
    return find_scenario(name)


def takes_programs(name: str, course: Course) -> bool:
    found = scenario(name).scenario(course.name)
    return any(programs_in(found.steps, found.kexec))


@pytest.mark.parametrize("name", NAMES)
@ALL_WHEELS
def test_it_comes_as_people_met_it(name: str) -> None:
    for played in play_all(scenario(name)):
        assert played.takes_program or played.as_told, (played.course.name, played.not_run, played.wrong)


def would_pass(file: ScenarioFile, course: Course, other: Course, end: Moment) -> bool:
    """Whether nobody would notice if a course took place on the machine of another one, or ended as that did."""
    try:
        played = play(course, file.scenario(course.name, under=other.name))
    except SoftReserveError:  # a kexec, or a device, that is not there
        return False
    stage = course.stages[-1]
    expected = [one for group in (stage.booted, *stage.after) for one in group if not isinstance(one, Same | Differs)]
    return played.as_told and not any(unmet(one, end) for one in expected)


@pytest.mark.parametrize("name", [name for name in NAMES if len({c.told for c in scenario(name).trouble.courses}) > 1])
@ALL_WHEELS
def test_what_happened_is_not_met_where_it_does_not_happen_nor_the_other_way_round(name: str) -> None:
    file = scenario(name)
    courses = [course for course in file.trouble.courses if not takes_programs(name, course)]
    ends: dict[str, Moment] = {}
    for course in courses:
        play(course, file.scenario(course.name), ends=ends)
    others = {c.name: [o for o in courses if (o.told == HAPPENED) is not (c.told == HAPPENED)] for c in courses}
    assert all(others.values())
    unnoticed = [c.name for c in courses if all(would_pass(file, c, o, ends[o.name]) for o in others[c.name])]
    assert unnoticed == []


@pytest.mark.parametrize("name", NAMES)
@ALL_WHEELS
def test_what_is_to_be_absent_is_there_somewhere_else_in_the_scenario(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is misspelt is absent everywhere."""
    file = scenario(name)
    stages = [stage for course in file.trouble.courses for stage in course.stages]
    expected = [one for stage in stages for group in (stage.booted, *stage.after) for one in group]
    absent = {one.words: one for one in expected if getattr(one, "absent", False)}
    there: set[str] = set()

    def looking(one: Expectation, now: Moment) -> str:
        new = [(words, e) for words, e in absent.items() if words not in there]
        there.update(w for w, e in new if not (isinstance(e, Segment) and now.image is None) and unmet(e, now))
        return unmet(one, now)

    monkeypatch.setattr(courses, "unmet", looking)
    for _ in play_all(file):
        pass
    assert there == set(absent)


def test_the_library_has_every_known_trouble_once() -> None:
    found = [scenario(name).trouble.id for name in NAMES]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert all(name.startswith(f"{id_.lower()}-") for name, id_ in zip(NAMES, found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_was_met_and_what_its_expectations_stand_on(name: str) -> None:
    trouble = scenario(name).trouble
    assert trouble.links
    assert trouble.title
    assert len(trouble.problem.split()) > 15
    assert bool(trouble.courses) == bool(trouble.source)
    assert trouble.courses or trouble.outside
    assert {course.told for course in trouble.courses} <= set(TOLD)


# --- the command


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["scenario", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def test_the_list_has_every_scenario(run: Run) -> None:
    status, out, _ = run("list")
    assert status == 0
    table, _, below = out.partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(NAMES)
    assert "s34-where-the-next-kernel-goes: not shown here: what a crash dump holds" in below


def test_the_list_is_there_for_programs_too(run: Run) -> None:
    _, out, _ = run("list", "--json")
    assert [one["name"] for one in json.loads(out)["scenarios"]] == list(NAMES)


@pytest.mark.parametrize("spec", ["S12", "s12", "s12-less-than-a-block", "less-than-a-block"])
def test_one_is_found_by_its_name_and_by_its_number(spec: str, run: Run) -> None:
    status, out, _ = run("show", spec)
    assert status == 0
    assert out.startswith("s12-less-than-a-block (S12): ")
    assert "https://github.com/pmem/ndctl/issues/243" in out
    assert "dax0.0 > /sys/bus/dax/drivers/kmem/bind -> -EINVAL" in out


def test_a_number_needs_no_zero(run: Run) -> None:
    assert run("show", "S1")[1].startswith("s01-no-room-for-a-region (S01): ")


def test_one_can_come_from_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = scenario("s16-no-target-node").document.text
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(text.encode())))
    assert run("show", "-")[1].startswith("standard input (S16): kmem refuses")


def test_an_unknown_command_is_a_line_with_the_nearest(run: Run) -> None:
    assert run("lst")[::2] == (2, "softreserve: No such command 'lst'; did you mean 'list'?\n")


def test_an_unknown_one_is_a_line_with_the_nearest(run: Run) -> None:
    status, _, err = run("run", "no-target-nod")
    assert status == 2
    assert err == (
        "softreserve: no-target-nod: no such scenario; `softreserve scenario list` has all;"
        " did you mean 'no-target-node'?\n"
    )


@ALL_WHEELS
def test_without_a_plugin_that_it_takes_one_is_not_run_and_says_so(run: Run) -> None:
    status, out, _ = run("run", "S16", "-p", "no:hmem")
    assert status == 1
    assert "not run: shows nothing without plugins that are not loaded: hmem" in out
    assert out.endswith("not run\n")


@ALL_WHEELS
def test_the_file_that_is_shown_can_be_run_as_ones_own(tmp_path: Path, run: Run) -> None:
    _, text, _ = run("show", "S16", "--file")
    own = tmp_path / "mine.toml"
    own.write_text(text)
    status, out, _ = run("run", own)
    assert status == 0
    assert out.startswith("mine: kmem refuses a dax device without a target node\n")
    assert out.endswith("as told\n")


OWN = """
title = "of my own"
problem = "something"
source = "the log of my server"

[machine]
cmdline = "memhp_default_state=offline"
kernel = { release = "6.12", arch = "x86_64" }
efi_map = [
    { start = 0, size = "640K" },
    { start = "1M", size = "2047M" },
    { start = "4G", size = "1G", attributes = "SP|WB" },
]

[[run]]
kernel = "6.12"
"""


@ALL_WHEELS
def test_what_comes_otherwise_is_told_and_ends_with_one(tmp_path: Path, run: Run) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(OWN + '[[run.expect]]\niomem = "Soft Reserve"\n')
    status, out, _ = run("run", own)
    assert status == 1
    assert "differs  /proc/iomem has 'Soft Reserve': there is no such line" in out
    assert out.endswith("otherwise\n")


def test_a_strangers_words_cannot_steer_a_terminal(tmp_path: Path, run: Run) -> None:
    own = tmp_path / "mine.toml"
    hostile = r"\u001b[2J\u009b31m\u202egnp"
    own.write_text(
        OWN.replace("of my own", hostile).replace("something", hostile) + f'[[run.expect]]\nlog = "{hostile}"\n'
    )
    for command in (["show", own], ["run", own], ["run", own, "--json"]):
        _, out, err = run(*command)
        assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('problem = "y"', "title: missing"),
        ('title = "x"\nproblem = "y"', "no [[run]], and `outside` does not say why"),
        ('title = "x"\nproblem = "y"\nlinks = ["nowhere"]\noutside = "z"', "links[0]: wanted the address of a page"),
        (OWN, "run[0]: expects nothing"),
        (OWN + "expect = 3", "run[0].expect: wanted an array, not 3"),
        (OWN + "wrong = 1\n[[run.expect]]\nverdict = 'x'", "run[0].wrong: unknown key; known: told, "),
        (OWN + "config = 'DEV_DAX=n'\n[[run.expect]]\nverdict = 'x'", "run[0].config: unknown key; known: told, "),
        (OWN + "[[run.expect]]\ndax = '4G'", "run[0].expect[0].dax: wanted a range such as"),
        (OWN + "[[run.expect]]\nuse = 'devdx'\nsize = 0", "run[0].expect[0].use: "),
        (OWN + "[[run.expect]]\nsegment = '0x0-0x1'", "run[0].expect[0].segment: goes with a kexec"),
        (OWN + "[[run.expect]]\nsame = 'dax'\nof_run = 'x'", "run[0].expect[0].of_run: no run before is called 'x'"),
        (OWN + "[[run.expect]]\nfile = '/etc/passwd'", "run[0].expect[0].file: "),
        (OWN + "[run.machine]\nmachin = 1\n[[run.expect]]\nverdict = 'x'", "run[0].machine.machin: unknown key"),
        (OWN + "[[run.step]]\nname = '1'\nwrite = []\n[[run.step.expect]]\nverdict = 'x'", "expect that of the run"),
        (OWN + "[[run.step]]\nname = '1'\nrun = 'x'\nresult = 0", "run[0].step[0].result: goes with writes"),
        (OWN.replace("4G", "4GB") + "[[run.expect]]\nverdict = 'x'", "machine.efi_map[2].start: '4GB'"),
        (OWN.replace("[machine]", "[machine]\nstep = []"), "machine.step: stands in a run"),
        (OWN + 'machine = "../elsewhere.toml"\n[[run.expect]]\nverdict = "x"', "leads out of the directory"),
        (OWN + 'arch = "armv5"\n[[run.expect]]\nverdict = "x"', "armv5"),
    ],
)
def test_a_mistake_is_a_line_with_its_place(text: str, told: str, tmp_path: Path, run: Run) -> None:
    need(X86)
    own = tmp_path / "mine.toml"
    own.write_text(text)
    status, _, err = run("run", own)
    assert status == 2
    assert told in err, err
    assert all(line.startswith(f"softreserve: {own}") or "elsewhere.toml" in line for line in err.splitlines()), err


def test_all_problems_of_a_file_are_told_with_their_lines(tmp_path: Path, run: Run) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(OWN + 'told = "hapened"\n[[run.expect]]\nionem = "x"\n[[run.expect]]\nuse = "ram"\nsize = "1GB"\n')
    status, _, err = run("run", own)
    assert status == 2
    told = [line.removeprefix(f"softreserve: {own}: ") for line in err.splitlines()]
    assert [line.partition(": wanted")[0].partition(": says")[0] for line in told] == [
        "line 17: run[0].told",
        "line 18: run[0].expect[0]",
        "line 22: run[0].expect[1].size: '1GB': units are powers of 1024 here; write 1G or 1GiB",
    ]
    assert told[0].endswith("did you mean 'happened'?")
    assert told[1].endswith("did you mean 'iomem'?")


def test_the_page_has_the_table_as_it_is_now() -> None:
    path = Path(__file__).parents[1] / "docs" / "scenarios.py"
    spec = spec_from_file_location("docs_scenarios", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python docs/scenarios.py"
