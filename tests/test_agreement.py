"""On any machine, everybody who tells of specific purpose memory tells the same, and it is what happens."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_machines import ARCHES, ARM64, GIB, LOW, MIB, NODE_1, RAM, X86, hmat, machine, memory, sp, srat
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.machine.snapshot import state_lines
from softreserve.machine.steps import run_step
from softreserve.model.efi import EfiType
from softreserve.model.errors import MachineError
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import Machine
from softreserve.model.outcome import LOSSES, Outcome
from softreserve.model.steps import Step
from softreserve.model.userspace import Userspace
from softreserve.plugins.selection import Selection
from softreserve.views.crossing import cross
from softreserve.views.outcome import outcome
from softreserve.views.report import Report, outcome_lines, report
from softreserve.views.summary import owners_at, summarize
from softreserve.views.upgrade.consequences import consequences
from softreserve.views.upgrade.trial import Trial

pytestmark = pytest.mark.skipif(not {X86, ARM64} & set(ARCHES), reason="needs softreserve-x86 or softreserve-arm64")
SOME = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Case(NamedTuple):
    """A machine, the plugins that are left out, and what has run after the kernel."""

    machine: Machine
    without: tuple[str, ...]
    userspace: Userspace

    def boot(self) -> System:
        return boot(self.machine, self.hooks_for(self.machine), userspace=self.userspace)

    def hooks_for(self, described: Machine) -> Any:
        return Selection(self.without).hooks_for(described)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Two nodes or none, memory that is aligned or not, drivers that are there or not."""
    arch = draw(st.sampled_from([arch for arch in (X86, ARM64) if arch in ARCHES]))
    odd = st.sampled_from((0, 0, 0, 4096, 2 * MIB, 64 * MIB))
    above, at = [RAM], 6 * GIB
    for _ in range(draw(st.integers(1, 3))):
        start, end = at + draw(odd), at + draw(st.sampled_from((64 * MIB, GIB // 2, GIB))) + draw(odd)
        if start < end:
            above.append(sp(start, end, draw(st.sampled_from((EfiType.CONVENTIONAL,) * 5 + (EfiType.RESERVED,)))))
        at = max(end, at) if draw(st.booleans()) else -(-end // GIB) * GIB
    two = (memory(1, 6 * GIB, 7 * GIB), memory(2, 7 * GIB, 9 * GIB))
    tables = {
        "SRAT": draw(st.sampled_from((srat(*LOW, NODE_1), srat(*LOW, *two), srat(*LOW), srat(LOW[0], NODE_1), None))),
        "HMAT": draw(st.sampled_from((hmat(), hmat(bandwidth=None), None, None))),
    }
    words = [draw(st.sampled_from(("", "memhp_default_state=offline", "memhp_default_state=online_kernel")))]
    words += draw(st.lists(st.sampled_from(("efi=nosoftreserve", "dax_hmem.region_idle=1", "numa=off")), max_size=1))
    options = ("DEV_DAX", "DEV_DAX_KMEM", "DEV_DAX_HMEM")
    config = {option: draw(st.sampled_from(("m", "m", "m", "y", "n"))) for option in options}
    release = draw(st.sampled_from(("6.1", "6.12", "6.18", "7.3", "6.12", "7.3", "5.5", "5.8", "5.10")))
    page_size = draw(st.sampled_from((4096, 4096, 65536))) if arch == ARM64 else 4096
    described = machine(arch, release, " ".join(words), above=above, tables=tables, config=config, page_size=page_size)
    without = draw(st.sampled_from(((), (), (), ("no:hmem",))))
    userspaces: tuple[Userspace, ...] = ("udev", "udev", "none")
    return Case(described, without, draw(st.sampled_from(userspaces)))


def marked_bytes(described: Machine) -> int:
    """What the firmware marks, each byte once."""
    total = reached = 0
    for d in sorted((d for d in described.efi_map or () if d.is_special_purpose), key=lambda d: d.start):
        total += max(0, d.start + d.size - max(reached, d.start))
        reached = max(reached, d.start + d.size)
    return total


def check_sums(found: Outcome, total: int) -> None:
    assert sum(found.totals.values()) == found.total == total
    for marked in found.ranges:
        assert [marked.start, *(p.end for p in marked.parts)] == [*(p.start for p in marked.parts), marked.end]


def check_reasons(told: Report) -> None:
    """Whatever is lost has a reason that is among the findings, and no finding contradicts the system."""
    findings = {(finding.rule, finding.message) for finding in told.findings}
    for part in told.outcome.parts:
        assert bool(part.rule) == (part.use in (*LOSSES, "ram"))
        assert not part.rule or (part.rule, part.why) in findings
    devices = {part.device for found in (told.outcome, told.onlined) for part in found.parts}
    for finding in told.findings:
        assert set(re.findall(r"\bdax\d+\.\d+", finding.message)) <= devices
        if "no dax device" in finding.message and finding.start is not None and finding.end is not None:
            here = [p for p in told.outcome.parts if p.start < finding.end and finding.start < p.end]
            assert not [part.device for part in here if part.device]
    severe = told.verdict.lost or any(s.severity != "note" for s in told.verdict.shortfalls)
    assert not severe or any(finding.severity != "note" for finding in told.findings)


@given(cases())
@SOME
def test_boot_lint_diff_run_explain_and_kexec_agree(case: Case) -> None:
    system, total = case.boot(), marked_bytes(case.machine)
    told, summary = report(system), summarize(case.boot())
    for found in (told.outcome, told.onlined):
        check_sums(found, total)
    assert sum(summary.as_devdax.values()) == total
    check_reasons(told)
    # boot tells what lint tells, diff of a machine with itself is empty, explain tells the same of each byte
    assert (summary.outcome, summary.verdict) == (told.outcome, told.verdict)
    assert outcome_lines(summary.outcome) == outcome_lines(told.outcome)
    for part in told.outcome.parts:
        assert told.outcome.part_at(part.start) == told.outcome.part_at(part.end - 1) == part
    check_run(case, told.onlined)
    if case.without == () and "kexec" in system.hooks.names:
        for syscall in ("kexec_load", "kexec_file_load"):
            check_kexec(case, syscall, total)


UPGRADES = (("6.12", "6.18"), ("6.18", "7.3"), ("6.12", "7.3"), ("7.1", "7.3"))


@given(cases(), st.sampled_from(UPGRADES))
@settings(SOME, max_examples=12)
def test_what_an_upgrade_is_said_to_change_is_what_the_two_kernels_show(case: Case, releases: tuple[str, str]) -> None:
    trials = [on(case, release) for release in releases]
    told = consequences(trials, releases)
    assert [one.rule for one in told if not one.causes] == []
    before, after = (trial.system for trial in trials)
    old, new = (report(trial.system) for trial in trials)
    # diff and lint tell of the bytes that boot and explain tell of
    lost = sum(one.size for one in told if one.rule == "upgrade-memory-lost")
    cuts = sorted({at for known in (old, new) for part in known.outcome.parts for at in (part.start, part.end)})
    uses = [(end - start, use_at(old, start), use_at(new, start)) for start, end in pairwise(cuts)]
    assert lost == sum(size for size, was, now in uses if was and was not in LOSSES and now in LOSSES)
    if new.verdict.lost_as_system_ram == old.verdict.lost_as_system_ram:
        assert "upgrade-system-ram" not in {one.rule for one in told}
    for one in told:
        for d in one.differences:
            if one.rule == "upgrade-device-path":
                assert before.sysfs.node(d.before) is not None
                assert after.sysfs.node(d.before) is None
                assert after.sysfs.node(d.after) is not None
            elif (one.rule, one.severity) == ("upgrade-soft-reserved-line", "warning"):
                assert "Soft Reserved" in owners_at(before, d.start or 0)
                assert "Soft Reserved" not in owners_at(after, d.start or 0)
    assert consequences([on(case, releases[1]), on(case, releases[1])], releases) == []


def on(case: Case, release: str) -> Trial:
    """The case's machine with another kernel of the same options."""
    kernel = attrs.evolve(case.machine.kernel, release=release)
    return Trial(attrs.evolve(case.machine, kernel=kernel), case.hooks_for, case.userspace)


def use_at(told: Report, address: int) -> str:
    part = told.outcome.part_at(address)
    return "" if part is None else part.use


def check_run(case: Case, promised: Outcome) -> None:
    """Who gives all devices to kmem and onlines all memory by hand gets what was promised."""
    system = case.boot()
    if not any(part.use not in ("ram", "lost") for part in promised.parts):
        return
    system.modules.coldplug()
    names = system.sysfs.listdir("/sys/bus/dax/devices")
    drivers = "/sys/bus/dax/drivers"
    writes = []
    for name in names if isinstance(names, list) else []:
        link = system.sysfs.readlink(f"/sys/bus/dax/devices/{name}/driver")
        driver = link.rpartition("/")[2] if isinstance(link, str) else ""
        if driver != "kmem":
            writes += [(f"{drivers}/{driver}/unbind", name)] if driver else []
            writes.append((f"{drivers}/kmem/new_id", name))
    run_step(system, Step("give", writes=tuple(writes)))
    memory_names = system.sysfs.listdir("/sys/devices/system/memory")
    blocks = [n for n in (memory_names if isinstance(memory_names, list) else ()) if re.fullmatch(r"memory\d+", n)]
    states = [f"/sys/devices/system/memory/{name}/state" for name in blocks]
    run_step(system, Step("online", writes=tuple((path, "online") for path in states)))
    got = outcome(system)
    assert got.totals == promised.totals
    assert [(r.node, r.added, r.tier, r.demotes_to) for r in got.nodes] == [
        (r.node, r.added, r.tier, r.demotes_to) for r in promised.nodes
    ]


def check_kexec(case: Case, syscall: str, total: int) -> None:
    """What is told of the next kernel is what it has when it is booted, and exit code 1 comes with a sentence."""
    try:
        first, second = cross(case.boot(), KexecRequest(syscall), case.hooks_for)
    except MachineError:  # no place for a segment
        return
    check_sums(second.report.outcome, total)
    check_reasons(second.report)
    assert second.image is not None
    following = boot(second.image.machine, case.hooks_for(second.image.machine), userspace=case.userspace)
    whole = [attrs.evolve(marked, parts=()) for marked in first.ranges]
    assert outcome_lines(outcome(following, whole)) == outcome_lines(bare(second.report.outcome))
    usable = [found.report.outcome.size("devdax", "kmem") for found in (first, second)]
    assert second.problems or usable[1] >= usable[0]
    assert second.dax_kept is not True or second.devices == first.devices != []
    assert state_lines(following)


def bare(found: Outcome) -> Outcome:
    """Without reasons."""
    ranges = (
        attrs.evolve(m, parts=tuple(attrs.evolve(p, severity="", rule="", why="") for p in m.parts))
        for m in found.ranges
    )
    return attrs.evolve(found, ranges=tuple(ranges))
