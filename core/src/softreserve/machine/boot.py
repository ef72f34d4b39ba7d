"""From a machine to a running kernel: the stages, in order."""

from __future__ import annotations

from softreserve.kernel.initcalls import Initcall, Level, sorted_initcalls
from softreserve.kernel.system import System
from softreserve.model.errors import MachineError, PluginError, SoftReserveError
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import Hooks

__all__ = ["boot"]


def boot(machine: Machine, hooks: Hooks, *, recording: bool = True) -> System:
    """Boot: run every stage once, in order, and return the running kernel.

    :raises MachineError: no loaded plugin knows the architecture, or the kernel dies; the message says why.
    """
    system = System(machine, hooks, recording=recording)
    _early(system)
    if not system.nodes.online:
        said = next((line for line in reversed(system.log.lines) if "NUMA" in line), "it does not say why")
        raise MachineError(f"the kernel dies without a NUMA node that is online; its log: {said}")
    _late(system)
    system.booting = False
    return system


def _call(initcall: Initcall) -> None:
    try:
        initcall.call()
    except SoftReserveError:
        raise
    except Exception as error:
        raise PluginError(f"initcall {initcall.name} ({initcall.source}): {type(error).__name__}: {error}") from error


def _unanswered(system: System, stage: str) -> MachineError:
    loaded = ", ".join(system.hooks.names) or "none"
    return MachineError(f"no loaded plugin boots {system.machine.arch} ({stage}); loaded: {loaded}")


def _early(system: System) -> None:
    """``setup_arch()``: what happens before memory can be allocated."""
    hooks, log = system.hooks, system.log
    log.stage = "efi stub"
    handoff = hooks.stub_handoff(system.machine)
    if handoff is None:
        raise _unanswered(system, "efi stub")
    system.handoff = handoff
    log.stage = "early reservation"
    if hooks.early_reserve(system) is None:
        raise _unanswered(system, "early reservation")
    log.stage = "numa info"
    if hooks.numa_info(system) is None:
        raise _unanswered(system, "numa info")
    log.stage = "resources"
    system.initcalls += hooks.register_resources(system)


def _late(system: System) -> None:
    """``start_kernel()`` from the zone lists on, then the initcalls."""
    system.memory.build_all_zonelists_init()
    system.nodes.smp_init()
    system.modules.add(system.hooks.modules(system))
    system.memory.memory_dev_init()
    system.nodes.node_dev_init()
    calls: list[Initcall] = [*system.initcalls, *system.memory.initcalls(), *system.modules.initcalls()]
    for call in sorted_initcalls(calls):
        system.log.stage = "dax bus" if call.level >= Level.DEVICE else "resources"
        _call(call)
    system.log.stage = "running"
    system.firmware_memmap.publish(system.sysfs)
    system.hooks.sysfs(system)
