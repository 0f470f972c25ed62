"""What bridges hear of a call while it runs."""

import pytest

from tests.fakes.clock import FakeClock
from vox.fleet.worker.call_reports import MAX_ENTRIES, MAX_LINES, MAX_TEXT, MAX_WATCH_S, CallReports


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def sent():
    return []


@pytest.fixture
def reports(clock, sent):
    return CallReports(clock, lambda call_id, event, data: sent.append((call_id, event, dict(data))))


def texts(sent):
    return [data["text"] for _, event, data in sent if event == "transcript"]


def test_nothing_is_told_that_no_bridge_has_asked_for(reports, sent):
    reports.began("call_1")
    reports.spoken("call_1", "user", "my card number", 1)
    reports.pressed("call_1", "4111")
    assert sent == []
    assert reports.ended("call_1") == ("4111",)


def test_keys_are_told_of_the_calls_whose_bridge_wants_them(reports, sent):
    reports.began("call_1", ["digits"])
    reports.spoken("call_1", "user", "hello", 1)
    reports.pressed("call_1", "9")
    assert sent == [("call_1", "digits", {"digits": "9"})]


def test_a_watch_tells_what_was_said_so_far_and_what_follows_until_it_ends(reports, sent, clock):
    reports.began("call_1")
    reports.spoken("call_1", "assistant", "Hello.", 1_000)
    reports.spoken("call_1", "user", "Hi.", 2_000)
    reports.watch("call_1", 10.0, 1_000)
    assert sent == [("call_1", "transcript", {"at_ms": 2_000, "role": "user", "text": "Hi."})]
    reports.spoken("call_1", "assistant", "How can I help?", 3_000)
    reports.pressed("call_1", "1")
    clock.advance(10.0)
    reports.spoken("call_1", "user", "Never mind.", 4_000)
    assert texts(sent) == ["Hi.", "How can I help?"]
    assert sent[-1] == ("call_1", "digits", {"digits": "1"})
    reports.watch("call_1", 10.0, 3_000)
    assert texts(sent)[-1] == "Never mind."


def test_no_two_lines_have_one_time_and_none_goes_back(reports, sent):
    reports.began("call_1", ["transcript"])
    for at_ms in (1_000, 1_000, 900, 2_000):
        reports.spoken("call_1", "user", "word", at_ms)
    assert [data["at_ms"] for _, _, data in sent] == [1_000, 1_001, 1_002, 2_000]


def test_what_is_kept_and_sent_is_bounded(reports, sent, clock):
    reports.began("call_1")
    for number in range(2 * MAX_LINES):
        reports.spoken("call_1", "user", "x" * 2 * MAX_TEXT, number + 1)
        reports.pressed("call_1", "1")
    reports.watch("call_1", 1e6, 0)
    assert len(sent) == MAX_LINES
    assert {len(text) for text in texts(sent)} == {MAX_TEXT}
    clock.advance(MAX_WATCH_S)
    reports.spoken("call_1", "user", "late", 10_000)
    assert len(sent) == MAX_LINES
    assert len(reports.ended("call_1")) == MAX_ENTRIES


def test_calls_that_are_not_here_are_left_alone(reports, sent):
    reports.watch("call_1", 10.0, 0)
    reports.spoken("call_1", "user", "hello", 1)
    reports.pressed("call_1", "9")
    assert (sent, reports.ended("call_1")) == ([], ())


def test_a_call_that_goes_on_with_another_stream_here_is_one_call(reports, sent):
    reports.began("call_1", ["digits"])
    reports.pressed("call_1", "1")
    reports.began("call_1")
    assert reports.ended("call_1") == ("1",)
    reports.pressed("call_1", "9")
    assert sent[-1] == ("call_1", "digits", {"digits": "9"})
    assert reports.ended("call_1") == ("1", "9")
    assert reports.ended("call_1") == ()
