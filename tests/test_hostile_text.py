"""What descriptions, logs and steps of strangers say, as every command shows it: text, and never something to obey."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "hmem", "kexec"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

#: Clears the screen, names the window, rings, C1's CSI, writes backwards, comes with a line of its own, is not seen.
WORDS = "\x1b[2J\x1b]0;x\x07\x9b31m\u202enoitces\n# 02: 0\r\x7f\u200b\u3164"
SEEN = r"\x1b[2J\x1b]0;x\x07\x9b31m\u202enoitces\n# 02: 0\r\x7f\u200b\u3164"
QUOTED = "".join(f"\\u{ord(c):04x}" for c in WORDS)
MACHINE = f"""
cmdline = "quiet efi=debug x={QUOTED}"
[kernel]
release = "6.12"
[[efi_map]]
start = 0
size = "1G"
[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"
[[step]]
name = "01"
writes = [["/sys/{QUOTED}", "{QUOTED}"]]
"""

CALLS = [
    (["boot", "{machine}"], ""),
    (["boot", "{machine}", "--emit", "log", "--json"], ""),
    (["diff", "{machine}", "--cmdline", "+y", "--emit", "log"], SEEN),
    (["diff", "{machine}", "--cmdline", "+{words}", "--emit", "iomem"], ""),
    (["explain", "{machine}", "4G"], ""),
    (["export", "{machine}", "{folder}"], SEEN),
    (["kaslr", "{machine}", "--samples", "10"], ""),
    (["kexec", "{machine}", "--append", "{words}"], ""),
    (["lint", "{machine}"], ""),
    (["observe", "{machine}", "--out", "{folder}"], ""),
    (["run", "{machine}"], SEEN),
    (["run", "{machine}", "--trace", "--state"], SEEN),
    (["run", "{machine}", "{words}.toml"], SEEN),
    (["boot", "{folder}"], SEEN),
    (["boot", "{machine}", "--from-dmesg", "{words}"], ""),
    (["boot", "dmesg:{words}"], SEEN),
    (["boot", "{machine}", "--kernel", "{words}"], ""),
    (["boot", "{machine}", "--arch", "{words}"], ""),
    (["boot", "{machine}", "-p", "{words}"], ""),
    (["align", "{words}", "1G"], ""),
    (["{words}"], ""),
]


@pytest.mark.parametrize(("arguments", "shown"), CALLS, ids=[" ".join(arguments) for arguments, _ in CALLS])
def test_words_of_strangers_steer_no_terminal(
    arguments: list[str], shown: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = tmp_path / f"{WORDS}.toml"
    machine.write_text(MACHINE)
    names = {"machine": str(machine), "folder": str(tmp_path / WORDS), "words": WORDS}
    main([argument.format(**names) for argument in arguments])
    out, err = capfd.readouterr()
    assert shown in out or shown.replace(r"\n", " ") in err
    unseen = {c for c in out + err if unicodedata.category(c)[0] in "CZ"} - {" ", "\n"}
    assert not unseen
    assert not [line for line in (out + err).splitlines() if line.startswith("# 02")]
