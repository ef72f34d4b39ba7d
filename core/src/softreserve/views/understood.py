"""What was understood of an input, what was taken for granted, and what was left aside.

The readers tell what they took (:mod:`softreserve.config.account`); what the kernel refuses of tables is what ``lint``
finds. Nothing is read a second time.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

import attrs

from softreserve.config.account import Account, LogFile, accounting
from softreserve.config.log.map_lines import looks_like_map
from softreserve.model.acpi.cedt import Cedt
from softreserve.model.acpi.hmat_tables import Hmat
from softreserve.model.acpi.madt import Madt
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import Srat
from softreserve.model.acpi.tables import Table, UnknownEntry, checksum
from softreserve.model.efi import EfiAttribute
from softreserve.model.errors import InputError, SoftReserveError
from softreserve.model.ranges import merged
from softreserve.model.sizes import human_size
from softreserve.plugins.architectures import arch_info

if TYPE_CHECKING:
    from softreserve.model.findings import Finding
    from softreserve.model.machine import Machine
    from softreserve.model.scenario import Scenario
    from softreserve.model.userspace import UserspaceFacts

__all__ = ["Fact", "LogLines", "Part", "Understood", "understood"]

#: Tables that are read, and by what.
_TABLES: Final[Mapping[str, type[Table] | type[Slit]]] = {
    "APIC": Madt,
    "CEDT": Cedt,
    "HMAT": Hmat,
    "SLIT": Slit,
    "SRAT": Srat,
}
#: Findings by which the kernel uses nothing of a table.
_REFUSED: Final = {
    "hmat-ignored": "HMAT",
    "slit-invalid": "SLIT",
    "srat-coverage": "SRAT",
    "srat-invalid": "SRAT",
    "srat-off": "SRAT",
    "srat-overlap": "SRAT",
}
#: Messages that have to do with memory, whether or not anything is read of them.
_OF_MEMORY: Final = re.compile(
    r"\b(?:e820|efi|mem(?:ory|block|map)?|NUMA|node|SRAT|SLIT|HMAT|CEDT|CXL|dax|hmem|kmem|crashkernel|soft reserved"
    r"|[0-9a-f]{9,16}-(?:0x)?[0-9a-f]{9,16})\b",
    re.IGNORECASE,
)


@attrs.frozen
class Fact:
    """Something that is known of the machine, in words."""

    name: str
    value: str


@attrs.frozen
class Part:
    """A file or a table of the input.

    ``state`` is ``used``; ``ignored``: it decides nothing here, or the kernel takes nothing of it; ``broken``: it
    cannot be read; ``missing``: the machine has it and the input has not.
    """

    name: str
    state: Literal["used", "ignored", "broken", "missing"]
    words: str = ""


@attrs.frozen
class LogLines:
    """What was taken of a kernel log.

    :param boots: of how many boots it tells; the last one is read.
    :param messages: of that boot; ``used``: those that told something.
    :param used_lines: numbers of their lines, first and last, from 1.
    :param unused: messages that speak of memory, and told nothing: each with the number of its line.
    """

    path: str
    boots: int
    messages: int
    used: int
    used_lines: tuple[tuple[int, int], ...]
    unused: tuple[tuple[int, str], ...]


@attrs.frozen
class Understood:
    """An input, as it was read.

    :param kind: what it is.
    :param facts: what is known of the machine.
    :param files: those that were read, and those beside them that were not.
    :param defaults: what a machine file does not say, and what is taken.
    :param ignored: keys that mean nothing here, each with its file and line.
    """

    input: str
    kind: str
    facts: tuple[Fact, ...]
    files: tuple[Part, ...]
    tables: tuple[Part, ...]
    logs: tuple[LogLines, ...]
    defaults: tuple[Fact, ...]
    ignored: tuple[str, ...]


def understood(
    spec: str, read: Callable[[], Scenario], found: Callable[[Scenario], Iterable[Finding]]
) -> tuple[Understood, Scenario]:
    """Read an input, and tell what came of it.

    :param spec: what a person called it.
    :param read: reads it.
    :param found: what ``lint`` finds in the machine; an error where it does not boot.
    :raises InputError: it cannot be read, as by every command.
    """
    with accounting() as account:
        scenario = read()
    machine = scenario.machine
    told = Understood(
        spec,
        _kind(account, spec),
        tuple(_facts(scenario)),
        tuple(_files(account, spec)),
        tuple(_tables(machine, account.made, _refused(scenario, found))),
        tuple(_log_lines(log) for log in account.logs[-1:]),
        tuple(Fact(name, _value(value)) for name, value in account.defaults.items()),
        tuple(
            f"{document.place(key)} of {document.path}" for document in account.documents for key in document.ignored()
        ),
    )
    return told, scenario


def _kind(account: Account, spec: str) -> str:
    if not account.collected:
        return account.kind
    return f"a {'directory' if os.path.isdir(spec) else 'tar archive'} of a host's files"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "empty"


# --- the machine


def _facts(scenario: Scenario) -> Iterator[Fact]:
    machine = scenario.machine
    kernel = machine.kernel
    yield Fact("name", machine.name)
    yield Fact("kernel", f"{kernel.release}, {kernel.arch}, {human_size(kernel.page_size)} pages; {kernel.words}")
    yield Fact("command line", machine.cmdline.text or "empty")
    virtual = ", virtual" if machine.hypervisor else ""
    yield Fact("processors", f"{machine.cpus}{virtual}")
    if machine.efi_map is not None:
        special = [d for d in machine.efi_map if d.attribute & EfiAttribute.SP]
        marked = f"{len(special)} of them specific purpose memory, {human_size(sum(d.size for d in special))}"
        number = len(machine.efi_map)
        yield Fact("EFI memory map", f"{number} descriptors, {marked if special else 'none specific purpose memory'}")
    if machine.e820:
        yield Fact("e820 table", f"{len(machine.e820)} entries")
    parts = [field.name for field in attrs.fields(type(machine.image)) if getattr(machine.image, field.name)]
    if parts:
        yield Fact("kernel image", ", ".join(parts))
    if machine.cxl:
        yield Fact("CXL host bridges", str(len(machine.cxl)))
    if scenario.plugins is not None:
        yield Fact("plugins", ", ".join(scenario.plugins) or "none")
    yield from _userspace(machine.userspace)
    for name in machine.sections:
        yield Fact("table of a plugin", name)
    if scenario.steps:
        yield Fact("steps", str(len(scenario.steps)))
    if scenario.kexec is not None:
        yield Fact("kexec", "after the steps" if scenario.steps else "yes")


def _userspace(facts: UserspaceFacts) -> Iterator[Fact]:
    if facts.policy is not None:
        yield Fact("user space", facts.policy)
    if facts.virt is not None:
        yield Fact("virtualized by", facts.virt)
    if facts.daxctl is not None:
        yield Fact("daxctl's configuration", f"{len(facts.daxctl)} sections")


# --- files


def _files(account: Account, spec: str) -> Iterator[Part]:
    derived = os.path.join(spec, "input", "")
    read = [name for name in account.files if not (account.collected and name.startswith(derived))]
    yield from (Part(name, "used") for name in read)
    yield from (Part(name, "missing", why) for name, why in account.hidden.items())
    if account.collected or not os.path.isdir(spec):
        return
    top = os.path.join(spec, "input") if os.path.isdir(os.path.join(spec, "input")) else spec
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            if (path := os.path.join(folder, name)) not in account.files:
                yield Part(path, "ignored", "no file of a capture, or one that a boot does not need")
    if os.path.isdir(expected := os.path.join(spec, "expected")):
        yield Part(expected, "ignored", "what the machine showed: softreserve verify compares with it")


# --- tables


def _refused(scenario: Scenario, found: Callable[[Scenario], Iterable[Finding]]) -> dict[str, str]:
    """Tables of which the kernel takes nothing, and why."""
    try:
        return {_REFUSED[finding.rule]: finding.message for finding in found(scenario) if finding.rule in _REFUSED}
    except SoftReserveError:  # which commands that boot it tell; what was read is known all the same
        return {}


def _tables(machine: Machine, made: Collection[str], refused: Mapping[str, str]) -> Iterator[Part]:
    counted_elsewhere = arch_info(machine.kernel.arch).boots_from_e820
    for signature, data in sorted(machine.acpi.items()):
        kind = _TABLES.get(signature)
        size = human_size(len(data)) + (", made of what the log says" if signature in made else "")
        if kind is None or (kind is Madt and counted_elsewhere):
            yield Part(signature, "ignored", f"{size}; it says nothing that decides about memory")
            continue
        try:
            words = f"{size}, {_entries(kind.parse(data))}"
        except InputError as error:
            yield Part(signature, "broken", str(error))
            continue
        if checksum(data):
            words += "; its checksum is wrong, of which Linux warns and no more"
        if signature in refused:
            yield Part(signature, "ignored", f"{words}; {refused[signature]}")
        else:
            yield Part(signature, "used", words)
    for signature in sorted(machine.unknown):
        yield Part(signature, "missing", "the machine has it, or may have it")


def _entries(table: Table | Slit) -> str:
    """What stands in a table, by kind."""
    if isinstance(table, Slit):
        return f"{len(table.rows)} localities"
    counts = Counter("of an unknown kind" if isinstance(one, UnknownEntry) else _name(one) for one in table.entries)
    told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no entries"
    return f"{told}; its last {len(table.rest)} bytes are no whole entry, and are not read" if table.rest else told


def _name(entry: object) -> str:
    """The name of a class in words: ``memory affinity``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(entry).__name__).lower()


# --- logs


def _log_lines(log: LogFile) -> LogLines:
    unused = [line for line in log.said if line.number not in log.used]
    of_memory = [line for line in unused if looks_like_map(line) or _OF_MEMORY.search(line.message)]
    return LogLines(
        str(log.path or ""),
        log.boots,
        len(log.said),
        len(log.said) - len(unused),
        tuple((first, end - 1) for first, end in merged((number, number + 1) for number in log.used)),
        tuple((line.number, line.message) for line in of_memory),
    )
