"""What somebody expects of a machine, as values: the closed vocabulary of scenarios, see ``docs/scenarios.md``.

Each class is one subject; the field of that name is the key by which a file says which one it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NewType

import attrs

from softreserve.model.findings import SEVERITIES
from softreserve.model.outcome import USES
from softreserve.model.ranges import PhysRange
from softreserve.model.sizes import human_size

__all__ = [
    "SUBJECTS",
    "Bytes",
    "DaxDevices",
    "DaxRange",
    "Differs",
    "Expectation",
    "Found",
    "IomemLine",
    "KaslrSlot",
    "LogLine",
    "NodeIs",
    "Same",
    "Segment",
    "SysfsFile",
    "Used",
    "VerdictIs",
]

#: A number of bytes.
Bytes = NewType("Bytes", int)


def _some_text(_: object, attribute: attrs.Attribute[str], text: str) -> None:
    if not text:
        raise ValueError(f"'{attribute.name}': wanted some text")


def _below_sys(_: object, attribute: attrs.Attribute[str], path: str) -> None:
    if not path.startswith("/sys/"):
        raise ValueError(f"'{attribute.name}': wanted the path of a file below /sys, not {path!r}")


@attrs.frozen
class IomemLine:
    """A line of ``/proc/iomem``.

    :param iomem: the line without its indentation (``100000000-17fffffff : dax1.0``), or only a name; ``*`` stands for
        any text.
    :param under: the name of a resource that the line stands below, at any depth; empty: anywhere.
    :param absent: whether there is to be no such line.
    """

    iomem: str = attrs.field(validator=_some_text)
    under: str = ""
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        below = f" below {self.under}" if self.under else ""
        return f"/proc/iomem has {_no(self.absent)}{self.iomem!r}{below}"


@attrs.frozen
class LogLine:
    """A line of the kernel's log: of the boot, or behind a step of that step.

    :param log: what stands in the line; ``*`` stands for any text.
    :param absent: whether there is to be no such line.
    """

    log: str = attrs.field(validator=_some_text)
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        return f"the log says {_no(self.absent, 'nothing of ')}{self.log!r}"


@attrs.frozen
class SysfsFile:
    """A file below ``/sys``.

    :param file: its path.
    :param holds: its text, without the last newline; ``*`` stands for any text. ``None``: anything.
    :param errno: how reading it fails (``EBUSY``); empty: it does not.
    :param absent: whether there is to be no such file.
    """

    file: str = attrs.field(validator=_below_sys)
    holds: str | None = None
    errno: str = ""
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        if self.absent:
            return f"there is no {self.file}"
        if self.errno:
            return f"reading {self.file} fails with {self.errno}"
        return f"there is {self.file}" if self.holds is None else f"{self.file} holds {self.holds!r}"


@attrs.frozen
class DaxRange:
    """A dax device that has a range, and nothing of the memory beside it in that mapping.

    :param dax: the range of one of its mappings, last byte included.
    :param driver: the driver that has it (``kmem``, ``device_dax``), ``none`` for none; empty: any.
    :param node: its target node, -1 for none; ``None``: any.
    :param absent: whether no dax device is to have any of that range.
    """

    dax: PhysRange
    driver: str = ""
    node: int | None = None
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        if self.absent:
            return f"no dax device has any of {_range(self.dax)}"
        driver = f" with {'no driver' if self.driver == 'none' else self.driver}" if self.driver else ""
        node = f" and target node {self.node}" if self.node is not None else ""
        return f"a dax device has {_range(self.dax)}{driver}{node}"


@attrs.frozen
class DaxDevices:
    """How many dax devices have memory.

    :param dax_devices: the number.
    :param driver: only those that it has; empty: all.
    """

    dax_devices: int
    driver: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.dax_devices or 'no'} dax devices{f' of {self.driver}' if self.driver else ''}"


@attrs.frozen
class Used:
    """How much specific purpose memory is put to a use.

    :param use: one of the uses of :data:`softreserve.model.outcome.USES`.
    :param size: bytes.
    :param within: only of this range, last byte included; ``None``: of all.
    """

    use: str = attrs.field(validator=attrs.validators.in_(tuple(USES)))
    size: Bytes
    within: PhysRange | None = None

    @property
    def words(self) -> str:
        """For people."""
        where = f" of {_range(self.within)}" if self.within is not None else ""
        return f"{human_size(self.size)}{where} is {USES[self.use]}"


@attrs.frozen
class Found:
    """A finding of ``softreserve lint``.

    :param finding: the name of its rule.
    :param at: a range that it must name, last byte included; ``None``: any, or none.
    :param severity: its severity; empty: any.
    :param absent: whether there is to be no such finding.
    """

    finding: str = attrs.field(validator=_some_text)
    at: PhysRange | None = None
    severity: str = attrs.field(default="", validator=attrs.validators.in_(("", *SEVERITIES)))
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        where = f" of {_range(self.at)}" if self.at is not None else ""
        return f"lint has {'no' if self.absent else 'the'} {self.severity or 'finding'} [{self.finding}]{where}"


@attrs.frozen
class VerdictIs:
    """The sentence that ``softreserve boot`` begins with.

    :param verdict: how it begins; ``*`` stands for any text.
    """

    verdict: str = attrs.field(validator=_some_text)

    @property
    def words(self) -> str:
        """For people."""
        return f"the verdict begins {self.verdict!r}"


@attrs.frozen
class NodeIs:
    """A node; what is ``None`` may be anything. Sizes are bytes.

    :param node: its number.
    :param online: whether it is online.
    :param ram: memory that it has from boot on.
    :param special: specific purpose memory, and ``added``: what of that is online as system RAM.
    :param tier: its memory tier; ``tier_of``: a node that is in the same one.
    :param demotes_to: the nodes that its cold pages go to.
    """

    node: int
    online: bool | None = None
    ram: Bytes | None = None
    special: Bytes | None = None
    added: Bytes | None = None
    tier: int | None = None
    tier_of: int | None = None
    demotes_to: tuple[int, ...] | None = None

    @property
    def words(self) -> str:
        """For people."""
        found = [] if self.online is None else ["is online" if self.online else "is not online"]
        sizes = {"RAM": self.ram, "specific purpose memory": self.special, "specific purpose memory online": self.added}
        found += [
            f"has {human_size(size) if size else 'no'} {what}" for what, size in sizes.items() if size is not None
        ]
        found += [] if self.tier is None else [f"is in tier {self.tier}"]
        found += [] if self.tier_of is None else [f"is in the tier of node {self.tier_of}"]
        if self.demotes_to is not None:
            found.append(f"demotes to {', '.join(map(str, self.demotes_to)) or 'no node'}")
        return f"node {self.node} {', '.join(found) or 'is there'}"


@attrs.frozen
class Segment:
    """Where a loader puts the next kernel; only behind a kexec.

    :param segment: a range, last byte included, that some segment lies in.
    :param absent: whether no segment is to touch it.
    """

    segment: PhysRange
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        return f"{_no(self.absent, 'nothing') or 'some'} of the next kernel is loaded to {_range(self.segment)}"


@attrs.frozen
class KaslrSlot:
    """Where the kernel image may be put by chance.

    :param kaslr: a range, last byte included, in which an address for it lies.
    :param absent: whether there is to be none.
    """

    kaslr: PhysRange
    absent: bool = False

    @property
    def words(self) -> str:
        """For people."""
        return f"the kernel may {'not ' if self.absent else ''}be put into {_range(self.kaslr)} by chance"


@attrs.frozen
class Same:
    """Something that is, line by line, what it was at the end of another run of the scenario.

    :param same: what ``--emit`` calls it: ``iomem``, ``dax``, ``nodes``, ...
    :param of_run: the name of that run, which comes before.
    """

    same: str = attrs.field(validator=_some_text)
    of_run: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.same} is as in {self.of_run!r}"


@attrs.frozen
class Differs:
    """Something that is not what it was at the end of another run of the scenario.

    :param differs: what ``--emit`` calls it.
    :param of_run: the name of that run, which comes before.
    """

    differs: str = attrs.field(validator=_some_text)
    of_run: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.differs} is not as in {self.of_run!r}"


Expectation = (
    IomemLine
    | LogLine
    | SysfsFile
    | DaxRange
    | DaxDevices
    | Used
    | Found
    | VerdictIs
    | NodeIs
    | Segment
    | KaslrSlot
    | Same
    | Differs
)

#: The key that says which one a file means, and its class.
SUBJECTS: Final[Mapping[str, type[Expectation]]] = {
    attrs.fields(kind)[0].name: kind
    for kind in (
        IomemLine,
        LogLine,
        SysfsFile,
        DaxRange,
        DaxDevices,
        Used,
        Found,
        VerdictIs,
        NodeIs,
        Segment,
        KaslrSlot,
        Same,
        Differs,
    )
}


def _no(absent: bool, word: str = "no ") -> str:
    return word if absent else ""


def _range(range_: PhysRange) -> str:
    return f"{range_.start:#x}-{range_.last:#x}"
