from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from softreserve.live import claims
from softreserve.live.claims import Mount, TakenError, located, mounts, take

LOCKED = """
import os, sys
from softreserve.live.claims import take
take(os.open(sys.argv[1], os.O_RDONLY))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_the_owner_of_a_lock_is_named_and_a_lock_ends_with_it(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a b"
    place.mkdir() if kind == "directory" else place.touch()
    file = os.open(place, os.O_RDONLY)
    command = [sys.executable, "-c", LOCKED, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        with pytest.raises(TakenError, match=f"^process {owner.pid}$"):
            take(file)
        owner.kill()
    take(file)
    os.close(file)


def test_mounts_are_listed_with_names_as_they_are() -> None:
    assert Mount("/proc", "proc", "proc") in [Mount(m.point, m.kind, "proc") for m in mounts()]
    line = (
        rb"36 35 98:0 /mnt1 /a\040b\134c\012 rw,noatime master:1 - fuse.softreserve soft\040reserve rw,errors=continue"
    )
    assert claims._mount(line) == Mount("/a b\\c\n", "fuse.softreserve", "soft reserve")


def test_only_the_last_part_of_a_located_path_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/sub")
    monkeypatch.chdir(tmp_path)
    assert {
        path: located(path) for path in ("link", "link/", "link/x", "link/.", "link/..", "real/.", ".", "/", "x")
    } == {
        "link": f"{tmp_path}/link",
        "link/": f"{tmp_path}/link",
        "link/x": f"{tmp_path}/real/sub/x",
        "link/.": f"{tmp_path}/real/sub",
        "link/..": f"{tmp_path}/real",
        "real/.": f"{tmp_path}/real",
        ".": str(tmp_path),
        "/": "/",
        "x": f"{tmp_path}/x",
    }
