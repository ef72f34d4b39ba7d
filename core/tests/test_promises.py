"""What the kit sees of a plugin: in words that name plugin and hook, whatever it does to the process."""

from __future__ import annotations

import ast
import importlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import softreserve as sr
from softreserve.kernel.sysfs import Attribute, Directory, Link
from softreserve.plugins import hookspecs
from softreserve.testing import bases, first_problem
from softreserve.testing.apart import Board, BrokenError, DiedError, HungError, apart
from softreserve.testing.kit import FRESH, OF_EVERY, OF_KIND, problem
from softreserve.testing.machines import sample_machine
from softreserve.testing.promises import arch as of_arch
from softreserve.testing.promises import every, kinds, steady, traces, tree
from softreserve.testing.subject import KINDS, Subject
from softreserve.testing.toy import TOY_INFO, ToyArch

MINE = TOY_INFO._replace(name="mine")


def told(promise: Callable[[Subject, Board], None], limit: float = 10, **hooks: Callable[..., Any]) -> str | None:
    """What is said of a plugin with these hooks."""
    return problem(Subject(plugin(**hooks)), promise, limit=limit)


def plugin(**hooks: Callable[..., Any]) -> object:
    """A plugin with these hooks."""
    marked = {f"softreserve_{name}": staticmethod(sr.hookimpl(hook)) for name, hook in hooks.items()}
    return type("Mine", (), marked)()


# --- processes


def test_an_answer_comes_back_from_a_process_of_its_own() -> None:
    assert apart(lambda board: [os.getppid(), "x" * 100_000]) == [os.getpid(), "x" * 100_000]


@pytest.mark.parametrize(
    "hang",
    [
        lambda: time.sleep(60),
        lambda: threading.Lock().acquire() and threading.Event().wait(),
        lambda: list(iter(int, 1)),
    ],
    ids=["sleep", "lock", "loop"],
)
def test_what_hangs_is_ended_with_the_words_of_what_it_did(hang: Callable[[], object]) -> None:
    def work(board: Board) -> None:
        board.doing = "softreserve_sysfs"
        hang()

    with pytest.raises(HungError) as caught:
        apart(work, limit=0.2)
    assert caught.value.doing == "softreserve_sysfs"
    assert "test_promises.py:" in caught.value.place or "threading.py:" in caught.value.place


def test_what_dies_says_how() -> None:
    with pytest.raises(DiedError, match="exit code 3"):
        apart(lambda board: os._exit(3))
    with pytest.raises(DiedError, match="SIGKILL"):
        apart(lambda board: os.kill(os.getpid(), signal.SIGKILL))


def test_what_is_raised_comes_back_in_words() -> None:
    with pytest.raises(BrokenError, match=r"ZeroDivisionError: division by zero \(.*test_promises.py"):
        apart(lambda board: 1 / 0)


def test_a_process_may_start_another_one() -> None:
    assert apart(lambda board: apart(lambda inner: os.getppid(), within=board) == os.getpid())


# --- what is promised


def test_every_promise_is_in_a_class_to_subclass_and_asked_without_pytest() -> None:
    used = {
        node.attr for node in ast.walk(ast.parse(Path(bases.__file__).read_text())) if isinstance(node, ast.Attribute)
    }
    there = {name for module in (every, steady, traces, tree, of_arch, kinds) for name in module.__all__}
    asked = {promise.__name__ for promise in (*OF_EVERY, *FRESH, *(p for each in OF_KIND.values() for p in each))}
    assert there <= used
    assert asked == there
    assert OF_KIND.keys() == KINDS.keys()


def test_every_hook_makes_a_plugin_one_of_a_kind() -> None:
    there = {name.removeprefix("softreserve_") for name in vars(hookspecs) if name.startswith("softreserve_")}
    assert there == {"arch_info", *(hook for hooks in KINDS.values() for hook in hooks)}


def test_a_right_plugin_has_no_problem() -> None:
    right = plugin(sysfs=lambda system: system.sysfs.add("/sys/kernel/mine", Attribute(0o444, lambda: "1\n")))
    assert first_problem(right, fresh=False) is None


def test_a_right_architecture_has_no_problem() -> None:
    assert problem(Subject(ToyArch(MINE), "mine"), *OF_KIND["arch"]) is None


def test_a_plugin_of_no_kind_is_told() -> None:
    assert told(every.loads) == (
        "plugin Mine: implements no hook: mark functions that are named as hooks with @hookimpl"
    )


def test_a_machine_that_does_not_boot_is_told_with_its_name() -> None:
    found = told(every.boots_everywhere, modules=lambda: [7])
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_modules answered")
    assert "(machine: " in found


def test_a_hang_is_told_with_the_hook_and_the_line() -> None:
    found = told(every.boots_everywhere, 0.3, sysfs=lambda: time.sleep(60))
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_sysfs: did not come back within 0.3 s: it was at ")
    assert "test_promises.py" in found


def test_a_plugin_that_ends_the_program_is_told() -> None:
    assert told(every.boots_everywhere, sysfs=lambda: os._exit(0)) == (
        "plugin Mine: softreserve_sysfs: ended the program: it ended with exit code 0"
    )


@pytest.mark.parametrize(
    "prints",
    [
        lambda: print("debug"),
        lambda: os.write(1, b"debug\n") and None,
        lambda: subprocess.call(["echo", "debug"]) or None,
    ],
    ids=["print", "descriptor", "child"],
)
def test_what_is_printed_is_told(prints: Callable[[], None]) -> None:
    assert told(traces.prints_nothing, sysfs=prints) == (
        "plugin Mine: softreserve_sysfs: printed 'debug' to standard output, wanted nothing"
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda: os.chdir("/"), "the working directory"),
        (lambda: os.environ.update(MINE="1"), "the environment"),
        (lambda: random.seed(1), "the random numbers"),
        (lambda: sys.setrecursionlimit(5000), "the recursion limit"),
        (lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN) and None, "signal handlers"),
        (lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start(), "threads"),
        (lambda: setattr(click, "echo", print), "click.echo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_does_to_the_process_is_told(change: Callable[[], None], what: str) -> None:
    found = told(traces.leaves_the_process_as_it_was, sysfs=change)
    assert found is not None
    assert found.startswith("plugin Mine: ")
    assert what in found


def test_what_changes_from_boot_to_boot_is_told() -> None:
    found = told(steady.gives_the_same_twice, sysfs=lambda system: system.printk(f"mine: {random.random()}"))
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_sysfs: not the same: ")


def test_state_that_systems_share_is_told() -> None:
    seen: list[sr.System] = []

    def remember(system: sr.System) -> None:
        seen.append(system)
        seen[0].printk("mine: here")

    found = told(steady.keeps_systems_apart, sysfs=remember)
    assert found is not None
    assert "state is shared" in found


def test_what_it_changes_of_a_machine_is_told() -> None:
    def change(system: sr.System) -> None:
        object.__setattr__(system.machine, "cpus", 7)

    found = told(traces.changes_nothing_it_is_given, sysfs=change)
    assert found == "plugin Mine: softreserve_sysfs: changed what it was given: machine.cpus was 2, is now 7"


class Losing(ToyArch):
    """Forgets a gibibyte."""

    @sr.hookimpl
    def softreserve_early_reserve(self, system: sr.System) -> bool | None:
        done = super().softreserve_early_reserve(system)
        if done:
            system.memblock.remove(4 << 30, 1 << 30)
        return done


def test_memory_that_is_lost_is_told_with_its_place() -> None:
    subject = Subject(Losing(MINE), "mine", {"plain": sample_machine("mine", info=MINE)})
    found = problem(subject, of_arch.loses_and_invents_no_memory)
    assert found is not None
    assert found.startswith("plugin Losing: softreserve_early_reserve")
    assert "0x100000000" in found


def test_an_architecture_that_is_declared_nowhere_is_told() -> None:
    assert problem(Subject(ToyArch(MINE)), every.boots_everywhere) == (
        "plugin ToyArch: softreserve_stub_handoff: it answers for an architecture and does not declare one: wanted an "
        "entry in the group softreserve.arches, whose name is the architecture"
    )


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("/sys/devices/system/node/online", Attribute(0o444, lambda: "0\n")),
        ("/etc/mine", Attribute(0o444, lambda: "0\n")),
        ("/sys/mine", "text"),
        ("/sys/mine", Attribute(0o444444, lambda: "0\n")),
        ("/sys/mine", Attribute(0o444, lambda: "0" * 5000)),
        ("/sys/mine", Link("/etc/passwd")),
        ("/sys/mi\nne", Attribute(0o444, lambda: "0\n")),
        ("/sys/mine", Directory({"../up": Attribute(0o444, lambda: "0\n")})),
    ],
)
def test_what_is_no_file_of_sysfs_is_told(path: str, node: Any) -> None:
    found = told(tree.puts_files_beside_those_that_are_there, sysfs=lambda system: system.sysfs.add(path, node))
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_sysfs")
    assert path.rpartition("/")[2].splitlines()[0] in found


def test_a_description_that_nobody_can_use_is_told() -> None:
    odd = MINE._replace(physmem_bits=lambda machine: -1)
    found = problem(Subject(ToyArch(odd), "mine"), of_arch.describes_itself)
    assert found is not None
    assert found.startswith("plugin ToyArch: softreserve_arch_info: physmem_bits")
    assert "-1" in found


def test_a_command_of_the_cores_name_is_told() -> None:
    def add(group: click.Group) -> None:
        group.add_command(click.Command("boot", help="Boot."))

    found = told(kinds.adds_commands_of_its_own, cli=add)
    assert found is not None
    assert "boot" in found


def test_an_importer_that_answers_nothing_is_told() -> None:
    found = told(every.stands_exercise, importers=lambda: [sr.Importer("mine", lambda place: None)])  # type: ignore[arg-type,return-value]
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_importers: importer 'mine' answered")


def test_an_emitter_that_does_not_print_the_same_twice_is_told() -> None:
    found = told(every.stands_exercise, emitters=lambda: [sr.Emitter("mine", lambda system: [str(random.random())])])
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_emitters: emitter 'mine': the same system is not printed")


@pytest.mark.parametrize(("names", "what"), [(("two words",), "nobody can type"), (("mine", "mine"), "twice")])
def test_commands_that_cannot_be_told_apart_are_told(names: tuple[str, ...], what: str) -> None:
    def add(group: click.Group) -> None:
        for name in names:
            group.add_command(click.Command(name))

    found = told(kinds.adds_commands_of_its_own, cli=add)
    assert found is not None
    assert found.startswith("plugin Mine: softreserve_cli ")
    assert what in found


def test_an_answer_that_came_just_before_the_process_ended_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    really = select.select

    def looks_too_early(reading: list[int], writing: list[int], failing: list[int], wait: float) -> Any:
        looks.append(wait)
        if len(looks) == 1:
            time.sleep(0.5)  # the process has answered and ended by now
            return [], [], []
        return really(reading, writing, failing, wait)

    monkeypatch.setattr("select.select", looks_too_early)
    assert apart(lambda board: "told") == "told"


def test_an_argument_with_a_default_is_told() -> None:
    assert "outcome has a default" in str(told(every.loads, lint=lambda system, outcome=None: []))


def test_a_method_that_is_put_into_a_class_of_the_core_is_told() -> None:
    def lint() -> list[sr.Finding]:
        sr.System.printed = print  # type: ignore[attr-defined]
        return []

    found = told(traces.leaves_the_process_as_it_was, lint=lint)
    assert found is not None
    assert "added softreserve.kernel.system.System.printed" in found


def test_an_architecture_that_changes_what_it_is_is_told() -> None:
    sizes = {4096: ""}

    class Changing(ToyArch):
        @sr.hookimpl
        def softreserve_stub_handoff(self, machine: sr.Machine) -> sr.Handoff | None:
            sizes[65536] = "64K"
            return super().softreserve_stub_handoff(machine)

    subject = Subject(Changing(MINE._replace(page_sizes=sizes)), "mine")
    assert "(ArchInfo)" in str(problem(subject, traces.changes_nothing_it_is_given))


UNSTEADY = """
import softreserve as sr
from softreserve.kernel.sysfs import Attribute


class Unsteady:
    @sr.hookimpl
    def softreserve_sysfs(self, system):
        system.sysfs.add("/sys/kernel/toy", Attribute(0o444, lambda: f"{hash('toy')}\\n"))


plugin = Unsteady()
"""


def test_an_object_that_a_module_knows_is_tried_under_other_hash_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unsteady_mine.py").write_text(UNSTEADY)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("unsteady_mine")
    found = problem(Subject(module.plugin), steady.gives_the_same_in_another_process)
    assert found is not None
    assert found.startswith("plugin Unsteady: softreserve_sysfs: show of /sys/kernel/toy: not the same")
