"""The namespace: what programs see, what they cannot do, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from softreserve.kernel.sysfs import Link
from softreserve.kernel.system import System
from softreserve.live import fuse, namespace
from softreserve.live.record import Recorder
from softreserve.live.shell import Session, SessionError

pytestmark = pytest.mark.fuse

TOY = "/sys/devices/toy0"
#: Seconds until something that must happen has happened.
PATIENCE = 10


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_files_are_the_machine_s(session: Session) -> None:
    assert session.run("cat /proc/cmdline; cat /sys/firmware/acpi/tables/SRAT") == (0, "quiet toy=1\nSRAT....")
    assert session.run("cat /sys/bus/toy/devices/toy0/value") == (0, "0\n")
    assert session.run("readlink /sys/bus/toy/devices/toy0") == (0, "../../../devices/toy0\n")
    assert session.run(f"stat -c '%F %a %s' {TOY}/value /proc/iomem") == (
        0,
        "regular file 644 4096\nregular empty file 444 0\n",
    )


def test_the_host_stays_what_it_is_beside_them(session: Session) -> None:
    status, output = session.run(
        "echo x > /dev/null && head -c 3 /dev/zero | wc -c; cat /proc/self/comm; ls -d /dev/pts"
    )

    assert (status, output) == (0, "3\ncat\n/dev/pts\n")


def test_a_write_reaches_the_system_and_brings_its_errno_back(session: Session) -> None:
    assert session.run(f"echo 17 > {TOY}/value; cat {TOY}/value") == (0, "17\n")
    assert session.live.system.sysfs.read(f"{TOY}/value") == b"17\n"

    status, output = session.run(f"echo bad > {TOY}/value")
    assert status != 0
    assert "I/O error" in output or "Invalid argument" in output
    assert session.run(f"printf bad | dd of={TOY}/value 2>&1 | grep -o 'Invalid argument'") == (0, "Invalid argument\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (f"cat {TOY}/write_only", "Permission denied"),
        (f"cat {TOY}/refusing", "No such device or address"),
        (f"dd if=/dev/zero of={TOY}/read_only count=1", "Permission denied"),
        (f"touch {TOY}/new", "Permission denied"),
        (f"mkdir {TOY}/new", "Operation not permitted"),
        (f"rm {TOY}/value", "Operation not permitted"),
        (f"mv {TOY}/value {TOY}/other", "Operation not permitted"),
        (f"ln -s x {TOY}/new", "Operation not permitted"),
        ("cat /dev/toy0", "Permission denied"),
        ("cat /sys/absent", "No such file or directory"),
    ],
)
def test_what_sysfs_refuses_is_refused_to_root_as_well(session: Session, words: str, error: str) -> None:
    status, output = session.run(words)

    assert status != 0
    assert error in output


def test_a_write_longer_than_a_page_is_cut_and_an_empty_one_does_not_arrive(session: Session) -> None:
    session.run(f"head -c 5000 /dev/zero | tr '\\0' x | dd of={TOY}/value bs=5000 count=1 iflag=fullblock")
    assert session.live.system.sysfs.read(f"{TOY}/value") == b"x" * 904  # the rest, in dd's second write()

    session.run(f": > {TOY}/value")
    assert session.live.system.sysfs.read(f"{TOY}/value") == b"x" * 904


def test_device_nodes_come_and_go_with_the_system(session: Session) -> None:
    assert session.run("stat -c '%F %Hr:%Lr' /dev/toy0") == (0, "character special file 251:3\n")

    session.live.system.sysfs.remove("/sys/dev/char/251:3")

    assert session.run("test -e /dev/toy0")[0] == 1


def test_no_directory_entry_has_inode_0_and_names_come_in_the_kernel_s_order(session: Session) -> None:
    script = f"import os; print([(e.name, e.inode() > 0) for e in os.scandir({TOY!r})])"
    _, output = session.run(f"{sys.executable} -c '{script.replace(chr(39), chr(34))}'")

    assert dict(eval(output)) == dict.fromkeys(["value", "write_only", "read_only", "refusing", "secret"], True)


def test_an_attribute_that_vanished_while_it_was_open_is_gone(session: Session) -> None:
    output = session.run(f"exec 3> {TOY}/value; read x < {TOY}/value; echo $x")[1]
    assert output == "0\n"
    thread = threading.Timer(0.3, session.live.system.sysfs.remove, [f"{TOY}/value"])
    thread.start()

    status, output = session.run(f"exec 3> {TOY}/value; sleep 1; dd if=/dev/zero count=1 bs=1 >&3")

    assert status != 0
    assert "No such device" in output


def test_modules_are_the_machine_s_whichever_program_is_asked(session: Session) -> None:
    assert session.run("modprobe kmem; lsmod | tail -n +2 | cut -d' ' -f1") == (0, "kmem\n")
    assert session.run("/sbin/modprobe -r kmem && /sbin/lsmod | wc -l") == (0, "1\n")
    assert session.run("modprobe nix") == (1, "modprobe: FATAL: Module nix not found in directory /lib/modules/6.1\n")
    assert session.live.system.modules.live() == []


def test_libkmod_in_any_program_is_told_to_ask_the_machine(session: Session) -> None:
    _, output = session.run("cat /etc/modprobe.d/* /usr/local/lib/modprobe.d/* 2>/dev/null")

    assert "install kmem /sys/.softreserve/bin/modprobe --ignore-install kmem\n" in output


def test_nobody_in_there_may_load_modules_or_kernels_or_reboot_or_clear_the_log(session: Session) -> None:
    _, output = session.run("grep -E 'Cap(Inh|Prm|Eff|Bnd)' /proc/self/status")

    sets = [int(line.split()[1], 16) for line in output.splitlines()]
    assert len(sets) == 4
    for capability in (16, 22, 34):  # CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_SYSLOG
        assert not any(held >> capability & 1 for held in sets)


@pytest.mark.parametrize(
    ("words", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("nix", 127)]
)
def test_the_status_is_the_command_s(session: Session, words: str, status: int) -> None:
    assert session.run(words)[0] == status


def test_both_outputs_stay_in_order(session: Session) -> None:
    assert session.run("echo one; echo two >&2; echo three") == (0, "one\ntwo\nthree\n")


def test_our_own_directory_and_view_are_untouched(session: Session) -> None:
    assert Path.cwd() != Path("/")
    assert not Path("/sys/devices/toy0").exists()
    assert not Path("/dev/toy0").exists()


def test_writes_and_modules_are_recorded_before_they_are_answered(
    toy: System, session: Session, tmp_path: Path
) -> None:
    session.close()
    with Recorder(tmp_path / "steps.toml", toy) as recorder, Session(toy, recorder=recorder) as recording:
        recording.run(f"echo 5 > {TOY}/value; modprobe kmem; echo bad > {TOY}/value; lsmod")

        text = (tmp_path / "steps.toml").read_text().partition("[[step]]")[2]

    assert [line for line in text.splitlines() if "=" in line and not line.startswith("name")] == [
        f'writes = [["{TOY}/value", "5\\n"]]',
        "result = 0",
        'run = "modprobe kmem"',
        "status = 0",
        f'writes = [["{TOY}/value", "bad\\n"]]',
        "result = -22",
    ]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started_in(session: Session, words: str) -> int:
    """Run words that print a process id and leave that process behind."""
    return int(session.run(words)[1])


def test_what_was_left_running_ends_with_the_session(session: Session) -> None:
    left = started_in(session, "sleep 1000 >/dev/null 2>&1 & echo $!")
    assert alive(left)

    session.close()

    assert eventually(lambda: not alive(left))


def test_everything_ends_when_the_holder_of_the_namespace_is_killed(session: Session) -> None:
    left = started_in(session, "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
    killer = threading.Timer(0.3, os.kill, [session._process.pid, signal.SIGKILL])
    killer.start()

    with pytest.raises(SessionError, match="was killed"):
        session.run("sleep 1000")

    assert eventually(lambda: not alive(left))


SERVER = """
    import signal
    import sys
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import load
    from softreserve.live.shell import Session
    from softreserve.kernel.system import System

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's children ignore it
    with Session(System(Machine("toy", Kernel("6.1", "x86_64")), load([]))) as session:
        sys.exit(session.attach(["sh", "-c", sys.argv[1]]))
"""


@contextlib.contextmanager
def served(words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(SERVER), words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            yield server
        finally:
            server.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_everything_ends_when_the_server_is_killed(session: Session, number: signal.Signals) -> None:
    with served("setsid sleep 1000 & echo $!; echo $$; sleep 1000") as server:
        assert server.stdout is not None
        left = [int(server.stdout.readline()), int(server.stdout.readline())]
        assert all(alive(pid) for pid in left)
        server.send_signal(number)

        assert eventually(lambda: not any(alive(pid) for pid in left))
        assert server.wait(PATIENCE) == -number


def test_an_interrupt_goes_to_the_command_and_its_status_comes_back(session: Session) -> None:
    with served("echo ready; exec sleep 1000") as server:
        assert server.stdout is not None
        server.stdout.readline()
        os.killpg(server.pid, signal.SIGINT)

        assert server.wait(PATIENCE) == 130


PROMPTED = """
    import sys
    from softreserve.live.shell import Session, interactive_command
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import load

    system = System(Machine("toy", Kernel("6.1", "x86_64")), load([]))
    with Session(system, name=sys.argv[1]) as session:
        session.attach(interactive_command())
"""


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_prompt_runs_nothing_whatever_the_machine_is_called(session: Session, shell: str, tmp_path: Path) -> None:
    if not Path(shell).exists():
        pytest.skip(f"needs {shell}")
    terminal, theirs = pty.openpty()
    evil = r"$(touch one)`touch two`\$(touch three)"
    command = ["setsid", "-c", sys.executable, "-c", textwrap.dedent(PROMPTED), evil]
    environment = {**os.environ, "SHELL": shell, "HOME": "/nonexistent"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path) as person:
        os.close(theirs)
        os.write(terminal, b"echo $SOFTRESERVE_MACHINE; exit\n")
        said = b""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while chunk := os.read(terminal, 4096):
                said += chunk
        assert person.wait(PATIENCE) == 0
    os.close(terminal)

    assert b"(??touch one??touch two????touch three?: 6.1) # " in said
    assert list(tmp_path.iterdir()) == []


def mounts_of_sessions(mounts: str) -> list[str]:
    """Mounts of sessions, and not those of servers, which others may run beside us and which say whose they are."""
    return [line for line in mounts.splitlines() if line.startswith("softreserve ")]


def test_no_mount_of_ours_is_left_on_the_host(session: Session) -> None:
    _, inside = session.run("cat /proc/self/mounts")
    assert mounts_of_sessions(inside)
    assert mounts_of_sessions(Path("/proc/self/mounts").read_text()) == []


def test_an_answer_that_the_kernel_does_not_take_keeps_nobody_waiting(session: Session, toy: System) -> None:
    toy.sysfs.add("/sys/long", Link("/" + "far/" * 2000 + "away"))
    assert session.run("timeout 5 readlink -v /sys/long") == (1, "readlink: /sys/long: Input/output error\n")


def test_processes_of_our_own_namespace_are_never_killed(session: Session) -> None:
    with pytest.raises(ValueError, match="our own namespace"):
        namespace.kill_all(namespace.namespace_of("self"), 0)


def test_ending_a_session_whose_namespace_is_gone_leaves_a_later_session_alone(session: Session, toy: System) -> None:
    """The kernel gives the number of a namespace away as soon as nobody holds it."""
    session._process.kill()
    session._process.wait()
    with Session(toy) as later:
        session.close()
        assert later.run("echo alive") == (0, "alive\n")


def test_a_missing_part_is_one_line_that_says_what_to_install(toy: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "_DEVICE", "/dev/fuse-of-tomorrow")
    with pytest.raises(fuse.FuseError, match=r"^mounting needs /dev/fuse-of-tomorrow: modprobe.*`softreserve export"):
        Session(toy)


def test_links_and_kinds_of_placeholders_are_those_of_the_host(session: Session) -> None:
    for name in ("null", "stdin", "pts"):
        mode = os.lstat(f"/dev/{name}").st_mode
        _, output = session.run(f"stat -c %f /dev/{name}")
        assert stat.S_IFMT(int(output, 16)) == stat.S_IFMT(mode)


def test_where_proc_tells_of_other_processes_there_is_no_session() -> None:
    """Numbers found there would be those of processes that have nothing to do with it."""
    code = "from softreserve.live.shell import Session; Session(None)"
    run = subprocess.run(["unshare", "-Urpf", sys.executable, "-c", code], capture_output=True, text=True)
    assert "SessionError: /proc is missing, or tells of another PID namespace" in run.stderr
