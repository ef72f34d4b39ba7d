"""What a change of a fact means for the people who run the machine, in words: one kind of fact each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from softreserve.model.outcome import USES
from softreserve.views.upgrade import facts
from softreserve.views.upgrade.facts import KMEM_OFFLINE, NOBODY, Difference, Facts
from softreserve.views.upgrade.trial import Trial

__all__ = ["DEATH", "FINDING_RULE", "KINDS", "QUIET", "Kind", "Told", "shown"]


#: The rule of what ``lint`` says of a kernel by itself, too.
FINDING_RULE: Final = "upgrade-finding"
#: The rules of what is told where nothing else tells of a change.
QUIET: Final = ("upgrade-iomem-line", "upgrade-driver", "upgrade-device", "upgrade-module", "upgrade-log")


class Told(NamedTuple):
    """A consequence without its places: severity and rule are as of findings, the words have no end."""

    severity: str
    rule: str
    words: str


#: What a difference means, on the newer of the two kernels; ``None``: nothing to anybody.
Teller = Callable[[Difference, Trial], "Told | None"]


class Kind(NamedTuple):
    """A kind of fact.

    :param look: the facts of a trial.
    :param tell: what a difference means.
    :param absent: what a fact is that is not there; ``None``: only what is there on both sides is compared.
    :param hidden: whether it says nothing of memory that is nobody's on one side: that is told already.
    :param paired: whether nothing is told where one side has no fact of that kind at all.
    """

    look: Callable[[Trial], Facts]
    tell: Teller
    absent: str | None = None
    hidden: bool = False
    paired: bool = False


def _memory(d: Difference, after: Trial) -> Told:
    if d.after == NOBODY:
        part = after.report.outcome.part_at(d.start or 0)
        why = f": {part.why} [{part.rule}]" if part is not None and part.rule else ""
        return Told("error", "upgrade-memory-lost", f"nobody can use specific purpose memory that was in use{why}")
    if d.before == NOBODY:
        return Told("note", "upgrade-memory-found", "specific purpose memory can be used that was nobody's")
    if "ram" in (d.before, d.after):
        words = "is ordinary RAM for everybody" if d.after == "ram" else "is set aside, and is ordinary RAM no more"
        return Told("warning", "upgrade-memory-owner", f"specific purpose memory {words}")
    if d.after == "devdax":
        words = "is left to device_dax: it is no system RAM until kmem is asked to take it (daxctl reconfigure-device)"
    elif d.before == "devdax":
        words = "is taken by kmem: programs that map its devices find them gone until device_dax is asked to take them"
    elif d.after == KMEM_OFFLINE:
        words = (
            "does not come online by itself: memhp_default_state=online, a udev rule or daxctl online-memory brings it"
        )
    else:
        words = "comes online by itself: who wants it offline or movable has to say memhp_default_state= before"
    return Told("warning", "upgrade-memory-owner", f"memory of dax devices {words}")


def _always(severity: str, rule: str, words: str) -> Teller:
    told = Told(severity, rule, words)
    return lambda _d, _after: told


def _either(rule: str, gone: tuple[str, str], new: tuple[str, str]) -> Teller:
    """Severity and words for what is no longer there (``after`` is empty), and for what is new."""
    return lambda d, _: Told(gone[0], rule, gone[1]) if not d.after else Told(new[0], rule, new[1])


def _gone(severity: str, rule: str, words: str) -> Teller:
    """For what nobody minds when it is new."""
    told = Told(severity, rule, words)
    return lambda d, _: None if d.after else told


def _turns(rule: str, bad: str, worse: tuple[str, str], better: str) -> Teller:
    """Severity and words where a fact becomes ``bad``, and words where it was."""
    return lambda d, _: Told(worse[0], rule, worse[1]) if d.after == bad else Told("note", rule, better)


def _finding(d: Difference, _: Trial) -> Told | None:
    """Findings that are new; one that is gone needs nobody's attention, one that says the same otherwise neither."""
    if d.before:
        return None
    severity, _colon, words = d.after.partition(": ")
    return Told(severity, FINDING_RULE, words)


#: Whether the kernel comes up: where it does not, nothing else can be asked.
DEATH: Final = Kind(
    facts.death,
    lambda d, _: (
        Told("note", "upgrade-boot", "the kernel comes up")
        if d.after == "comes up"
        else Told("error", "upgrade-boot", "the kernel does not come up")
    ),
    absent="",
)

_WRITTEN: Final = "scripts, udev rules and units"

#: Everything else, what matters most first.
KINDS: Final[tuple[Kind, ...]] = (
    Kind(facts.uses, _memory),
    Kind(
        facts.uses_as_system_ram,
        _turns(
            "upgrade-system-ram",
            "cannot be System RAM",
            ("warning", "memory cannot be System RAM any more, though kmem is given its device"),
            "memory can be System RAM once kmem is given its device",
        ),
        hidden=True,
    ),
    Kind(
        facts.uses_as_devdax,
        _turns(
            "upgrade-devdax",
            "cannot be mapped",
            ("warning", "programs cannot map memory any more, though device_dax is given its device"),
            "programs can map memory once device_dax is given its device",
        ),
        hidden=True,
    ),
    Kind(
        facts.withdrawals,
        _turns(
            "upgrade-offline",
            "stays online",
            (
                "warning",
                "memory that was online in a kernel zone cannot go offline again, so its device cannot go back to "
                "devdax (EBUSY); online_movable avoids it",
            ),
            "memory that was online in a kernel zone can go offline again",
        ),
    ),
    Kind(facts.zones, _always("warning", "upgrade-zone", "memory of dax devices comes online in another zone")),
    Kind(
        facts.soft_reserved_lines,
        _turns(
            "upgrade-soft-reserved-line",
            "no line",
            ("warning", '/proc/iomem does not show it: scripts that look for "Soft Reserved" there find nothing'),
            '/proc/iomem has lines "Soft Reserved"',
        ),
    ),
    Kind(
        facts.hmem_lines,
        _either(
            "upgrade-hmem-line",
            ("warning", "/proc/iomem does not show hmem devices: scripts that look for them there find nothing"),
            ("note", "/proc/iomem shows hmem devices"),
        ),
        absent="",
    ),
    Kind(
        facts.device_paths,
        _always("warning", "upgrade-device-path", f"dax devices have another path: {_WRITTEN} with the old one break"),
    ),
    Kind(
        facts.device_names,
        _always("warning", "upgrade-device-name", f"dax devices have other names: {_WRITTEN} hit others or none"),
    ),
    Kind(
        facts.device_nodes,
        _always("warning", "upgrade-target-node", "dax devices belong to another node"),
    ),
    Kind(
        facts.dax_files,
        _either(
            "upgrade-dax-file",
            ("warning", "files of dax devices are gone"),
            ("note", "dax devices have new files"),
        ),
        absent="",
        paired=True,
    ),
    Kind(
        facts.node_states,
        _always("warning", "upgrade-node-state", "lists of nodes differ, by which tools choose where to allocate"),
        absent="",
    ),
    Kind(
        facts.node_files,
        _either("upgrade-node-file", ("warning", "files of nodes are gone"), ("note", "nodes have new files")),
        absent="",
    ),
    Kind(facts.node_values, _always("note", "upgrade-node-value", "files of nodes say something else")),
    Kind(facts.tiers, _always("warning", "upgrade-tier", "nodes are in other memory tiers once all memory is online")),
    Kind(
        facts.demotion,
        _always("warning", "upgrade-demotion", "cold pages are demoted to other nodes once all memory is online"),
    ),
    Kind(
        facts.hotplug,
        _always("warning", "upgrade-hotplug", f"added memory is handled otherwise: {_WRITTEN} may rely on it"),
        absent="",
    ),
    Kind(
        facts.ram,
        _either(
            "upgrade-ram",
            ("error", "RAM is not used any more"),
            ("note", "memory is RAM that was not used"),
        ),
        absent="",
    ),
    Kind(
        facts.firmware_map,
        _always(
            "warning", "upgrade-firmware-map", "/sys/firmware/memmap, from which kexec-tools takes the map, differs"
        ),
        absent="",
    ),
    Kind(facts.findings, _finding, absent=""),
    Kind(
        facts.other_lines,
        _either(
            "upgrade-iomem-line",
            ("warning", "lines are gone from /proc/iomem: scripts that look for them find nothing"),
            ("note", "/proc/iomem has new lines"),
        ),
        absent="",
    ),
    Kind(facts.drivers, _gone("warning", "upgrade-driver", "drivers are gone"), absent=""),
    Kind(facts.devices, _gone("warning", "upgrade-device", "devices are gone"), absent=""),
    Kind(facts.modules, _gone("warning", "upgrade-module", "modules are gone"), absent=""),
    Kind(
        facts.log,
        _always(
            "note", "upgrade-log", "lines of the kernel log are gone or new: scripts that read it may have to change"
        ),
        absent="",
    ),
)


def shown(value: str) -> str:
    """What a fact is, for people."""
    if value == NOBODY:
        return "nobody can use it"
    return USES.get(value, value) or "none"
