"""What every plugin promises, as test classes to subclass.

``plugin_name`` (and ``arch``) must be overridden; everything else has a default. Tests that need an ability which a
plugin does not declare skip themselves and say so.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softreserve.kernel.resource import Resource
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.errors import SoftReserveError
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.placement import Placement
from softreserve.model.ranges import PhysRange, merged
from softreserve.plugins.hooks import Hooks, load
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import firmware_memory, sample_machine, specific_purpose
from softreserve.testing.strategies import machines

__all__ = ["BaseArch", "BasePlugin"]

#: An architecture that nobody boots.
_NOWHERE = "no-such-architecture"

_few = settings(
    max_examples=20,
    deadline=None,
    # fixtures are plain strings, and one method serves every plugin
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class _OfPlugin:
    """A class of tests about one plugin."""

    @pytest.fixture
    def plugin_name(self) -> str:
        """Name of the plugin; override it."""
        return str(pytest.fail("override the fixture plugin_name with the name of the plugin"))


class BasePlugin(_OfPlugin):
    """Promises of every plugin."""

    @pytest.fixture
    def hooks(self, plugin_name: str) -> Hooks:
        """A fresh set with just this plugin."""
        return load([plugin_name])

    def test_it_loads_and_implements_hooks_that_exist(self, hooks: Hooks, plugin_name: str) -> None:
        callers = hooks.manager.get_hookcallers(hooks.manager.get_plugin(plugin_name))
        assert callers, f"{plugin_name} implements no hook"

    def test_it_is_one_of_one_name(self, plugin_name: str) -> None:
        assert len(Selection().installed[plugin_name]) == 1

    def test_loading_it_imports_no_other_plugin(self, plugin_name: str) -> None:
        installed = Selection().installed
        own = installed[plugin_name][0].value.partition(".")[0]
        others = {entries[0].value.partition(".")[0] for entries in installed.values()} - {own}
        code = f"import sys; from softreserve.plugins.hooks import load; load([{plugin_name!r}]); print(*sys.modules)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not others & set(run.stdout.split())

    def test_it_leaves_other_architectures_alone(self, hooks: Hooks) -> None:
        machine = sample_machine(_NOWHERE)
        assert hooks.stub_handoff(machine) is None
        assert hooks.stub_place_image(machine, None) is None
        system = System(machine, hooks)
        assert hooks.early_reserve(system) is None
        assert hooks.numa_info(system) is None
        assert hooks.memory_block_size(system) is None

    def test_a_machine_boots_with_it_and_twice_the_same(self, plugin_name: str) -> None:
        selection = Selection([plugin_name])
        arches = [arch for arch, names in selection.arches.items() if plugin_name in names] or list(selection.arches)
        if not arches:
            pytest.skip("no installed plugin boots an architecture")
        machine = sample_machine(arches[0])
        first, second = (boot(machine, selection.hooks_for(machine)) for _ in range(2))
        assert plugin_name in first.hooks.names
        assert first.log.lines == second.log.lines
        assert first.iomem.lines() == second.iomem.lines()


class BaseArch(_OfPlugin):
    """Promises of a plugin that boots an architecture, besides those of every plugin."""

    @pytest.fixture
    def arch(self) -> str:
        """Name of the architecture; override it."""
        return str(pytest.fail("override the fixture arch with the architecture that the plugin boots"))

    @pytest.fixture
    def machine(self, arch: str) -> Machine:
        """A machine of the architecture, with specific purpose memory; override it where the sample does not fit."""
        return sample_machine(arch)

    def test_the_plugin_declares_the_architecture(self, plugin_name: str, arch: str) -> None:
        assert plugin_name in Selection().arches[arch]

    def test_specific_purpose_memory_is_soft_reserved(self, plugin_name: str, machine: Machine) -> None:
        assert specific_purpose(machine), "the machine has no specific purpose memory"
        system = boot(machine, load([plugin_name]))
        for wanted in specific_purpose(machine):
            assert any(part.contains(wanted) for part in _joined(system.find_soft_reserved()))

    def test_efi_nosoftreserve_gives_it_to_the_kernel(self, plugin_name: str, machine: Machine) -> None:
        machine = attrs.evolve(machine, cmdline=machine.cmdline.appended("efi=nosoftreserve"))
        system = boot(machine, load([plugin_name]))
        assert not _joined(system.find_soft_reserved())
        for wanted in specific_purpose(machine):
            assert any(part.contains(wanted) for part in _joined(system.iomem.find("System RAM")))

    def test_memory_blocks_have_a_power_of_two(self, plugin_name: str, machine: Machine) -> None:
        size = boot(machine, load([plugin_name])).memory.block_size
        assert size & (size - 1) == 0
        assert size >= machine.kernel.page_size

    def test_a_machine_without_a_map_is_refused_in_words(self, plugin_name: str, machine: Machine) -> None:
        with pytest.raises(SoftReserveError):
            boot(attrs.evolve(machine, efi_map=None), load([plugin_name]))

    @_few
    @given(data=st.data())
    def test_ram_is_memory_that_the_firmware_gave_and_did_not_mark(
        self, plugin_name: str, arch: str, data: st.DataObject
    ) -> None:
        machine = data.draw(machines(arch))
        system = boot(machine, load([plugin_name]))
        marked, given_ = specific_purpose(machine), firmware_memory(machine)
        for ram in _joined(system.iomem.find("System RAM")):
            assert not any(ram.overlaps(other) for other in marked)
            assert _covered(ram, given_)

    @_few
    @given(data=st.data())
    def test_resources_are_sorted_and_nested(self, plugin_name: str, arch: str, data: st.DataObject) -> None:
        system = boot(data.draw(machines(arch)), load([plugin_name]))
        parents: list[Resource] = []
        before: dict[int, int] = {}
        for depth, resource in system.iomem.walk():
            del parents[depth:]
            if parents:
                assert parents[-1].start <= resource.start <= resource.end <= parents[-1].end
            assert resource.start > before.get(depth, -1)
            before = {level: end for level, end in before.items() if level < depth} | {depth: resource.end}
            parents.append(resource)

    @_few
    @given(data=st.data())
    def test_the_image_is_never_put_into_specific_purpose_memory(
        self, plugin_name: str, arch: str, data: st.DataObject
    ) -> None:
        machine, seed = data.draw(machines(arch)), data.draw(st.integers(0, (1 << 32) - 1))
        placement = load([plugin_name]).stub_place_image(machine, seed)
        if placement is None:
            pytest.skip("the plugin does not place images")
        image = _placed(machine.image, placement)
        assert image is None or not any(image.overlaps(other) for other in specific_purpose(machine))


def _joined(resources: Iterable[Resource]) -> list[PhysRange]:
    """Resources as ranges, touching ones joined: the kernel may keep neighbours apart."""
    return [PhysRange(*span) for span in merged((r.start, r.end + 1) for r in resources)]


def _covered(wanted: PhysRange, parts: list[PhysRange]) -> bool:
    """Whether every byte lies in some part."""
    at = wanted.start
    for part in sorted(parts):
        if part.start <= at < part.end:
            at = part.end
    return at >= wanted.end


def _placed(image: KernelImage, placement: Placement) -> PhysRange | None:
    if placement.address is None:
        return None
    return PhysRange.from_size(placement.address, placement.size)
