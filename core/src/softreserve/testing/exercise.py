"""All that can be done with a machine that runs: what plugins brought is asked, read, written, bound, loaded, crossed.

Whatever goes wrong on the way is a :class:`~softreserve.testing.apart.BrokenError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import attrs

from softreserve.config import PREFIXES
from softreserve.config.importers import read_by
from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES
from softreserve.kernel.sysfs import Attribute, Directory, Link
from softreserve.machine.boot import boot
from softreserve.machine.kexec import load as kexec
from softreserve.machine.snapshot import FILES, state_lines
from softreserve.model.errors import ConfigError, InputError
from softreserve.model.kexec import KexecRequest
from softreserve.model.ranges import PhysRange, merged, uncovered
from softreserve.plugins.brought import by_name
from softreserve.plugins.hooks import hooks_of
from softreserve.testing.machines import firmware_memory, specific_purpose
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.report import report

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage
    from softreserve.model.machine import Machine
    from softreserve.testing.subject import Subject

__all__ = ["STEPS", "account", "canonical", "exercise", "hexadecimal", "parted"]

#: No attribute takes it, and no importer reads it.
NONSENSE: Final = "nonsense"
_BUS: Final = "/sys/bus/dax"
#: Lines of an emitter that are looked at.
_LINES: Final = 100_000
_OR: Final = " or "
_IDENTITY: Final = re.compile(r"( at)? 0x[0-9a-f]+(?=>)")


def hexadecimal(start: int, end: int) -> str:
    """A range (bytes, half open) as people know it: the last byte included."""
    return f"{start:#x}-{end - 1:#x}"


def canonical(value: Any) -> str:
    """A value as text that is the same in every process, if it is."""
    if attrs.has(type(value)):
        inner = [(f.name, getattr(value, f.name)) for f in attrs.fields(type(value)) if not f.name.startswith("_")]
        return f"{type(value).__name__}({', '.join(f'{name}={canonical(held)}' for name, held in inner)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{canonical(key)}: {canonical(held)}" for key, held in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(canonical, value))) + "}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(canonical, value))})"
    return _IDENTITY.sub("", repr(value))


def parted(one: str, other: str) -> tuple[str, str]:
    """Two texts from a little before where they begin to differ."""
    same = next((at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), 0)
    at = max(same - 30, 0)
    return _short(one[at:]), _short(other[at:])


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."


def account(system: System) -> dict[str, str]:
    """Everything that can be seen of a system, each thing by its name."""
    found = {f"line {number} of the kernel log": line for number, line in enumerate(system.log.lines, 1)}
    for name, lines in FILES.items():
        found |= {f"line {number} of {name}": line for number, line in enumerate(lines(system), 1)}
    found |= {f"line {number} of the state": line for number, line in enumerate(state_lines(system), 1)}
    for path, node in system.sysfs.walk("/sys"):
        if isinstance(node, Attribute):
            found[path] = repr(system.sysfs.read(path))
        elif isinstance(node, Link):
            found[path] = f"-> {node.target}"
    for number, event in enumerate(system.log, 1):
        found[f"event {number}"] = canonical(event)
    return found


def exercise(subject: Subject, system: System) -> None:
    """Do everything once, in an order in which a user might."""
    for step in STEPS:
        step(subject, system)


# --- steps


def _read(subject: Subject, system: System) -> None:
    """Read every file."""
    for path, node in system.sysfs.walk("/sys"):
        if isinstance(node, Attribute):
            system.sysfs.read(path)


def _ask(subject: Subject, system: System) -> None:
    """Ask what is only asked now and then, of this plugin alone: others may answer before it."""
    hooks = subject.alone()
    memory = system.memory
    last = max((block.end for block in memory.blocks), default=0)
    for hook, said in (
        ("online_policy", hooks.online_policy(system)),
        (
            "memory_added",
            hooks.memory_added(system, min(system.nodes.online), last * memory.block_size, memory.block_size),
        ),
    ):
        if said is not None and not any(str.__eq__(said, word) for word in ONLINE_TYPES):
            raise subject.broken(
                f"softreserve_{hook}", f"answered {str.__repr__(said)}, wanted {_OR.join(ONLINE_TYPES)}"
            )
    size = hooks.memory_block_size(system)
    if size is not None and size > 1 << system.arch.physmem_bits(system.machine):
        words = f"answered {size:#x}, which is more than there are physical addresses"
        raise subject.broken("softreserve_memory_block_size", words)
    for marked in [*specific_purpose(system.machine), *firmware_memory(system.machine)]:
        hooks.dax_claimed(system, marked)
        hooks.dax_capacity(system, marked)
    found = hooks.kexec_hardware(system, system.machine)
    if found is not None:
        _look_at_next(subject, system.machine, found, "the hardware")


def _judge(subject: Subject, system: System) -> None:
    """Run lint, and show lanes; neither changes the system."""
    looks = subject.hooks & {"lint", "report_lanes"}
    before = [*account(system).values()] if looks else _shape(system)
    report(system)
    lanes = [lane.name for lane in hooks_of(system).report_lanes(system)]
    if len(set(lanes)) < len(lanes) or not all(lanes):
        raise subject.broken("softreserve_report_lanes", f"wanted lanes with names of their own, not {lanes}")
    after = [*account(system).values()] if looks else _shape(system)
    if after != before:
        raise subject.broken("softreserve_lint", f"looking changed the system: {_difference(before, after)}")


def _shape(system: System) -> list[str]:
    return [*state_lines(system), *system.iomem.lines(), *system.log.lines]


def _difference(before: list[str], after: list[str]) -> str:
    lost = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    return f"before: {lost[:1] or 'nothing of it'}, after: {new[:1] or 'nothing of it'}"


def _emit(subject: Subject, system: System) -> None:
    """Print it in every way that plugins brought."""
    for name in by_name(hooks_of(system).emitters(), EMITTERS):
        before = _shape(system)
        first, second = (list(islice(emit(system, name), _LINES)) for _ in range(2))
        where = f"softreserve_emitters: emitter {name!r}"
        if first != second:
            words = f"the same system is not printed the same twice: {_difference(first, second)}"
            raise subject.broken(where, words)
        if _shape(system) != before:
            raise subject.broken(where, f"printing changed the system: {_difference(before, _shape(system))}")


def _cross(subject: Subject, system: System) -> None:
    """Load a kernel by every system call and under every policy, and boot it; then once more."""
    hooks = hooks_of(system)
    for policy in hooks.kexec_policies(system):
        for call in system.arch.kexec_loaders:
            request = KexecRequest(call, policy=policy.name)
            words = f"{call} under the policy {policy.name}"
            image = kexec(system, request)
            if image.status:
                continue
            _look_at_image(subject, system, image, words)
            following = boot(image.machine, hooks, userspace="udev")
            again = kexec(following, request)
            if not again.status:
                _look_at_next(subject, image.machine, again.machine, f"{words}, and again")


def _look_at_image(subject: Subject, system: System, image: KexecImage, words: str) -> None:
    """Segments are in System RAM, and in nothing that is set aside; the next kernel sees what this one was told."""
    where = "softreserve_kexec_load"
    ram = merged((res.start, res.end + 1) for res in system.iomem.find("System RAM"))
    reserved = [PhysRange.from_resource(res.start, res.end) for res in system.find_soft_reserved()]
    for segment in image.segments:
        span = segment.range
        place = f"{words}: segment {segment.what} at {hexadecimal(span.start, span.end)}"
        hit = next((other for other in reserved if other.overlaps(span)), None)
        if hit is not None:
            raise subject.broken(where, f"{place}: lies in soft reserved {hexadecimal(hit.start, hit.end)}")
        gap = next(uncovered(span.start, span.end, ram), None)
        if gap is not None:
            raise subject.broken(where, f"{place}: no System RAM is at {hexadecimal(*gap)}")
    _look_at_next(subject, system.machine, image.machine, words)


def _look_at_next(subject: Subject, here: Machine, there: Machine, words: str) -> None:
    """The next kernel sees the same memory, unless the firmware's map does not go along (x86)."""
    where = "softreserve_kexec_load"
    if there.cpus != here.cpus:
        raise subject.broken(where, f"{words}: the next machine has {there.cpus} processors, this one {here.cpus}")
    if here.efi_map is None or there.efi_map is None or there.e820 is not None:
        return
    for what, ranges in (("memory", firmware_memory), ("specific purpose memory", specific_purpose)):
        mine, its = (merged((r.start, r.end) for r in ranges(machine)) for machine in (here, there))
        for verb, one, other in (("loses", mine, its), ("invents", its, mine)):
            gap = next((gap for span in one for gap in uncovered(*span, other)), None)
            if gap is not None:
                raise subject.broken(where, f"{words}: the next machine {verb} {what} at {hexadecimal(*gap)}")


def _reload(subject: Subject, system: System) -> None:
    """Unload and load every module that can be; newest first."""
    modules = system.modules
    live = modules.live()
    for name in reversed(live):
        modules.unload(name)
    for name in live:
        modules.load(name)
    gone = [name for name in live if name not in modules.live()]
    if gone:
        raise subject.broken(f"module {gone[0]} init", "it was loaded at boot, and cannot be loaded again")


def _bind(subject: Subject, system: System) -> None:
    """Bind every device of the dax bus to every driver, and unbind it."""
    devices, drivers = (_names(system, f"{_BUS}/{kind}") for kind in ("devices", "drivers"))
    for device in devices[:4]:
        for driver in drivers:
            _bind_one(subject, system, device, driver)


def _bind_one(subject: Subject, system: System, device: str, driver: str) -> None:
    """Leaves the device with the driver, where that takes it."""
    held = _driver_of(system, device)
    if held is not None:
        system.sysfs.write(f"{_BUS}/drivers/{held}/unbind", device.encode())
    before = _resources(system, device)
    size_file = f"{_BUS}/devices/{device}/size"
    size = system.sysfs.read(size_file)
    where = f"{_BUS}/drivers/{driver}"
    system.sysfs.write(f"{where}/new_id", device.encode())
    if _driver_of(system, device) is None:
        system.sysfs.write(f"{where}/bind", device.encode())
    if _driver_of(system, device) is None and _resources(system, device) != before:
        words = f"it failed for {device} and left something behind: {_difference(before, _resources(system, device))}"
        raise subject.broken(f"probe of driver {driver}", words)
    if _driver_of(system, device) != driver:
        return
    if system.sysfs.read(size_file) != size:
        words = f"it changed the size of {device}, which is what the bus gave it"
        raise subject.broken(f"probe of driver {driver}", words)
    system.sysfs.write(f"{where}/unbind", device.encode())
    after = _resources(system, device)
    if after != before and not any("System RAM (" in line for line in after):  # memory may refuse to go
        words = f"what it did for {device} is not undone: {_difference(before, after)}"
        raise subject.broken(f"remove of driver {driver}", words)
    system.sysfs.write(f"{where}/bind", device.encode())


def _resources(system: System, device: str) -> list[str]:
    """What there is, but for what other devices have: a driver that is told an id is tried with all that wait."""
    others = tuple(f" : {name}" for name in _names(system, f"{_BUS}/devices") if name != device)
    return [line for line in (*system.iomem.lines(), *system.soft_reserved.lines()) if not line.endswith(others)]


def _names(system: System, path: str) -> list[str]:
    found = system.sysfs.listdir(path)
    return [] if isinstance(found, int) else found


def _driver_of(system: System, device: str) -> str | None:
    node = system.sysfs.node(f"{_BUS}/devices/{device}", follow=True)
    link = node.get("driver") if isinstance(node, Directory) else None
    return link.target.rpartition("/")[2] if isinstance(link, Link) else None


def _write(subject: Subject, system: System) -> None:
    """Write nonsense to every file that can be written."""
    for path, node in list(system.sysfs.walk("/sys")):
        if isinstance(node, Attribute) and node.mode & 0o222:
            system.sysfs.write(path, f"{NONSENSE}\n".encode())
    _read(subject, system)


def _import(subject: Subject, system: System) -> None:
    """Let importers read what is nothing: they say so."""
    for prefix, importer in by_name(hooks_of(system).importers(), PREFIXES).items():
        for place in (NONSENSE, ""):
            try:
                read_by(importer, f"{prefix}:{place}")
            except (InputError, ConfigError):
                continue


def _command(subject: Subject, system: System) -> None:
    """Ask every command for help."""
    from click import Command, Group
    from click.testing import CliRunner

    group = Group("softreserve")
    hooks_of(system).cli(group)
    for name, command in list(group.commands.items()):
        where = f"command {name}"
        if not isinstance(command, Command):
            raise subject.broken("softreserve_cli", f"{name} is no command, but {type(command).__name__}")
        run: Any = CliRunner().invoke(group, [name, "--help"])
        if run.exit_code:
            raise subject.broken(where, f"--help ends with {run.exit_code}: {_words(run.exception or run.output)}")


def _words(value: object) -> str:
    return " ".join(str(value).split())[:200]


STEPS: Final[tuple[Callable[[Subject, System], None], ...]] = (
    _read,
    _ask,
    _judge,
    _emit,
    _import,
    _command,
    _cross,
    _bind,
    _reload,
    _write,
    _judge,
)
