from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.events import EventLog, Rule
from softreserve.model.ranges import PhysRange

MOVED = Rule("moved", "moved to {}")
KEPT = Rule("kept", "kept")
REFUSED = Rule("refused", "a line that refuses")


def test_an_event_has_the_code_for_programs_and_the_words_for_people() -> None:
    log = EventLog()
    log.record(MOVED.of("node 1"), "file.c: function", 0x1000, 0x2000)
    (event,) = log
    assert (event.code, event.rule, event.start, event.end) == ("moved", "moved to node 1", 0x1000, 0x2000)


def test_events_are_found_by_rule_whatever_their_words_say() -> None:
    log = EventLog()
    log.record(MOVED.of("node 1"), "", 0, 1)
    log.record(KEPT, "", 0, 1)
    log.printk("something else")
    log.record(MOVED.of("node 2"), "", 0, 1)
    assert [event.rule for event in log.of(MOVED)] == ["moved to node 1", "moved to node 2"]
    assert [event.code for event in log.of(KEPT, MOVED)] == ["moved", "kept", "moved"]


def test_a_line_with_a_rule_is_found_where_nothing_is_recorded() -> None:
    log = EventLog(recording=False)
    log.printk("dax0.0: refused", "kmem.c", REFUSED, "dax0.0")
    log.printk("nothing to find")
    log.record(KEPT, "", 0, 1)
    assert log.lines == ["dax0.0: refused", "nothing to find"]
    assert [(event.text, event.after) for event in log] == [("dax0.0: refused", "dax0.0")]
    assert log.of(REFUSED) == list(log)


@given(st.lists(st.sampled_from([MOVED, KEPT, REFUSED, None])), st.lists(st.sampled_from([MOVED, KEPT, REFUSED, None])))
def test_events_of_rules_are_found_in_order_however_often_somebody_asks(
    first: list[Rule | None], later: list[Rule | None]
) -> None:
    log = EventLog()
    for rules in (first, later):
        for rule in rules:
            log.printk("a line", "", rule)
        for asked in ((MOVED,), (KEPT, MOVED), (REFUSED, KEPT, REFUSED), ()):
            assert log.of(*asked) == [event for event in log if event.code in {rule.code for rule in asked}]


RANGES = st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda pair: pair[0] < pair[1])


@given(st.lists(RANGES, max_size=12), st.lists(RANGES, max_size=4), RANGES)
def test_events_over_a_range_are_those_that_share_a_byte_with_it_in_order(
    first: list[tuple[int, int]], later: list[tuple[int, int]], where: tuple[int, int]
) -> None:
    log = EventLog()
    for start, end in first:
        log.record(KEPT, "", start, end)
    asked = PhysRange(*where)
    assert log.over(asked) == [event for event in log if PhysRange(event.start or 0, event.end or 0).overlaps(asked)]
    log.record(KEPT, "")  # no range at all
    log.record(KEPT, "", 5, 5)  # nothing in it
    for start, end in later:
        log.record(KEPT, "", start, end)
    expected = [pair for pair in (*first, *later) if pair[0] < where[1] and where[0] < pair[1]]
    assert [(event.start, event.end) for event in log.over(asked)] == expected


def test_the_older_half_of_what_came_behind_the_first_is_forgotten_when_it_is_too_much() -> None:
    log = EventLog()
    log.printk_later(lambda: "boot")
    log.record(KEPT, "", 0, 1)
    first = log.sizes()
    for number in range(10):
        log.printk(f"line {number}")
        log.record(MOVED.of(f"node {number}"), "", 0, 1)
    assert len(log.over(PhysRange(0, 1))) == 11
    assert len(log.of(MOVED)) == 10
    log.shed(first, 20)
    assert (log.sizes(), log.line(1)) == ((11, 22), "line 0")  # twenty events, which is not more
    log.shed(first, 8)
    assert log.lines == ["boot", *(f"line {number}" for number in range(5, 10))]
    left = [event.rule for event in log.over(PhysRange(0, 1))]
    assert left == ["kept", *(f"moved to node {number}" for number in range(5, 10))]
    assert [event.rule for event in log.of(MOVED)] == left[1:]
    assert log.line(6) is None
