"""``softreserve report FOLDER -o DIR``: a page for each machine, and an index that leaves nobody out."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import small_machines
from many_nodes import machine_text
from softreserve.cli import main
from softreserve.views.page.index import page_names

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Two machines, one that is broken, and things that are none."""
    small_machines.need("x86_64")
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "first.toml").write_text(machine_text("alpha", 1, 1))
    (folder / "second one.toml").write_text(machine_text("beta", 1))
    (folder / "broken.toml").write_text("kernel = [\n")
    (folder / "README.md").write_text("# My machines\n")
    (folder / "notes").mkdir()
    (folder / ".hidden.toml").write_text("kernel = [\n")
    os.mkfifo(folder / "pipe")
    return folder


def report(folder: Path, out: Path, *options: str) -> int:
    return main(["report", str(folder), "-o", str(out), *options])


def rows(out: Path) -> list[list[str]]:
    """Cells of the index as text."""
    text = (out / "index.html").read_text("utf-8")
    body = text[text.index('<table id="machines"') : text.index("</table>")]
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)[1:]
    ]


def names(directory: Path) -> Sequence[str]:
    return sorted(path.name for path in directory.iterdir())


def test_each_machine_has_a_page_and_a_row_and_what_is_broken_has_a_row(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert report(fleet, out) == 2
    assert names(out) == ["first.html", "index.html", "second_one.html"]
    found = rows(out)
    assert [row[0] for row in found] == ["alpha", "beta", "broken.toml"]
    assert [found[0][1], *found[0][3:5]] == ["6.12 x86_64", "-", "16 GiB"]
    assert found[0][2].startswith("nothing is lost of 16 GiB of specific purpose memory")
    assert found[1][2].startswith("no specific purpose memory: nothing")
    assert found[1][3:] == ["-", "-", "-", "second one.toml"]
    assert found[2] == ["broken.toml", "could not be shown: line 1: Invalid value", "broken.toml"]
    told = capsys.readouterr().err
    assert f"{fleet}/broken.toml: line 1: Invalid value" in told
    assert "README" not in told
    assert "Traceback" not in told


def test_the_index_leads_to_pages_that_are_there_and_names_what_was_passed_over(fleet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report(fleet, out)
    text = (out / "index.html").read_text("utf-8")
    assert re.findall(r'<a href="([^"]*)">', text) == ["first.html", "second_one.html"]
    assert "README.md: neither a kernel log nor a machine file (TOML)" in text
    assert "notes: a directory without the files of a machine" in text
    assert "pipe: no file" in text
    assert ".hidden.toml" not in text


def test_a_folder_without_a_broken_machine_ends_well(fleet: Path, tmp_path: Path) -> None:
    (fleet / "broken.toml").unlink()
    assert report(fleet, tmp_path / "out") == 0


def test_several_kernels_have_a_row_each_and_one_page(fleet: Path, tmp_path: Path) -> None:
    (fleet / "broken.toml").unlink()
    out = tmp_path / "out"
    assert report(fleet, out, "--kernel", "6.1,6.12") == 0
    assert [row[:2] for row in rows(out)][:2] == [["alpha", f"{r} x86_64"] for r in ("6.1", "6.12")]
    assert len(names(out)) == 3


def test_nothing_of_others_is_replaced(fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fleet / "broken.toml").unlink()
    out = tmp_path / "out"
    assert report(fleet, out) == 0
    assert report(fleet, out) == 2
    assert report(fleet, out, "--replace") == 0
    (out / "mine.html").write_text("<p>mine</p>")
    capsys.readouterr()
    assert report(fleet, out, "--replace") == 2
    assert "holds 'mine.html', which no report made" in capsys.readouterr().err
    assert (out / "mine.html").read_text() == "<p>mine</p>"


def test_a_report_within_its_folder_is_no_machine(fleet: Path) -> None:
    (fleet / "broken.toml").unlink()
    assert report(fleet, fleet / "out") == 0
    assert main(["report", str(fleet / "first.toml"), "-o", str(fleet / "page.html")]) == 0
    assert report(fleet, fleet / "out", "--replace") == 0
    assert [row[0] for row in rows(fleet / "out")] == ["alpha", "beta"]
    assert "page.html: a report" in (fleet / "out" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("output", ["-", "page.html"])
def test_a_folder_needs_a_directory(fleet: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    assert main(["report", str(fleet), "-o", output]) == 2
    assert "becomes several pages: name a directory" in capsys.readouterr().err


def test_a_folder_without_machines_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "README.md").write_text("# nothing\n")
    assert report(folder, tmp_path / "out") == 2
    assert capsys.readouterr().err == f"softreserve: {folder}: no machine in it\n"
    assert not (tmp_path / "out").exists()


def test_page_names_are_safe_short_and_used_once() -> None:
    found = page_names(["a b.toml", "a_b.toml", "A_B", "index", "..", "<b>&\"'.log", "x" * 300, "ä"])
    assert list(found.values()) == [
        "a_b.html",
        "a_b-2.html",
        "A_B-3.html",
        "index-2.html",
        "machine.html",
        "_b_.log.html",
        "x" * 100 + ".html",
        "_.html",
    ]


def test_a_name_is_text_whatever_stands_in_it(fleet: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'\u202e\n.toml"
    (fleet / "second one.toml").rename(fleet / name)
    out = tmp_path / "out"
    report(fleet, out)
    text = (out / "index.html").read_text("utf-8")
    assert "<img" not in text
    assert "\u202e" not in text
    assert r"&lt;img src=x onerror=alert(1)&gt;&amp;&#34;&#39;\u202e\n.toml" in text
    assert "_img_src_x_onerror_alert_1_.html" in names(out)


def test_a_kernel_that_does_not_come_up_is_a_row_beside_those_that_do(fleet: Path, tmp_path: Path) -> None:
    (fleet / "broken.toml").unlink()
    out = tmp_path / "out"
    report(fleet, out, "--kernel", "6.12,none")
    found = rows(out)
    assert [row[:2] for row in found[:2]] == [["alpha", "6.12 x86_64"], ["beta", "6.12 x86_64"]]
    assert found[2][0] == "first.toml"
    assert found[2][1].startswith("could not be shown: alpha: Linux none: ")
    assert "alpha: Linux none" in (out / "first.html").read_text("utf-8")


def test_what_ifs_of_a_machine_are_told_apart_in_the_index(fleet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report(fleet, out, "--cmdline", "+quiet", "--cmdline", "+efi=nosoftreserve")
    assert [row[1] for row in rows(out)][:3] == [
        f"6.12{what} x86_64" for what in ("", ", +quiet", ", +efi=nosoftreserve")
    ]
