"""What an answer of a plugin must be, beyond its type: each function says what was wanted instead, or ``None``.

Here is what a single answer shows. What becomes of the memory is in :mod:`softreserve.machine.accounts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum, IntFlag, StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from softreserve.kernel.border import status_problem
from softreserve.model.arch import Bounds
from softreserve.model.errors import shown
from softreserve.model.ranges import PhysRange
from softreserve.plugins.objects import answers_later

if TYPE_CHECKING:
    from softreserve.kernel.dax import DaxRegionMade
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.modules import Module, Parameter
    from softreserve.model.arch import ArchInfo
    from softreserve.model.dax import DaxCapacity, DaxDriver
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.machine import Machine
    from softreserve.model.placement import Placement

__all__ = [
    "arch_problem",
    "capacity_problem",
    "circle_problem",
    "claim_problem",
    "done_problem",
    "driver_problem",
    "finding_problem",
    "handoff_problem",
    "initcall_problem",
    "is_number",
    "is_text",
    "map_problem",
    "module_problem",
    "one_of",
    "placement_problem",
    "policy_problem",
    "region_problem",
    "span_problem",
]

#: What names of policies and rules are made of.
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9-]*"
#: Names of modules and drivers, and of options.
_WORD: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
_OPTION: Final = r"[A-Za-z0-9_]*"  # empty: built apart from the kernel
#: A module's name, with which ``-`` is the same as ``_``.
_MODULE: Final = r"[A-Za-z0-9_]+"
#: Folders of the kernel's source, beside those of architectures; and what its files end in.
_FOLDERS: Final = (
    *("block", "certs", "crypto", "drivers", "fs", "init", "io_uring", "ipc"),
    *("kernel", "lib", "mm", "net", "rust", "samples", "security", "sound", "virt"),
)
_SUFFIXES: Final = ("c", "S", "rs")
#: Releases under which options may stand, and what is true of all.
_RELEASE: Final = r"(?:[0-9]+\.[0-9]+(?:\.[0-9]+)?)?"
_LONGEST_MESSAGE: Final = 4000  # characters of a finding
_LONGEST: Final = 200  # characters of a name, or of words in one line
_ADDRESSES: Final = 1 << 64
_NODES_SHIFTS: Final = range(11)


# --- parts of answers


def is_number(value: object) -> TypeGuard[int]:
    """Whether it is an integer; truth values are none, and neither are classes that may compare as they like."""
    return type(value) is int or isinstance(value, (IntEnum, IntFlag))


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is text, and no class that may compare as it likes."""
    return type(value) is str or isinstance(value, StrEnum)


def _name_problem(what: str, value: object, alphabet: str = _NAME) -> str | None:
    if is_text(value) and len(value) <= _LONGEST and re.fullmatch(alphabet, value):
        return None
    return f"{what} of letters, digits and dashes, not {shown(value)}"


def _words_problem(what: str, value: object, *, empty: bool = True) -> str | None:
    if is_text(value) and value.isprintable() and len(value) <= _LONGEST and (empty or value.strip()):
        return None
    return f"{what} in a line of text, not {shown(value)}"


def _callable_problem(what: str, value: object) -> str | None:
    if not callable(value) or isinstance(value, type):
        return f"a function as {what}, not {shown(value)}"
    return f"a function that answers as {what}, not a generator or coroutine function" if answers_later(value) else None


def span_problem(start: object, end: object, limit: int = _ADDRESSES, align: int = 1) -> str | None:
    """Why bytes from ``start`` to ``end`` (half open) are no range below ``limit``, or ``None``."""
    if not (is_number(start) and is_number(end)):
        return f"numbers of bytes as start and end, not {shown(start)} and {shown(end)}"
    if start < 0 or start >= end:
        return f"a range that begins at 0 or above and ends above its start, not {start:#x}-{end:#x}"
    if end > limit:
        return f"a range below {limit:#x}, where addresses end, not {start:#x}-{end:#x}"
    if (start | end) % align:
        return f"a range of whole pages of {align:#x} bytes, not {start:#x}-{end:#x}"
    return None


def _tuple_problem(what: str, value: object, kind: type) -> str | None:
    if isinstance(value, tuple):
        for item in value:
            if not isinstance(item, kind):
                break
        else:
            return None
    return f"a tuple of {kind.__name__} as {what}, not {shown(value)}"


def _hex(range_: PhysRange) -> str:
    return f"{range_.start:#x}-{range_.end:#x}"


def _first(problems: Iterable[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


#: Constants that were found to be sound, by their types: the same ones are answered at every boot.
_sound: dict[tuple[type, ...], set[tuple[object, ...]]] = {}
_MOST: Final = 1024


def _once(constants: tuple[object, ...], problem: Callable[[], str | None]) -> str | None:
    """What is wrong with constants; the very same ones, not equal ones of other types, are looked at once."""
    kinds = (*map(type, constants),)
    if constants in _sound.get(kinds, ()):
        return None
    found = problem()
    if found is None:
        if sum(map(len, _sound.values())) >= _MOST:
            _sound.clear()
        _sound.setdefault(kinds, set()).add(constants)
    return found


# --- architectures


_ARCH_FUNCTIONS: Final = (
    "section_size",
    "physmem_bits",
    "srat_processor",
    "madt_processor",
    "cpuinfo",
    "invalidates_memregions",
    "huge_pages",
)
_ARCH_TRUTHS: Final = ("boot_memory_stays", "boots_from_e820", "presumed")
_ARCH_MAPPINGS: Final = ("page_sizes", "options", "numbers", "kexec_loaders")


def arch_problem(info: ArchInfo, arch: str) -> str | None:
    """What an architecture is."""
    if info.name != arch:
        return f"one of {arch}, not of {shown(info.name)}"
    mappings = (
        None if isinstance(getattr(info, name), Mapping) else f"a mapping as {name}, not {shown(getattr(info, name))}"
        for name in _ARCH_MAPPINGS
    )
    return _first(
        (
            *(_callable_problem(name, getattr(info, name)) for name in _ARCH_FUNCTIONS),
            *mappings,
            _page_sizes_problem(info),
            _loaders_problem(info),
            None if info.nodes_shift in _NODES_SHIFTS else f"a nodes_shift of 0 to 10, not {shown(info.nodes_shift)}",
            _pattern_problem(info.log_marks),
            _tuple_problem("image_parts", info.image_parts, str),
            _parts_problem(info.image_parts),
            _words_problem("uname", info.uname),
            _options_problem(info),
            _numbers_problem(info),
            None if isinstance(info.parameters, frozenset) else f"a frozenset as parameters, not {info.parameters!r}",
            _words_problem("mem_means", info.mem_means),
            _tuple_problem("srat_processors", info.srat_processors, type),
            *(_truth_problem(name, getattr(info, name)) for name in _ARCH_TRUTHS),
        )
    )


def _truth_problem(what: str, value: object) -> str | None:
    return None if isinstance(value, bool) else f"True or False as {what}, not {shown(value)}"


def _parts_problem(parts: Iterable[str]) -> str | None:
    from softreserve.model.machine import KernelImage

    known = KernelImage.__match_args__
    wanted = f"parts of an image ({', '.join(known)}) as image_parts"
    return _first(f"{wanted}, not {shown(part)}" for part in parts if part not in known)


def _options_problem(info: ArchInfo) -> str | None:
    for release, options in info.options.items():
        if not is_text(release) or not re.fullmatch(_RELEASE, release):
            return f"releases such as 6.12, or '', as keys of options, not {shown(release)}"
        if not isinstance(options, Mapping):
            return f"options by name, not {shown(options)}"
        for name, value in options.items():
            if not isinstance(value, str | int) or isinstance(value, bool) or _option_problem(name or None) is not None:
                return f"options without CONFIG_ in front, with text or a number each, not {shown((name, value))}"
    return None


def _numbers_problem(info: ArchInfo) -> str | None:
    for name, bounds in info.numbers.items():
        if not isinstance(bounds, Bounds) or not all(map(is_number, bounds)) or bounds.low > bounds.high:
            return f"Bounds of numbers for each option, not {shown((name, bounds))}"
    return None


def _page_sizes_problem(info: ArchInfo) -> str | None:
    sizes = list(info.page_sizes)
    if sizes and all(is_number(size) and size >= 1 << 12 and size.bit_count() == 1 for size in sizes):
        return None
    return f"page sizes that are powers of two from 4096 on, not {shown(sizes)}"


def _loaders_problem(info: ArchInfo) -> str | None:
    return _first(
        f"system calls by name as kexec_loaders, not {shown(name)}"
        if not is_text(name)
        else _callable_problem(f"loader of {name}", loader)
        for name, loader in info.kexec_loaders.items()
    )


def _pattern_problem(text: object) -> str | None:
    if not is_text(text):
        return f"a regular expression as log_marks, not {shown(text)}"
    try:
        re.compile(text)
    except re.error:
        return f"a regular expression as log_marks, not {shown(text)}"
    return None


def handoff_problem(handoff: Handoff, machine: Machine) -> str | None:
    """What the kernel proper is handed; the machine's own map was looked at when it was read."""
    from softreserve.model.machine import E820Entry

    if handoff.efi_map is not None and handoff.efi_map is not machine.efi_map:
        problem = map_problem(handoff.efi_map)
        if problem is not None:
            return problem
    if handoff.e820 is None:
        return None
    problem = _tuple_problem("e820", handoff.e820, E820Entry)
    if problem is None and handoff.e820 is not machine.e820:
        known = (all(type(n) is int and 0 <= n < _ADDRESSES for n in (e.start, e.size, e.type)) for e in handoff.e820)
        problem = None if all(known) else "e820 entries of 64-bit numbers"
    if problem is None and not (is_number(handoff.ext_entries) and 0 <= handoff.ext_entries <= len(handoff.e820)):
        problem = f"0 to {len(handoff.e820)} entries in the extension, not {shown(handoff.ext_entries)}"
    return problem


def map_problem(efi_map: object) -> str | None:
    """A memory map."""
    from softreserve.model.efi import EfiDescriptor, EfiMemoryMap

    if not isinstance(efi_map, EfiMemoryMap):
        return f"an EfiMemoryMap or None as efi_map, not {shown(efi_map)}"
    problem = _tuple_problem("descriptors", efi_map.descriptors, EfiDescriptor)
    if problem is not None:
        return problem
    for d in efi_map:
        numbers = (d.type, d.start, d.pages, d.attribute, d.virt)
        if not all(type(n) is int or is_number(n) for n in numbers) or not all(0 <= n < _ADDRESSES for n in numbers):
            return f"descriptors of 64-bit numbers, not {shown(d)}"
    return None


def placement_problem(placement: Placement, machine: Machine) -> str | None:
    """Where the image goes: to one of its slots, and not into specific purpose memory."""
    from softreserve.model.placement import SlotArea

    for name in ("size", "align"):
        value = getattr(placement, name)
        if not is_number(value) or value < 0 or (placement.address is not None and not value):
            return f"a {name} in bytes above 0, not {shown(value)}"
    problem = _tuple_problem("areas", placement.areas, SlotArea)
    if problem is not None:
        return problem
    for area in placement.areas:
        problem = _area_problem(placement, area)
        if problem is not None:
            return problem
    at = placement.address
    if at is None:
        return None
    if not is_number(at) or at < 0:
        return f"an address or None, not {shown(at)}"
    if not placement.fixed and not _is_slot(placement, at):
        return f"one of its {placement.slots} slots as address, not {at:#x}"
    span = machine.image.span
    if span is not None and span.start == at:  # it stays where the loader had put it
        return None
    image = PhysRange.from_size(at, placement.size)
    return _first(
        f"an image outside specific purpose memory, which is at {_hex(other)}, not at {_hex(image)}"
        for other in _set_aside(machine)
        if image.overlaps(other)
    )


def _set_aside(machine: Machine) -> Iterable[PhysRange]:
    """Where the stub puts nothing while it keeps its hands off specific purpose memory; nothing else is said of it."""
    from softreserve.kernel.efi.efistub import StubOptions
    from softreserve.model.efi import EfiType

    if machine.efi_map is None or not StubOptions.parse(machine.cmdline, machine.kernel).soft_reserve_enabled:
        return
    known = [(d, PhysRange(d.start, d.end)) for d in machine.efi_map if d.start < d.end]
    marked = [range_ for d, range_ in known if d.is_special_purpose and d.type == EfiType.CONVENTIONAL]
    for range_ in marked:
        if not any(other.overlaps(range_) for _, other in known if other is not range_):
            yield range_


def _area_problem(placement: Placement, area: Any) -> str | None:
    if not is_number(area.slots) or area.slots < 0:
        return f"a number of slots from 0 on, not {shown(area.slots)}"
    if not area.slots:
        return None
    if not is_number(area.first):
        return f"a first slot where there are {area.slots}, not {shown(area.first)}"
    end = area.first + (area.slots - 1) * placement.align + placement.size
    if area.first < area.range.start or end > area.range.end:
        return f"slots inside {_hex(area.range)}, not from {area.first:#x} to {end:#x}"
    return None


def _is_slot(placement: Placement, address: int) -> bool:
    return any(
        area.first is not None
        and area.first <= address < area.first + area.slots * placement.align
        and (address - area.first) % placement.align == 0
        for area in placement.areas
    )


def initcall_problem(initcall: Initcall) -> str | None:
    """What runs later."""
    return _once(
        (initcall.level, initcall.source, initcall.name),
        lambda: (
            _level_problem(initcall.level)
            or _source_problem(initcall.source)
            or _words_problem("a name", initcall.name, empty=False)
        ),
    ) or _callable_problem("call", initcall.call)


def _is_source(text: str) -> bool:
    top, *rest = text.split("/")
    if top == "arch":
        top, *rest = rest or [""]
    elif top not in _FOLDERS:
        return False
    stem, _, suffix = rest[-1].rpartition(".") if rest else ("", "", "")
    return bool(top and all(rest) and stem and suffix in _SUFFIXES and text.split() == [text])


def _source_problem(source: object) -> str | None:
    if is_text(source) and _is_source(source):
        return None
    return f"a file of the kernel such as drivers/dax/kmem.c as source, not {shown(source)}"


# --- the dax bus and modules


def module_problem(module: Module) -> str | None:
    """A module."""
    constants = _once(
        (module.name, module.option, module.source, module.level),
        lambda: (
            _name_problem("a name", module.name, _MODULE)
            or _option_problem(module.option)
            or _source_problem(module.source)
            or _level_problem(module.level)
        ),
    )
    return (
        constants
        or _callable_problem("init", module.init)
        or _callable_problem("exit", module.exit)
        or _tuple_problem("depends", module.depends, str)
        or _tuple_problem("soft_depends", module.soft_depends, str)
        or _parameters_problem(module.parameters)
    )


def _level_problem(level: object) -> str | None:
    from softreserve.kernel.initcalls import Level

    known = is_number(level) and int(level) in Level.__members__.values()
    return None if known else f"a level of initcalls, not {shown(level)}"


def _parameters_problem(parameters: tuple[Parameter, ...]) -> str | None:
    if type(parameters) is tuple and not parameters:
        return None
    from softreserve.kernel.modules import Parameter

    problem = _tuple_problem("parameters", parameters, Parameter)
    if problem is not None:
        return problem
    names: set[str] = set()
    for parameter in parameters:
        problem = _name_problem("a parameter's name", parameter.name, _MODULE)
        if problem is None and parameter.name in names:
            problem = f"one parameter {parameter.name}, not two"
        if problem is None and not (is_number(parameter.mode) and 0 <= parameter.mode <= 0o777):
            problem = f"permission bits as mode of parameter {parameter.name}, not {shown(parameter.mode)}"
        if problem is not None:
            return problem
        names.add(parameter.name)
    return None


def circle_problem(modules: Iterable[Module]) -> tuple[str, str] | None:
    """The name of a module that is needed by what it needs, and that in words."""
    needs = {m.name: (*m.soft_depends, *m.depends) for m in modules if m.soft_depends or m.depends}
    for name in needs:
        seen, todo = set[str](), list(needs[name])
        while todo:
            needed = todo.pop()
            if needed == name:
                return name, f"module {name} depends on itself, by way of {', '.join(sorted(seen)) or 'nothing else'}"
            if needed not in seen:
                seen.add(needed)
                todo += needs.get(needed, ())
    return None


def _option_problem(option: object) -> str | None:
    """Empty: built apart from the kernel."""
    if is_text(option) and (not option or (re.fullmatch(_OPTION, option) and not option.startswith("CONFIG_"))):
        return None
    return f"an option without CONFIG_ in front, or an empty one, not {shown(option)}"


_DRIVER_TYPES: Final = ("device", "kmem", "fsdev")
_DRIVER_PARTS: Final = ("name", "module", "option", "source", "type", "match_always", "probe", "remove")


def driver_problem(driver: DaxDriver) -> str | None:
    """A driver of the dax bus."""
    if isinstance(driver, type):
        return f"a driver, not the class {driver.__name__}"
    lacks = [name for name in _DRIVER_PARTS if not hasattr(driver, name)]
    if lacks:
        return f"a DaxDriver; this has no {lacks[0]}"
    match = getattr(driver, "match", None)
    constants = driver.name, driver.module, driver.option, driver.source, driver.type, driver.match_always
    return (
        _once(constants, lambda: _driver_constants_problem(driver))
        or _callable_problem("probe", driver.probe)
        or _callable_problem("remove", driver.remove)
        or (None if match is None else _callable_problem("match", match))
    )


def _driver_constants_problem(driver: DaxDriver) -> str | None:
    if not isinstance(driver.match_always, bool):
        return f"True or False as match_always, not {shown(driver.match_always)}"
    if not is_text(driver.type) or driver.type not in _DRIVER_TYPES:
        return f"a type of {', '.join(_DRIVER_TYPES)}, not {shown(driver.type)}"
    return (
        _name_problem("a name", driver.name, _WORD)
        or _name_problem("a module", driver.module, _MODULE)
        or _option_problem(driver.option)
        or _source_problem(driver.source)
    )


def region_problem(made: DaxRegionMade) -> str | None:
    """A region for another driver."""
    from softreserve.kernel.sysfs import Directory

    problem = status_problem(made.status)
    return _first(
        (
            None if problem is None else f"{problem} as status, not {shown(made.status)}",
            None if isinstance(made.contents, Directory) else f"a Directory as contents, not {shown(made.contents)}",
            _callable_problem("unregister", made.unregister),
        )
    )


def claim_problem(words: str) -> str | None:
    """Who has a range."""
    return _words_problem("who has it", words, empty=False)


def capacity_problem(capacity: DaxCapacity, where: PhysRange) -> str | None:
    """What alignment leaves of a range."""
    outer: PhysRange | None = where
    for name in ("device", "memory"):
        part = getattr(capacity, name)
        if part is None:
            outer = None
            continue
        if not isinstance(part, PhysRange):
            return f"a PhysRange or None as {name}, not {shown(part)}"
        if outer is None or not outer.contains(part):
            return f"the {name} part inside {_hex(outer or where)}, not {_hex(part)}"
        outer = part
    return None


# --- kexec


def policy_problem(policy: KexecPolicy) -> str | None:
    """A policy for crossing a kexec."""
    return _first(
        (
            _name_problem("a name", policy.name),
            _words_problem("words", policy.words),
            _callable_problem("prepare", policy.prepare),
            _callable_problem("finish", policy.finish),
        )
    )


# --- what is told


def finding_problem(finding: Finding) -> str | None:
    """A finding."""
    from softreserve.model.findings import SEVERITIES
    from softreserve.model.outcome import USES

    if not is_text(finding.severity) or finding.severity not in SEVERITIES:
        return f"a severity of {', '.join(SEVERITIES)}, not {shown(finding.severity)}"
    if not is_text(finding.message) or not finding.message.strip() or not finding.message.isprintable():
        return f"a message in a line of text, not {shown(finding.message)}"
    if len(finding.message) > _LONGEST_MESSAGE:
        return f"a message of at most {_LONGEST_MESSAGE} characters, not of {len(finding.message)}"
    if not is_text(finding.explains) or finding.explains not in ("", *USES):
        return f"a use of {', '.join(USES)} that it explains, not {shown(finding.explains)}"
    problem = _name_problem("a rule", finding.rule)
    if problem is None and not (finding.start is None and finding.end is None):
        problem = span_problem(finding.start, finding.end)
    return problem


def one_of(words: Iterable[str]) -> Callable[[str], str | None]:
    """A check that an answer is one of some words."""
    known = tuple(words)
    wanted = f"one of {', '.join(known)}"
    return lambda answer: None if answer in known else wanted


def done_problem(answer: bool) -> str | None:
    """What is answered by doing it."""
    return None if answer else "True when done, or None for another architecture"
