"""Which shell words need programs, and how long a chain of kexecs may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from softreserve.config.steps import read_steps
from softreserve.kernel.system import System
from softreserve.machine.steps import needs_programs, programs_in, run_words
from softreserve.model.errors import ConfigError
from softreserve.model.kernel import Kernel
from softreserve.model.steps import KexecScenario, Step

VALUE = "/sys/devices/toy0/value"
KERNEL = Kernel("6.1", "x86_64")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("modprobe kmem", False),
        ("modprobe kmem; rmmod kmem", False),
        ("modprobe kmem;", False),
        (f"echo 1 > {VALUE}", False),
        (f"echo -n 'a b' > {VALUE}; modprobe kmem", False),
        ("daxctl list", True),
        ("modprobe kmem; daxctl list", True),
        ("daxctl list; modprobe kmem", True),
        ("modprobe kmem && daxctl list", True),
        ("modprobe $MODULE", True),
        (f"echo 1 >> {VALUE}", True),
        (f"echo $(id) > {VALUE}", True),
        ("echo 1 > /tmp/file", True),
        ("echo 'unclosed", True),
        ("modprobe kmem | cat", True),
        (":", True),
        ("", True),
        (" ; ; ", True),
    ],
)
def test_only_modules_and_single_writes_need_no_program(toy: System, words: str, needed: bool) -> None:
    assert needs_programs(words) is needed
    assert (run_words(toy, words) is None) is needed


def test_the_status_is_that_of_the_last_command_and_the_output_that_of_all(toy: System) -> None:
    refused = "sh: 1: echo: echo: I/O error: Invalid argument\n"
    assert run_words(toy, f"echo bad > {VALUE}; echo 1 > {VALUE}") == (0, refused)
    assert run_words(toy, f"echo 1 > {VALUE}; echo bad > {VALUE}") == (1, refused)
    assert run_words(toy, f"echo bad > {VALUE}; echo bad > {VALUE}") == (1, refused * 2)


def test_a_line_end_is_written_unless_it_is_asked_not_to_be(toy: System) -> None:
    assert run_words(toy, f"echo 5 > {VALUE}") == (0, "")
    assert toy.sysfs.read(VALUE) == b"5\n"
    assert run_words(toy, f"echo -n '6 7' > {VALUE}") == (0, "")
    assert toy.sysfs.read(VALUE) == b"6 7"


def test_programs_are_found_after_kexecs_too_and_only_those() -> None:
    last = KexecScenario("kexec_load", KERNEL, steps=(Step("c", run="lsmem"), Step("d", writes=((VALUE, "1"),))))
    first = KexecScenario("kexec_load", KERNEL, steps=(Step("b", run="modprobe kmem"),), kexec=last)
    steps = (Step("a", run="daxctl list"), Step("e", run="modprobe kmem"))
    assert list(programs_in(steps, first)) == [("a", "daxctl list"), ("kexec/kexec/c", "lsmem")]
    assert list(programs_in(steps)) == [("a", "daxctl list")]


def chain(folder: Path, kexecs: int) -> Path:
    path = folder / "steps.toml"
    path.write_text("".join(f"[{'.'.join(['kexec'] * n)}]\n" for n in range(1, kexecs + 1)))
    return path


def test_a_chain_has_a_hundred_kexecs_at_most(tmp_path: Path) -> None:
    _, kexec = read_steps(chain(tmp_path, 100), KERNEL)
    count = 0
    while kexec is not None:
        count, kexec = count + 1, kexec.kexec
    assert count == 100
    with pytest.raises(ConfigError) as caught:
        read_steps(chain(tmp_path, 101), KERNEL)
    assert any("more than 100 kexecs in a row" in problem for problem in caught.value.problems)
