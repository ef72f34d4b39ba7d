"""Functions that plugins hand over in their answers, called and looked at as the answers themselves are.

What an architecture is, what loads a kernel, what a policy does: each is known by the plugin that brought it, and what
it answers is checked when it is called. How that is told is :mod:`softreserve.kernel.border`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from softreserve.kernel import border
from softreserve.model.errors import MachineError
from softreserve.model.frozen import frozen
from softreserve.plugins.answers import arch_problem, is_text
from softreserve.plugins.given import Given

if TYPE_CHECKING:
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["guarded_arch", "guarded_policy"]

#: Bits of the largest physical address that Linux knows: five levels of page tables on riscv64, and x86's 52.
_BITS: Final = range(20, 57)
_ARCH_INFO: Final = "softreserve_arch_info"
_SMALLEST_SECTION: Final = 1 << 20


#: What was looked at already: descriptions are constants, and are asked for at every boot.
_known: dict[tuple[str, int], tuple[ArchInfo, ArchInfo]] = {}
_MOST: Final = 64


def guarded_arch(plugin: str, info: ArchInfo, arch: str) -> ArchInfo:
    """An architecture whose functions are guarded; the same object for the same one.

    :raises PluginResultError: it cannot be, or is another one than was asked for.
    """
    found = _known.get((plugin, id(info)))
    if found is None or found[0] is not info or info.name != arch:
        wanted = border.call(_ARCH_INFO, arch_problem, info, arch, plugin=plugin)
        if wanted is not None:
            raise border.unsound(plugin, _ARCH_INFO, info, wanted)
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[plugin, id(info)] = info, _guarded_arch(plugin, info)
    return found[1]


def _guarded_arch(plugin: str, info: ArchInfo) -> ArchInfo:
    functions: dict[str, Any] = {
        name: partial(_answered, plugin, f"{_ARCH_INFO}: {name}", getattr(info, name), problem)
        for name, problem in _ARCH_ANSWERS.items()
    }
    loaders = {
        syscall: partial(_loaded, plugin, f"{_ARCH_INFO}: loader of {syscall}", loader)
        for syscall, loader in info.kexec_loaders.items()
    }
    functions["kexec_loaders"] = frozen(loaders)
    for name in ("page_sizes", "options", "numbers"):
        functions[name] = frozen(getattr(info, name))
    return info._replace(**functions)


def _answered(plugin: str, where: str, function: Any, problem: Callable[[Any], str | None], *arguments: Any) -> Any:
    answer = border.call(where, function, *arguments, plugin=plugin, passes=(MachineError,))
    wanted = problem(answer)
    if wanted is not None:
        raise border.unsound(plugin, where, answer, wanted)
    return answer


def _is_power_of_two(value: object) -> bool:
    return type(value) is int and value > 0 and value.bit_count() == 1


def _section_problem(size: object) -> str | None:
    good = _is_power_of_two(size) and size >= _SMALLEST_SECTION  # type: ignore[operator]
    return None if good else f"a power of two from {_SMALLEST_SECTION} bytes on"


def _bits_problem(bits: object) -> str | None:
    return None if type(bits) is int and bits in _BITS else f"{_BITS[0]} to {_BITS[-1]} bits"


def _text_problem(text: object) -> str | None:
    return None if is_text(text) else "text"


def _truth_problem(answer: object) -> str | None:
    return None if isinstance(answer, bool) else "True or False"


def _sizes_problem(sizes: object) -> str | None:
    good = isinstance(sizes, tuple) and all(map(_is_power_of_two, sizes))
    return None if good else "a tuple of powers of two"


#: Functions of an :class:`~softreserve.model.arch.ArchInfo`, and what is wrong with an answer of each.
_ARCH_ANSWERS: Final[dict[str, Callable[[object], str | None]]] = {
    "section_size": _section_problem,
    "physmem_bits": _bits_problem,
    "cpuinfo": _text_problem,
    "invalidates_memregions": _truth_problem,
    "huge_pages": _sizes_problem,
}


def _loaded(plugin: str, where: str, loader: Any, system: System, request: KexecRequest) -> KexecImage:
    from softreserve.model.kexec import KexecImage
    from softreserve.plugins.kexec_answers import image_problem

    image = border.call(where, loader, system, request, plugin=plugin, passes=(MachineError,))
    if not isinstance(image, KexecImage):
        raise border.wrong(plugin, where, image, "KexecImage")
    words = image_problem(system, request, image)
    if words is not None:
        raise border.refused(plugin, where, words)
    return image


def guarded_policy(plugin: str, policy: KexecPolicy) -> KexecPolicy:
    """A policy whose functions are guarded."""
    import attrs

    from softreserve.model.kexec import KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.plugins.kexec_answers import next_problem, request_problem

    def called(what: str, function: Any, wanted: type[Any], system: System, given: Any) -> tuple[str, Any]:
        where = f"softreserve_kexec_policies: policy {policy.name} {what}"
        before, running = attrs.evolve(given), Given(system)
        running.before(function)
        found = border.call(where, function, system, given, plugin=plugin)
        if not isinstance(found, wanted):
            raise border.wrong(plugin, where, found, wanted.__name__)
        if given != before:
            raise border.refused(plugin, where, "changed what it was given: return a copy")
        changed = running.change(function)
        if changed is not None:
            raise border.refused(plugin, where, changed)
        return where, found

    def prepare(system: System, request: KexecRequest) -> KexecRequest:
        where, found = called("prepare", policy.prepare, KexecRequest, system, request)
        return _sound(plugin, where, found, request_problem(found))  # type: ignore[no-any-return]

    def finish(system: System, machine: Machine) -> Machine:
        where, found = called("finish", policy.finish, Machine, system, machine)
        return _sound(plugin, where, found, next_problem(system, machine, found))  # type: ignore[no-any-return]

    return attrs.evolve(policy, prepare=prepare, finish=finish)


def _sound(plugin: str, where: str, answer: Any, words: str | None) -> Any:
    if words is not None:
        raise border.refused(plugin, where, words)
    return answer
