"""The holder of a mount namespace in which ``/sys`` is another machine's; a program of its own, see ``shell.py``.

It is started by path with nothing but the standard library, so that it is one small process with one thread: only
such a process may enter a new user namespace. It mounts an empty FUSE connection, hands the connection to the process
that serves it, puts the tree in place, and runs commands when asked. All mounts live in its private namespace: they
are gone with the last process in there, and it sees to it that this is soon after either end goes away.

A *sealed* namespace is for words of strangers. In it the host's files can only be read, its temporary directories,
homes and sockets are out of sight, and there is no network, no other process, no terminal and no capability.

Talk: lines of JSON over a stream socket, file descriptors beside them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

__all__ = ["BELOW_SYS", "main"]

#: What the tree's root carries besides the machine; opened by path, never listed.
BELOW_SYS = "/sys/.softreserve"

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x20000, 0x4000000, 0x8000000, 0x10000000
_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 23, 24, 38
#: Loading modules and kernels, rebooting, clearing the log: nothing in here may do that to the host.
_CAP_SYS_MODULE, _CAP_SYS_BOOT, _CAP_SYSLOG = 16, 22, 34
_CAPABILITIES_MAX = 64
_CAPABILITY_VERSION = 0x20080522
_TOOLS = ("kmod", "modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod", "uname", "nproc")
_PROGRAMS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
#: Where libkmod looks for its configuration, besides what is always there.
_MODPROBE_D = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/lib/modprobe.d")

#: Where sockets of services lie, and what belongs to people: empty in a sealed namespace. So is the user's home.
_HIDDEN = ("/tmp", "/var/tmp", "/run", "/var/run", "/home", "/root")
#: Bytes that each of these can take.
_HIDDEN_SIZE = "64m"

#: Which of the switches there is depends on the distribution.
_WHAT_IT_TAKES = (
    "root, or user namespaces for everybody (sysctl kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0)"
)
#: Of root who lacks that: he is in a container.
_WHAT_A_CONTAINER_TAKES = "user namespaces, or of a container --cap-add SYS_ADMIN --security-opt apparmor=unconfined"
_OURS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)

_libc = ctypes.CDLL(None, use_errno=True)

#: A mount namespace: device and inode of ``/proc/PID/ns/mnt``.
Namespace = tuple[int, int]


class Refused(Exception):
    """The system does not allow this; the message is for the person."""


def main() -> NoReturn:
    """Ask the server what is wanted, set up, tell it, run commands until it hangs up."""
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    for ignored in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    for last in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(last, lambda number, frame: os._exit(128 + number))
    heard = hear(server)
    if heard is None:
        os._exit(1)
    wanted, sealed = heard[0], bool(heard[0]["sealed"])
    try:
        own: Namespace | None = _enter()
        for last in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(last, lambda number, frame: _end(own, 128 + number))
        if _libc.unshare(_CLONE_NEWUTS) == 0:
            name = os.fsencode(wanted["hostname"])
            _libc.sethostname(name, len(name))
        if sealed:
            _seal(server)
            # All others in the process namespace end with us.
            own = None
        connection = mount_fuse("/sys", "softreserve", "allow_other,default_permissions")
        say(server, {"connection": True}, [connection])
        os.close(connection)
        # The first look at the tree waits until the server answers it.
        _bind_tree(wanted["devices"])
        if sealed:
            _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody in there may look into us, where our environment is
        drop_capabilities(range(_CAPABILITIES_MAX) if sealed else (_CAP_SYS_MODULE, _CAP_SYS_BOOT, _CAP_SYSLOG))
    except Refused as refused:
        say(server, {"refused": str(refused)})
        os._exit(1)
    try:
        say(server, {"ready": True})
        _serve(server, own)
    except OSError:
        _end(own, 1)  # the server went away in the middle of a word
    _end(own, 0)


# --- talking


def say(where: socket.socket, message: dict[str, Any], files: list[int] | None = None) -> None:
    """Send one message, and file descriptors with it."""
    data = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(where, [data], files or [])
    if sent < len(data):
        where.sendall(data[sent:])


def hear(where: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its file descriptors, which are ours to close; ``None``: the other end is gone."""
    data, files, _, _ = socket.recv_fds(where, 1 << 16, 3)
    while data and not data.endswith(b"\n"):
        more = where.recv(1 << 16)
        if not more:
            return None
        data += more
    for file in files:
        os.set_inheritable(file, False)
    return (json.loads(data), files) if data else None


# --- setting up


def namespace_of(process: int | str) -> Namespace:
    """The mount namespace of a process.

    :raises OSError: the process has ended or is none of ours.
    """
    return _named(os.stat(f"/proc/{process}/ns/mnt"))


def namespace_behind(file: int) -> Namespace:
    """The mount namespace that an open ``/proc/PID/ns/mnt`` keeps."""
    return _named(os.fstat(file))


def _named(found: os.stat_result) -> Namespace:
    return found.st_dev, found.st_ino


def _enter() -> Namespace:
    """A mount namespace of our own; in a user namespace of our own where that is what it takes."""
    before = namespace_of("self")
    if _libc.unshare(_CLONE_NEWNS) != 0:
        uid, gid = os.geteuid(), os.getegid()
        if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
            takes = _WHAT_IT_TAKES if uid else _WHAT_A_CONTAINER_TAKES
            raise Refused(f"a mount namespace needs {takes} ({_reason()})")
        try:
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        except OSError as error:
            raise Refused(
                f"user namespaces are restricted here; it takes {_WHAT_IT_TAKES} ({error.strerror})"
            ) from error
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    own = namespace_of("self")
    if own == before:
        raise Refused("this system did not give a mount namespace")
    return own


def _seal(server: socket.socket) -> None:
    """Go on in a sealed namespace, as the first process of a process namespace; in there this returns."""
    sockets = list(_sockets())
    for flag, what in ((_CLONE_NEWNET, "network"), (_CLONE_NEWIPC, "IPC"), (_CLONE_NEWPID, "process")):
        if _libc.unshare(flag) != 0:
            raise Refused(f"a sealed namespace needs a {what} namespace ({_reason()})")
    child = os.fork()
    if child:
        server.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise Refused(f"a sealed namespace needs Linux 3.5 ({_reason()})")
    with contextlib.suppress(Refused):  # inside containers; the host's then shows names of processes, and no more
        _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _make_read_only("/")
    _hide(sockets)


def _sockets() -> Iterator[str]:
    """Paths of sockets of this network namespace: a read-only mount keeps nobody from talking to a service."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            path = line.rstrip("\n").split(None, 7)[7:]
            if path and path[0].startswith("/"):
                yield path[0]


def _make_read_only(path: str) -> None:
    """All mounts at and below a path. Linux: ``fs/namespace.c: mount_setattr``."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)  # set, clear, propagation, user namespace
    if _libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        os.fsencode(path),
        _AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    ):
        raise Refused(f"making the host's files read-only needs Linux 5.12 ({_reason()})")


def _hide(sockets: Sequence[str]) -> None:
    """Put nothing over what belongs to people, and over sockets."""
    homes = [os.environ.get("HOME", "")]
    with contextlib.suppress(KeyError):
        homes.append(pwd.getpwuid(os.getuid()).pw_dir)
    for place in sorted({os.path.realpath(place) for place in (*_HIDDEN, *homes) if os.path.isabs(place)}):
        if place != "/" and os.path.isdir(place):
            _mount("softreserve", place, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode=1777,size={_HIDDEN_SIZE}")
    for path in sockets:
        with contextlib.suppress(OSError):  # it is gone, or where we cannot look
            if stat.S_ISSOCK(os.stat(path).st_mode):
                _bind("/dev/null", path)


def mount_fuse(where: str, source: str, options: str) -> int:
    """Mount at ``where`` what nobody serves yet; the connection is returned.

    :raises Refused: this is not allowed.
    """
    try:
        connection = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"/dev/fuse cannot be opened ({error.strerror}): modprobe fuse, or ask for access") from error
    try:
        # nodev: the machine's device numbers mean other devices here.
        all_options = f"fd={connection},rootmode=40755,user_id=0,group_id=0,{options}"
        _mount(source, where, "fuse.softreserve", _MS_NOSUID | _MS_NODEV, all_options)
    except Refused:
        os.close(connection)
        raise
    return connection


def unmount(where: str) -> None:
    """Take a mount away, now or when nobody uses it any more; nothing is mounted there: that is no error."""
    _libc.umount2(os.fsencode(where), _MNT_DETACH)


def _bind_tree(devices: Sequence[str]) -> None:
    """From ``/sys/{sys,proc,dev}`` to where programs look; ``devices`` of the host stay beside the machine's."""
    _bind_files("/sys/proc", "/proc")
    for name in devices:
        if os.path.lexists(f"/dev/{name}"):
            _bind(f"/dev/{name}", f"/sys/dev/{name}")
    _bind("/sys/dev", "/dev")
    _bind("/sys/sys", "/sys")
    for program in sorted(set(_tools())):
        _bind(f"{BELOW_SYS}/bin/kmod", program)
    places = [place for place in _MODPROBE_D if os.path.isdir(place)] or [_make_place()]
    for place in places:
        _bind(f"{BELOW_SYS}/modprobe.d", place)


def _bind_files(source: str, target: str) -> None:
    """The files of a directory, and of those in it, over files of the same names."""
    with os.scandir(source) as entries:
        for entry in entries:
            over = f"{target}/{entry.name}"
            if entry.is_dir():
                _bind_files(entry.path, over)
            elif os.path.exists(over) and os.path.exists(entry.path):  # a link may lead to what this kernel has not
                _bind(entry.path, over)


def _tools() -> Iterator[str]:
    """Real files of the tools that ask the kernel; not those of a program with more in it than that (busybox)."""
    # os.get_exec_path() imports a module (3.13), and where Python lies in a home nothing can be imported any more
    for directory in (*_PROGRAMS, *os.environ.get("PATH", os.defpath).split(":")):
        for tool in _TOOLS:
            path = os.path.realpath(f"{directory}/{tool}")
            if os.path.basename(path) in _TOOLS and os.path.isfile(path):
                yield path


def _make_place() -> str:
    """A place for libkmod's configuration where none of its directories exists: shadow one with what it holds."""
    shadowed = "/usr/local/lib"
    names = {}
    with os.scandir(shadowed) as entries:
        for entry in entries:
            names[entry.name] = os.open(entry.path, os.O_PATH | os.O_NOFOLLOW)
    _mount("softreserve", shadowed, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    for name, held in names.items():
        path = f"{shadowed}/{name}"
        source = f"/proc/self/fd/{held}"
        if stat.S_ISLNK(os.fstat(held).st_mode):
            os.symlink(os.readlink("", dir_fd=held), path)
        elif stat.S_ISDIR(os.fstat(held).st_mode):
            os.mkdir(path)
            _bind(source, path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            _bind(source, path)
        os.close(held)
    place = f"{shadowed}/modprobe.d"
    os.mkdir(place)
    return place


def _bind(source: str, target: str) -> None:
    _mount(source, target, None, _MS_BIND | _MS_REC)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options)) != 0:
        raise Refused(f"mounting on {target} is not allowed here ({_reason()})")


def drop_capabilities(dropped: Collection[int]) -> None:
    """Give up capabilities by number, those that there are, for us and all that we start."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # effective, permitted, inheritable: low words, then high words
    sets = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, sets) != 0:
        raise Refused(f"capabilities cannot be read ({_reason()})")
    for capability in dropped:
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) < 0:
            continue  # this kernel has fewer
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) != 0:
            raise Refused(f"capabilities cannot be dropped ({_reason()})")
        word, bit = divmod(capability, 32)
        for index in range(3):
            sets[3 * word + index] &= ~(1 << bit)
    if _libc.capset(header, sets) != 0:
        raise Refused(f"capabilities cannot be dropped ({_reason()})")


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


# --- running commands


def _serve(server: socket.socket, own: Namespace | None) -> None:
    while (heard := hear(server)) is not None:
        request, files = heard
        child, why_not = _start(request, files)
        for file in files:
            os.close(file)
        say(server, {**_wait(server, child, own, request.get("timeout")), **why_not})


def _start(request: dict[str, Any], files: list[int]) -> tuple[int, dict[str, Any]]:
    """Start ``argv`` in ``cwd`` with ``env``; ``files`` become its standard input, output and error.

    With its number comes what kept it from becoming that program, as ``errno`` and ``path``; nothing: it did.
    """
    told, telling = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child:
        os.close(telling)
        with open(told, encoding="utf-8", errors="surrogateescape") as reason:
            code, _, path = reason.read().partition(" ")
        return child, {"errno": int(code), "path": path} if code else {}
    name = request["cwd"]
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (*_OURS, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        for standard, file in enumerate(files):
            os.dup2(file, standard)
        os.chdir(name)
        name = request["argv"][0]
        os.execvpe(name, request["argv"], request["env"])
    except OSError as error:
        text = f"softreserve: {name}: {error.strerror}\n"
        os.write(2, text.encode("utf-8", "surrogateescape"))
        os.write(telling, f"{error.errno} {name}".encode("utf-8", "surrogateescape"))
        # As shells do.
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _wait(server: socket.socket, child: int, own: Namespace | None, timeout: float | None) -> dict[str, Any]:
    """The child's ``status``: its exit code, -n for signal n; and whether it was ``late``, and killed for that.

    A server that hangs up ends everything.

    :param timeout: seconds that it has; ``None``: as long as it takes.
    """
    handle = os.pidfd_open(child)
    end = None if timeout is None else time.monotonic() + timeout
    late = False
    while True:
        left = None if end is None or late else max(0.0, end - time.monotonic())
        ready, _, _ = select.select([handle, server.fileno()], [], [], left)
        if handle in ready:
            break
        if not ready:
            late = True
            os.kill(child, signal.SIGKILL)
        elif not server.recv(1, socket.MSG_PEEK):
            _end(own, 1)
    os.close(handle)
    return {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "late": late}


def kill_all(namespace: Namespace, spare: int) -> None:
    """Kill every process in a mount namespace but the one with id ``spare``. The first process's is never meant."""
    if namespace == namespace_of("self") and spare != os.getpid():
        raise ValueError("this is our own namespace")
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) in (1, spare):
            continue
        try:
            if namespace_of(name) == namespace:
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            continue  # it has ended, or is somebody else's


def _end(own: Namespace | None, status: int) -> NoReturn:
    if own is not None:
        kill_all(own, os.getpid())
    os._exit(status)


if __name__ == "__main__":
    main()
