"""What is done with memory that is added, before anybody is asked: by the kernel, and by udev."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.model.online_rules import DISTRIBUTIONS, of_kernel

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["check"]


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the policy, on machines where there is memory to add."""
    if not any(part.device for part in outcome.parts):
        return
    if not system.kernel.builtin("MEMORY_HOTPLUG"):
        message = "dax devices cannot be system RAM: this kernel is built without CONFIG_MEMORY_HOTPLUG; build it in"
        yield Finding("warning", "hotplug-not-built", message)
        return
    if not onlined.size("kmem"):
        return
    policy, rule = system.memory.default_online_type, system.memory.added.rule
    if policy != "offline":
        message = (
            f"memory that kmem adds is onlined by the kernel at once ({policy}); daxctl reconfigure-device aborts "
            "unless it is forced, and memory that came up in a kernel zone may never go back to devdax; "
            "memhp_default_state=offline leaves the choice to you"
        )
        yield Finding("warning" if policy == "online_kernel" else "note", "auto-online", message)
    elif rule is not None:
        movable = rule.online_type == "online_movable"
        zone = "" if movable else ", in a zone that it may never leave again to be a dax device"
        message = (
            f"memory that kmem adds is taken online by a udev rule, {rule.who}: {rule.online_type}{zone}; daxctl may "
            "find it online and tell of a race; a file of that name in /etc/udev/rules.d stands in for the rule, and "
            "memhp_default_state=online_movable comes before it"
        )
        yield Finding("note", "udev-online", message)
    elif system.userspace == "udev" and any(part.use == "kmem" and not part.online for part in outcome.parts):
        yield from _of_the_kernel(system)


def _of_the_kernel(system: System) -> Iterator[Finding]:
    """A kernel that comes with a rule for memory that stays offline without it."""
    name = of_kernel(system.kernel.profile.name)
    rule = DISTRIBUTIONS[name].rule if name is not None else None
    if rule is not None and (written := rule.written(system.machine.virt)):
        message = (
            f"memory that kmem adds stays offline for want of a rule: {system.kernel.profile.name} has one, "
            f"{rule.file}, line {rule.line}, which would write {written}; --userspace {name} is with it"
        )
        yield Finding("note", "userspace-unlike-kernel", message)
