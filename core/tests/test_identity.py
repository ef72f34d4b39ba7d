"""What a machine says of itself: ``uname``, ``nproc``, and its log as ``/dev/kmsg`` gives it."""

from __future__ import annotations

import errno

import attrs
import pytest
from softreserve.kernel import kmsg
from softreserve.kernel.system import System
from softreserve.live.rootfs import RootFs
from softreserve.live.shell import Session
from softreserve.machine import identity
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel


@pytest.mark.parametrize(
    ("words", "status", "output"),
    [
        ("uname", 0, "Linux\n"),
        ("uname -r", 0, "6.1\n"),
        ("/usr/bin/uname -n --kernel-release", 0, "toy 6.1\n"),
        ("uname -rsm", 0, "Linux 6.1 x86_64\n"),
        ("uname -a", 0, "Linux toy 6.1 #1 SMP x86_64 GNU/Linux\n"),
        ("uname -pi", 0, "unknown unknown\n"),
        ("uname -x", 1, "uname: unrecognized option '-x'\n"),
        ("uname --al", 1, "uname: unrecognized option '--al'\n"),
        ("uname all", 1, "uname: extra operand 'all'\n"),
        ("nproc", 0, "1\n"),
        ("nproc --all", 0, "2\n"),
        ("nproc --all --ignore=1", 0, "1\n"),
        ("nproc --ignore=7", 0, "1\n"),
        ("nproc --ignore=x", 1, "nproc: unrecognized option '--ignore=x'\n"),
        ("nproc 7", 1, "nproc: extra operand '7'\n"),
    ],
)
def test_a_machine_says_what_it_is(toy: System, words: str, status: int, output: str) -> None:
    toy.nodes.online.clear()
    reply = identity.run(toy, words.split())

    assert (reply.status, reply.text, reply.changes) == (status, output, False)


@pytest.mark.parametrize(("name", "host"), [("two-node", "two-node"), ("my büro_1", "my-b-ro-1"), ("x" * 70, "x" * 64)])
def test_a_machine_s_name_is_a_host_s(toy: System, name: str, host: str) -> None:
    toy.machine = attrs.evolve(toy.machine, name=name)
    assert identity.nodename(toy) == host


def test_the_log_comes_record_by_record(toy: System) -> None:
    toy.printk("efi: \x1b[2Jmem00: \\ büro")

    assert [kmsg.record(toy, number) for number in range(4)] == [
        b"6,0,0,-;Linux version 6.1 (softreserve@localhost) (x86_64) #1 SMP\n",
        b"6,1,0,-;Kernel command line: quiet toy=1\n",
        rb"6,2,0,-;efi: \x1b[2Jmem00: \x5c b\xc3\xbcro" + b"\n",
        None,
    ]


#: As on a machine whose log was recorded.
LONG = r"initrd=\initrd.img rdinit=/init efi=debug nokaslr panic=-1 console=ttyS0,115200 earlyprintk=ttyS0,115200 " + (
    " ".join(f"softreserve.filler{n}={n}" for n in range(1, 91))
)


@pytest.mark.parametrize(("release", "pieces"), [("6.18", 1), ("7.0", 3)])
def test_a_long_command_line_takes_several_lines_of_the_log_from_7_0_on(toy: System, release: str, pieces: int) -> None:
    """``init/main.c: print_kernel_cmdline``; recorded on 7.3.4: the lines end with filler38, filler79 and filler90."""
    toy.machine = attrs.evolve(toy.machine, kernel=Kernel(release, "x86_64"), cmdline=CommandLine(LONG))
    lines = [line for number in range(1, 4) if (line := kmsg.record(toy, number)) is not None]
    assert len(lines) == pieces
    if pieces == 3:
        ends = [line.split(b" ")[-2:] for line in lines]
        assert [end[0] for end in ends[:2]] == [b"softreserve.filler38=38", b"softreserve.filler79=79"]
        assert [end[1] for end in ends] == [rb"\x5c" + b"\n"] * 2 + [b"softreserve.filler90=90\n"]


def test_lines_can_be_added_to_the_log(toy: System) -> None:
    assert kmsg.write(toy, b"<3>one\n") == 7
    assert kmsg.write(toy, b"two") == 3
    assert kmsg.write(toy, b"x" * 1025) == -errno.EINVAL
    assert toy.log.lines[-2:] == ["one", "two"]


def test_an_exported_log_is_all_of_it(toy: System) -> None:
    found = RootFs(toy).tree.read("/dev/kmsg")
    assert isinstance(found, bytes)
    assert found.count(b"\n") == 2


@pytest.mark.fuse
def test_programs_find_the_machine_s_wherever_they_look(session: Session) -> None:
    assert session.run("uname -r; /usr/bin/uname -r; $(command -v nproc) --all") == (0, "6.1\n6.1\n2\n")
    assert session.run(
        "cat /proc/version /proc/sys/kernel/osrelease /proc/sys/kernel/version /proc/sys/kernel/hostname"
    ) == (
        0,
        "Linux version 6.1 (softreserve@localhost) (x86_64) #1 SMP\n6.1\n#1 SMP\ntoy\n",
    )


@pytest.mark.fuse
def test_every_opener_reads_the_log_from_its_beginning(session: Session) -> None:
    first = "dd if=/dev/kmsg bs=8192 count=1 status=none"
    assert session.run(f"{first}; {first} | cut -c-8; wc -l < /dev/kmsg") == (
        0,
        "6,0,0,-;Linux version 6.1 (softreserve@localhost) (x86_64) #1 SMP\n6,0,0,-;\n2\n",
    )
    assert session.run("echo here >> /dev/kmsg; tail -n 1 /dev/kmsg") == (0, "6,2,0,-;here\n")
    status, output = session.run("dd if=/dev/kmsg bs=8 count=1")
    assert status != 0
    assert "Invalid argument" in output
