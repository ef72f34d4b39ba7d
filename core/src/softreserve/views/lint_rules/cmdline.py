"""Words of the command line that the kernel takes for something else than was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import MALFORMED, REFUSED
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.cmdline import Parameter
    from softreserve.model.outcome import Outcome

__all__ = ["check"]

#: Parameters that have to do with memory, written with ``_``, and the words that their value is made of; an empty
#: tuple: any value. Linux: ``Documentation/admin-guide/kernel-parameters.txt``.
_PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "acpi": ("off", "on", "force", "strict", "rsdt", "copy_dsdt", "noirq", "nocmcff", "spcr", "nospcr"),
    "add_efi_memmap": (),
    "cma": (),
    "crashkernel": (),
    "default_hugepagesz": (),
    "efi": ("debug", "disable_early_pci_dma", "no_disable_early_pci_dma", "nochunk", "noruntime", "nosoftreserve",
            "novamap", "old_map", "runtime"),
    "efi_fake_mem": (),
    "hugepages": (),
    "hugepagesz": (),
    "initcall_blacklist": (),
    "kernelcore": (),
    "mem": (),
    "memblock": ("debug",),
    "memhp_default_state": ("offline", "online", "online_kernel", "online_movable"),
    "memmap": (),
    "module_blacklist": (),
    "movable_node": (),
    "movablecore": (),
    "noefi": (),
    "nokaslr": (),
    "numa": (),
    "numa_balancing": ("enable", "disable"),
    "numa_zonelist_order": (),
    "transparent_hugepage": ("always", "madvise", "never"),
}  # fmt: skip
#: Parameters that take memory away in ways that are not modelled.
_NOT_MODELLED: Final = frozenset({"hugetlb_cma", "kho", "kho_scratch", "reserve_mem"})
#: How like a known word an unknown one must be to be taken for a slip: the share of letters in common.
_LIKENESS: Final = 0.8
#: Other parameters that look like one of them.
_OTHERS: Final = frozenset(
    {"nomem", "numa_cma", "cma_pernuma", "memtest", "noacpi", "efivars", "memmap_on_memory", "hugetlb"}
)


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at every word."""
    for parameter in system.cmdline:
        if parameter.canonical in _NOT_MODELLED:
            message = f"what {parameter.name}= takes of memory is not modelled: here it stays free"
            yield Finding("note", "parameter-not-modelled", message)
        elif "." in parameter.name:
            yield from _module_parameter(system, parameter)
        elif parameter.canonical in _PARAMETERS:
            yield from _value(parameter)
        else:
            yield from _name(parameter)
    yield from _blacklists(system)
    yield from _crash_kernel(system)
    for event in system.log.of(MALFORMED):
        message = f"{event.after}= has a value that this kernel cannot use, and says so only in its log; correct it"
        yield Finding("warning", "parameter-malformed", message)
    for event in system.log.of(REFUSED):
        message = f"the command line asks for what is not to be had; the log: {event.text}; correct {event.after}="
        yield Finding("warning", "parameter-refused", message)


#: Words that only the initramfs reads. dracut: ``modules.d/00systemd/dracut-lib.sh``.
_IN_INITRAMFS: Final = ("rd.driver.blacklist", "rdblacklist")


def _blacklists(system: System) -> Iterator[Finding]:
    """What the command line keeps from running, and words that were to do that and do not."""
    modules, denied = system.modules, system.denied
    for name in modules.names():
        word, module = modules.kept_back(name), modules.get(name)
        if word and module is not None:
            what = f"the kernel refuses {name}, whoever asks for it"
            if word.startswith("initcall"):
                what = f"the function that starts {name} is not called"
            elif word.startswith("modprobe"):
                what = f"udev leaves {name} alone; who names it gets it"
                what += ", and another module needed it here" if module.live else ""
            yield Finding("note", "module-blacklisted", f"{word}: {what}")
    calls = {call.name for call in system.initcalls}
    calls.update(module.starts_by for name in modules.names() if (module := modules.get(name)) is not None)
    for name in denied.initcalls:
        if name not in calls:
            message = f"initcall_blacklist={name}: what this function does is not modelled; here it is as if it ran"
            yield Finding("note", "parameter-not-modelled", message)
    yield from _idle_blacklists(system)


def _idle_blacklists(system: System) -> Iterator[Finding]:
    modules, denied = system.modules, system.denied
    given = [
        *(("module_blacklist", name) for name in denied.modules),
        *(("modprobe.blacklist", name) for name in denied.by_alias),
    ]
    for option, name in given:
        module = modules.get(name.strip('"'))
        if module is None and name.startswith("cxl_") and modules.get("cxl_core") is not None:
            message = f"{option}={name}: this module is not modelled by itself; here it is as if it were there"
            yield Finding("note", "parameter-not-modelled", message)
        if module is None:
            continue
        if name != module.name:
            message = f"{option}={name} keeps nothing away: it is compared letter by letter; write {module.name}"
            yield Finding("warning", "blacklist-idle", message)
        elif system.kernel.builtin(module.option):
            message = (
                f"{option}={name} keeps nothing away: {name} is part of this kernel; "
                f"initcall_blacklist={module.starts_by} keeps it from starting"
            )
            yield Finding("warning", "blacklist-idle", message)
    lists = [value for value in system.cmdline.all("module_blacklist") if value is not None]
    for earlier in lists[:-1]:
        lost = [name for name in earlier.split(",") if name not in denied.modules and modules.get(name) is not None]
        if lost:
            message = f"module_blacklist={earlier} is overruled by the one after it; name {', '.join(lost)} there too"
            yield Finding("warning", "blacklist-idle", message)
    if not denied.initcalls and any(system.cmdline.all("initcall_blacklist")):
        message = "initcall_blacklist= needs CONFIG_KALLSYMS, which this kernel does not have"
        yield Finding("warning", "blacklist-idle", message)
    for option in _IN_INITRAMFS:
        for name in (name for value in system.cmdline.all(option) if value for name in value.split(",")):
            module = modules.get(name)
            if module is not None and not system.kernel.builtin(module.option):
                message = (
                    f"{option}={name} holds in the initramfs of dracut; afterwards udev loads {module.name}, "
                    "as here; modprobe.blacklist= holds for both"
                )
                yield Finding("note", "blacklist-idle", message)


def _crash_kernel(system: System) -> Iterator[Finding]:
    """A crash kernel that gets no memory, and no line of the log says why."""
    asked = [value for value in system.cmdline.all("crashkernel") if value]
    refused = any(event.after == "crashkernel" for event in system.log.of(REFUSED))
    if asked and not refused and not any(system.iomem.find("Crash kernel")):
        message = (
            f"crashkernel={asked[-1]} reserves nothing here: it is as large as all memory, or names no size for a "
            "machine of this one; the kernel does not say so"
        )
        yield Finding("warning" if ":" not in asked[-1] else "note", "crashkernel-nothing", message)


def _name(parameter: Parameter) -> Iterator[Finding]:
    name = parameter.canonical.lower()
    if parameter.canonical in _OTHERS:
        return
    if name in _PARAMETERS["efi"]:
        message = f"{parameter.name!r} is no parameter, and does nothing; efi={name} was meant"
        yield Finding("warning", "parameter-unknown", message)
        return
    near = difflib.get_close_matches(name, _PARAMETERS, 1, _LIKENESS)
    if near:
        message = f"{parameter.name!r} is no parameter that Linux knows, and does nothing; {near[0]!r} was meant?"
        yield Finding("warning", "parameter-unknown", message)


def _value(parameter: Parameter) -> Iterator[Finding]:
    known = _PARAMETERS[parameter.canonical]
    if not known or parameter.value is None:
        return
    for word in parameter.value.split(","):
        if word in known:
            continue
        near = difflib.get_close_matches(word.lower(), known, 1, _LIKENESS)
        hint = f"{near[0]!r} was meant?" if near else f"it knows {', '.join(known)}"
        message = f"{parameter.name}={parameter.value}: Linux passes over {word!r}; {hint}"
        yield Finding("warning", "parameter-value", message)


def _module_parameter(system: System, parameter: Parameter) -> Iterator[Finding]:
    """``module.parameter=value`` of a module that is modelled, or nearly of one."""
    name, _, option = parameter.canonical.partition(".")
    module = system.modules.get(name)
    if module is None:
        near = difflib.get_close_matches(name, [m for m in system.modules.names() if m != name], 1, _LIKENESS)
        if near:
            message = f"{parameter.name!r}: this kernel has no module {name!r}; {near[0]!r} was meant?"
            yield Finding("warning", "parameter-unknown", message)
    elif module.parameters and option not in {p.name for p in module.parameters}:
        known = ", ".join(p.name for p in module.parameters)
        message = f"{parameter.name!r}: module {name} has no such parameter; it has {known}"
        yield Finding("warning", "parameter-unknown", message)
