"""The promises of a plugin, one by one or all at once, without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from softreserve.testing.apart import LIMIT, BrokenError, DiedError, HungError, apart
from softreserve.testing.promises import arch as of_arch
from softreserve.testing.promises import every, kinds, steady, traces, tree
from softreserve.testing.subject import Subject

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.testing.apart import Board
    from softreserve.testing.booting import PluginLike

__all__ = ["FRESH", "OF_EVERY", "OF_KIND", "Promise", "first_problem", "problem"]

#: Raises ``BrokenError`` where it is not kept.
Promise = Callable[[Subject, "Board"], None]

#: What every plugin promises, in the order in which one would look.
OF_EVERY: Final[tuple[Promise, ...]] = (
    every.loads,
    every.is_installed_once,
    every.leaves_others_alone,
    every.boots_everywhere,
    tree.puts_files_beside_those_that_are_there,
    every.stands_exercise,
    traces.prints_nothing,
    traces.changes_nothing_it_is_given,
    steady.gives_the_same_twice,
    steady.keeps_systems_apart,
    steady.gives_the_same_elsewhere,
    steady.gives_the_same_after_a_fork,
)
#: The same, of what takes a process in which the plugin was not used yet, or interpreters of its own.
FRESH: Final[tuple[Promise, ...]] = (
    traces.leaves_the_process_as_it_was,
    traces.imports_little,
    steady.gives_the_same_in_another_process,
)
#: What plugins of a kind promise, too.
OF_KIND: Final[Mapping[str, tuple[Promise, ...]]] = {
    "arch": (
        of_arch.declares_its_architecture,
        of_arch.describes_itself,
        of_arch.soft_reserves,
        of_arch.gives_soft_reserved_memory_back,
        of_arch.gives_memblock_ranges,
        of_arch.loses_and_invents_no_memory,
        of_arch.hears_limits_and_keeps_the_image,
        of_arch.puts_nodes_where_the_tables_say,
        of_arch.lays_out_nodes_and_zones,
        of_arch.nests_resources,
        of_arch.places_the_image_in_memory,
        of_arch.refuses_a_machine_without_a_map,
        of_arch.loads_the_next_kernel,
    ),
    "numa": (kinds.brings_nodes_that_are_there,),
    "dax": (kinds.brings_drivers_that_are_there, kinds.offers_ranges_that_are_taken_or_refused_in_words),
    "policy": (kinds.decides_for_added_memory,),
    "kexec": (kinds.crosses_every_kexec,),
    "lint": (kinds.finds_the_same_in_words,),
    "cli": (kinds.adds_commands_of_its_own, kinds.runs_or_refuses_in_words),
    "importer": (kinds.reads_or_refuses_in_words,),
    "emitter": (kinds.prints_lines,),
    "module": (kinds.brings_modules_that_are_there,),
}


def problem(subject: Subject, *promises: Promise, limit: float = LIMIT) -> str | None:
    """The first promise that is not kept, in words: plugin, hook, what was wanted and what came; or ``None``.

    :param limit: seconds that one call of the plugin may take.
    """

    def work(board: Board) -> None:
        subject.board = board
        for promise in promises:
            promise(subject, board)

    begin = f"plugin {subject.name}: "
    try:
        apart(work, limit=limit)
    except BrokenError as error:
        text = str(error)
        return text if text.startswith("plugin ") else f"{begin}{text}"
    except HungError as error:
        at = f": it was at {error.place}" if error.place else ""
        return f"{begin}{error.doing or 'import'}: did not come back within {limit:g} s{at}"
    except DiedError as error:
        return f"{begin}{error.doing or 'import'}: ended the program: it {error.how}"
    return None


def first_problem(
    plugin: PluginLike,
    arch: str | None = None,
    machines: Mapping[str, Machine] | None = None,
    *,
    limit: float = LIMIT,
    fresh: bool = True,
) -> str | None:
    """Everything that a plugin promises: the first thing that is not kept, in words; or ``None``.

    :param plugin: the name of an installed one, a module, or an object with hooks.
    :param arch: the architecture whose machines it is tested with; otherwise the one that it boots, or the toy.
    :param machines: what is booted, by what is special about each; otherwise sample machines.
    :param limit: seconds that one call of the plugin may take.
    :param fresh: whether to start interpreters, too, which takes a second.
    """
    subject = Subject(plugin, arch, machines)

    def whole(subject: Subject, board: Board) -> None:
        for promise in OF_EVERY[:3]:
            promise(subject, board)
        if "arch" in subject.kinds:
            of_arch.describes_itself(subject, board)
        every.boots_everywhere(subject, board)
        for kind in subject.kinds:
            for promise in OF_KIND[kind]:
                promise(subject, board)
        for promise in OF_EVERY[4:]:
            if promise is not traces.changes_nothing_it_is_given:
                promise(subject, board)

    # what was changed once may be changed to the same again, and a process of its own has it as it was
    others = (traces.changes_nothing_it_is_given, *(FRESH if fresh else FRESH[:1]))
    return next((found for p in (whole, *others) if (found := problem(subject, p, limit=limit)) is not None), None)
