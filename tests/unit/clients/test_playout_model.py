import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.playout import PlayoutDeadline, PlayoutQueue

FRAME = 320


def test_marks_are_reached_when_the_audio_before_them_was_played():
    queue = PlayoutQueue(8000)
    queue.push(b"\1" * 2 * FRAME)
    queue.mark("first")
    queue.push(b"\2" * FRAME)
    queue.mark("second")
    assert queue.play(FRAME) == (b"\1" * FRAME, [])
    assert queue.play(FRAME) == (b"\1" * FRAME, ["first"])
    assert queue.play(FRAME) == (b"\2" * FRAME, ["second"])
    assert queue.play(FRAME) == (bytes(FRAME), [])


def test_a_clear_silences_at_once_and_returns_the_marks_it_threw_away():
    queue = PlayoutQueue(8000)
    queue.push(b"\1" * 10 * FRAME)
    queue.mark("unheard")
    queue.play(FRAME)
    assert queue.clear() == ["unheard"]
    assert queue.play(FRAME) == (bytes(FRAME), [])
    queue.push(b"\2" * FRAME)
    queue.mark("heard")
    assert queue.play(FRAME) == (b"\2" * FRAME, ["heard"])


def test_a_flood_is_bounded_and_counted():
    queue = PlayoutQueue(8000, max_queued_s=1.0, max_marks=2)
    queue.push(bytes(20_000))
    for name in "abc":
        queue.mark(name)
    assert queue.queued_bytes == 16_000
    assert queue.dropped_bytes == 4_000
    assert queue.play(16_000)[1] == ["a", "b"]


@given(st.lists(st.integers(0, 2000).map(lambda n: n * 2), max_size=20), st.integers(1, 500).map(lambda n: n * 2))
def test_everything_pushed_is_heard_once_and_in_order(sizes, step):
    queue = PlayoutQueue(8000)
    sent = b"".join(bytes([index + 1]) * size for index, size in enumerate(sizes))
    for index, size in enumerate(sizes):
        queue.push(bytes([index + 1]) * size)
    heard = b""
    while queue.queued_bytes:
        heard += queue.play(step)[0]
    assert heard.rstrip(b"\0") == sent


def test_frames_in_time_are_never_late():
    deadline = PlayoutDeadline(0.020)
    assert all(deadline.arrived(5.0 + 0.02 * n + 0.019, 0.02) <= 0 for n in range(100))


def test_one_stall_makes_one_late_frame():
    deadline = PlayoutDeadline(0.020)
    arrivals = [5.0 + 0.02 * n + (0.05 if n >= 10 else 0.0) for n in range(50)]
    lateness = [deadline.arrived(now, 0.02) for now in arrivals]
    assert [n for n, late in enumerate(lateness) if late > 1e-9] == [10]
    assert lateness[10] == pytest.approx(0.03)


def test_a_server_that_falls_behind_is_late_with_every_frame():
    deadline = PlayoutDeadline(0.020)
    lateness = [deadline.arrived(5.0 + 0.025 * n, 0.02) for n in range(50)]
    assert sum(late > 1e-9 for late in lateness) == 45


def test_a_new_reply_starts_a_new_clock():
    deadline = PlayoutDeadline(0.020)
    deadline.arrived(5.0, 0.02)
    deadline.restart()
    assert deadline.arrived(60.0, 0.02) <= 0
    assert deadline.ends_at == pytest.approx(60.04)
