"""The plugin that docs/plugins.md shows does what the page says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import softreserve as sr
import wheels
from softreserve.cli import main
from softreserve.plugins.selection import Selection

PAGE = wheels.ROOT / "docs" / "plugins.md"
MACHINE = """
efi_map = [{ start = 0, size = "640K" }, { start = "1M", size = "2G" }]
[bank]
start = "4G"
size = "1G"
mode = "slow"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the plugin, installed under the name ``bank``, and two machines."""
    if "x86_64" not in Selection().arches:
        pytest.skip("not installed here: softreserve-x86")
    (text,) = re.findall(r"```python\n(import json\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "documented_bank.py").write_text(text)
    (tmp_path / "bank-1.0.dist-info").mkdir()
    (tmp_path / "bank-1.0.dist-info" / "entry_points.txt").write_text("[softreserve.plugins]\nbank = documented_bank\n")
    (tmp_path / "m.toml").write_text(MACHINE)
    (tmp_path / "stored.json").write_text(json.dumps([[0, 0xA0000], [1 << 20, 1 << 31]]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_does_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = "Bank(start=4294967296, size=1073741824, mode='slow')"
    assert main(["boot", "m.toml", "-p", "bank", "--emit", "banks"]) == 0
    assert capsys.readouterr().out == f"bank: {bank}\n"
    assert main(["banks", "m.toml", "-p", "bank"]) == 0
    assert capsys.readouterr().out == f"{bank}\n"
    assert main(["boot", "m.toml", "-p", "bank", "--json"]) == 0
    (lane,) = json.loads(capsys.readouterr().out)["lanes"]
    assert lane["bars"] == [{"start": 4 << 30, "end": 5 << 30, "label": "slow"}]
    assert main(["boot", "store:stored.json", "-p", "bank", "--emit", "iomem"]) == 0
    out, err = capsys.readouterr()
    assert "00100000-800fffff : System RAM\n" in out
    assert err == "softreserve: partial answer, without the ACPI tables: all memory is on node 0\n"
    assert main(["plugins", "--schema", "-p", "bank"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["definitions"]["bank.Bank"]["properties"]["mode"]["enum"] == ["fast", "slow"]


def test_what_is_wrong_is_told_as_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boot", "m.toml"]) == 2
    assert capsys.readouterr().err.endswith("; plugin 'bank' understands it: -p bank\n")
    assert main(["boot", "store:nowhere.json", "-p", "bank"]) == 2
    assert capsys.readouterr().err.startswith("softreserve: nowhere.json: [Errno 2]")
    (folder / "m.toml").write_text(MACHINE.replace('"1G"', "16").replace("mode", "mod"))
    with pytest.raises(sr.ConfigError) as told:
        sr.load("m.toml", plugins=["bank"])
    assert [problem.partition(": ")[2] for problem in told.value.problems] == [
        "line 6: bank.mod: unknown key; known: start, size, mode; did you mean 'mode'?",
        "line 5: bank.size: 'size' must be >= 4096: 16",
    ]
