"""From a machine to a running kernel: the stages, in order."""

from __future__ import annotations

from typing import Final

from softreserve.kernel import border
from softreserve.kernel.initcalls import Initcall, Level, sorted_initcalls
from softreserve.kernel.mm import memory_sysfs
from softreserve.kernel.mm.added_memory import Written
from softreserve.kernel.mm.memblock import NOT_COVERED
from softreserve.kernel.numa.numa import NO_NUMA
from softreserve.kernel.system import System
from softreserve.machine import accounts
from softreserve.model.errors import (
    MachineError,
    PluginError,
    PluginResultError,
    SoftReserveError,
    nearest,
    shown,
)
from softreserve.model.events import STAGES
from softreserve.model.machine import Machine
from softreserve.model.userspace import USERSPACES, Userspace
from softreserve.plugins.hooks import Hooks, hooks_of

__all__ = ["ask_for_nodes", "boot", "late"]

#: The last hook in which a plugin lays out what the rest of a boot works with.
_LAST: Final = "softreserve_numa_info"


def boot(machine: Machine, hooks: Hooks, *, recording: bool = True, userspace: Userspace = "none") -> System:
    """Boot: run every stage once, in order, and return the running kernel.

    :param userspace: ``"none"``: as the kernel leaves it; ``"udev"``: modules loaded; another: with the udev rules of
        that distribution for added memory, which decide where no plugin does. Of memory that was added before,
        by what is built in, :func:`~softreserve.plugins.hookspecs.softreserve_memory_added` is asked when udev begins,
        and never without udev; of memory that is added later it is asked either way.
    :raises MachineError: no loaded plugin knows the architecture, or the kernel dies; the message says why. Or there is
        no such user space.
    """
    if userspace not in USERSPACES:
        hint = nearest(str(userspace), USERSPACES)
        raise MachineError(f"no user space {shown(userspace)}: wanted one of {', '.join(USERSPACES)}{hint}")
    system = System(machine, hooks, recording=recording)
    try:
        _early(system)
        _check_nodes(system)
        late(system)
    except PluginResultError:
        if recording:
            raise
        return boot(machine, hooks, userspace=userspace)  # events may say why
    except SoftReserveError:
        raise
    except Exception as error:
        guilty = hooks.answered.get(_LAST, "")
        if not guilty:
            raise
        raise _left_behind(guilty, error) from error
    system.userspace = userspace
    if userspace != "none":
        system.memory.added.rule = _online_rule(userspace, machine)
        system.memory.added.user_space_begins()
        system.modules.coldplug()
    return system


def _online_rule(userspace: Userspace, machine: Machine) -> Written | None:
    """What the distribution's udev rule does with memory that was added to this machine; ``None``: nothing."""
    if userspace in ("none", "udev"):
        return None
    from softreserve.model.online_rules import DISTRIBUTIONS

    rule, virt = DISTRIBUTIONS[userspace].rule, machine.virt
    if rule is None or not (written := rule.written(virt)):
        return None
    where = "" if rule.bare == rule.virtual else ", on bare metal" if virt == "none" else ", in a guest"
    return Written(written, f"{rule.file}, line {rule.line} ({userspace}{where})")


def _check_nodes(system: System) -> None:
    """See that there is a node that is online.

    :raises MachineError: there is none, and the kernel says why.
    :raises PluginError: it does not say why.
    """
    if system.nodes.online:
        return
    said = [event.text for event in system.log.of(NO_NUMA, NOT_COVERED)]
    if not said and system.log.recording:
        plugin = hooks_of(system).answered.get(_LAST, "")
        raise border.refused(plugin, _LAST, "left no node online, and nothing says why")
    why = said[-1] if said else "it does not say why"
    raise MachineError(f"the kernel dies without a NUMA node that is online; its log: {why}")


def _left_behind(plugin: str, error: Exception) -> PluginError:
    """An error of the core, as one of the plugin that boots the architecture: no kernel goes on with what it left."""
    return PluginError(border.one_line(plugin, _LAST, f"left what no kernel can use: {border.reason(error)}"), plugin)


def _unanswered(system: System, stage: str) -> SoftReserveError:
    first = hooks_of(system).answered.get("softreserve_stub_handoff") if stage != STAGES[0] else None
    if first is not None:
        hook = "softreserve_early_reserve" if stage == STAGES[1] else _LAST
        words = f"answered None for {system.machine.arch}, whose softreserve_stub_handoff it answered; wanted True"
        return border.refused(first, hook, words)
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
    accounts.check_handoff(system, hooks.answered["softreserve_stub_handoff"])
    log.stage = "early reservation"
    if hooks.early_reserve(system) is None:
        raise _unanswered(system, "early reservation")
    accounts.check_memory(system, hooks.answered["softreserve_early_reserve"])
    log.stage = "numa info"
    if hooks.numa_info(system) is None:
        raise _unanswered(system, "numa info")
    accounts.check_nodes(system, hooks.answered[_LAST])
    ask_for_nodes(system)
    log.stage = "resources"
    system.initcalls += hooks.register_resources(system)
    accounts.check_resources(system, hooks.answered[_LAST])


def ask_for_nodes(system: System) -> None:
    """Let plugins bring nodes beside those that the firmware told of."""
    offers = hooks_of(system).nodes(system)
    if offers:
        from softreserve.kernel.numa.node_offers import bring_nodes

        bring_nodes(system, offers)


def late(system: System) -> None:
    """``start_kernel()`` from the zone lists on, then the initcalls, until user space can run.

    :raises PluginError: an initcall failed.
    :raises MachineError: the kernel dies.
    """
    hooks = hooks_of(system)
    booted_by = hooks.answered.get(_LAST)
    system.memory.zones.mm_core_init_early()
    if booted_by is not None:
        accounts.check_zones(system, booted_by)
    memory_sysfs.parse_parameters(system)
    system.denied.say(system.cmdline, system.log)
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
        if call.level >= Level.DEVICE and booted_by is not None:
            accounts.check_set_aside(system, booted_by)
            booted_by = None
        system.log.stage = "dax bus" if call.level >= Level.DEVICE else "resources"
        if system.denied.skips(call.name, system.log):
            continue
        where = f"softreserve_register_resources: initcall {call.name}"
        answer: object = border.call(where, call.call, plugin=call.owner, passes=(MachineError,))
        if answer is not None and call.owner:
            raise border.wrong(call.owner, where, answer, "None: nobody asks an initcall how it went")
    if booted_by is not None:  # there is no driver
        accounts.check_set_aside(system, booted_by)
    system.log.stage = "running"
    system.firmware_memmap.publish(system.sysfs)
    hooks.sysfs(system)
    system.booting = False
    system.boot_lines = len(system.log)
