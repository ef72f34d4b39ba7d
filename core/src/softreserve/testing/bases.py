"""What plugins promise, as test classes to subclass: :class:`BasePlugin` for every plugin, and one for each kind.

``plugin_name`` must be overridden, or ``plugin`` for one that is not installed; everything else has a default. Each
promise is looked at in a process of its own: a plugin that hangs, prints or dies is a failure with its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softreserve.testing.apart import LIMIT
from softreserve.testing.kit import Promise, problem
from softreserve.testing.promises import arch as of_arch
from softreserve.testing.promises import every, kinds, steady, traces, tree
from softreserve.testing.strategies import machines as random_machines
from softreserve.testing.subject import Subject

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.testing.apart import Board
    from softreserve.testing.booting import PluginLike

__all__ = [
    "BaseArch",
    "BaseCli",
    "BaseDax",
    "BaseEmitter",
    "BaseImporter",
    "BaseKexec",
    "BaseLint",
    "BaseModule",
    "BaseNuma",
    "BasePlugin",
    "BasePolicy",
]


def keeps(subject: Subject, *promises: Promise, limit: float = LIMIT) -> None:
    """Fail, in one paragraph, where a promise is not kept.

    :param limit: seconds that one call of the plugin may take.
    """
    found = problem(subject, *promises, limit=limit)
    if found is not None:
        pytest.fail(found, pytrace=False)


class _OfPlugin:
    """A class of tests about one plugin."""

    @pytest.fixture
    def plugin_name(self) -> str:
        """Name of the plugin; override it."""
        return str(pytest.fail("override the fixture plugin_name with the name of the plugin"))

    @pytest.fixture
    def plugin(self, plugin_name: str) -> PluginLike:
        """The plugin: its name; override it with a module or an object where it is not installed."""
        return plugin_name

    @pytest.fixture
    def arch(self) -> str | None:
        """The architecture whose machines it is tested with; ``None``: the one that it boots, or the toy."""
        return None

    @pytest.fixture
    def machines(self) -> Mapping[str, Machine] | None:
        """What is booted with it, by what is special about each; ``None``: sample machines of the architecture."""
        return None

    @pytest.fixture
    def limit(self, pytestconfig: pytest.Config) -> float:
        """Seconds that one call of the plugin may take."""
        return float(pytestconfig.getoption("--softreserve-limit", LIMIT))

    @pytest.fixture
    def subject(self, plugin: PluginLike, arch: str | None, machines: Mapping[str, Machine] | None) -> Subject:
        """The plugin with its machines."""
        return Subject(plugin, arch, machines)


class BasePlugin(_OfPlugin):
    """Promises of every plugin."""

    def test_it_loads_and_implements_hooks_that_exist(self, subject: Subject, limit: float) -> None:
        keeps(subject, every.loads, limit=limit)

    def test_it_is_one_of_one_name(self, subject: Subject, limit: float) -> None:
        keeps(subject, every.is_installed_once, limit=limit)

    def test_loading_it_imports_no_other_plugin_and_nothing_heavy(self, subject: Subject, limit: float) -> None:
        keeps(subject, traces.imports_little, limit=limit)

    def test_it_leaves_other_architectures_alone(self, subject: Subject, limit: float) -> None:
        keeps(subject, every.leaves_others_alone, limit=limit)

    def test_every_machine_boots_with_it(self, subject: Subject, limit: float) -> None:
        keeps(subject, every.boots_everywhere, limit=limit)

    def test_it_stands_whatever_a_user_does(self, subject: Subject, limit: float) -> None:
        keeps(subject, every.stands_exercise, limit=limit)

    def test_it_puts_files_beside_those_that_are_there(self, subject: Subject, limit: float) -> None:
        keeps(subject, tree.puts_files_beside_those_that_are_there, limit=limit)

    def test_a_machine_boots_with_it_and_twice_the_same(self, subject: Subject, limit: float) -> None:
        keeps(subject, steady.gives_the_same_twice, limit=limit)

    def test_systems_share_nothing(self, subject: Subject, limit: float) -> None:
        keeps(subject, steady.keeps_systems_apart, limit=limit)

    def test_directory_and_environment_do_not_count(self, subject: Subject, limit: float) -> None:
        keeps(subject, steady.gives_the_same_elsewhere, limit=limit)

    def test_a_forked_process_gives_the_same(self, subject: Subject, limit: float) -> None:
        keeps(subject, steady.gives_the_same_after_a_fork, limit=limit)

    def test_another_process_gives_the_same(self, subject: Subject, limit: float) -> None:
        keeps(subject, steady.gives_the_same_in_another_process, limit=limit)

    def test_it_prints_nothing(self, subject: Subject, limit: float) -> None:
        keeps(subject, traces.prints_nothing, limit=limit)

    def test_it_changes_nothing_that_it_is_given(self, subject: Subject, limit: float) -> None:
        keeps(subject, traces.changes_nothing_it_is_given, limit=limit)

    def test_it_leaves_the_process_as_it_was(self, subject: Subject, limit: float) -> None:
        keeps(subject, traces.leaves_the_process_as_it_was, limit=limit)


class BaseArch(_OfPlugin):
    """Promises of a plugin that boots an architecture, besides those of every plugin."""

    @pytest.fixture
    def machine(self) -> Machine | None:
        """A machine with specific purpose memory; override it where sample machines do not fit."""
        return None

    @pytest.fixture
    def machines(self, machine: Machine | None) -> Mapping[str, Machine] | None:
        """Sample machines, or the one that was given."""
        return None if machine is None else {machine.name: machine}

    def test_the_plugin_declares_the_architecture(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.declares_its_architecture, limit=limit)

    def test_what_it_says_of_the_architecture_can_be_used(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.describes_itself, limit=limit)

    def test_specific_purpose_memory_is_soft_reserved(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.soft_reserves, limit=limit)

    def test_efi_nosoftreserve_gives_it_to_the_kernel(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.gives_soft_reserved_memory_back, limit=limit)

    def test_memblock_is_given_ranges_of_addresses(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.gives_memblock_ranges, limit=limit)

    def test_ram_is_memory_that_the_firmware_gave_and_did_not_mark(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.loses_and_invents_no_memory, limit=limit)

    def test_limits_are_heard_and_the_image_is_kept(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.hears_limits_and_keeps_the_image, limit=limit)

    def test_nodes_are_where_the_tables_say(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.puts_nodes_where_the_tables_say, limit=limit)

    def test_memory_has_nodes_zones_and_blocks(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.lays_out_nodes_and_zones, limit=limit)

    def test_resources_are_sorted_and_nested(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.nests_resources, limit=limit)

    def test_the_image_is_never_put_into_specific_purpose_memory(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.places_the_image_in_memory, limit=limit)

    def test_a_machine_without_a_map_is_refused_in_words(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.refuses_a_machine_without_a_map, limit=limit)

    def test_it_loads_the_next_kernel(self, subject: Subject, limit: float) -> None:
        keeps(subject, of_arch.loads_the_next_kernel, limit=limit)

    def test_any_machine_keeps_all_of_it(self, subject: Subject, limit: float) -> None:
        keeps(subject, _on_random_machines, limit=limit)


def _on_random_machines(subject: Subject, board: Board) -> None:
    """What is promised of memory, on machines that nobody thought of."""
    arch, info = subject.arch, subject.alone().arch_info(subject.arch)

    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(machine=random_machines(arch, info), cmdline=st.sampled_from(("", "numa=off")))
    def look(machine: Machine, cmdline: str) -> None:
        one = Subject(subject.plugin, arch, {machine.name: machine})
        of_arch.loses_and_invents_no_memory(one, board)
        of_arch.lays_out_nodes_and_zones(one, board)
        of_arch.nests_resources(one, board)
        of_arch.places_the_image_in_memory(one, board)

    look()


class BaseNuma(_OfPlugin):
    """Promises of a plugin that brings nodes, besides those of every plugin."""

    def test_its_nodes_are_there(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.brings_nodes_that_are_there, limit=limit)


class BaseDax(_OfPlugin):
    """Promises of a plugin that brings ranges or drivers to the dax bus, besides those of every plugin."""

    def test_its_drivers_are_on_the_bus(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.brings_drivers_that_are_there, limit=limit)

    def test_its_ranges_are_taken_or_refused_in_words(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.offers_ranges_that_are_taken_or_refused_in_words, limit=limit)


class BasePolicy(_OfPlugin):
    """Promises of a plugin that says what becomes of memory that is added, besides those of every plugin."""

    def test_what_it_says_of_added_memory_happens(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.decides_for_added_memory, limit=limit)


class BaseKexec(_OfPlugin):
    """Promises of a plugin that loads kernels, or says under which policy, besides those of every plugin."""

    def test_every_kexec_is_crossed(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.crosses_every_kexec, limit=limit)


class BaseLint(_OfPlugin):
    """Promises of a plugin that finds mistakes, besides those of every plugin."""

    def test_what_it_finds_is_told_in_words_and_the_same_twice(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.finds_the_same_in_words, limit=limit)


class BaseCli(_OfPlugin):
    """Promises of a plugin that adds commands, besides those of every plugin."""

    def test_its_commands_are_its_own(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.adds_commands_of_its_own, limit=limit)

    def test_its_commands_run_or_say_what_they_lack(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.runs_or_refuses_in_words, limit=limit)


class BaseImporter(_OfPlugin):
    """Promises of a plugin that reads machines, or sections of machine files, besides those of every plugin."""

    def test_it_says_what_it_reads(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.reads_or_refuses_in_words, limit=limit)


class BaseEmitter(_OfPlugin):
    """Promises of a plugin that prints or shows systems, besides those of every plugin."""

    def test_it_prints_every_machine(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.prints_lines, limit=limit)


class BaseModule(_OfPlugin):
    """Promises of a plugin that brings modules, besides those of every plugin."""

    def test_its_modules_are_there(self, subject: Subject, limit: float) -> None:
        keeps(subject, kinds.brings_modules_that_are_there, limit=limit)
