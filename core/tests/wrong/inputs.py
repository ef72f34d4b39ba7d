"""Plugins that change what they were given to look at, or the core itself."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import types
from collections.abc import Callable

import softreserve as sr

from wrong import toy, wrong


def spoils(name: str, how: str, says: str, change: Callable[[sr.Machine], object], kind: str = "arch") -> None:
    """An architecture that changes the machine before it hands over the map."""

    def stub_handoff(machine: sr.Machine) -> sr.Handoff:
        change(machine)
        return sr.Handoff(machine.efi_map)

    wrong(name, kind, how, says, stub_handoff=stub_handoff)


def force(target: object, name: str, value: object) -> None:
    """Set an attribute of a frozen value."""
    object.__setattr__(target, name, value)

spoils("changes-acpi", "adds an ACPI table to the machine", "acpi|frozen|mappingproxy",
    lambda machine: machine.acpi.__setitem__("HMAT", b"HMAT"))
spoils("clears-acpi", "takes the ACPI tables away", "acpi|frozen|mappingproxy",
    lambda machine: machine.acpi.clear())
spoils("changes-config", "changes the kernel's configuration", "config|frozen|mappingproxy",
    lambda machine: machine.kernel.config.__setitem__("NUMA", "n"))
spoils("updates-config", "updates the kernel's configuration", "config|frozen|mappingproxy",
    lambda machine: machine.kernel.config.update(NUMA="n"))
spoils("changes-arch-options", "changes the options of its own ArchInfo", "options|frozen|mappingproxy",
    lambda machine: toy.TOY.options[""].pop("DAX", None))
spoils("changes-page-sizes", "changes the page sizes of its ArchInfo", "page_sizes|frozen|mappingproxy",
    lambda machine: toy.TOY.page_sizes.__setitem__(65536, "64K"))
spoils("changes-a-descriptor", "changes a descriptor behind its back", "descriptor|frozen|changed",
    lambda machine: force(machine.efi_map.descriptors[0], "pages", 1))
spoils("changes-the-map", "puts another list of descriptors into the map", "map|frozen|changed",
    lambda machine: force(machine.efi_map, "descriptors", ()))
spoils("changes-the-command-line", "puts another command line into the machine", "cmdline|frozen|changed",
    lambda machine: force(machine, "cmdline", sr.CommandLine("quiet")))
spoils("changes-the-kernel", "makes the kernel another release", "release|frozen|changed",
    lambda machine: force(machine.kernel, "release", "5.4"))
spoils("sets-an-attribute", "assigns to a frozen machine", "frozen", lambda machine: setattr(machine, "cpus", 1))
spoils("sets-cpus-behind", "sets the number of processors behind the machine's back", "cpus|frozen|changed",
    lambda machine: force(machine, "cpus", machine.cpus + 1))
spoils("deletes-an-attribute", "deletes an attribute of the machine", "frozen",
    lambda machine: delattr(machine, "name"))


def patches(name: str, how: str, says: str, target: object, attribute: str, value: object, kind: str = "lint") -> None:
    """A lint rule that changes a class or module of the core, for everybody and for good."""

    def lint(system: sr.System) -> list[sr.Finding]:
        setattr(target, attribute, value)
        return []

    wrong(name, kind, how, says, at="lint", seen="kit", lint=lint)

patches("patches-a-class", "puts a method of its own into System", "system|changed", sr.System, "printk", lambda self,
    text, function="": None)
patches("patches-a-property", "puts a property of its own into Machine", "machine|changed", sr.Machine, "arch",
    "other64")
patches("patches-the-core", "puts a function of its own into softreserve", "softreserve|changed", sr, "GiB", 1000**3)
patches("patches-a-constant", "changes a class attribute of DaxOffer", "changed", sr.DaxOffer, "end", 0)
wrong("changes-findings-words", "lint", "puts a severity of its own into the core", "severit", at="lint", seen="kit",
    lint=lambda system: setattr(__import__("softreserve.model.findings", fromlist=["x"]), "SEVERITIES",
    ("fatal",)) or [])


def looks(name: str, how: str, says: str, change: Callable[..., object]) -> None:
    """A lint rule that changes the system that it looks at."""

    def lint(system: sr.System, outcome: object) -> list[sr.Finding]:
        change(system, outcome)
        return []

    wrong(name, "lint", how, says, at="lint", seen="kit", lint=lint)

looks("lint-writes-sysfs", "writes to the system that it judges", "changed|lint", lambda system,
    outcome: system.sysfs.write("/sys/devices/system/memory/auto_online_blocks", b"online"))
looks("lint-loads-modules", "unloads a module of the system that it judges", "changed|lint", lambda system,
    outcome: system.modules.unload("kmem"))
looks("lint-changes-resources", "renames a resource", "changed|lint", lambda system,
    outcome: setattr(system.iomem.find("System RAM")[0], "name", "toy"))
looks("lint-changes-the-outcome", "changes the outcome that others see, too", "changed|outcome", lambda system,
    outcome: force(outcome, "ranges", ()))
looks("lint-prints-into-the-log", "prints into the kernel's log", "log|changed", lambda system,
    outcome: system.printk("toy: lint was here"))
looks("lint-adds-nodes", "adds a node", "changed|lint", lambda system, outcome: system.nodes.possible.add(3))

wrong("prepare-changes-the-request", "kexec", "changes the request behind its back", "request|frozen|changed",
    at="kexec --policy toy",
    kexec_policies=lambda: [
    sr.KexecPolicy("toy", "a policy", prepare=lambda system,
    request: (force(request, "syscall", "kexec_file_load"), request)[1])])
wrong("finish-changes-the-system", "kexec", "finish changes the machine that runs", "changed|machine", seen="kit",
    at="kexec --policy toy",
    kexec_policies=lambda: [
    sr.KexecPolicy("toy", "a policy", finish=lambda system, machine: (force(system.machine, "cpus", 64), machine)[1])])
wrong("replaces-the-log", "sysfs", "throws the kernel's log away", "log",
    sysfs=lambda system: setattr(system, "log", type(system.log)()))
wrong("replaces-the-plugins", "sysfs", "takes the other plugins out of the system", "hooks", seen="commands",
    sysfs=lambda system: setattr(system, "hooks", types.SimpleNamespace(names=())))
wrong("unregisters-others", "sysfs", "unregisters another plugin", "unregister|manager|changed", seen="kit",
    sysfs=lambda system: [
    sr.hooks_of(system).manager.unregister(name=name) for name in list(sr.hooks_of(system).names)[:1]] and None)
