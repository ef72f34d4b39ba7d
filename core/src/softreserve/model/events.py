"""The one record of a boot: what every stage decided and what the kernel printed, in order.

The kernel log, ``explain``, the report and ``lint`` are views of it. People read the words; programs go by the code of
a :class:`Rule`, and by the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from intervaltree import IntervalTree

    from softreserve.model.ranges import PhysRange

__all__ = ["STAGES", "Event", "EventLog", "Rule"]

#: Stages in boot order; see ``docs/architecture.md``.
STAGES = ("efi stub", "early reservation", "numa info", "resources", "dax bus", "running", "kexec")


class Rule(NamedTuple):
    """A kind of decision, or of printed line; whoever records it makes one constant for it, at module level.

    ``code`` is its name for programs, which stays the same. ``words`` tell people; they may have ``{}`` in them.
    """

    code: str
    words: str

    def of(self, *values: object) -> Rule:
        """The same rule with ``values`` in its words."""
        return Rule(self.code, self.words.format(*values))


class Event(NamedTuple):
    """One decision, or one printed line (``text``). ``start`` and ``end`` are bytes, half open; ``None``: no range.

    ``rule`` is the words of the :class:`Rule`, and ``code`` its name; a line that nothing goes by has none.
    """

    stage: str
    rule: str
    function: str = ""
    start: int | None = None
    end: int | None = None
    before: str = ""
    after: str = ""
    text: str | None = None
    code: str = ""


#: Stands for a line that is made when somebody reads it.
_UNMADE: Final = Event("", "printk", text="")


class EventLog:
    """Events in order.

    ``recording`` can be switched off where only the result counts: then printed lines stay, and events of those that
    have a rule.
    """

    __slots__ = ("_by_code", "_coded", "_events", "_indexed", "_lines", "_tree", "_unmade", "recording", "stage")

    def __init__(self, *, recording: bool = True) -> None:
        self._events: list[Event] = []
        self._lines: list[str] = []
        #: Lines that are not made yet: place among the lines, among the events (-1: it is none), stage, function, how.
        self._unmade: list[tuple[int, int, str, str, Callable[[], str]]] = []
        self._tree: IntervalTree | None = None
        self._indexed = 0  # events that are in the tree
        self._by_code: dict[str, list[int]] = {}  # places among the events
        self._coded = 0  # events that are in it
        self.recording = recording
        self.stage = STAGES[0]

    def printk(self, text: str, function: str = "", rule: Rule | None = None, about: str = "") -> None:
        """Print one kernel log line (no time stamp, no newline, prefix included).

        :param rule: what a view finds the line by, where one needs it.
        :param about: what the line is about, for such a view.
        """
        self._lines.append(text)
        if rule is not None:
            self._events.append(Event(self.stage, rule.words, function, after=about, text=text, code=rule.code))
        elif self.recording:
            self._events.append(Event(self.stage, "printk", function, text=text))

    def printk_later(self, make: Callable[[], str], function: str = "") -> None:
        """Print one line that is made when somebody reads the log; what ``make`` makes it of must not change."""
        event = len(self._events) if self.recording else -1
        self._unmade.append((len(self._lines), event, self.stage, function, make))
        self._lines.append("")
        if self.recording:
            self._events.append(_UNMADE)

    def _make(self) -> None:
        """Make the lines that were put off."""
        for line, event, stage, function, make in self._unmade:
            text = self._lines[line] = make()
            if event >= 0:
                self._events[event] = Event(stage, "printk", function, text=text)
        self._unmade.clear()

    def record(
        self,
        rule: Rule,
        function: str,
        start: int | None = None,
        end: int | None = None,
        before: str = "",
        after: str = "",
    ) -> None:
        """Note why a range (bytes, half open) became what it is. ``function`` is ``file: function`` of the kernel."""
        if self.recording:
            self._events.append(Event(self.stage, rule.words, function, start, end, before, after, code=rule.code))

    @property
    def lines(self) -> list[str]:
        """The kernel log so far: a copy."""
        self._make()
        return list(self._lines)

    def lines_since(self, mark: int) -> list[str]:
        """Lines printed after the log had ``mark`` lines."""
        self._make()
        return self._lines[mark:]

    def of(self, *rules: Rule) -> list[Event]:
        """Events of these rules, in order."""
        for number in range(self._coded, len(self._events)):
            self._by_code.setdefault(self._events[number].code, []).append(number)
        self._coded = len(self._events)
        codes = {rule.code for rule in rules}
        found = sorted(number for code in codes for number in self._by_code.get(code, ()))
        return [self._events[number] for number in found]

    def over(self, where: PhysRange) -> list[Event]:
        """Events whose range has a byte in common with ``where``, in order."""
        tree = self._tree
        if tree is None:
            from intervaltree import IntervalTree

            tree = self._tree = IntervalTree()
        for number in range(self._indexed, len(self._events)):
            event = self._events[number]
            if event.start is not None and event.end is not None and event.start < event.end:
                tree.addi(event.start, event.end, number)
        self._indexed = len(self._events)
        return [self._events[number] for number in sorted(item.data for item in tree.overlap(where.start, where.end))]

    def line(self, number: int) -> str | None:
        """One line, from 0; ``None``: it has not been printed."""
        self._make()
        return self._lines[number] if number < len(self._lines) else None

    def sizes(self) -> tuple[int, int]:
        """How many lines and events there are."""
        return len(self._lines), len(self._events)

    def shed(self, first: tuple[int, int], most: int) -> None:
        """Forget the older half of the lines, and of the events, behind the ``first``, if these are more than ``most``.

        A kernel's log has no room for everything either. Linux: ``kernel/printk/printk_ringbuffer.c``.
        """
        all_told: tuple[list[Any], ...] = (self._lines, self._events)
        for kept, found in zip(first, all_told, strict=True):
            if len(found) - kept > most:
                self._make()
                del found[kept : kept + (len(found) - kept) // 2]
                self._tree, self._indexed = None, 0
                self._by_code, self._coded = {}, 0

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Event]:
        self._make()
        return iter(self._events)
