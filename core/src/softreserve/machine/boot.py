"""From a machine to a running kernel: the stages, in order."""

from __future__ import annotations

from softreserve.kernel.initcalls import Initcall, Level, sorted_initcalls
from softreserve.kernel.mm import memory_sysfs
from softreserve.kernel.mm.memblock import NOT_COVERED
from softreserve.kernel.numa.numa import NO_NUMA
from softreserve.kernel.state import Userspace
from softreserve.kernel.system import System
from softreserve.model.errors import MachineError, PluginError, SoftReserveError
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import Hooks, hooks_of

__all__ = ["ask_for_nodes", "boot", "late"]


def boot(machine: Machine, hooks: Hooks, *, recording: bool = True, userspace: Userspace = "none") -> System:
    """Boot: run every stage once, in order, and return the running kernel.

    :param userspace: ``"none"``: as the kernel leaves it; ``"udev"``: modules loaded. Of memory that was
        added before, by what is built in, :func:`~softreserve.plugins.hookspecs.softreserve_memory_added` is asked when
        udev begins, and never without udev; of memory that is added later it is asked either way.
    :raises MachineError: no loaded plugin knows the architecture, or the kernel dies; the message says why.
    """
    system = System(machine, hooks, recording=recording)
    _early(system)
    if not system.nodes.online:
        said = [event.text for event in system.log.of(NO_NUMA, NOT_COVERED)] or ["it does not say why"]
        raise MachineError(f"the kernel dies without a NUMA node that is online; its log: {said[-1]}")
    late(system)
    system.userspace = userspace
    if userspace == "udev":
        system.memory.added.user_space_begins()
        system.modules.coldplug()
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
    hooks, log = hooks_of(system), system.log
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
    ask_for_nodes(system)
    log.stage = "resources"
    system.initcalls += hooks.register_resources(system)


def ask_for_nodes(system: System) -> None:
    """Let plugins bring nodes beside those that the firmware told of."""
    offers = hooks_of(system).nodes(system)
    if offers:
        from softreserve.kernel.numa.node_offers import bring_nodes

        bring_nodes(system, offers)


def late(system: System) -> None:
    """``start_kernel()`` from the zone lists on, then the initcalls, until user space can run.

    :raises PluginError: an initcall failed.
    """
    hooks = hooks_of(system)
    system.memory.zones.mm_core_init_early()
    memory_sysfs.parse_parameters(system)
    system.memory.zones.build_all_zonelists()
    system.nodes.smp_init()
    system.modules.add(hooks.modules(system))
    system.memory.memory_dev_init()
    memory_sysfs.publish(system)
    system.nodes.node_dev_init()
    if "hugepages" in system.cmdline.text and system.kernel.config.get("HUGETLB_PAGE", "y") != "n":
        from softreserve.kernel.mm.hugetlb import HugePages

        system.initcalls.append(Initcall(Level.SUBSYS, "mm/hugetlb.c", "hugetlb_init", HugePages(system).setup))
    for call in sorted_initcalls([*system.initcalls, *system.modules.initcalls()]):
        system.log.stage = "dax bus" if call.level >= Level.DEVICE else "resources"
        _call(call)
    system.log.stage = "running"
    system.firmware_memmap.publish(system.sysfs)
    hooks.sysfs(system)
    system.booting = False
    system.boot_lines = len(system.log)
