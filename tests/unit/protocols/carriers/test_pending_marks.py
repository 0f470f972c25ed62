"""Marks that a carrier forgets when it clears: ours to remember, each answered once."""

from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.carriers.pending_marks import PendingMarks
from vox.protocols.media_stream import MarkReached


def test_a_clear_answers_what_was_sent_before_it_and_nothing_after():
    marks = PendingMarks(8)
    marks.sent("a")
    marks.sent("b")
    marks.reached("a")
    marks.clearing()
    marks.sent("c")
    assert marks.cleared() == [MarkReached("b")]
    assert marks.cleared() == []
    marks.clearing()
    assert marks.cleared() == [MarkReached("c")]


def test_a_mark_reached_while_the_clear_is_under_way_is_not_answered_twice():
    marks = PendingMarks(8)
    marks.sent("a")
    marks.clearing()
    marks.reached("a")
    assert marks.cleared() == []


def test_a_carrier_that_answers_nothing_cannot_fill_the_memory():
    marks = PendingMarks(3)
    for number in range(1000):
        marks.sent(str(number))
    marks.clearing()
    assert marks.cleared() == [MarkReached("997"), MarkReached("998"), MarkReached("999")]


def test_a_mark_nobody_sent_is_ignored():
    marks = PendingMarks(3)
    marks.reached("never")
    marks.clearing()
    assert marks.cleared() == []


@given(st.lists(st.sampled_from(["sent", "reached", "clearing", "cleared"]), max_size=60))
def test_no_mark_is_answered_twice(steps):
    marks, names, answered = PendingMarks(1000), iter(range(100)), list[str]()
    newest = "none"
    for step in steps:
        match step:
            case "sent":
                newest = str(next(names))
                marks.sent(newest)
            case "reached":
                marks.reached(newest)
            case "clearing":
                marks.clearing()
            case _:
                answered += [event.name for event in marks.cleared() if isinstance(event, MarkReached)]
    assert len(set(answered)) == len(answered)
