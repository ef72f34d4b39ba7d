"""What becomes of soft reserved memory when the next kernel is started by kexec: tried, not worked out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.e820 import E820_TABLE_KEXEC
from softreserve.machine.boot import boot
from softreserve.machine.kexec import load
from softreserve.model import e820
from softreserve.model.errors import MachineError
from softreserve.model.findings import Finding
from softreserve.model.kexec import KexecRequest
from softreserve.plugins.hooks import hooks_of
from softreserve.views.outcome import outcome as outcome_of

from softreserve_kexec.calls import CALLS, has_call

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Marked, Outcome

__all__ = ["lint"]

_NOT_SET_ASIDE: Final = frozenset({"ram", "lost"})


def lint(system: System, outcome: Outcome) -> Iterator[Finding]:
    """Look at what the next kernel makes of it; on arm64 the EFI map goes along, and nothing is lost."""
    set_aside = [m for m in outcome.ranges if not any(part.use in _NOT_SET_ASIDE for part in m.parts)]
    if system.stash.get(E820_TABLE_KEXEC) is None or not set_aside:
        return
    tried = {}
    for call in CALLS:
        following = _following(system, call, set_aside) if has_call(system.kernel, call) else None
        if following is not None:
            tried[call] = [{part.use for part in marked.parts} for marked in following.ranges]
    for number, marked in enumerate(set_aside):
        calls = [call for call, uses in tried.items() if "ram" in uses[number]]
        if calls:
            yield _taken_for_ram(marked, calls)
    by_load, by_file_load = tried.get("kexec_load", []), tried.get("kexec_file_load", [])
    lost = [number for number, uses in enumerate(by_load) if "lost" in uses and "ram" not in uses]
    if lost:
        kept = bool(by_file_load) and not any(by_file_load[number] & _NOT_SET_ASIDE for number in lost)
        yield _lost([set_aside[number] for number in lost], kept=kept)


def _taken_for_ram(marked: Marked, calls: list[str]) -> Finding:
    start, size = marked.start, marked.size
    message = (
        f"a kernel that {' or '.join(calls)} starts takes this for RAM, and its image may lie there: the e820 table "
        "that was handed over does not know it as soft reserved; boot by the EFI stub, or append "
        f"memmap={size:#x}%{start:#x}-{e820.RAM}+{e820.SOFT_RESERVED:#x} to the next command line"
    )
    return Finding("warning", "kexec-takes-for-ram", message, start, marked.end)


def _lost(ranges: list[Marked], *, kept: bool) -> Finding:
    others = f" (and {len(ranges) - 1} more)" if len(ranges) > 1 else ""
    message = (
        f"a kernel that kexec_load starts (kexec -c) is not told what this range{others} is, and cannot use it: "
        f"kexec-tools does not know the type{'; kexec_file_load (kexec -s) keeps it' if kept else ''}"
    )
    return Finding("note", "kexec-load-loses-sp", message, ranges[0].start, ranges[0].end)


def _following(system: System, call: str, ranges: list[Marked]) -> Outcome | None:
    """What becomes of the memory in the next kernel, with the same command line; ``None``: it cannot be loaded."""
    stage = system.log.stage
    try:
        image = load(system, KexecRequest(call))
        return None if image.status else outcome_of(boot(image.machine, hooks_of(system), recording=False), ranges)
    except MachineError:
        return None
    finally:
        system.log.stage = stage
