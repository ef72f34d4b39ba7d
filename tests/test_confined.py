"""What works in containers: in what they leave of a system, and with the lines that docs/testing-tools.md gives CI."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import confined
import pytest
import wheels
from softreserve.plugins.selection import Selection

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(
        not {"x86", "arm64", "hmem"} <= set(Selection().installed),
        reason="not installed here: softreserve-x86, softreserve-arm64, softreserve-hmem",
    ),
    pytest.mark.skipif(platform.machine() not in confined.NUMBERS, reason="numbers of system calls are not known here"),
]

PAGE = wheels.ROOT / "docs" / "testing-tools.md"
#: Rootless podman: root of a user namespace, with the capabilities that podman leaves; that to mount is none of them.
PODMAN = (
    *("unshare", "-Ur", "setpriv"),
    "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+net_bind_service,+setfcap,+setgid,+setpcap,"
    "+setuid,+sys_chroot",
)
DOCKER = (sys.executable, str(Path(confined.__file__)))


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SOFTRESERVE"))}
    # as with the wheel that names the plugin, which is not in every environment
    environment = {**others, "PATH": path, "PYTEST_PLUGINS": "softreserve.testing.pytest"}
    return subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True)


def shell(where: Sequence[str], *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = "cat /sys/devices/system/node/online; exit 3"
    return run(*where, "softreserve", "shell", "example:two-node", *options, "--", "sh", "-c", command, cwd=cwd)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The tests that run a program on the machine, and on a tree of its files."""
    folder = tmp_path / "project"
    shutil.copytree(wheels.ROOT / "examples" / "testing-c", folder)
    (folder / "pytest.ini").touch()
    return folder


def line_for(file: str) -> list[str]:
    """What tests in a file of the page: the words of its one line with pytest as the program."""
    (text,) = re.findall(rf"`{re.escape(file)}`:\n\n```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (line,) = re.findall(r"^ *- (?:run: )?(pytest .*)$", text, re.MULTILINE)
    return [*line.split(), "-p", "no:cacheprovider"]


def test_without_the_capability_to_mount_a_namespace_of_its_own_does(tmp_path: Path) -> None:
    done = shell(PODMAN, "--skip-as", "77", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "0-1\n"), done.stderr


def test_where_namespaces_are_refused_that_is_said_with_what_it_takes(tmp_path: Path) -> None:
    done = shell(DOCKER, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--cap-add SYS_ADMIN" in done.stderr or os.geteuid() != 0
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("form", "status", "said"), [("77", 77, ""), ("tap", 0, "1..0 # SKIP a mount namespace ")])
def test_for_test_runners_that_is_a_skip(form: str, status: int, said: str, tmp_path: Path) -> None:
    done = shell(DOCKER, "--skip-as", form, cwd=tmp_path)
    assert done.returncode == status
    assert done.stdout.startswith(said)
    assert len((done.stdout + done.stderr).splitlines()) == 1


def test_a_machine_that_is_not_there_is_no_skip(tmp_path: Path) -> None:
    done = run(*DOCKER, "softreserve", "shell", "example:two", "--skip-as", "77", "--", "true", cwd=tmp_path)
    assert done.returncode == 2


@pytest.mark.slow
def test_the_line_for_a_runner_that_is_a_machine_runs_all_tests(project: Path) -> None:
    done = run(*PODMAN, *line_for(".github/workflows/test.yml"), cwd=project)
    assert "5 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_line_for_a_runner_in_a_container_runs_what_needs_no_machine_to_live_on(project: Path) -> None:
    done = run(*DOCKER, *line_for(".gitlab-ci.yml"), cwd=project)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 4 skipped" in done.stdout
    assert "a mount namespace needs" in done.stdout


@pytest.mark.slow
def test_the_first_tests_of_the_page_pass(tmp_path: Path) -> None:
    if shutil.which("daxctl") is None:
        pytest.skip("needs daxctl: apt install daxctl")
    (text, told) = re.findall(r"```(?:python|text)\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    (tmp_path / "test_first.py").write_text(text)
    (tmp_path / "pytest.ini").touch()
    said = re.sub(r" +\[ *\d+%\]$", "", run("pytest", "-v", "test_first.py", cwd=tmp_path).stdout, flags=re.MULTILINE)
    assert told in said, said
