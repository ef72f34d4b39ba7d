"""The answer of one machine to one question, as a row: plain values that are the same wherever they are made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from softreserve.machine.boot import boot
from softreserve.model.efi import type_words
from softreserve.model.errors import MachineError, SoftReserveError
from softreserve.plugins.selection import Selection
from softreserve.views.report import report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome
    from softreserve.model.scenario import Scenario
    from softreserve.views.fleet.question import Crossing, Question

__all__ = ["Row", "failed", "row"]


@attrs.frozen
class Row:
    """One machine, one question. Sizes are bytes; what is not known, because there is an ``error``, is ``None``.

    :param machine: what the inventory calls it.
    :param digest: a hash of what describes it, in hexadecimal.
    :param question: the options that ask it; empty: the machine as it is described.
    :param status: what a command about it alone would end with: 0, 2 where it is wrong or does not come up, 3 where a
        plugin failed.
    :param error: why there is no answer.
    :param release: of the kernel that answers; ``arch`` and ``page_size`` likewise.
    :param total: specific purpose memory.
    :param firmware: what that is in the firmware's map: bytes by type of memory; ``"unknown"`` where the map that is
        known does not mark it.
    :param uses: what became of it: bytes by use.
    :param owners: who owns it: bytes by the innermost resource in ``/proc/iomem``; ``""``: nobody.
    :param lost: what nobody can use as it is.
    :param waiting: what somebody could use if asked to.
    :param lost_as_system_ram: what nobody could use if kmem had all dax devices.
    :param severity: of the worst finding behind the verdict.
    :param verdict: the same in a sentence.
    :param lint: rules of all findings, each once.
    :param findings: how many of each severity.
    :param target_nodes: nodes of the specific purpose memory that is no ordinary RAM.
    :param tiers: memory tiers, by node.
    :param tiers_as_system_ram: the same if kmem had all dax devices.
    :param kexec: what became of it over a kexec: ``kept``, ``changed`` for the worse, ``failed``; ``None``: not asked.
    :param kexec_problems: sentences: what was lost on the way, or overwritten, or why there is no next kernel.
    :param gaps: what the machine's description lacks.
    :param seconds: how long it took; ``None`` where nobody asked: it is different every time.
    """

    machine: str
    digest: str
    question: str
    status: int = 0
    error: str | None = None
    release: str | None = None
    arch: str | None = None
    page_size: int | None = None
    total: int | None = None
    firmware: dict[str, int] | None = None
    uses: dict[str, int] | None = None
    owners: dict[str, int] | None = None
    lost: int | None = None
    waiting: int | None = None
    lost_as_system_ram: int | None = None
    severity: str | None = None
    verdict: str | None = None
    lint: tuple[str, ...] | None = None
    findings: dict[str, int] | None = None
    target_nodes: tuple[int, ...] | None = None
    tiers: dict[int, int] | None = None
    tiers_as_system_ram: dict[int, int] | None = None
    kexec: str | None = None
    kexec_problems: tuple[str, ...] | None = None
    gaps: tuple[str, ...] | None = None
    seconds: float | None = None


def row(scenario: Scenario, question: Question, *, machine: str, digest: str) -> Row:
    """Ask a machine.

    :param machine: what the row calls it; ``digest`` likewise.
    """
    try:
        selection = Selection(exactly=scenario.plugins)
        changed = question.changes.apply(scenario, selection)
        if question.layout is not None:
            from softreserve.views.fleet.layout import relaid

            changed = attrs.evolve(changed, machine=relaid(changed.machine, question.layout))
        hooks = selection.hooks_for(changed.machine)
        system = boot(changed.machine, hooks, userspace=changed.machine.userspace.wanted(question.userspace))
        told = report(system)
        fate = None if question.kexec is None else _crossed(system, question.kexec, selection)
    except SoftReserveError as error:
        message = str(error).removeprefix(f"{scenario.machine.name}: ")
        return failed(machine, digest, question, message, error.exit_code, scenario)
    found = told.outcome
    verdict = told.verdict
    return Row(
        machine,
        digest,
        question.words,
        release=system.kernel.release,
        arch=system.kernel.arch,
        page_size=system.kernel.page_size,
        total=verdict.total,
        firmware=_by_firmware(system, found),
        uses=found.totals,
        owners=_sums((part.owner, part.size) for part in found.parts),
        lost=verdict.lost,
        waiting=verdict.waiting,
        lost_as_system_ram=verdict.lost_as_system_ram,
        severity=verdict.severity,
        verdict=verdict.text,
        lint=tuple(sorted({finding.rule for finding in told.findings})),
        findings=dict(sorted(Counter(finding.severity for finding in told.findings).items())),
        target_nodes=tuple(sorted({part.node for part in found.parts if part.use != "ram" and part.node >= 0})),
        tiers=_tiers(found),
        tiers_as_system_ram=_tiers(told.onlined),
        kexec=None if fate is None else fate[0],
        kexec_problems=None if fate is None else fate[1],
        gaps=tuple(gap.missing for gap in scenario.gaps),
    )


def failed(
    machine: str, digest: str, question: Question, why: str, status: int, scenario: Scenario | None = None
) -> Row:
    """The row of a machine that does not answer.

    :param scenario: how it is described, where that can be read.
    """
    gaps = None if scenario is None else tuple(gap.missing for gap in scenario.gaps)
    return Row(machine, digest, question.words, status, why, gaps=gaps)


def _crossed(system: System, asked: Crossing, selection: Selection) -> tuple[str, tuple[str, ...]]:
    """What becomes of the memory in the next kernel, in a word, and what is wrong about it.

    :raises MachineError: nobody knows the policy, or the release; that there is no next kernel is an answer.
    """
    from softreserve.config.builds import rebuilt
    from softreserve.machine.kexec import policy_of
    from softreserve.model.kexec import KEXEC_TOOLS, KexecRequest, KexecTools
    from softreserve.views.crossing import cross

    policy_of(system, asked.policy)
    tools = KexecTools(asked.kexec_tools or KEXEC_TOOLS)
    release = asked.to_kernel
    request = KexecRequest(
        syscall=asked.syscall or tools.syscall(system.kernel),
        tools=tools,
        kernel=rebuilt(system.kernel, release=release) if release else None,
        cmdline=system.cmdline.appended(asked.append) if asked.append else None,
        policy=asked.policy,
    )
    try:
        last = cross(system, request, selection.hooks_for)[-1]
    except MachineError as error:
        return "failed", (str(error),)
    return "changed" if last.problems else "kept", last.problems


def _by_firmware(system: System, found: Outcome) -> dict[str, int]:
    """Bytes of the specific purpose memory by what the firmware's map says that it is."""
    sizes = _sums(
        (type_words(descriptor.type), descriptor.size)
        for descriptor in system.machine.efi_map or ()
        if descriptor.is_special_purpose
    )
    unknown = sum(marked.size for marked in found.ranges if marked.by != "firmware")
    return sizes | ({"unknown": unknown} if unknown else {})


def _tiers(found: Outcome) -> dict[int, int]:
    return {node.node: node.tier for node in found.nodes if node.tier is not None}


def _sums(sizes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by name, in the order of names."""
    sums: dict[str, int] = {}
    for name, size in sizes:
        sums[name] = sums.get(name, 0) + size
    return dict(sorted(sums.items()))
