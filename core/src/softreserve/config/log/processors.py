"""How many processors a log tells of, and what it tells of each: its node, and the hardware's number of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from softreserve.config.log.messages import Messages
from softreserve.config.parts import CPUS_GAP
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import shown
from softreserve.model.machine import CPUS_MAX

__all__ = ["FAKED", "Processors", "cpu_number", "read_processors"]

#: With ``numa=fake=`` nodes that the running kernel names are made up, and not those of the firmware.
FAKED: Final = re.compile(r"Faking node +\d+ at ")

#: How many came up, in the words of ``smp.c``, the newest first; the last are those of architectures.
_UP: Final = (
    re.compile(r"(?:\w+: )?(?:Brought|Booted) up (?:\d+ nodes?, )?(\d+) CPUs?"),
    re.compile(r"(?:smpboot: |SMP: )?Total of (\d+) processors activated"),
)
#: How many are plugged in; one form counts those that may be plugged in later, too.
_PRESENT: Final = re.compile(r"CPU topo: Allowing (\d+) present CPUs")
_ALLOWED: Final = re.compile(r"(?:smpboot: |SMP: )?Allowing (\d+) CPUs, (\d+) hotplug CPUs")
#: How many there can be.
_POSSIBLE: Final = (
    re.compile(r"setup_percpu: .*\bnr_cpu_ids:(\d+)"),
    re.compile(r".*\bRCU restricting CPUs from NR_CPUS=\d+ to nr_cpu_ids=(\d+)"),
    re.compile(r"SLUB: .*\bCPUs=(\d+)"),
)
#: x86 tells where each but the first is when it starts them. Linux: ``arch/x86/kernel/smpboot.c: announce_cpu``.
_STARTED: Final = re.compile(
    r"(?:\.{4} node|(?:smpboot: )?Booting Node) +#?(\d+), (?:CPUs|Processors):? *((?:#\d+ *)+)"
)
#: The same line goes on after whatever came in between.
_STARTED_TOO: Final = re.compile(r"(?:#\d+ *)+(?:OK\.?)?$")
#: Processors that are near to each other share a group. Linux: ``mm/percpu.c: pcpu_dump_alloc_info``.
_GROUPS: Final = re.compile(r"pcpu-alloc: (\[\d+\] .*)")
_GROUP: Final = re.compile(r"\[(\d+)\] ([\d -]+)")
#: arm64 tells the MPIDR of each. Linux: ``arch/arm64/kernel/{setup,smp}.c``.
_BOOT_CPU: Final = re.compile(r"Booting Linux on physical CPU (0x[0-9a-f]+)")
_SECONDARY: Final = re.compile(r"CPU(\d+): Booted secondary processor (0x[0-9a-f]+)")
#: The bits of it that name a processor.
_MPIDR: Final = 0xFF_00FF_FFFF


class Processors(NamedTuple):
    """The processors of a machine.

    :param number: how many came up.
    :param nodes: node of a processor, by its number; of those of which the log tells it.
    :param hardware_ids: the hardware's number of a processor, by the kernel's number of it; likewise.
    """

    number: int
    nodes: Mapping[int, int]
    hardware_ids: Mapping[int, int]


def read_processors(log: Messages, cmdline: CommandLine) -> Processors:
    """What the log tells of processors; where it does not tell how many there are, that is a gap.

    :raises InputError: there are more than Linux can have.
    """
    nodes = {} if log.matching(FAKED) else _nodes(log)
    hardware_ids = dict(log.each(_SECONDARY, lambda found: (cpu_number(found[1]), int(found[2], 16) & _MPIDR)))
    for first in log.each(_BOOT_CPU, lambda found: int(found[1], 16) & _MPIDR)[:1]:
        hardware_ids[0] = first
    return Processors(_count(log, cmdline, max((*nodes, *hardware_ids), default=0) + 1), nodes, hardware_ids)


def cpu_number(digits: str) -> int:
    """How many processors, or the number of one.

    :raises ValueError: no kernel has as many.
    """
    if len(digits) > len(str(CPUS_MAX)) or int(digits) > CPUS_MAX:
        raise ValueError(f"Linux has at most {CPUS_MAX} CPUs, not {shown(digits)}")
    return int(digits)


def _count(log: Messages, cmdline: CommandLine, seen: int) -> int:
    """How many came up; ``seen`` were seen to."""
    for pattern in _UP:
        count = max(log.each(pattern, lambda found: cpu_number(found[1])), default=0)
        if count:
            return count
    limit = min((int(value) for value in cmdline.all("maxcpus") if value and value.isdecimal()), default=CPUS_MAX)
    present = log.each(_PRESENT, lambda found: cpu_number(found[1]))
    present += log.each(_ALLOWED, lambda found: cpu_number(found[1]) - cpu_number(found[2]))
    if present:
        return max(min(max(present), limit), seen)
    for pattern in _POSSIBLE:
        count = max(log.each(pattern, lambda found: cpu_number(found[1])), default=0)
        if count:
            log.gap("how many CPUs came up", f"it tells that there can be {count}; that many are assumed")
            return count
    if seen > 1:
        log.gap("how many CPUs came up", f"it tells of {seen}, of which {seen} are assumed")
    else:
        log.gaps.append(CPUS_GAP)
    return seen


def _nodes(log: Messages) -> dict[int, int]:
    """Node by processor."""
    nodes: dict[int, int] = {}
    current: str | None = None
    for line in log.said:
        found = _STARTED.match(line.message)
        if found is not None:
            current, cpus = found[1], found[2]
        elif current is not None and _STARTED_TOO.match(line.message):
            cpus = line.message
        else:
            continue
        log.used.add(line.number)
        try:
            nodes |= {cpu_number(digits): cpu_number(current) for digits in re.findall(r"#(\d+)", cpus)}
        except ValueError as error:
            raise log.error(str(error), line) from None
    if nodes and 0 not in nodes:
        nodes[0] = _first_node(log, nodes)
    return nodes


def _first_node(log: Messages, nodes: Mapping[int, int]) -> int:
    """The node of the processor that started the others: theirs that are near to it, else the first that none is on."""
    group_of: dict[int, str] = {}
    for line in log.said:
        for groups in _GROUPS.findall(line.message):
            log.used.add(line.number)
            for group, members in _GROUP.findall(groups):
                group_of |= {int(digits): group for digits in members.split() if digits.isdecimal()}
    if 0 not in group_of:
        return min(nodes.values())
    near = Counter(node for cpu, node in nodes.items() if group_of.get(cpu) == group_of[0])
    if near:
        return near.most_common(1)[0][0]
    taken = set(nodes.values())
    return next(node for node in range(len(taken) + 1) if node not in taken)
