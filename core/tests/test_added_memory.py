"""User space has its turn when memory was added: after the system call, and after the kernel's own policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.mm.added_memory import USER_SPACE_ONLINES
from softreserve.kernel.system import System
from softreserve.live.server import LiveSystem
from softreserve.model.errors import PluginResultError
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.memory import boot_memory

MIB, GIB = 1 << 20, 1 << 30
BLOCK = 128 * MIB
RELEASES = ["6.1", "6.12", "6.18", "7.3"]


class Agent:
    """Stands for a udev rule: says what it was told of, and does with it what it was made for."""

    def __init__(self, online_type: str | None, then: Callable[[System], None] = lambda system: None) -> None:
        self.told: list[tuple[int, int, int]] = []
        self._online_type = online_type
        self._then = then

    @hookimpl
    def softreserve_memory_added(self, system: System, nid: int, start: int, size: int) -> str | None:
        self.told.append((nid, start, size))
        self._then(system)
        return self._online_type


def booted(agent: Agent, release: str = "6.12", *, cmdline: str = "", probe: str = "n") -> System:
    config = {"ARCH_MEMORY_PROBE": probe}
    return boot_memory(release=release, cmdline=cmdline, config=config, plugins=[("agent", agent)])


def zones(system: System, start: int, size: int) -> set[str]:
    """Zones of the blocks of a range; ``offline`` for those that are."""
    first, end = start // BLOCK, (start + size) // BLOCK
    blocks = [system.memory.blocks.find(number) for number in range(first, end)]
    return {block.zone.name if block and block.zone else "offline" for block in blocks}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("online_type", "zone"),
    # memory at 8 GiB of a node that has none: Normal, unless user space asks for Movable
    [("online", "Normal"), ("online_kernel", "Normal"), ("online_movable", "Movable")],
)
def test_user_space_onlines_what_was_added_as_echo_would(release: str, online_type: str, zone: str) -> None:
    agent = Agent(online_type)
    system = booted(agent, release)
    assert system.memory.add_memory(1, 8 * GIB, 4 * BLOCK) == 0
    assert agent.told == [(1, 8 * GIB, 4 * BLOCK)]
    assert zones(system, 8 * GIB, 4 * BLOCK) == {zone}
    assert system.sysfs.read("/sys/devices/system/node/has_memory") == b"0-1\n"
    (event,) = system.log.of(USER_SPACE_ONLINES)
    assert (event.start, event.end) == (8 * GIB, 8 * GIB + 4 * BLOCK)
    assert (event.before, event.after) == ("plugin agent", online_type)


@pytest.mark.parametrize("online_type", [None, "offline"])
def test_what_user_space_leaves_alone_stays_offline(online_type: str | None) -> None:
    system = booted(Agent(online_type))
    assert system.memory.add_memory(1, 8 * GIB, BLOCK) == 0
    assert zones(system, 8 * GIB, BLOCK) == {"offline"}
    assert not system.log.of(USER_SPACE_ONLINES)


def test_the_policy_of_the_kernel_comes_first_and_user_space_is_told_all_the_same() -> None:
    agent = Agent("online_movable")
    system = booted(agent, cmdline="memhp_default_state=online_kernel")
    system.memory.add_memory(1, 8 * GIB, BLOCK)
    assert agent.told == [(1, 8 * GIB, BLOCK)]
    assert zones(system, 8 * GIB, BLOCK) == {"Normal"}
    assert not system.log.of(USER_SPACE_ONLINES)
    by_kernel = ("online_kernel", "the kernel (auto_online_blocks)")
    assert system.memory.added.onlined == {(8 * GIB, BLOCK): by_kernel}
    assert system.memory.device_offline(8 * GIB // BLOCK) == 0 == system.memory.remove_memory(8 * GIB, BLOCK)
    assert not system.memory.added.onlined


def test_what_could_not_be_added_is_not_told() -> None:
    agent = Agent("online")
    assert booted(agent).memory.add_memory(1, 8 * GIB + MIB, BLOCK) < 0
    assert agent.told == []


def test_what_user_space_adds_is_told_after_its_turn() -> None:
    turns: list[str] = []

    def add_more(system: System) -> None:
        turns.append("begins")
        if len(turns) == 1:
            system.memory.add_memory(1, 9 * GIB, BLOCK)
            turns.append("ends")

    agent = Agent("online_movable", add_more)
    system = booted(agent)
    system.memory.add_memory(1, 8 * GIB, BLOCK)
    assert turns == ["begins", "ends", "begins"]
    assert agent.told == [(1, 8 * GIB, BLOCK), (1, 9 * GIB, BLOCK)]
    assert zones(system, 9 * GIB, BLOCK) == {"Movable"}


def test_a_write_is_over_before_user_space_has_its_turn() -> None:
    depth: list[int] = []
    agent = Agent("online_movable", lambda system: depth.append(len(list(system.memory.blocks))))
    system = booted(agent, probe="y")
    path = "/sys/devices/system/memory/probe"
    assert LiveSystem(system).write(path, b"0x200000000") == len(b"0x200000000")
    assert system.sysfs.write(path, b"0x210000000") == len(b"0x210000000")
    assert [start for _, start, _ in agent.told] == [8 * GIB, 8 * GIB + 256 * MIB]
    assert zones(system, 8 * GIB, BLOCK) == {"Movable"}


def test_memory_that_was_added_before_user_space_is_told_when_that_begins() -> None:
    class BuiltIn:
        @hookimpl
        def softreserve_register_resources(self, system: System) -> list[Initcall]:
            def add() -> None:
                assert system.memory.add_memory(1, 8 * GIB, BLOCK) == 0

            return [Initcall(Level.LATE, "drivers/accel.c", "accel_init", add)]

    agent = Agent("online_movable")
    system = boot_memory(plugins=[("agent", agent), ("driver", BuiltIn())])
    system.memory.add_memory(1, 9 * GIB, BLOCK)
    assert [start for _, start, _ in agent.told] == [9 * GIB]  # nobody ran when the other was added
    system.memory.added.user_space_begins()
    assert [start for _, start, _ in agent.told] == [9 * GIB, 8 * GIB]
    assert zones(system, 8 * GIB, BLOCK) == {"Movable"}


def test_an_unknown_type_names_the_plugin() -> None:
    system = booted(Agent("movable"))
    with pytest.raises(PluginResultError, match=r"plugin agent: softreserve_memory_added .*movable.*online_kernel"):
        system.memory.add_memory(1, 8 * GIB, BLOCK)
