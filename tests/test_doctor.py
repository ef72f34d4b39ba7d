"""``softreserve doctor``: what works here is tried out, whatever is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from softreserve.live import probes
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "hmem"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what came of each probe by its name."""
    ran = subprocess.run(
        [sys.executable, "-m", "softreserve", *arguments, "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, {probe["name"]: probe for probe in json.loads(ran.stdout)["probes"]}


def test_programs_are_asked_and_what_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    program(tmp_path, "daxctl", "echo 99.5")
    program(tmp_path, "kexec", "kill -9 $$")
    program(tmp_path, "iasl", "echo cannot open shared object file; exit 127")
    status, found = doctor(PATH=str(tmp_path))
    assert status == 1
    assert (found["daxctl"]["state"], found["daxctl"]["words"]) == ("works", "99.5")
    assert (found["kexec"]["state"], found["iasl"]["state"]) == ("broken", "broken")
    assert (
        found["iasl"]["words"] == "cannot open shared object file; exit 127"
        or "shared object" in found["iasl"]["words"]
    )
    assert found["Python"]["words"].endswith(sys.executable)
    assert found["boot, x86_64"]["state"] == "works"
    assert found["plugins"]["state"] == "works"
    missing = [probe for probe in found.values() if probe["state"] == "missing" and probe["group"] == "programs"]
    assert all(" install " in probe["get"] for probe in missing)


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "daxctl", "sleep 60 & echo begun; wait")
    monkeypatch.setattr(probes, "_SHORT", 0.3)
    began = time.monotonic()
    ran = probes._run([str(tmp_path / "daxctl")], 0.3)
    assert time.monotonic() - began < 10
    assert (ran.status, ran.last) == (None, "begun")
    assert probes._how(ran) == "it does not end"


def test_a_plugin_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "sad.py").write_text("raise RuntimeError('no')\n")
    (tmp_path / "sad-1.dist-info").mkdir()
    (tmp_path / "sad-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sad\nVersion: 1\n")
    (tmp_path / "sad-1.dist-info" / "entry_points.txt").write_text("[softreserve.plugins]\nsad = sad\n")
    status, found = doctor(PYTHONPATH=str(tmp_path))
    assert status == 1
    assert found["plugin sad"]["state"] == "broken"
    assert "RuntimeError" in found["plugin sad"]["words"]
    assert found["plugin sad"]["get"] == "pip uninstall sad, or -p no:sad"
    assert found["boot, x86_64"]["state"] == "works"


def test_nothing_that_boots_is_missing_and_not_broken() -> None:
    named = [word for name in installed() for word in ("-p", f"no:{name}")]
    _, found = doctor(*named)
    assert found["boot"]["state"] == "missing"
    assert "softreserve shell" not in found


def test_a_probe_that_fails_itself_is_an_answer() -> None:
    def probe() -> list[probes.Probe]:
        raise OSError(12, "Cannot allocate memory")

    (found,) = probes._safely(probe)
    assert (found.state, found.words) == ("broken", "OSError: [Errno 12] Cannot allocate memory")
