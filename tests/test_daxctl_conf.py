"""daxctl's configuration: how it is read, and what lint says that daxctl makes of it.

What sections and keys there are is what libiniparser 4.1 gave for the same text; what daxctl makes of them is in its
source (``daxctl/device.c``, ``util/parse-configs.c``), and what a real one does is in ``tests/clients``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from small_machines import needs_x86
from softreserve.cli import main
from softreserve.config.daxctl_conf import read_daxctl_conf
from softreserve.model.errors import InputError

UUID = "ed93e918-e165-49d8-921d-383d7b9660c5"


def sections(text: str, tmp_path: Path) -> list[tuple[str, dict[str, str]]]:
    path = tmp_path / "dax.conf"
    path.write_text(text)
    return [(section.name, dict(section.keys)) for section in read_daxctl_conf(path)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "# a\n[Reconfigure-device A]\nNVDIMM.uuid = B\nmode = c ; why\nonline = \"true\"  \nmovable='no' # x\n",
            [("reconfigure-device a", {"nvdimm.uuid": "B", "mode": "c", "online": "true", "movable": "no"})],
        ),
        ("[ reconfigure-device  b ]\nmode =\nonline = ;x\n", [("reconfigure-device  b", {"mode": "", "online": ""})]),
        ("[a]\nmode = sys\\\ntem-ram\nb = x \\\n  y\n", [("a", {"mode": "system-ram", "b": "x   y"})]),
        ("[a]\nmode = 1\n[b]\n[a]\nmode = 2\nx = 3\n", [("a", {"mode": "2", "x": "3"}), ("b", {})]),
        ("[A b]\nB=C\n[a B]\nd=e\n", [("a b", {"b": "C", "d": "e"})]),
        ('[a]\nb = "x\nc = d"\n', [("a", {"b": "x", "c": 'd"'})]),
        ('[a]\nmode = ""\nm2=\'\'\nx y = "a;b"\n', [("a", {"mode": "", "m2": "", "x y": "a;b"})]),
        ("  [a]]  \n  b  =  c  d  ", [("a", {"b": "c  d"})]),
        ("[a]\nb = ''x\nc = \t'q q' z\n", [("a", {"b": "''x", "c": "q q"})]),
        ("[a]\n[]\nb=1\n", [("a", {"b": "1"})]),
    ],
)
def test_a_file_is_read_as_libiniparser_reads_it(text: str, wanted: object, tmp_path: Path) -> None:
    assert sections(text, tmp_path) == wanted


@pytest.mark.parametrize("line", ["mode", "[reconfigure-device a", "[a] ; why", "= c", "="])
def test_what_daxctl_would_not_take_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dax\.conf: line 2: wanted \[section\], KEY = VALUE"):
        sections(f"[a]\n{line}\nb = 1\n", tmp_path)


def test_of_a_directory_the_files_that_daxctl_reads_are_read(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", "c.txt", ".conf"):
        (tmp_path / name).write_text(f"[{name}]\nx = 1\n")
    (tmp_path / "d.conf").symlink_to(tmp_path / "c.txt")
    assert [section.place for section in read_daxctl_conf(tmp_path)] == ["a.conf, line 1", "b.conf, line 1"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no \*\.conf in it"):
        read_daxctl_conf(tmp_path / "empty")


def linted(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    """Lines of lint that have to do with the configuration."""
    path = tmp_path / "dax.conf"
    path.write_text(text)
    main(["lint", "example:two-node", "--daxctl-conf", str(path), *options])
    return [line for line in capsys.readouterr().out.splitlines() if "[daxctl-conf" in line]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("mode = system-ram", "has no nvdimm.uuid"),
        (f"nvdimm.uuid = {UUID.upper()}\nmode = devdax", "letter by letter"),
        (f"nvdimm.uuid = {UUID}", "has no mode"),
        (f"nvdimm.uuid = {UUID}\nmode = ram", "a mode that daxctl refuses (EINVAL): 'ram'"),
        (
            f"nvdimm.uuid = {UUID}\nmode = system-ram\nmovable = on",
            "movable that daxctl does not heed: 'on'",
        ),
        (f"nvdimm.uuid = {UUID}\nmode = devdax\nonline = false", "online = false is for system-ram"),
        (f"nvdimm.uuid = {UUID}\nmode = system-ram\nregion = 0", "keys that daxctl does not read: region"),
    ],
)
@needs_x86
def test_lint_names_what_daxctl_does_not_take_as_it_was_meant(
    body: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake, without_effect = linted(f"\n[reconfigure-device x]\n{body}\n", tmp_path, capsys)
    assert mistake.startswith("warning: daxctl's configuration (dax.conf, line 2): [reconfigure-device x] ")
    assert words in mistake
    assert "changes nothing of dax0.0" in without_effect


@needs_x86
def test_lint_says_that_soft_reserved_memory_has_no_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = f"[reconfigure-device x]\nnvdimm.uuid = {UUID}\nmode = system-ram\nonline = true\nmovable = false\n"
    (line,) = linted(good, tmp_path, capsys)
    assert "UUID of an NVDIMM's namespace alone" in line
    assert "daxdev-reconfigure@.service" not in line
    (line,) = linted(good, tmp_path, capsys, "--userspace", "debian")
    assert "Debian has no daxdev-reconfigure@.service" in line
    assert not linted("# nothing\n", tmp_path, capsys)
    twice = linted(good + good.replace(" x]", " y]"), tmp_path, capsys)
    assert "several sections are for ed93e918" in twice[0]
    (line,) = linted("[monitor]\nx = 1\n", tmp_path, capsys)
    assert "[monitor] is read by nobody" in line


@needs_x86
def test_a_machine_file_names_the_configuration_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.toml"
    (tmp_path / "dax.conf").write_text("[reconfigure-device x]\nmode = system-ram\n")
    text = """
    efi_map = [{ start = "1M", size = "2047M" }, { start = "4G", size = "1G", attributes = "SP|WB" }]
    [userspace]
    daxctl_conf = "dax.conf"
    """
    path.write_text(text)
    assert main(["lint", str(path)]) == 1
    assert "(dax.conf, line 1): [reconfigure-device x] has no nvdimm.uuid" in capsys.readouterr().out
    for wrong, words in (("gone.conf", "No such file"), ("../dax.conf", "leads out of the directory")):
        path.write_text(text.replace('"dax.conf"', f'"{wrong}"'))
        assert main(["lint", str(path)]) == 2
        assert words in capsys.readouterr().err
