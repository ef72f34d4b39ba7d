"""``^C`` at any moment: exit code 130, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: The program, with ``^C`` where a module is looked for or at the end. Those who run tests may ignore the signal.
PROGRAM = """
import atexit, os, signal, sys
from softreserve.__main__ import run

def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)

def in_a_class():
    class Maker:
        __set_name__ = interrupt
    class Made:
        attribute = Maker()

def in_a_destructor():
    class Dropped:
        __del__ = interrupt
    Dropped()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == where:
            how()

where, how = sys.argv[1], {"": interrupt, "class": in_a_class, "destructor": in_a_destructor}[sys.argv[2]]
signal.signal(signal.SIGINT, signal.SIG_IGN if sys.argv[3] else signal.default_int_handler)
if where == "at the end":
    atexit.register(how)
sys.path.insert(0, sys.argv[4])
sys.argv = ["softreserve", *sys.argv[5:]]
sys.meta_path.insert(0, Finder())
run()
"""


@pytest.fixture
def machine(demo: Path) -> Path:
    path = demo / "small.toml"
    path.write_text('[kernel]\narch = "riscv64"\n[[efi_map]]\nstart = "2G"\nsize = "2G"\n')
    return path


def interrupted(machine: Path, where: str, how: str = "", ignored: str = "") -> tuple[int, str]:
    command = [sys.executable, "-c", PROGRAM, where, how, ignored, str(machine.parent), "boot", str(machine)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("how", ["", "class", "destructor"])
@pytest.mark.parametrize("where", ["softreserve.cli.boot", "softreserve.machine.boot", "softreserve_riscv"])
def test_an_interrupt_while_a_command_works_is_130(machine: Path, where: str, how: str) -> None:
    assert interrupted(machine, where, how) == (130, "")


@pytest.mark.parametrize("where", ["softreserve.cli", "click", "at the end"])
def test_an_interrupt_before_or_after_a_command_is_130(machine: Path, where: str) -> None:
    assert interrupted(machine, where) == (130, "")


def test_an_interrupt_that_is_ignored_stays_ignored(machine: Path) -> None:
    assert interrupted(machine, "softreserve.machine.boot", ignored="ignored") == (0, "")


def test_another_program_goes_on_after_a_command() -> None:
    code = """
import sys
import softreserve.__main__ as program
sys.argv = ["softreserve", "--version"]
try:
    program.run()
except SystemExit as end:
    print("goes on after", end.code)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.endswith("goes on after 0\n")


@pytest.mark.parametrize("meanwhile", ["", "sys.setprofile(lambda *_: None)", "threading.Thread(target=wait).start()"])
def test_what_is_left_to_be_done_at_the_end_is_done(meanwhile: str) -> None:
    """The process ends without being tidied up: output that nobody flushed, functions of atexit, other threads."""
    code = f"""
import atexit, sys, threading, time
from softreserve.__main__ import run

def wait():
    time.sleep(0.3)
    print("thread")

atexit.register(print, "at the end " * 10000)
{meanwhile}
sys.argv = ["softreserve", "boot", "nowhere"]
run()
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "nowhere: no such machine" in process.stderr
    assert process.stdout.count("at the end") == 10000
    assert process.stdout.count("thread") == meanwhile.count("Thread")
