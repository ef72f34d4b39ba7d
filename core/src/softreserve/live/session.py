"""A machine as scripts and tests use it: described, booted, and then read, written, and lived in by programs."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from softreserve import config
from softreserve.config.changes import Changes
from softreserve.config.preferences import further
from softreserve.kernel.state import Userspace
from softreserve.kernel.system import System
from softreserve.live.server import LiveSystem
from softreserve.live.shell import Session as Programs
from softreserve.machine.boot import boot as boot_machine
from softreserve.model.machine import Machine
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Layer, Selection, asking

__all__ = ["Session", "boot", "load"]


def load(
    spec: str | os.PathLike[str],
    *,
    kernel: str | None = None,
    cmdline: str | None = None,
    arch: str | None = None,
    page_size: str | None = None,
    acpi: str | os.PathLike[str] | None = None,
    plugins: Iterable[str] = (),
) -> Scenario:
    """Read a machine, and change it for a "what if"; the words are those of the command line.

    >>> machine = load("example:two-node", kernel="6.12", cmdline="+efi=nosoftreserve").machine
    >>> machine.kernel.release, machine.cmdline.text
    ('6.12', 'console=ttyS0 efi=debug nokaslr efi=nosoftreserve')

    :param spec: a capture directory, a machine file, ``example:NAME``, ``dmesg:FILE``, ``-``, or ``PREFIX:PLACE`` where
        a plugin reads that.
    :param kernel: another release. ``arch``, ``page_size`` (``"64K"``) likewise.
    :param cmdline: another command line; ``"+WORDS"`` are appended to the one it has.
    :param acpi: a directory with the ACPI tables of a kernel log.
    :param plugins: as for :func:`boot`; reading asks the architecture's plugin what the architecture is.
    :returns: the machine, with the plugins and steps that its file names.
    :raises SoftReserveError: there is no such machine, its files are wrong, or a change cannot be made.
    """
    with asking(further(Layer("plugins", tuple(plugins)))):
        scenario = config.load(spec, acpi=acpi)
        return Changes(arch, kernel, cmdline, page_size).apply(scenario, Selection())


def boot(machine: Scenario | Machine, *, plugins: Iterable[str] = (), userspace: Userspace = "udev") -> System:
    """Boot a machine.

    >>> boot(load("example:two-node")).sysfs.read("/sys/devices/system/node/online")
    b'0-1\\n'

    :param plugins: names to load besides those that the machine asks for, or code (``"package.module:object"``,
        ``"path/to/file.py"``); ``"no:NAME"`` leaves one out. The environment and the user's configuration count, too.
    :param userspace: ``"udev"`` loads modules as udev does; ``"none"`` stops before.
    :raises SoftReserveError: the machine does not boot, or a plugin failed.
    """
    scenario = machine if isinstance(machine, Scenario) else Scenario(machine)
    with asking(further(Layer("plugins", tuple(plugins)))):
        hooks = Selection(exactly=scenario.plugins).hooks_for(scenario.machine)
        return boot_machine(scenario.machine, hooks, userspace=userspace)


class Session:
    """A running system: its files, and programs that run on it. A context manager.

    Files need nothing. Programs run in a mount namespace of their own, which is made when the first is asked for: that
    takes the extra ``fuse``, ``/dev/fuse`` and root or user namespaces.

    >>> with Session(boot(load("example:two-node"))) as host:
    ...     host.read("/sys/devices/system/node/online")
    '0-1'
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self._files = LiveSystem(system)
        self._programs: Programs | None = None

    @property
    def _live(self) -> LiveSystem:
        return self._files if self._programs is None else self._programs.live

    def read(self, path: str) -> str:
        """The text of a file below ``/sys`` or ``/proc``, without its last newline.

        :raises OSError: what the kernel answers.
        """
        found = self._live.read(path) if self._is_there(path) else -errno.ENOENT
        if isinstance(found, int):
            raise _refused(found, path)
        return found.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, path: str, value: str) -> int:
        """One write() of ``value``: bytes taken, or ``-errno``: what a kernel refuses is a result, as everywhere here.

        >>> host = Session(boot(load("example:two-node")))
        >>> host.write("/sys/bus/dax/drivers/device_dax/bind", "dax0.0")  # not its type
        -19
        """
        if not self._is_there(path):
            return -errno.ENOENT
        return self._live.write(path, value.encode("utf-8", "surrogateescape"))

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, in the order in which the kernel lists them.

        :raises OSError: what the kernel answers.
        """
        with self._live.lock:
            found = self._live.rootfs.listing(path)
        if isinstance(found, int):
            raise _refused(found, path)
        return [name for name, _ in found]

    def run(self, words: str) -> str:
        """Run ``sh -c words`` on the machine: both its outputs, in the order they were written.

        :raises subprocess.CalledProcessError: it ended with something other than 0; ``output`` says what it said.
        :raises SoftReserveError: programs cannot be run here; the message says what is missing.
        """
        if self._programs is None:
            self._programs = Programs(self.system)
        status, output = self._programs.run(words)
        if status:
            raise subprocess.CalledProcessError(status, words, output)
        return output

    def json(self, words: str) -> Any:
        """What a program prints on its standard output, as JSON; ``[]`` where it prints nothing.

        :raises subprocess.CalledProcessError: as :meth:`run`.
        :raises ValueError: it prints no JSON.
        """
        output = self.run(f"{{ {words}; }} 2>/dev/null")
        return json.loads(output) if output.strip() else []

    def _is_there(self, path: str) -> bool:
        with self._live.lock:
            return self._live.rootfs.tree.node(path, follow=True) is not None

    def close(self) -> None:
        """End the programs that still run, and unmount."""
        programs, self._programs = self._programs, None
        if programs is not None:
            programs.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def _refused(answer: int, path: str) -> OSError:
    return OSError(-answer, os.strerror(-answer), path)
