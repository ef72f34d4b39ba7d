"""The kernel log that we predict beside one that was kept, of which parts may be lost."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.model.log_text import message
from softreserve.views.verify.facts import Fact, sorted_by
from softreserve.views.verify.kinds import KINDS, OTHERS, Kind, kind_of
from softreserve.views.verify.matching import Pair, side_by_side, words_of
from softreserve.views.verify.rows import Difference, Row

if TYPE_CHECKING:
    from softreserve.model.observed import Observed
    from softreserve.model.scenario import Scenario

__all__ = ["LOG", "LogComparison", "compare_logs"]

#: The log's name.
LOG: Final = "log"

_STARTS: Final = re.compile(r"Linux version |Booting Linux on ")
#: What comes after everything that the kernel prints of memory before user space runs.
_DONE: Final = re.compile(r"Run \S+ as init process|Freeing unused (kernel|decrypted) ")
#: What kernels print between the lines about memory: a log without them was filtered.
_BETWEEN: Final = (
    r"tsc: |clocksource: |sched_clock: ",
    r"NX \(Execute|Detected \w+ I-cache|CPU features: |\w+/(PAT|fpu|cpu): ",
    r"setup_percpu: |percpu: ",
    r"(Dentry|Inode-|Mount-|PID |pid).*hash table entries",
    r"rcu: |RCU ",
    r"NR_IRQS|GICv\d: |APIC: |IOAPIC",
    r"Console: |printk: ",
    r"random: ",
    r"smpboot: |smp: Bringing up|CPU\d+: ",
    r"NET: |PCI: |pci |pci_bus ",
    r"SLUB: |SLAB: |Memory: \d+K",
    r"DMI: |SMBIOS |ACPI: RSDP",
)
#: Of how many of these a log has lines that is not what a search for words left; and one that nothing was cut from.
_ENOUGH: Final = 3
_NEARLY_ALL: Final = 10
_LOST: Final = re.compile(r"\*\* \d+ printk messages dropped|Missed \d+ kernel messages")


class LogComparison(NamedTuple):
    """Rows by kind, differences, and how many lines are of no kind that is modelled."""

    rows: list[Row]
    differences: list[Difference]
    unread: int


class _Side(NamedTuple):
    """The lines of one kind on one side: texts, and their places in all lines of that side."""

    texts: list[str]
    places: list[int]


def compare_logs(scenario: Scenario, observed: Observed, predicted: Sequence[str], boot_lines: int) -> LogComparison:
    """Compare, kind by kind. What only we print counts where the log would show it: see :class:`_Coverage`.

    :param boot_lines: how many of the predicted lines were printed before user space began.
    """
    ours = [text for line in predicted if (text := message(line))]
    late = sum(bool(message(line)) for line in predicted[:boot_lines])
    said = [line.message for line in observed.log]
    done = next((at for at, text in enumerate(said) if _DONE.match(text)), None)
    known = _by_kind(ours)
    kept = _by_kind(said, {words_of(text) for text in known[OTHERS.name].texts})
    matched: dict[str, list[Pair]] = {}
    for kind in (*KINDS, OTHERS):
        theirs, mine = kept.get(kind.name, _Side([], [])), known.get(kind.name, _Side([], []))
        matched[kind.name] = [
            (None if a is None else theirs.places[a], None if b is None else mine.places[b])
            for a, b in side_by_side(theirs.texts, mine.texts, ordered=kind.ordered)
        ]
    coverage = _Coverage(observed, said, done, late, kept, [pair for pairs in matched.values() for pair in pairs])
    rows: list[Row] = []
    differences: list[Difference] = []
    for kind in (*KINDS, OTHERS):
        pairs = matched[kind.name]
        told = [(a, b) for a, b in pairs if a is not None or (b is not None and coverage.tells(kind, b))]
        wrong = [(a, b) for a, b in told if a is None or b is None or _as_said(said[a]) != _as_said(ours[b])]
        for a, b in sorted(wrong, key=lambda pair: (pair[0] is None, pair)):
            facts = kind.needs + (kind.there if a is None or b is None else ())
            after_boot = observed.running and a is not None and done is not None and a > done
            sort, why = sorted_by(facts, scenario, (Fact.CHANGED,) if after_boot else ())
            number, theirs_text = (None, None) if a is None else (observed.log[a].number, said[a])
            differences.append(
                Difference(LOG, kind.name, sort, why, number, theirs_text, None if b is None else ours[b])
            )
        if told or pairs:
            rows.append(Row(LOG, kind.name, len(told) - len(wrong), len(told), _note(kind, len(pairs) - len(told))))
    unread = len(said) - sum(len(side.texts) for side in kept.values())
    return LogComparison(rows, differences, unread)


def _note(kind: Kind, untold: int) -> str:
    notes = [] if kind.ordered else ["in any order: the kernel gives none"]
    if untold:
        notes.append(f"{untold} more that the log does not tell of")
    return "; ".join(notes)


def _as_said(text: str) -> str:
    """A message with single blanks: mailers and web pages make one of several."""
    return " ".join(text.split())


def _by_kind(messages: Sequence[str], others: Collection[str] | None = None) -> dict[str, _Side]:
    """Lines by the names of their kinds. Of the EFI map the runtime part is left out: where that lies is an allocation.

    :param others: what lines of no kind say that belong to :data:`OTHERS`; ``None``: all of them do.
    """
    found: dict[str, _Side] = defaultdict(lambda: _Side([], []))
    runtime = False
    for at, text in enumerate(messages):
        if text.startswith("efi: "):
            runtime = "EFI runtime memory map:" in text or (runtime and text.startswith("efi: mem"))
            if runtime:
                continue
        kind = kind_of(text)
        if kind is None and (others is None or words_of(text) in others):
            kind = OTHERS
        if kind is not None:
            found[kind.name].texts.append(_as_said(text))
            found[kind.name].places.append(at)
    return found


class _Coverage:
    """Whether a log would show a line that we print: it lies between lines that both have, and nothing was lost there.

    The log of a recorded boot has all of the kinds that are recorded, and of others those of which it has any. Another
    log may begin late (the buffer is a ring), end early, be parts of one, or what ``grep`` left of it. Whether user
    space loads modules, and when, the kernel does not decide: what it prints then counts where a part of it is there.
    """

    def __init__(
        self,
        observed: Observed,
        said: Sequence[str],
        done: int | None,
        late: int,
        kept: Collection[str],
        pairs: Iterable[Pair],
    ) -> None:
        both = sorted((b, a) for a, b in pairs if a is not None and b is not None)
        self._selected = observed.selected
        self._kept = kept
        self._mine = [b for b, _ in both]
        self._theirs = [a for _, a in both]
        self._late = late
        self._late_told = done is not None and any(b >= late and a > done for b, a in both)
        self._starts = bool(said) and _STARTS.match(said[0]) is not None
        self._ends = done is not None
        self._lost = [at for at, text in enumerate(said) if _LOST.match(text)]
        # all kernels that print such lines print some, whatever the machine
        self._has_debug = any(kind.debug and kind.name in kept for kind in KINDS)
        patterns = [re.compile(pattern) for pattern in _BETWEEN]
        between = sum(any(pattern.match(text) for text in said) for pattern in patterns)
        self._filtered = between < _ENOUGH
        #: Whether nobody cut anything from it: a kind of which it has no line was not printed.
        self._whole = between >= _NEARLY_ALL

    def tells(self, kind: Kind, place: int) -> bool:
        """Of a line of ours, by its kind and its place in our log."""
        has_some = kind.name in self._kept and kind is not OTHERS
        if self._selected:
            return kind.recorded or has_some
        if self._filtered or not (self._whole or has_some) or (kind.debug and not self._has_debug):
            return False
        if place >= self._late:
            return self._late_told
        at = bisect_left(self._mine, place)
        if not (at or self._starts) or not (at < len(self._mine) or self._ends):
            return False
        before = self._theirs[at - 1] if at else -1
        after = self._theirs[at] if at < len(self._theirs) else None
        return not any(before < lost and (after is None or lost < after) for lost in self._lost)
