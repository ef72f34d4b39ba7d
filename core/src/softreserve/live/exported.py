"""A machine as an exported tree, for programs that take another root than ``/``: nothing is mounted or changed."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from softreserve.live.export import export
from softreserve.live.session import Session
from softreserve.model.names import plain_name

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["Exported"]

#: Programs that are told of another root by an option.
_TOLD: Final = ("lsmem", "lscpu")
#: Programs that know no other root: they would show this host, or change it.
_UNTOLD: Final = (
    *("daxctl", "ndctl", "cxl", "chmem", "numactl", "numastat", "kexec", "dmesg", "free"),
    *("modprobe", "insmod", "rmmod", "lsmod"),
)
_SBIN: Final = "/usr/sbin:/sbin"


class Exported(Session):
    """A session with a tree of files in the place of a namespace.

    Programs run on this host. ``lsmem`` and ``lscpu`` (by ``-s``) and what uses hwloc (by ``HWLOC_FSROOT``) read the
    tree; :attr:`root` is for others that can be told. Those that know no other root are refused, with status 126.

    :param directory: for the tree, and for what stands before these programs; it is there, or made. Where another of
        the same system has written it, it is taken as it is.
    :raises InputError: the tree cannot be written.
    """

    def __init__(self, system: System, directory: str | os.PathLike[str]) -> None:
        super().__init__(system)
        top = Path(directory).absolute()
        self.root = top / "root"
        self._tools = top / "bin"
        if not self.root.exists():
            self._write()

    def _write(self) -> None:
        self._tools.mkdir(parents=True, exist_ok=True)
        for name in _TOLD:
            if (program := shutil.which(name, path=self._path())) is not None:
                self._write_tool(name, f'exec {shlex.quote(program)} -s {shlex.quote(str(self.root))} "$@"')
        for name in _UNTOLD:
            self._write_tool(name, f"echo 'softreserve: {name} reads no exported tree' >&2; exit 126")
        export(self.system, self.root)  # it appears whole, and last

    def write(self, path: str | os.PathLike[str], value: str | bytes) -> int:
        """Nothing can be written: ``-EROFS``, or ``-ENOENT`` where there is no such file."""
        return -errno.EROFS if self._is_there(os.fspath(path)) else -errno.ENOENT

    def environment(self) -> dict[str, str]:
        """What programs see: ours, and where the tree is."""
        return {
            **os.environ,
            "PATH": f"{self._tools}:{self._path()}",
            "HWLOC_FSROOT": str(self.root),
            # no other component asks the machine that we run on
            "HWLOC_COMPONENTS": "linux,stop",
            "HWLOC_THISSYSTEM": "0",
            "SOFTRESERVE_MACHINE": plain_name(self.system.machine.name),
        }

    def _path(self) -> str:
        return f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"

    def _write_tool(self, name: str, words: str) -> None:
        tool = self._tools / name
        tool.write_text(f"#!/bin/sh\n{words}\n", "utf-8")
        tool.chmod(0o755)

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
        tool = self._tools / os.path.basename(argv[0])  # also where a program is named by its place
        return subprocess.run(
            argv,
            executable=tool if tool.exists() else None,
            cwd=cwd,
            env={**self.environment(), **env},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else subprocess.PIPE,
            timeout=timeout,
        )
