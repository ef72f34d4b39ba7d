"""Callbacks that raise, or answer wrongly: drivers, policies, initcalls, modules, attributes, commands."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import io
import sys
from collections.abc import Callable
from errno import ENOMEM
from typing import Any

import attrs
import click
import softreserve as sr
from softreserve.kernel.modules import Parameter
from softreserve.kernel.sysfs import Attribute, Directory, Link
from softreserve.testing.toy import ToyKexec

from wrong import right, wrong

GIB = sr.GiB


def fails(*_: object, **__: object) -> Any:
    """What raises when it is called."""
    raise ValueError("toy broke")


class Driver:
    """A driver of the dax bus that is right: it is there before kmem is loaded, and takes what kmem would."""

    name = "toy_dax"
    module = "toy_dax"
    option = "DAX"
    source = "drivers/dax/toy.c"
    type = "kmem"
    match_always = True

    def probe(self, device: sr.DaxDevice) -> int:
        return 0

    def remove(self, device: sr.DaxDevice) -> None:
        return


def driver(**changes: object) -> Callable[[], list[Any]]:
    """A driver that is right but for these."""
    return lambda: [type("ToyDriver", (Driver,), changes)()]


def drives(row: str, how: str, says: str, /, **changes: object) -> None:
    """A wrong driver."""
    wrong(row, "driver", how, says, dax_drivers=driver(**changes))

right("driver", "driver", dax_drivers=driver())
right("driver-that-refuses", "driver", dax_drivers=driver(probe=lambda self, device: -ENOMEM))

drives("driver-name-is-none", "a driver without a name", "name", name=None)
drives("driver-name-has-a-slash", "a driver named 'toy/dax'", "name", name="toy/dax")
drives("driver-name-has-control-characters", "a driver whose name has an escape character", "name", name="toy\x1b[31m")
drives("driver-type-unknown", "a driver of a type that does not exist", "type", type="pmem")
drives("driver-module-is-none", "a driver of no module", "module", module=None)
drives("driver-module-with-dash", "a driver whose module has a name that no module has", "module", module="toy-dax")
drives("driver-option-is-none", "a driver without an option", "option", option=None)
drives("driver-option-with-prefix", "an option with CONFIG_ before it", "config_", option="CONFIG_DAX")
drives("driver-source-is-none", "a driver of no file", "source", source=None)
drives("driver-match-always-is-text", "match_always is 'no', which is true", "match_always", match_always="no")
drives("driver-of-the-cores-name", "a driver named as the kernel's own: kmem", "kmem|twice", name="kmem",
    module="toykmem")
drives("driver-of-the-cores-module", "a driver whose module is kmem, too", "kmem|twice", module="kmem")
drives("driver-probe-raises", "its probe raises", "probe", probe=fails)
drives("driver-probe-answers-none", "its probe forgets to answer", "probe", probe=lambda self, device: None)
drives("driver-probe-answers-true", "its probe answers True", "probe", probe=lambda self, device: True)
drives("driver-probe-answers-text", "its probe answers 'ok'", "probe", probe=lambda self, device: "ok")
drives("driver-probe-is-positive", "its probe answers 12 instead of -12", "probe", probe=lambda self, device: 12)
drives("driver-probe-is-no-errno", "its probe answers -100000", "probe", probe=lambda self, device: -100_000)
drives("driver-probe-takes-nothing", "its probe takes no device", "probe", probe=lambda self: 0)
drives("driver-probe-is-a-number", "its probe is 0", "probe", probe=0)


async def _probe_later(self: object, device: object) -> int:
    return 0

drives("driver-probe-is-a-coroutine", "its probe is a coroutine function", "probe|coroutine", probe=_probe_later)
drives("driver-probe-changes-ranges", "its probe empties the device's ranges", "probe|range", probe=lambda self,
    device: device.spans.clear() or 0)
wrong("driver-remove-raises", "driver", "its remove raises", "remove", dax_drivers=driver(remove=fails), seen="kit")
wrong("driver-remove-answers", "driver", "its remove answers -16", "remove", seen="kit",
    dax_drivers=driver(remove=lambda self, device: -16))
wrong("driver-without-probe", "driver", "has no probe", "probe|daxdriver",
    dax_drivers=lambda: [
    type("Toy", (), {k: v for k,
    v in vars(Driver).items() if k in ("name", "module", "option", "source", "type", "match_always", "remove")})()])
wrong("driver-is-a-class", "driver", "answers the class of the driver", "class|type", dax_drivers=lambda: [Driver])
wrong("drivers-of-one-name", "driver", "two drivers of one name", "twice|toy_dax",
    dax_drivers=lambda: [Driver(), type("Other", (Driver,), {"module": "toy_other"})()])
wrong("drivers-are-a-set", "driver", "drivers in a set, whose order is any", "list|set", dax_drivers=lambda: {Driver()})
wrong("drivers-are-fresh-at-every-call", "driver", "a driver whose name counts its calls", "name", seen="kit",
    dax_drivers=lambda: [type("Toy", (Driver,), {"name": f"toy{next(_NUMBERS)}"})()])
_NUMBERS = iter(range(1 << 30))


# --- modules


def module(name: str = "toy", /, **more: Any) -> list[sr.Module]:
    """A module that is right but for these; udev loads it."""
    return [sr.Module(name, **{"option": "DEV_DAX", "source": "drivers/dax/toy.c", **more})]

right("module", "module", modules=lambda: module(init=lambda: 0))
right("module-that-refuses", "module", modules=lambda: module(init=lambda: -ENOMEM))
wrong("module-init-raises", "module", "init raises", "init", modules=lambda: module(init=fails))
wrong("module-init-raises-built-in", "module", "init of a built-in module raises", "init",
    modules=lambda: module(init=fails, option="DAX"))
wrong("module-init-answers-none", "module", "init forgets to answer", "init", modules=lambda: module(init=lambda: None))
wrong("module-init-answers-true", "module", "init answers True", "init", modules=lambda: module(init=lambda: True))
wrong("module-init-is-positive", "module", "init answers 19 instead of -19", "init",
    modules=lambda: module(init=lambda: 19))
wrong("module-init-answers-text", "module", "init answers 'ok'", "init", modules=lambda: module(init=lambda: "ok"))
wrong("module-init-exits", "module", "init ends the program", "init", modules=lambda: module(init=lambda: sys.exit(0)))
wrong("module-exit-raises", "module", "exit raises", "exit", seen="kit", modules=lambda: module(exit=fails))
wrong("module-source-of-a-folder", "module", "source is 'arch/x', which has no place", "source",
    modules=lambda: module(source="arch/x", option="DAX"))
wrong("module-parameters-are-names", "module", "parameters are names", "parameter",
    modules=lambda: module(parameters=("debug",)))
wrong("module-of-the-cores", "module", "a module of a name that is there", "twice|dax_hmem",
    modules=lambda: module("dax_hmem"))
wrong("modules-of-one-name", "module", "two modules of one name", "twice|toy", modules=lambda: module() + module())
wrong("modules-in-a-circle", "module", "two modules that depend on one another", "depend|circle",
    modules=lambda: module("toy_a", depends=("toy_b",)) + module("toy_b", depends=("toy_a",)))
wrong("module-depends-on-nothing", "module", "depends on a module that nobody has", "depend|toy_gone", seen="kit",
    modules=lambda: module(depends=("toy_gone",)))


def parameters(name: str, how: str, says: str, *found: object) -> None:
    """A module with wrong parameters."""
    wrong(name, "module", how, says, modules=lambda: module(parameters=found))

parameters("parameters-of-one-name", "two parameters of one name", "twice|debug", Parameter("debug"),
    Parameter("debug"))
parameters("parameter-without-a-name", "a parameter without a name", "parameter|name", Parameter(""))
parameters("parameter-mode-is-huge", "a parameter of mode 0o7777", "mode", Parameter("debug", mode=0o7777))


# --- initcalls

right("initcall", "module", register_resources=lambda system: [
    sr.Initcall(sr.Level.LATE, "drivers/toy.c", "toy_init", lambda: None)])


def initcall(name: str, how: str, says: str, call: Callable[[], object], level: object = sr.Level.LATE) -> None:
    """A wrong initcall of a plugin that is no architecture."""
    wrong(name, "module", how, says, register_resources=lambda: [sr.Initcall(level, "drivers/toy.c", "toy_init", call)])

initcall("initcall-raises", "an initcall raises", "toy_init", fails)
initcall("initcall-exits", "an initcall ends the program", "toy_init", lambda: sys.exit(3))
initcall("initcall-answers", "an initcall answers -12", "toy_init", lambda: -ENOMEM)
initcall("initcall-raises-machine-error", "an initcall raises MachineError", "toy_init",
    lambda: (_ for _ in ()).throw(sr.MachineError("no toy")))
initcall("initcall-level-is-text", "a level 'late'", "level", lambda: None, level="late")


# --- sysfs


async def _show_later() -> str:
    return "1\n"


def shows(name: str, how: str, says: str, show: object, *, mode: int = 0o444, **more: Any) -> None:
    """A wrong attribute."""
    wrong(name, "sysfs", how, says, at="export", seen=more.pop("seen", "commands"),
        sysfs=lambda system: system.sysfs.add("/sys/kernel/toy/value", Attribute(mode, show, **more)))

right("sysfs", "sysfs", at="export", sysfs=lambda system: system.sysfs.add("/sys/kernel/toy/value",
    Attribute(0o644, lambda: "1\n", len)))
right("sysfs-that-refuses", "sysfs", at="export", sysfs=lambda system: system.sysfs.add("/sys/kernel/toy/value",
    Attribute(0o444, lambda: -ENOMEM)))
shows("show-raises", "show raises", "show|value", fails)
shows("show-is-a-coroutine", "show is a coroutine function", "show|value", _show_later)
shows("show-answers-none", "show answers None", "show|value", lambda: None)
shows("show-answers-a-list", "show answers a list", "show|value", lambda: ["1\n"])
shows("show-answers-a-positive-number", "show answers 7, no -errno", "show|value", lambda: 7)
shows("show-answers-true", "show answers True", "show|value", lambda: True)
shows("show-answers-a-float", "show answers 1.5", "show|value", lambda: 1.5)
shows("show-takes-an-argument", "show wants an argument", "show|value", lambda buffer: "1\n")
shows("show-is-text", "show is text, no function", "show|value", "1\n")
shows("show-has-surrogates", "show answers text that cannot be encoded", "show|value", lambda: "\ud800\n")
shows("show-exits", "show ends the program", "show|value", lambda: sys.exit(0))
shows("show-raises-machine-error", "show raises MachineError", "show|value",
    lambda: (_ for _ in ()).throw(sr.MachineError("no toy")))
shows("show-is-endless-text", "show answers more than a page", "show|page", lambda: "x" * (1 << 20))
shows("show-counts", "show answers something else at every read", "twice|value", lambda: f"{next(_NUMBERS)}\n",
    seen="kit")
shows("show-mode-is-huge", "a mode 0o7777777", "mode", lambda: "1\n", mode=0o7777777)
shows("show-mode-is-text", "a mode 'r'", "mode", lambda: "1\n", mode="r")
shows("store-raises", "store raises", "store|value", lambda: "1\n", mode=0o644, store=fails, seen="kit")
shows("store-answers-none", "store forgets to answer", "store|value", lambda: "1\n", mode=0o644,
    store=lambda data: None, seen="kit")
shows("store-answers-true", "store answers True", "store|value", lambda: "1\n", mode=0o644, store=lambda data: True,
    seen="kit")
shows("store-answers-more", "store says that it took more than was written", "store|value", lambda: "1\n", mode=0o644,
    store=lambda data: len(data) + 1, seen="kit")


def tree(name: str, how: str, says: str, change: Callable[[sr.System], object], at: str = "export") -> None:
    """A wrong change of the sysfs tree."""
    wrong(name, "sysfs", how, says, at=at, sysfs=lambda system: change(system) and None)

tree("sysfs-outside", "an attribute outside of /sys", "/etc",
    lambda system: system.sysfs.add("/etc/passwd", Attribute(0o444, lambda: "root\n")))
tree("sysfs-relative", "a relative path", "sys", lambda system: system.sysfs.add("kernel/toy",
    Attribute(0o444, lambda: "1\n")))
tree("sysfs-replaces-the-cores", "replaces a file of the kernel's own", "/sys/devices/system/memory",
    lambda system: system.sysfs.add("/sys/devices/system/memory/block_size_bytes", Attribute(0o444, lambda: "1\n")))
tree("sysfs-replaces-a-directory", "replaces a whole directory of the kernel's own", "/sys/devices/system/node",
    lambda system: system.sysfs.add("/sys/devices/system/node", Directory()))
tree("sysfs-removes-the-cores", "removes a directory of the kernel's own", "/sys/devices/system/memory",
    lambda system: system.sysfs.remove("/sys/devices/system/memory"))
tree("sysfs-of-text", "a text in the place of an attribute", "str",
    lambda system: system.sysfs.add("/sys/kernel/toy", "1\n"))
tree("sysfs-of-a-dict", "a dict in the place of a directory", "dict",
    lambda system: system.sysfs.add("/sys/kernel/toy", {"value": Attribute(0o444, lambda: "1\n")}))
tree("sysfs-name-with-a-newline", "a name with a newline", "name",
    lambda system: system.sysfs.directory("/sys/kernel").children.__setitem__("toy\nvalue",
    Attribute(0o444, lambda: "1\n")))
tree("sysfs-name-with-a-slash", "a child named '../../escape'", "name",
    lambda system: system.sysfs.directory("/sys/kernel").children.__setitem__("../../escape",
    Attribute(0o444, lambda: "1\n")))
tree("sysfs-name-is-a-number", "a child named 7", "name", lambda system: system.sysfs.directory(
    "/sys/kernel").children.__setitem__(7, Attribute(0o444, lambda: "1\n")))
tree("sysfs-through-a-file", "a path that leads through a file", "block_size_bytes",
    lambda system: system.sysfs.add("/sys/devices/system/memory/block_size_bytes/toy", Attribute(0o444, lambda: "1\n")),
    at="boot")
tree("sysfs-link-out", "a link that leads out of /sys", "link",
    lambda system: system.sysfs.add("/sys/kernel/toy", Link("../../../../etc")))
tree("sysfs-names-raise", "a directory whose names raise", "names",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory(names=fails, lookup=lambda name: None)))
tree("sysfs-lookup-raises", "a directory whose lookup raises", "lookup",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory(names=lambda: ["a"], lookup=fails)))
tree("sysfs-names-without-end", "a directory that is its own child", "toy",
    lambda system: (lambda d: (d.children.__setitem__("toy", d), system.sysfs.add("/sys/kernel/toy", d)))(Directory()))

tree("sysfs-through-dots", "a path that leads out of /sys by dots", "path",
    lambda system: system.sysfs.add("/sys/kernel/../../etc/toy", Attribute(0o444, lambda: "1\n")))
tree("sysfs-takes-away-by-hand", "takes a directory of the kernel's own out of its dictionary", "memory",
    lambda system: system.sysfs.directory("/sys/devices/system").children.pop("memory") and None)
tree("sysfs-replaces-by-hand", "puts a file in the place of the kernel's own by hand", "block_size_bytes",
    lambda system: system.sysfs.directory("/sys/devices/system/memory").children.__setitem__("block_size_bytes",
    Attribute(0o444, lambda: "1\n")))
tree("sysfs-children-in-a-list", "children in a list", "children",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory([("value", Attribute(0o444, lambda: "1\n"))])))
tree("sysfs-names-are-none", "names of a directory forgets to answer", "names",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory(names=lambda: None, lookup=lambda name: None)))
tree("sysfs-names-lead-out", "names of a directory that lead out of it", "names",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory(names=lambda: ["../../x"],
    lookup=lambda name: Attribute(0o444, lambda: "1\n"))))
tree("sysfs-lookup-answers-text", "lookup of a directory answers what a file shows", "directory",
    lambda system: system.sysfs.add("/sys/kernel/toy", Directory(names=lambda: ["value"], lookup=lambda name: "1\n")))
tree("sysfs-attribute-twice", "adds an attribute twice", "twice|/sys/kernel/toy/value",
    lambda system: [system.sysfs.add("/sys/kernel/toy/value", Attribute(0o444, lambda: "1\n")) for _ in "12"])
tree("sysfs-in-place-of-a-directory", "an attribute where its own directory was", "/sys/kernel/toy",
    lambda system: (system.sysfs.add("/sys/kernel/toy/value", Attribute(0o444, lambda: "1\n")),
    system.sysfs.add("/sys/kernel/toy", Attribute(0o444, lambda: "1\n"))))


# --- kexec policies


def policy(name: str, how: str, says: str, *, seen: Any = "commands", **more: Any) -> None:
    """A wrong policy."""
    wrong(name, "kexec", how, says, at="kexec --policy toy", seen=seen,
        kexec_policies=lambda: [sr.KexecPolicy("toy", "a toy's policy", **more)])

right("kexec-policy", "kexec", at="kexec --policy toy", kexec_policies=lambda: [
    sr.KexecPolicy("toy", "adds a word", prepare=lambda system,
    request: attrs.evolve(request, cmdline=system.cmdline.appended("toy=1")))])
right("toy-kexec", "kexec", at="kexec", kexec_load=ToyKexec().softreserve_kexec_load,
    kexec_policies=ToyKexec().softreserve_kexec_policies)
right("kexec-hardware", "kexec", at="kexec", kexec_hardware=lambda machine: machine)
policy("prepare-raises", "prepare raises", "prepare", prepare=fails)
policy("prepare-answers-none", "prepare forgets to answer", "prepare", prepare=lambda system, request: None)
policy("prepare-answers-a-machine", "prepare answers a machine", "prepare", prepare=lambda system,
    request: system.machine)
policy("prepare-takes-one", "prepare takes the system alone", "prepare", prepare=lambda system: None)
policy("prepare-changes-the-syscall", "prepare answers a system call that does not exist", "syscall",
    prepare=lambda system, request: attrs.evolve(request, syscall="kexec_jump"))
policy("prepare-has-text-for-a-command-line", "prepare puts text where a CommandLine is", "cmdline",
    prepare=lambda system, request: attrs.evolve(request, cmdline="quiet"))
policy("prepare-negative-size", "prepare wants a kernel of -1 bytes", "kernel_size", prepare=lambda system,
    request: attrs.evolve(request, kernel_size=-1))
def finishes(name: str, how: str, says: str, field: str, value: object) -> None:
    """A policy that gives the next machine something that a machine cannot have."""
    policy(name, how, says, finish=lambda system, machine: attrs.evolve(machine, **{field: value}))


finishes("finish-cmdline-is-text", "the next command line is text", "cmdline", "cmdline", "quiet")
finishes("finish-cpus-are-text", "the next machine has '2' processors", "cpus", "cpus", "2")
finishes("finish-has-no-cpus", "the next machine has no processor", "cpus", "cpus", 0)
finishes("finish-kernel-is-text", "the next kernel is text", "kernel", "kernel", "6.12")
finishes("finish-map-is-a-list", "the next map is a list", "map", "efi_map", [1])
finishes("finish-image-is-none", "the next kernel has no image", "image", "image", None)
finishes("finish-acpi-is-text", "an ACPI table is text", "acpi", "acpi", {"SRAT": "table"})
finishes("finish-forgets-acpi", "the next machine has no ACPI tables", "acpi", "acpi", {})
finishes("finish-e820-is-pairs", "e820 entries are pairs", "e820", "e820", ((0, 4096),))


def prepares(name: str, how: str, field: str, value: object) -> None:
    """A policy that asks for what no loader understands."""
    policy(name, how, field, prepare=lambda system, request: attrs.evolve(request, **{field: value}))


prepares("prepare-lowest-is-text", "the lowest address is '4G'", "mem_min", "4G")
prepares("prepare-lowest-is-negative", "the lowest address is -1", "mem_min", -1)
prepares("prepare-image-is-text", "the image is a file's name", "image", "bzImage")
prepares("prepare-tools-are-none", "no kexec-tools ask", "tools", None)
prepares("prepare-noefi-is-text", "noefi is 'no', which is true", "noefi", "no")
prepares("prepare-setup-data-is-numbers", "setup_data is numbers", "setup_data", (1, 2))
policy("finish-raises", "finish raises", "finish", finish=fails)
policy("finish-answers-none", "finish forgets to answer", "finish", finish=lambda system, machine: None)
policy("finish-answers-a-request", "finish answers text", "finish", finish=lambda system, machine: "machine")
policy("finish-changes-the-arch", "finish makes another architecture of it", "finish|arch", finish=lambda system,
    machine: attrs.evolve(machine, kernel=attrs.evolve(machine.kernel, arch="other64")))
policy("finish-loses-memory", "finish forgets descriptors and e820 entries", "finish|memory", finish=lambda system,
    machine: attrs.evolve(machine,
    efi_map=None if machine.efi_map is None else machine.efi_map.replaced(list(machine.efi_map)[:2]),
    e820=None if machine.e820 is None else machine.e820[:2]))
policy("finish-invents-memory", "finish adds memory that is not there", "finish|memory",
    finish=lambda system, machine: attrs.evolve(machine, efi_map=machine.efi_map.replaced(
        [*machine.efi_map,
        attrs.evolve(next(iter(machine.efi_map)), start=1 << 42, type=int(sr.EfiType.CONVENTIONAL))])))
policy("finish-raises-machine-error", "finish raises MachineError, which no policy may", "finish", finish=lambda system,
    machine: (_ for _ in ()).throw(sr.MachineError("no toy")))
policy("finish-answers-at-random", "finish answers something else at every call", "twice|finish", seen="kit",
    finish=lambda system, machine: attrs.evolve(machine, cpus=1 + next(_NUMBERS) % 7))
wrong("policies-of-one-name", "kexec", "two policies of one name", "twice|toy", at="kexec --policy toy",
    kexec_policies=lambda: [sr.KexecPolicy("toy", "one"), sr.KexecPolicy("toy", "another")])
wrong("policy-of-the-cores-name", "kexec", "a policy of a name that is there", "twice|default", at="kexec",
    kexec_policies=lambda: [sr.KexecPolicy("default", "mine")])
wrong("policy-words-are-none", "kexec", "a policy without words", "words", at="kexec --policy toy",
    kexec_policies=lambda: [sr.KexecPolicy("toy", None)])
wrong("hardware-of-another-arch", "kexec", "the next machine is another architecture", "arch", at="kexec",
    kexec_hardware=lambda machine: attrs.evolve(machine, kernel=attrs.evolve(machine.kernel, arch="other64")))
wrong("hardware-loses-memory", "kexec", "the next machine has no memory", "memory", at="kexec",
    kexec_hardware=lambda machine: attrs.evolve(machine, efi_map=None, e820=()))
wrong("load-answers-for-everybody", "kexec", "loads for every architecture, without segments", "segment", at="kexec",
    kexec_load=lambda system, request: sr.KexecImage(system.machine))
wrong("load-fails-in-silence", "kexec", "a status of -12 without a word why", "output|status", at="kexec",
    kexec_load=lambda system, request: sr.KexecImage(system.machine, status=-ENOMEM))
wrong("load-overwrites", "kexec", "a segment over the running kernel's specific purpose memory", "specific purpose",
    at="kexec", kexec_load=lambda system,
    request: sr.KexecImage(system.machine, (sr.KexecSegment(sr.PhysRange(4 * GIB, 4 * GIB + 4096), "kernel"),)))


# --- commands


def command(name: str, how: str, says: str, callback: Callable[..., object]) -> None:
    """A command that goes wrong."""
    wrong(name, "cli", how, says, at="toy-command", cli=lambda group: group.add_command(
        click.Command("toy-command", callback=callback)))

right("cli", "cli", at="toy-command", cli=lambda group: group.add_command(
    click.Command("toy-command", callback=lambda: click.echo("toy"))))
command("command-raises", "a command raises", "toy-command", fails)
command("command-ends-with-300", "a command ends with 300, which programs see as 44", "300", lambda: 300)
command("command-ends-with-true", "a command ends with True, which is 1, a failure", "true", lambda: True)
command("command-recurses", "a command recurses without end", "toy-command", lambda: _deeper(0))
wrong("cli-replaces-boot", "cli", "adds a command named boot", "boot", at="toy-command",
    cli=lambda group: (group.add_command(click.Command("boot", callback=lambda: click.echo("mine"))),
    group.add_command(click.Command("toy-command", callback=lambda: click.echo("toy"))))[2:] or None)
wrong("cli-adds-text", "cli", "adds text in the place of a command", "command|str", at="toy-command",
    cli=lambda group: group.commands.__setitem__("toy-command", "text"))
wrong("cli-adds-nothing", "cli", "adds no command", "command", at="toy-command", seen="kit", cli=lambda group: None)
wrong("cli-name-with-spaces", "cli", "a command that nobody can type", "name", at="toy-command",
    cli=lambda group: group.add_command(click.Command("toy command\x1b[31m", callback=lambda: None)))
wrong("cli-raises", "cli", "raises", "toy broke", at="toy-command", cli=lambda group: fails())
wrong("cli-ends", "cli", "runs its command at once and ends the program", "exit", at="toy-command",
    cli=lambda group: sys.exit(0))
wrong("cli-closes-stdout", "cli", "puts another stdout in the place of ours", "stdout", at="toy-command",
    cli=lambda group: setattr(sys, "stdout", io.StringIO()))

wrong("command-twice", "cli", "two commands of one name", "twice|toy-command", at="toy-command",
    cli=lambda group: [group.add_command(click.Command("toy-command", callback=lambda: None)) for _ in "12"] and None)


def _deeper(depth: int) -> int:
    return _deeper(depth + 1) + 1
