"""What of this program works here, and how to get the rest: tried out, not guessed.

Each probe does what a command would do, in a process of its own with a time limit: whatever hangs, dies or raises is an
answer like any other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, NamedTuple

import attrs

__all__ = ["Probe", "probes"]

#: Seconds that a probe may take: a program that says its version, and a machine that is booted, mounted and read.
_SHORT, _LONG = 10, 30
#: Where programs are that only root has on the path.
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
#: A machine that every installation has, and what a file of it says.
_MACHINE: Final = "example:two-node"
_FILE, _SAYS = "sys/devices/system/node/online", "0-1"
_MANAGERS: Final = {"apt": "apt-get", "dnf": "dnf", "zypper": "zypper"}
_VERSION: Final = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+|\d{6,})")
#: What enters a user namespace and a mount namespace of its own; ends with the errno.
_UNSHARE: Final = (
    "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True);"
    " sys.exit(0 if libc.unshare(0x10020000) == 0 else ctypes.get_errno())"
)


@attrs.frozen
class Probe:
    """What was tried, and what came of it.

    ``state`` is ``works``; ``missing``: it is not there, and nobody said that it would be; ``broken``: it is there, and
    does not work.

    :param group: what it belongs to.
    :param words: what came of it.
    :param get: how to get it, where it is missing or broken; empty: nothing is to be done, or it is not known.
    """

    group: str
    name: str
    state: Literal["works", "missing", "broken"]
    words: str
    get: str = ""


class _Program(NamedTuple):
    """A program that people run on machines: what makes it say something, and in which packages it is."""

    name: str
    argument: str
    apt: str
    dnf: str


_PROGRAMS: Final = (
    _Program("daxctl", "--version", "daxctl", "daxctl"),
    _Program("ndctl", "--version", "ndctl", "ndctl"),
    _Program("cxl", "--version", "ndctl", "cxl-cli"),
    _Program("lsmem", "--version", "util-linux", "util-linux"),
    _Program("numactl", "--show", "numactl", "numactl"),
    _Program("lstopo-no-graphics", "--version", "hwloc-nox", "hwloc"),
    _Program("kexec", "--version", "kexec-tools", "kexec-tools"),
    _Program("iasl", "-v", "acpica-tools", "acpica-tools"),
)
#: Modules of the extras, and what they are for.
_EXTRAS: Final = (
    ("report", "jinja2", "softreserve report"),
    ("zstd", "zstandard", "logs packed by zstd"),
    ("fleet", "joblib", "softreserve fleet on several cores; pyarrow, duckdb and distributed for the rest of it"),
)


def probes(plugins: Sequence[str] = ()) -> list[Probe]:
    """Everything; what takes no turns is tried at the same time.

    :param plugins: as given with ``-p``.
    """
    asked = [word for name in plugins for word in ("-p", name)]
    found, arches = _plugins(asked)
    tries: list[Callable[[], list[Probe]]] = [_python, *(partial(_boot, arch, asked) for arch in arches)]
    tries += [partial(_extra, *extra) for extra in _EXTRAS]
    tries += [_namespaces, _fuse]
    if arches:
        words = [_MACHINE, "--arch", arches[0], *asked]
        tries += [partial(_shell, words), partial(_serve, words)]
    tries += [partial(_client, program) for program in _PROGRAMS]
    with ThreadPoolExecutor(len(tries)) as pool:
        return [*found, *(probe for some in pool.map(_safely, tries) for probe in some)]


def _safely(probe: Callable[[], list[Probe]]) -> list[Probe]:
    try:
        return probe()
    except Exception as error:
        function = getattr(probe, "func", probe)
        return [Probe("softreserve", function.__name__.strip("_"), "broken", f"{type(error).__name__}: {error}")]


class _Ran(NamedTuple):
    """How a process ended: its exit code, ``None``: it took too long; and all that it said."""

    status: int | None
    said: str

    @property
    def last(self) -> str:
        """The last line that it said."""
        return next((line for line in reversed(self.said.splitlines()) if line.strip()), "").strip()


def _run(words: Sequence[str], seconds: float = _SHORT, *, apart: bool = False) -> _Ran:
    """Run a program with nothing to read; what it started ends with it.

    :param apart: whether only what it says on standard output counts.
    :raises OSError: it cannot be started.
    """
    errors = subprocess.DEVNULL if apart else subprocess.STDOUT
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return _Ran(None, said.decode("utf-8", "replace"))
    return _Ran(process.returncode, said.decode("utf-8", "replace"))


def _ours(*words: str) -> list[str]:
    """A command of this program, with this interpreter."""
    return [sys.executable, "-m", "softreserve", *words]


def _how(ran: _Ran) -> str:
    """How a process ended that did not do what it should, in words."""
    if ran.status is None:
        return "it does not end"
    return ran.last or f"it ended with {ran.status}"


def _install(apt: str, dnf: str) -> str:
    manager = next((name for name, program in _MANAGERS.items() if shutil.which(program)), "apt")
    return f"{manager} install {apt if manager == 'apt' else dnf}"


# --- the program itself


def _python() -> list[Probe]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [Probe("softreserve", "Python", "works", f"{version}, {sys.executable}")]


def _plugins(asked: Sequence[str]) -> tuple[list[Probe], list[str]]:
    """What there is of plugins; and the architectures that they boot."""
    ran = _run([*_ours("plugins", "--json"), *asked], _LONG, apart=True)
    try:
        told = json.loads(ran.said)
    except ValueError:
        words = _how(_run([*_ours("plugins"), *asked], _LONG)).removeprefix("softreserve: ")
        return [Probe("softreserve", "plugins", "broken", words)], []
    rows = told["plugins"]
    sound = ", ".join(f"{row['name']} {row['version'] or ''}".strip() for row in rows if not row["error"])
    found = [Probe("softreserve", "plugins", "works", sound)] if sound else []
    for row in rows:
        if row["error"]:
            get = f"pip uninstall {row['distribution']}, or -p no:{row['name']}" if row["distribution"] else ""
            found.append(Probe("softreserve", f"plugin {row['name']}", "broken", row["error"], get))
    found += [Probe("softreserve", "plugins", "missing", words, "softreserve plugins") for words in told["remarks"]]
    arches = sorted({arch for row in rows if not row["error"] and not row["left_out"] for arch in row["arches"]})
    if not arches:
        words = "no plugin is installed that boots an architecture"
        found.append(Probe("softreserve", "boot", "missing", words, "the wheel of an architecture: see README.md"))
    return found, arches


def _boot(arch: str, asked: Sequence[str]) -> list[Probe]:
    """A machine of an architecture."""
    began = time.monotonic()
    ran = _run([*_ours("boot", _MACHINE, "--arch", arch, "--emit", "iomem"), *asked], _LONG)
    if ran.status != 0:
        return [Probe("softreserve", f"boot, {arch}", "broken", _how(ran))]
    return [Probe("softreserve", f"boot, {arch}", "works", f"{_MACHINE}, in {time.monotonic() - began:.1f} s")]


def _extra(extra: str, module: str, use: str) -> list[Probe]:
    program = f"import {module}, importlib.metadata as about; print(about.version('{module}'))"
    ran = _run([sys.executable, "-c", program])
    get = f"pip install 'softreserve[{extra}]'"
    if ran.status == 0:
        return [Probe("extras", module, "works", f"{ran.last}, for {use}")]
    if f"No module named '{module}'" in ran.said:
        if module == "zstandard" and shutil.which("zstd"):
            return [Probe("extras", module, "works", "the program zstd stands in for it")]
        return [Probe("extras", module, "missing", f"for {use}", get)]
    return [Probe("extras", module, "broken", _how(ran), get)]


# --- machines as files, and programs on them


def _namespaces() -> list[Probe]:
    if os.geteuid() == 0:
        return [Probe("machines as files", "user namespaces", "works", "not needed: this is root")]
    ran = _run([sys.executable, "-c", _UNSHARE])
    if ran.status == 0:
        return [Probe("machines as files", "user namespaces", "works", "one was entered")]
    words = os.strerror(ran.status) if ran.status is not None and ran.status > 0 else _how(ran)
    get = "sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, or be root"
    return [Probe("machines as files", "user namespaces", "missing", words, get)]


def _fuse() -> list[Probe]:
    """The parts, of which the next two say whether they work together."""
    group, install = "machines as files", _install("fuse3", "fuse3")
    found = []
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
        found.append(Probe(group, "/dev/fuse", "works", "opened"))
    except FileNotFoundError:
        get = "modprobe fuse; in a container: --device /dev/fuse"
        found.append(Probe(group, "/dev/fuse", "missing", "no such device", get))
    except OSError as error:
        found.append(Probe(group, "/dev/fuse", "missing", error.strerror or str(error), "chmod 666 /dev/fuse, as root"))
    program = shutil.which("fusermount3")
    if program is None:
        found.append(Probe(group, "fusermount3", "missing", "for softreserve serve by an ordinary user", install))
    else:
        found.append(_said(group, "fusermount3", _run([program, "--version"]), install))
    return found


def _shell(machine: Sequence[str]) -> list[Probe]:
    name = "softreserve shell"
    ran = _run(_ours("shell", *machine, "--", "cat", f"/{_FILE}"), _LONG)
    if ran.status == 0 and ran.last == _SAYS:
        return [Probe("machines as files", name, "works", "a program ran on a machine and read its /sys")]
    return [_failed(name, ran)]


def _serve(machine: Sequence[str]) -> list[Probe]:
    name = "softreserve serve"
    with tempfile.TemporaryDirectory(prefix="softreserve-doctor-") as folder, tempfile.TemporaryFile() as said:
        at = os.path.join(folder, "machine")
        os.mkdir(at)
        server = subprocess.Popen(
            _ours("serve", machine[0], at, *machine[1:]),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            read = _read_once_there(os.path.join(at, _FILE), server)
        finally:
            _end(server)
        said.seek(0)
        ran = _Ran(server.returncode, said.read().decode("utf-8", "replace"))
    if read == _SAYS:
        return [Probe("machines as files", name, "works", "a machine was mounted and read")]
    return [_failed(name, ran)]


def _read_once_there(path: str, server: subprocess.Popen[bytes]) -> str:
    """What a mounted file says; nothing where its server ends, or takes too long."""
    end = time.monotonic() + _LONG
    while server.poll() is None and time.monotonic() < end:
        ran = _run(["cat", path])  # whoever looks at a mount may have to wait for ever
        if ran.status == 0:
            return ran.last
        time.sleep(0.1)
    return ""


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server as people do, so that it takes its mount away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            os.killpg(server.pid, number)
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                continue


def _failed(name: str, ran: _Ran) -> Probe:
    """A command that needs what may not be there: what it says itself tells which."""
    words = _how(ran).removeprefix("softreserve: ")
    missing = ran.status == 2
    return Probe("machines as files", name, "missing" if missing else "broken", words)


# --- programs


def _client(program: _Program) -> list[Probe]:
    group, get = "programs", _install(program.apt, program.dnf)
    path = shutil.which(program.name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if path is None:
        return [Probe(group, program.name, "missing", "not found", get)]
    return [_said(group, program.name, _run([path, program.argument]), get)]


def _said(group: str, name: str, ran: _Ran, get: str) -> Probe:
    """What came of a program that was to say something."""
    if ran.status is None or ran.status < 0 or ran.status in (126, 127):
        return Probe(group, name, "broken", _how(ran), get)
    version = _VERSION.search(ran.said)
    return Probe(group, name, "works", version[1] if version is not None else "it runs")
