"""Each subject of a scenario's expectations, met and not met: what is there instead is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_machines import X86, need
from softreserve.config.scenario_file import ScenarioFile
from softreserve.model.expectations import SUBJECTS
from softreserve.views.scenarios.courses import play_all

pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")

#: 2 GiB of specific purpose memory from 4 GiB on, node 1, which kmem has, but for what runs say otherwise.
HEAD = 'title = "x"\nproblem = "y"\nsource = "z"\nmachine = "example:two-node"\n'
BLOCKS = "/sys/devices/system/memory/block_size_bytes"
Look = Callable[..., str]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """What is there instead of what is expected; empty where it is met."""
    need(X86)

    def look(expected: str, run: str = "", where: str = "run") -> str:
        path = tmp_path / "mine.toml"
        path.write_text(f"{HEAD}[[run]]\nname = 'it'\n{run}\n[[{where}.expect]]\n{expected}\n")
        last = list(play_all(ScenarioFile(path)))[-1]
        assert not last.not_run
        return last.looked[-1].found

    return look


@pytest.mark.parametrize(
    ("expected", "instead"),
    [
        ("iomem = '100000000-17fffffff : Soft Reserved'", ""),
        ("iomem = 'System RAM (kmem)'\nunder = 'Soft Reserved'", ""),
        ("iomem = 'System RAM (kmem)'\nunder = 'CXL*'", "there is 'Soft Reserved > dax0.0 > 100000000-"),
        ("iomem = 'dax*'\nunder = 'Soft*'", ""),
        ("iomem = 'System RAM (km'", "there is no such line"),
        ("iomem = 'Soft Reserved'\nabsent = true", "there is '100000000-17fffffff : Soft Reserved'"),
        ("iomem = 'CXL Window 0'\nabsent = true", ""),
        ("log = 'BIOS-e820: [mem 0x0000000100000000-*] soft reserved'", ""),
        ("log = 'nothing like that'", "no line says that"),
        ("log = 'soft reserved'\nabsent = true", "the log says '"),
        ("log = 'nothing like that'\nabsent = true", ""),
        (f"file = '{BLOCKS}'", ""),
        (f"file = '{BLOCKS}'\nholds = '8000000'", ""),
        (f"file = '{BLOCKS}'\nholds = '80*'", ""),
        (f"file = '{BLOCKS}'\nholds = '800'", "it holds '8000000'"),
        (f"file = '{BLOCKS}'\nerrno = 'EIO'", "it can be read: '8000000'"),
        (f"file = '{BLOCKS}'\nabsent = true", "there is one"),
        (f"file = '{BLOCKS}x'", "there is none"),
        (f"file = '{BLOCKS}x'\nabsent = true", ""),
        ("dax = '0x100000000-0x17fffffff'", ""),
        ("dax = '0x100000000-0x17fffffff'\ndriver = 'kmem'\nnode = 1", ""),
        ("dax = '0x100000000-0x17fffffff'\ndriver = 'none'", "the driver of dax0.0 is kmem"),
        ("dax = '0x100000000-0x17fffffff'\nnode = -1", "the target node of dax0.0 is 1"),
        ("dax = '0x100000000-0x13fffffff'", "dax0.0 has 0x100000000-0x17fffffff"),
        ("dax = '0x180000000-0x1bfffffff'", "no dax device has any of it"),
        ("dax = '0x17fffffff-0x1bfffffff'\nabsent = true", "dax0.0 has 0x100000000-0x17fffffff"),
        ("dax = '0x180000000-0x1bfffffff'\nabsent = true", ""),
        ("dax_devices = 1", ""),
        ("dax_devices = 1\ndriver = 'kmem'", ""),
        ("dax_devices = 1\ndriver = 'device_dax'", "there are 0"),
        ("dax_devices = 0", "there are 1: dax0.0"),
        ("use = 'kmem'\nsize = '2G'", ""),
        ("use = 'kmem'\nsize = '256M'\nwithin = '0x170000000-0x1ffffffff'", ""),
        ("use = 'kmem'\nsize = '1G'", "2 GiB is"),
        ("use = 'unused'\nsize = '1G'", "0 B is"),
        ("finding = 'auto-online'", ""),
        ("finding = 'auto-online'\nseverity = 'error'", "there is the note"),
        ("finding = 'auto-online'\nabsent = true", "there is: "),
        ("finding = 'srat-missing'", "lint has "),
        ("finding = 'srat-missing'\nabsent = true", ""),
        ("verdict = '*'", ""),
        ("verdict = 'LOST'", "it is '"),
        ("node = 1", ""),
        ("node = 1\nonline = true\nram = 0\nspecial = '2G'\nadded = '2G'", ""),
        ("node = 1\nadded = 0", "it has 2 GiB specific purpose memory online"),
        ("node = 1\nram = '2G'", "it has 0 B RAM"),
        ("node = 1\nonline = false", "it is online"),
        ("node = 2\nonline = false", ""),
        ("node = 2", "there are nodes 0, 1"),
        ("node = 0\ntier = 4", ""),
        ("node = 1\ntier = 4", "it is in tier "),
        ("node = 1\ntier_of = 1", ""),
        ("node = 1\ntier_of = 0", "node 0 in 4"),
        ("node = 0\ndemotes_to = [1]", ""),
        ("node = 0\ndemotes_to = []", "it demotes to 1"),
        ("kaslr = '0x100000000-0x17fffffff'\nabsent = true", ""),
        ("kaslr = '0x100000000-0x17fffffff'", "it is never put there"),
    ],
)
def test_after_a_boot(expected: str, instead: str, look: Look) -> None:
    found = look(expected)
    assert found.startswith(instead) or instead in found
    assert bool(found) is bool(instead), found


@pytest.mark.parametrize(
    ("expected", "instead"),
    [("kaslr = '0x100000-0x7fffffff'", ""), ("kaslr = '0x100000-0x7fffffff'\nabsent = true", "it may be put at 0x")],
)
def test_where_the_kernel_may_be_put_by_chance(expected: str, instead: str, look: Look) -> None:
    found = look(expected, 'cmdline = "console=ttyS0"')
    assert found.startswith(instead)
    assert bool(found) is bool(instead)


def test_the_log_of_a_step_is_what_was_said_since_it_began(look: Look) -> None:
    step = "[[run.step]]\nwrites = [['/sys/devices/system/memory/auto_online_blocks', 'offline']]"
    assert look("log = 'soft reserved'", step, "run.step") == "no line says that"
    assert look("log = 'soft reserved'\nabsent = true", step, "run.step") == ""


def test_an_answer_of_a_step_that_is_otherwise_is_told(tmp_path: Path) -> None:
    need(X86)
    path = tmp_path / "mine.toml"
    step = "[[run.step]]\nwrites = [['/sys/devices/system/memory/auto_online_blocks', 'wrong']]\nresult = 0\n"
    path.write_text(f"{HEAD}[[run]]\n{step}")
    (played,) = play_all(ScenarioFile(path))
    (one,) = played.wrong
    assert one.words == "'wrong' written to /sys/devices/system/memory/auto_online_blocks gives 0"
    assert one.found.endswith("auto_online_blocks <- wrong : -EINVAL, expected 0")


@pytest.mark.parametrize(
    ("expected", "instead"),
    [
        ("segment = '0x0-0x7fffffff'", ""),
        ("segment = '0x0-0x7fffffff'\nabsent = true", " is at 0x"),
        ("segment = '0x100000000-0x17fffffff'\nabsent = true", ""),
        ("segment = '0x100000000-0x17fffffff'", "there is "),
        ("iomem = '100000000-17fffffff : Soft Reserved'", ""),
    ],
)
def test_after_a_kexec(expected: str, instead: str, look: Look) -> None:
    pytest.importorskip("softreserve_kexec", reason="needs the kexec plugin: pip install ./plugins/kexec")
    found = look(expected, "[run.kexec]\nsyscall = 'kexec_file_load'", "run.kexec")
    assert instead in found
    assert bool(found) is bool(instead)


@pytest.mark.parametrize(
    ("subject", "cmdline", "instead"),
    [
        ("same", "+quiet", ""),
        ("same", "+efi=nosoftreserve", "one of them has '100000000-17fffffff : "),
        ("differs", "+efi=nosoftreserve", ""),
        ("differs", "+quiet", "it is the same"),
    ],
)
def test_beside_another_run(subject: str, cmdline: str, instead: str, look: Look) -> None:
    second = f"[[run.expect]]\nuse = 'lost'\nsize = 0\n[[run]]\ncmdline = '{cmdline}'\n"
    found = look(f"{subject} = 'iomem'\nof_run = 'it'", second)
    assert found.startswith(instead)
    assert bool(found) is bool(instead)


def test_what_nobody_prints_cannot_be_compared(tmp_path: Path) -> None:
    need(X86)
    path = tmp_path / "mine.toml"
    expects = "[[run.expect]]\nuse = 'lost'\nsize = 0\n"
    path.write_text(f"{HEAD}[[run]]\nname = 'it'\n{expects}[[run]]\n[[run.expect]]\nsame = 'iomen'\nof_run = 'it'\n")
    assert [played.not_run[:44] for played in play_all(ScenarioFile(path))] == [
        "",
        "nobody prints 'iomen'; known: iomem, firmwar",
    ]


def test_every_subject_is_looked_at_here() -> None:
    text = Path(__file__).read_text()
    assert [name for name in SUBJECTS if f"{name} = " not in text and f'"{name}"' not in text] == []
