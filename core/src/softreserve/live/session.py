"""A machine as scripts and tests use it: described, booted, and then read, written, and lived in by programs."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from softreserve.config import load as read_machine
from softreserve.config.changes import Changes
from softreserve.config.preferences import further
from softreserve.kernel.system import System
from softreserve.live.server import LiveSystem
from softreserve.live.shell import Session as Programs
from softreserve.live.shell import shells_status
from softreserve.machine.boot import boot as boot_machine
from softreserve.model.machine import Machine
from softreserve.model.scenario import Scenario
from softreserve.model.userspace import Userspace
from softreserve.plugins.selection import Layer, Selection, asking

if TYPE_CHECKING:
    from softreserve.live.record import Recorder

__all__ = ["Session", "boot", "load"]


def load(
    spec: str | os.PathLike[str] | Scenario | Machine,
    *,
    kernel: str | None = None,
    cmdline: str | None = None,
    arch: str | None = None,
    page_size: str | None = None,
    acpi: str | os.PathLike[str] | None = None,
    efi_map: str | os.PathLike[str] | None = None,
    config: Iterable[str] = (),
    plugins: Iterable[str] = (),
) -> Scenario:
    """Read a machine, and change it for a "what if"; the words are those of the command line.

    >>> machine = load("example:two-node", kernel="6.12", cmdline="+efi=nosoftreserve").machine
    >>> machine.kernel.release, machine.cmdline.text
    ('6.12', 'console=ttyS0 efi=debug nokaslr efi=nosoftreserve')

    :param spec: a capture directory, a machine file, ``example:NAME``, ``dmesg:FILE``, ``-``, or ``PREFIX:PLACE`` where
        a plugin reads that; or what was loaded before, to be changed.
    :param kernel: another release. ``arch``, ``page_size`` (``"64K"``) likewise.
    :param cmdline: another command line; ``"+WORDS"`` are appended to the one it has.
    :param acpi: a directory with the ACPI tables of a kernel log; ``efi_map``: a file with the firmware's map.
    :param config: options that the kernel is built with instead: ``["DEV_DAX=n"]``.
    :param plugins: as for :func:`boot`; reading asks the architecture's plugin what the architecture is.
    :returns: the machine, with the plugins and steps that its file names.
    :raises SoftReserveError: there is no such machine, its files are wrong, or a change cannot be made.
    """
    with asking(further(Layer("plugins", tuple(plugins)))):
        if isinstance(spec, Scenario | Machine):
            scenario = spec if isinstance(spec, Scenario) else Scenario(spec)
        else:
            scenario = read_machine(spec, acpi=acpi, release=kernel)
        if efi_map is not None:
            from softreserve.config.firmware_map import with_efi_map

            scenario = with_efi_map(scenario, os.fspath(efi_map))
        return Changes(arch, kernel, cmdline, page_size, tuple(config) or None).apply(scenario, Selection())


def boot(machine: Scenario | Machine, *, plugins: Iterable[str] = (), userspace: Userspace | None = None) -> System:
    """Boot a machine.

    >>> boot(load("example:two-node")).sysfs.read("/sys/devices/system/node/online")
    b'0-1\\n'

    :param plugins: names to load besides those that the machine asks for, or code (``"package.module:object"``,
        ``"path/to/file.py"``); ``"no:NAME"`` leaves one out. The environment and the user's configuration count, too.
    :param userspace: ``"udev"`` loads modules as udev does; ``"none"`` stops before; ``"rhel9"`` and others have the
        distribution's rules for added memory, too. ``None``: what the machine says, else ``"udev"``.
    :raises SoftReserveError: the machine does not boot, or a plugin failed.
    """
    scenario = machine if isinstance(machine, Scenario) else Scenario(machine)
    with asking(further(Layer("plugins", tuple(plugins)))):
        hooks = Selection(exactly=scenario.plugins).hooks_for(scenario.machine)
        return boot_machine(scenario.machine, hooks, userspace=scenario.machine.userspace.wanted(userspace))


class Session:
    """A running system: its files, and programs that run on it. A context manager.

    Files need nothing. Programs run in a mount namespace of their own, which is made when the first is asked for: that
    takes ``/dev/fuse`` and root or user namespaces.

    >>> with Session(boot(load("example:two-node"))) as host:
    ...     host.read("/sys/devices/system/node/online")
    '0-1'

    :param record: a file for every change, as steps: ``softreserve run MACHINE FILE`` makes them again. Those of an
        earlier record are done first.
    :raises InputError: the file is something else, or of another machine.
    """

    #: Where programs find the machine's ``sys`` and ``proc``.
    root = Path("/")

    def __init__(self, system: System, *, record: str | os.PathLike[str] | None = None) -> None:
        self.system = system
        self._recorder = None if record is None else _recorder(record, system)
        self._files = LiveSystem(system, recorder=self._recorder)
        self._programs: Programs | None = None

    @property
    def record(self) -> Path | None:
        """The file that changes are recorded in."""
        return None if self._recorder is None else self._recorder.path

    @property
    def _live(self) -> LiveSystem:
        return self._files if self._programs is None else self._programs.live

    def read(self, path: str | os.PathLike[str]) -> str:
        """The text of a file below ``/sys`` or ``/proc``, without its last newline.

        :raises OSError: what the kernel answers.
        """
        path = os.fspath(path)
        found = self._live.read(path) if self._is_there(path) else -errno.ENOENT
        if isinstance(found, int):
            raise _refused(found, path)
        return found.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, path: str | os.PathLike[str], value: str | bytes) -> int:
        """One write() of ``value``: bytes taken, or ``-errno``: what a kernel refuses is a result, as everywhere here.

        >>> host = Session(boot(load("example:two-node")))
        >>> host.write("/sys/bus/dax/drivers/device_dax/bind", "dax0.0")  # not its type
        -19
        """
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        path = os.fspath(path)
        if not self._is_there(path):
            return -errno.ENOENT
        taken = self._live.write(path, data)
        if self._programs is not None:
            self._programs.refresh()
        return taken

    def listdir(self, path: str | os.PathLike[str]) -> list[str]:
        """Names in a directory, in the order in which the kernel lists them.

        :raises OSError: what the kernel answers.
        """
        path = os.fspath(path)
        with self._live.lock:
            found = self._live.rootfs.listing(path)
        if isinstance(found, int):
            raise _refused(found, path)
        return [name for name, _ in found]

    @overload
    def run(  # type: ignore[overload-overlap]  # of sequences this one is a string
        self,
        words: str,
        *,
        check: Literal[True] = True,
        capture_output: Literal[True] = True,
        text: Literal[True] = True,
        input: str | bytes | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | os.PathLike[str]] | None = None,
        timeout: float | None = None,
    ) -> str: ...
    @overload
    def run(
        self,
        words: Sequence[str | os.PathLike[str]],
        *,
        check: bool = False,
        capture_output: Literal[True] = True,
        text: Literal[True] = True,
        input: str | bytes | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | os.PathLike[str]] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        words: Sequence[str | os.PathLike[str]],
        *,
        check: bool = False,
        capture_output: Literal[True] = True,
        text: Literal[False],
        input: str | bytes | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | os.PathLike[str]] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]: ...
    def run(
        self,
        words: str | Sequence[str | os.PathLike[str]],
        *,
        check: bool | None = None,
        capture_output: bool = True,
        text: bool = True,
        input: str | bytes | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | os.PathLike[str]] | None = None,
        timeout: float | None = None,
    ) -> str | subprocess.CompletedProcess[str] | subprocess.CompletedProcess[bytes]:
        """Run a program on the machine. It has the host's files and environment; what it reads is empty.

        A list is a program and its arguments, and gives what :func:`subprocess.run` gives: ``returncode`` (-n: signal n
        ended it), ``stdout`` and ``stderr``. A string goes to ``sh -c``, and gives both outputs, in the order they were
        written; it must end with 0. One program runs at a time; what it leaves in the background runs on.

        :param check: whether a list, too, must end with 0.
        :param capture_output: always so; for calls that were written for :func:`subprocess.run`.
        :param text: whether outputs are text, what is no UTF-8 in them replaced; bytes otherwise, of a list.
        :param input: what the program reads instead.
        :param cwd: where it runs; otherwise a list in the current directory, a string in ``/``.
        :param env: what is to be in its environment, too.
        :param timeout: seconds until it is killed.
        :raises subprocess.CalledProcessError: it ended with something other than 0; ``output`` says what it said.
        :raises subprocess.TimeoutExpired: it was killed; ``output`` says what it had said.
        :raises OSError: there is no such program.
        :raises SoftReserveError: programs cannot be run here; the message says what is missing.
        """
        if not capture_output:
            raise TypeError("what a program says is always captured")
        together = isinstance(words, str)
        if together and (check is False or not text):
            raise TypeError("a string gives text, and must end with 0: give a list")
        argv = ["/bin/sh", "-c", words] if isinstance(words, str) else [os.fsdecode(word) for word in words]
        if not argv:
            raise ValueError("an empty list is no program")
        further = {os.fsdecode(name): os.fsdecode(value) for name, value in (env or {}).items()}
        if any("\0" in word for word in (*argv, *further, *further.values())):
            raise ValueError("embedded null byte")
        given = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input or b""
        folder = os.fspath(cwd) if cwd is not None else "/" if together else os.getcwd()
        try:
            done = self._run_program(argv, given=given, cwd=folder, env=further, timeout=timeout, together=together)
        except subprocess.TimeoutExpired as error:
            raise subprocess.TimeoutExpired(
                error.cmd, error.timeout, _said(error.output, text), _said(error.stderr, text)
            ) from None
        out, err = _said(done.stdout, text), _said(done.stderr, text)
        if done.returncode and (check or together):
            status = shells_status(done.returncode) if together else done.returncode
            failure = subprocess.CalledProcessError(status, words if together else argv, out, err)
            if not together:
                failure.add_note(f"{_said(done.stdout)}{_said(done.stderr)}".rstrip("\n"))
            raise failure
        return str(out) if together else subprocess.CompletedProcess[Any](argv, done.returncode, out, err)

    def json(self, words: str | Sequence[str | os.PathLike[str]]) -> Any:
        """What a program prints on its standard output, as JSON; ``[]`` where it prints nothing.

        :param words: as for :meth:`run`.
        :raises subprocess.CalledProcessError: it ended with something other than 0.
        :raises ValueError: it prints no JSON.
        """
        if isinstance(words, str):
            output = self.run(f"{{ {words}; }} 2>/dev/null")
        else:
            output = self.run(words, check=True).stdout
        try:
            return json.loads(output) if output.strip() else []
        except ValueError as error:
            error.add_note(f"printed by {words}:\n{output}")
            raise

    def _run_program(
        self,
        argv: list[str],
        *,
        given: bytes,
        cwd: str,
        env: Mapping[str, str],
        timeout: float | None,
        together: bool,
    ) -> subprocess.CompletedProcess[bytes]:
        """As :meth:`softreserve.live.shell.Session.call` runs it."""
        return self._on_it().call(argv, given=given, cwd=cwd, env=env, timeout=timeout, together=together)

    def _on_it(self) -> Programs:
        if self._programs is None or self._programs.closed:  # a run that was interrupted ends all programs
            self._programs = Programs(self.system, recorder=self._recorder)
        return self._programs

    def _is_there(self, path: str) -> bool:
        with self._live.lock:
            return self._live.rootfs.tree.node(path, follow=True) is not None

    def close(self) -> None:
        """End the programs that still run, unmount, and record no more."""
        programs, self._programs = self._programs, None
        if programs is not None:
            programs.close()
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._files.recorder = None
            recorder.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def _recorder(record: str | os.PathLike[str], system: System) -> Recorder:
    """Where a system is recorded, which goes on from there."""
    from softreserve.live.record import Recorder
    from softreserve.machine.steps import run_step

    recorder = Recorder(record, system)
    try:
        recorder.resume(lambda step: run_step(system, step))
    except BaseException:
        recorder.close()
        raise
    return recorder


@overload
def _said(output: bytes, text: Literal[True] = True) -> str: ...
@overload
def _said(output: bytes | None, text: bool) -> str | bytes | None: ...
def _said(output: bytes | None, text: bool = True) -> str | bytes | None:
    return output.decode("utf-8", "replace") if text and output is not None else output


def _refused(answer: int, path: str) -> OSError:
    return OSError(-answer, os.strerror(-answer), path)
