"""Programs on the emulated machine: a mount namespace where ``/sys``, ``/dev/dax*`` and parts of ``/proc`` are its own.

:class:`Session` serves a system that lives in this process; a small helper (``namespace.py``) holds the namespace and
starts the commands. Whichever of the two ends first, the other ends what is left.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from softreserve.kernel.sysfs import Attribute, Directory, Link, Node
from softreserve.live import namespace
from softreserve.live.device import Server
from softreserve.live.files import Conversation, LiveFiles
from softreserve.live.fuse import WITHOUT, check_fuse
from softreserve.live.namespace import BELOW_SYS
from softreserve.live.server import LiveSystem
from softreserve.machine import identity, kmod
from softreserve.model.errors import SoftReserveError
from softreserve.model.names import plain_name

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.live.record import Recorder

__all__ = ["Helper", "Session", "SessionError", "interactive_command", "runner", "shells_status"]


class SessionError(SoftReserveError):
    """A namespace cannot be had here, or was lost; the message says what is missing and what works without it."""


class Helper:
    """The holder of a namespace, before it is told what to do. Its start takes a while: others can work meanwhile."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.talk = ours
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", namespace.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """End it, and with it all that it has started."""
        self.talk.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Session:
    """Commands run against a live system, as on a machine that it is the kernel of.

    The system stays usable in this process; hold :attr:`live` ``.lock`` to look at it while a command runs. Loading
    modules or kernels into the host is impossible in there, also for root. Use it as a context manager.

    :param name: what the prompt calls the machine.
    :param helper: one that was started before; it is ours to close.
    :param sealed: for words of strangers: the host's files can only be read, temporary directories, homes, sockets and
        other processes are out of sight, and there is no network, no terminal, no capability.
    :raises FuseError: there is no ``/dev/fuse``.
    :raises SessionError: this system gives no mount namespace, or ``/proc`` does not tell of our processes.
    """

    def __init__(
        self,
        system: System,
        *,
        recorder: Recorder | None = None,
        name: str = "",
        sealed: bool = False,
        helper: Helper | None = None,
    ) -> None:
        check_fuse()
        _check_proc()
        self.name = name or system.machine.name
        self.sealed = sealed
        hidden = {os.path.basename(BELOW_SYS): self._below_sys(system)}
        self.live = LiveSystem(system, recorder=recorder, hidden=hidden)
        self.live.rootfs.host_devices.update(_placeholders(_SEALED_DEVICES if sealed else None))
        self._holder = helper or Helper()
        self._helper, self._process = self._holder.talk, self._holder.process
        #: Held from a request to its answer: the helper runs one command after the other, whoever asks.
        self._turn = threading.Lock()
        #: Open while the session lasts: it keeps the namespace, and with it its number, which the kernel gives to
        #: the next namespace as soon as it is free. Ending "all in namespace N" must not reach somebody else's.
        self._namespace: int | None = None
        self._server: threading.Thread | None = None
        self._files: Server | None = None
        #: Pipes that something in the background may still write to.
        self._unread: list[int] = []
        self.closed = False
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    # --- running

    def run(self, words: str) -> tuple[int, str]:
        """Run ``sh -c words`` with nothing to read: exit status, and both its outputs in the order they were written.

        :raises SessionError: the namespace was lost.
        """
        done = self.call(["/bin/sh", "-c", words], cwd="/", together=True)
        return shells_status(done.returncode), done.stdout.decode("utf-8", "replace")

    def attach(self, argv: Sequence[str]) -> int:
        """Run a command on our own terminal: its exit code, 128 + n where signal n ended it."""
        with _ignored(signal.SIGINT, signal.SIGQUIT), self._turn:
            self._start(argv, [0, 1, 2], os.getcwd())
            return shells_status(self._heard()[0]["status"])

    def call(
        self,
        argv: Sequence[str],
        *,
        given: bytes = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        together: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program as :func:`subprocess.run` does, its status -n where signal n ended it. One runs at a time.

        Whatever it leaves in the background is not waited for. That may go on writing: 64 KiB for each pipe are taken.

        :param given: what it reads; nothing otherwise.
        :param cwd: where; the current directory otherwise.
        :param env: what is to be in its environment besides :meth:`environment`.
        :param timeout: seconds until it is killed.
        :param together: whether ``stdout`` has both outputs, in the order they were written.
        :raises OSError: it cannot be started.
        :raises subprocess.TimeoutExpired: it was killed.
        :raises SessionError: the namespace was lost.
        """
        with self._turn, contextlib.ExitStack() as opened:
            reads, writes = zip(*(map(opened.enter_context, _pipe()) for _ in range(1 if together else 2)), strict=True)
            to_read = opened.enter_context(open(os.memfd_create("given", os.MFD_CLOEXEC), "w+b"))
            to_read.write(given)
            to_read.seek(0)
            try:
                files = [file.fileno() for file in (to_read, writes[0], writes[-1])]
                self._start(argv, files, cwd or os.getcwd(), env, timeout)
                for file in writes:
                    file.close()
                said = _read_until(self._helper, reads)
                reply = self._heard()[0]
            except BaseException:
                self.close()  # what it would tell next is not what one who goes on has asked for
                raise
            # No signal of a pipe that nobody reads ends what runs in the background.
            self._unread += [os.dup(file.fileno()) for file in _read_rest(said)]
        out, err = (*map(bytes, said.values()), None)[:2]
        if "errno" in reply:
            raise OSError(reply["errno"], os.strerror(reply["errno"]), reply["path"])
        if reply["late"] and timeout is not None:
            raise subprocess.TimeoutExpired(list(argv), timeout, out, err)
        return subprocess.CompletedProcess(list(argv), reply["status"], out, err)

    def environment(self) -> dict[str, str]:
        """What commands see: ours, with the machine's module tools first."""
        ours = {name: value for name, value in os.environ.items() if not self.sealed or _SEALED_WORDS.fullmatch(name)}
        path = ours.get("PATH", os.defpath)
        for extra in ("/usr/sbin", "/sbin"):
            # An ordinary user's path often lacks where daxctl's friends live.
            if extra not in path.split(":"):
                path = f"{path}:{extra}"
        return {
            # hwloc would ask the CPU that we run on; what follows lets it read the tree only.
            "HWLOC_COMPONENTS": "-x86",
            # udevadm knows a device by the kind of file system that it is on
            "SYSTEMD_DEVICE_VERIFY_SYSFS": "0",
            **({"HOME": "/tmp"} if self.sealed else {}),
            **ours,
            "PATH": f"{BELOW_SYS}/bin:{path}",
            "SOFTRESERVE_MACHINE": plain_name(self.name),
            "PS1": self.prompt,
        }

    @property
    def prompt(self) -> str:
        """Says where one is. Shells expand it: nothing in it may mean anything to them."""
        return f"({plain_name(self.name)}: {self.live.system.kernel.release}) # "

    def _start(
        self,
        argv: Sequence[str],
        files: list[int],
        cwd: str,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Have a command started; the helper tells when it has ended, and how."""
        self.refresh()  # something else may have changed the machine in between
        environment = {**self.environment(), **(env or {})}
        self._say({"argv": list(argv), "env": environment, "cwd": cwd, "timeout": timeout}, files)

    def refresh(self) -> None:
        """See to it that programs see from now on what this process has changed.

        Do not hold the lock meanwhile.
        """
        if self._files is not None:
            self._files.refresh()

    # --- setting up and ending

    def _set_up(self) -> None:
        devices = [name for name, node in self.live.rootfs.host_devices.items() if not isinstance(node, Link)]
        self._say({"sealed": self.sealed, "hostname": identity.nodename(self.live.system), "devices": devices})
        _, files = self._heard()
        self._namespace = os.open(f"/proc/{self._process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._serve(files[0])
        self._heard()

    def _say(self, message: dict[str, Any], files: list[int] | None = None) -> None:
        try:
            namespace.say(self._helper, message, files)
        except OSError as error:
            raise SessionError("the holder of the namespace is gone") from error

    def _heard(self) -> tuple[dict[str, Any], list[int]]:
        try:
            heard = namespace.hear(self._helper)
        except ConnectionError:
            heard = None
        if heard is None:
            self.close()
            raise SessionError("the holder of the namespace was killed")
        if "refused" in heard[0]:
            raise SessionError(f"{heard[0]['refused']}; {WITHOUT}")
        return heard

    def _serve(self, connection: int) -> None:
        """Answer the kernel on a thread, until the last process in the namespace is gone."""
        self._files = Server(LiveFiles(self.live), connection)
        self._server = threading.Thread(target=self._files.serve, name="softreserve-fuse", daemon=True)
        self._server.start()

    def close(self) -> None:
        """End every command, and the namespace with all its mounts."""
        self.closed = True
        self._holder.close()
        if self._namespace is not None:
            # The helper ends its commands itself, unless it was killed.
            namespace.kill_all(namespace.namespace_behind(self._namespace), self._process.pid)
            os.close(self._namespace)
            self._namespace = None
        if self._server is not None:
            self._server.join(timeout=5)
            self._server = None
        while self._unread:
            os.close(self._unread.pop())

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    # --- what lies below /sys besides the machine

    def _below_sys(self, system: System) -> Directory:
        script = Attribute(0o755, lambda: _SHIM)
        return Directory(
            {
                "control": Conversation(self._answer),
                "bashrc": Attribute(0o444, lambda: _BASHRC.format(prompt=shlex.quote(self.prompt))),
                "bin": Directory(dict.fromkeys((*kmod.TOOLS, "kmod", *identity.TOOLS), script)),
                "modprobe.d": Directory({"softreserve.conf": Attribute(0o444, lambda: _install_lines(system))}),
            }
        )

    def _answer(self, said: bytes) -> bytes:
        """Answer the shim: its words, each ended by a NUL."""
        words = said.decode("utf-8", "replace").split("\0")[:-1]
        if not words:
            return b""
        if os.path.basename(words[0]) in identity.TOOLS:
            with self.live.lock:
                reply = identity.run(self.live.system, words)
        else:
            reply = self.live.module_tool(words)
        return f"{reply.status} {2 if reply.status else 1}\n{reply.text}".encode()


def _check_proc() -> None:
    """See that numbers below ``/proc`` are those of the processes that we would end by them."""
    try:
        is_ours = os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        is_ours = False
    if not is_ours:
        raise SessionError(f"/proc is missing, or tells of another PID namespace: mount -t proc proc /proc; {WITHOUT}")


def shells_status(code: int) -> int:
    """An exit code as shells tell it: 128 + n where signal n ended the command."""
    return code if code >= 0 else 128 - code


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    return open(reading, "rb", buffering=0), open(writing, "wb", buffering=0)


def _read_until(news: socket.socket, files: Sequence[BinaryIO]) -> dict[BinaryIO, bytearray]:
    """What is said in ``files`` until there is news."""
    said = {file: bytearray() for file in files}
    with selectors.DefaultSelector() as selector:
        selector.register(news, selectors.EVENT_READ)
        for file in files:
            selector.register(file, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            for file in files:
                if file in ready:
                    data = file.read(1 << 16)
                    said[file] += data or b""
                    if not data:
                        selector.unregister(file)
            if news in ready:
                return said


def _read_rest(said: Mapping[BinaryIO, bytearray]) -> list[BinaryIO]:
    """What has been said, without waiting for who has not closed the file: those in which more may be."""
    unfinished = []
    for file, data in said.items():
        data += file.read(1 << 16) or b""  # all that a pipe holds
        if (more := file.read(1 << 16)) != b"":
            data += more or b""
            unfinished.append(file)
    return unfinished


@contextlib.contextmanager
def _running(session: Session) -> Iterator[Callable[[str], tuple[int, str]]]:
    with session:
        yield session.run


def runner(system: System) -> contextlib.AbstractContextManager[Callable[[str], tuple[int, str]]]:
    """Runs shell words out of a file on a system, in a sealed session.

    :raises FuseError: there is no ``/dev/fuse``.
    :raises SessionError: this system gives no sealed namespace.
    """
    return _running(Session(system, sealed=True))


_SHIM = f"""#!/bin/sh
# A tool of the emulated machine: asks it, and never the kernel below.
exec 3<>{BELOW_SYS}/control || exit 1
printf '%s\\0' "$0" "$@" >&3
read -r status stream <&3 || exit 1
cat <&3 >&"$stream"
exit "$status"
"""

_BASHRC = """[ -r ~/.bashrc ] && . ~/.bashrc
PS1={prompt}
"""


def _install_lines(system: System) -> str:
    """Configuration that makes libkmod, inside any program, run our tool instead of loading a file."""
    names = system.modules.names()
    return "".join(f"install {name} {BELOW_SYS}/bin/modprobe --ignore-install {name}\n" for name in names)


def interactive_command() -> list[str]:
    """The user's shell, such that its prompt says where one is."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    if Path(shell).name == "bash":
        return [shell, "--rcfile", f"{BELOW_SYS}/bashrc", "-i"]
    return [shell]


#: What a sealed session has of the host's devices and of our environment.
_SEALED_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr"})
_SEALED_WORDS = re.compile(r"PATH|LANG|LANGUAGE|LC_[A-Z]+|TERM|TZ")


def _placeholders(only: Collection[str] | None) -> Mapping[str, Node]:
    """What the host's ``/dev`` holds (``only`` these names): links as they are, and things to be mounted over."""
    found: dict[str, Node] = {}
    with os.scandir("/dev") as entries:
        for entry in entries:
            if entry.name.startswith(("dax", "kmsg")) or (only is not None and entry.name not in only):
                continue
            if entry.is_symlink():
                found[entry.name] = Link(os.path.join("/dev", os.readlink(entry.path)))
            elif entry.is_dir():
                found[entry.name] = Directory()
            else:
                found[entry.name] = Attribute(0o000)
    return found


@contextlib.contextmanager
def _ignored(*numbers: signal.Signals) -> Iterator[None]:
    """Leave these signals to the command that shares our terminal."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
