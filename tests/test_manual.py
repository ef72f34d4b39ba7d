"""``softreserve man``: pages that formatters have nothing to say against, of the texts of ``--help``."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from softreserve import __version__
from softreserve.cli import COMMANDS, main
from softreserve.cli.manual import manual_page, page_names

#: What finds fault with a page, and the package that it is in.
FORMATTERS = {
    "mandoc": (["mandoc", "-Tlint", "-Wwarning"], "mandoc"),
    "groff": (["groff", "-man", "-ww", "-Tutf8", "-z"], "groff-base"),
}


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_formatters_have_nothing_to_say(formatter: str, tmp_path: Path) -> None:
    if shutil.which(formatter) is None:
        pytest.skip(f"not installed here: {formatter}: apt install {FORMATTERS[formatter][1]}")
    for name in page_names():
        page = tmp_path / f"{name}.1"
        page.write_text(manual_page(name))
        ran = subprocess.run([*FORMATTERS[formatter][0], page], capture_output=True, text=True)
        assert (ran.stdout, ran.stderr) == ("", ""), name


def test_there_is_a_page_of_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man", "--list"]) == 0
    assert capsys.readouterr().out.split() == ["softreserve", *(f"softreserve-{name}" for name in COMMANDS)]
    assert main(["man"]) == 0
    program = capsys.readouterr().out
    assert all(f"softreserve\\-{name.replace('-', chr(92) + '-')}\\fR(1)" in program for name in COMMANDS)
    assert main(["man", "bot"]) == 2
    assert "did you mean 'boot'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_of_the_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([name, "--help"]) == 0
    options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert main(["man", name]) == 0
    page = capsys.readouterr().out
    assert {option for option in options if option.replace("-", "\\-") not in page} == set()
    assert f'"softreserve {__version__}"' in page.splitlines()[0]


def test_the_date_of_a_page_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert '1 "1970-01-02" "softreserve' in manual_page("softreserve")
