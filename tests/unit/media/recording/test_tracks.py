"""Where on the call's clock audio ends up: with jitter, stalls, gaps, bursts, drifting clocks and barge-ins."""

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.media.recording.tracks import (
    AHEAD_SLACK_S,
    CALLER_SLACK_S,
    LOOKAHEAD_S,
    MOST_AHEAD_S,
    SETTLED_S,
    AgentTrack,
    CallerTrack,
)

RATE = 8000
FRAME = 160


def loud(samples: int, value: int = 5000) -> bytes:
    return array("h", [value]).tobytes() * samples


def sound(pcm: bytes) -> list[tuple[int, int]]:
    """Where a track is not silent: begin and end of each stretch, in samples."""
    is_loud = np.concatenate([[False], np.frombuffer(pcm, np.int16) != 0, [False]])
    edges = np.flatnonzero(np.diff(is_loud))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def seconds(*spans: tuple[float, float]) -> list[tuple[int, int]]:
    return [(round(begin * RATE), round(end * RATE)) for begin, end in spans]


def near(found: list[tuple[int, int]], expected: list[tuple[int, int]], slack_s: float) -> bool:
    pairs = [pair for spans in zip(found, expected, strict=True) for pair in zip(*spans, strict=True)]
    return all(abs(one - other) <= slack_s * RATE for one, other in pairs)


class Caller:
    """Sends frames of 20 ms that each end at a time and arrive at another; flushes as the recorder does."""

    def __init__(self) -> None:
        self.track = CallerTrack(RATE)
        self.recorded = bytearray()
        self._flushed_at = 0.0

    def frame(self, at_s: float, pcm: bytes | None = None) -> None:
        while at_s >= self._flushed_at + 1.0:
            self._flushed_at += 1.0
            self._take(self._flushed_at)
        self.track.arrive(round(at_s * RATE), loud(FRAME) if pcm is None else pcm)

    def end(self, at_s: float) -> bytes:
        end = round(at_s * RATE)
        self.recorded += self.track.take(end, end, is_last=True)
        return bytes(self.recorded)

    def _take(self, now_s: float) -> None:
        self.recorded += self.track.take(round(max(0.0, now_s - SETTLED_S) * RATE), round(now_s * RATE))


def test_steady_audio_stands_where_it_arrived_without_a_seam():
    caller = Caller()
    for number in range(200):
        caller.frame(1.0 + 0.02 * (number + 1))
    assert sound(caller.end(6.0)) == seconds((1.0, 5.0))


@given(st.lists(st.floats(0, 0.06), min_size=60, max_size=120))
def test_jitter_leaves_no_gap_and_moves_nothing_by_more_than_the_slack(jitter: list[float]):
    caller = Caller()
    at, ends = 0.0, 1.0
    for late in [*jitter, *[0.0] * 30]:  # the network gets quick again, so that what is missing is seen to be missing
        ends += 0.02
        at = max(at, ends + late)
        caller.frame(at)
    spans = sound(caller.end(ends + 1.0))
    assert len(spans) == 1
    assert spans[0][1] - spans[0][0] == (len(jitter) + 30) * FRAME
    assert near(spans, seconds((1.0, ends)), CALLER_SLACK_S + 0.06)


def test_what_a_stalled_network_held_back_stands_where_it_was_spoken():
    caller = Caller()
    for number in range(100):
        spoken = 0.02 * (number + 1)
        caller.frame(max(spoken, 1.5) if spoken > 1.0 else spoken)
    assert sound(caller.end(3.0)) == seconds((0.0, 2.0))


def test_a_stall_longer_than_the_lookahead_is_made_up_for_in_the_next_pauses():
    caller = Caller()
    for number in range(300):
        spoken = 0.02 * (number + 1)
        quiet = 3.0 < spoken <= 5.0
        caller.frame(max(spoken, 2.9) if spoken > 1.0 else spoken, bytes(2 * FRAME) if quiet else None)
    spans = sound(caller.end(7.0))
    assert near(spans[-1:], seconds((5.0, 6.0)), AHEAD_SLACK_S)


@given(st.integers(1, 200))
def test_a_muted_microphone_is_silence_as_long_as_it_was(frames: int):
    caller = Caller()
    resumed = 1.0 + frames * 0.02 + CALLER_SLACK_S
    for number in range(50):
        caller.frame(0.02 * (number + 1))
    for number in range(50):
        caller.frame(resumed + 0.02 * (number + 1))
    recorded = caller.end(resumed + 2.0)
    assert near(sound(recorded), seconds((0.0, 1.0), (resumed, resumed + 1.0)), 1 / RATE * 2)


@pytest.mark.parametrize("drift", [-3e-4, 3e-4])
@pytest.mark.parametrize("is_quiet", [True, False])
def test_a_caller_whose_clock_is_wrong_stays_in_place_for_hours(drift: float, is_quiet: bool):
    caller = Caller()
    pcm = b"\x01\x00" * 5 * FRAME if is_quiet else loud(5 * FRAME)
    message_s = 0.1 / (1 + drift)
    messages = int(2 * 3600 / message_s)
    for number in range(messages):
        caller.frame((number + 1) * message_s, pcm)
        caller.recorded.clear()
    last = (messages + 1) * message_s
    caller.frame(last, loud(FRAME, 9000))
    tail = array("h", caller.end(last + 1))
    from_end = tail[::-1].index(9000)
    assert -CALLER_SLACK_S - 0.01 <= 1 - from_end / RATE <= AHEAD_SLACK_S + 0.05


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 4000)), max_size=40), st.floats(0, 3))
def test_whatever_arrives_when_the_track_is_as_long_as_the_call(arrivals: list[tuple[float, int]], rest: float):
    caller, at = Caller(), 0.0
    for pause, samples in arrivals:
        at += pause
        caller.frame(at, loud(samples))
    assert len(caller.end(at + rest)) == 2 * round((at + rest) * RATE)


def test_a_file_sent_at_once_is_kept_and_the_clock_goes_on_behind_it():
    caller = Caller()
    for _ in range(250):
        caller.frame(0.5)
    for number in range(50):
        caller.frame(8.0 + 0.02 * (number + 1))
    found = sound(caller.end(10.0))
    assert sum(end - begin for begin, end in found[:-1]) == 5 * RATE
    assert found[-1:] == seconds((8.0, 9.0))


def test_audio_far_ahead_of_the_clock_takes_no_memory():
    track = CallerTrack(RATE)
    for _ in range(100):
        track.arrive(RATE, loud(RATE))
    assert track.end <= (MOST_AHEAD_S + 2) * RATE
    assert track.left_out >= (98 - MOST_AHEAD_S) * RATE


def test_a_track_may_begin_in_the_middle():
    track = CallerTrack(RATE, begins=RATE)
    track.arrive(2 * RATE, loud(FRAME))
    taken = track.take(3 * RATE, 4 * RATE)
    assert sound(taken) == [(RATE - FRAME, RATE)]
    assert len(taken) == 2 * 2 * RATE


def test_a_late_piece_is_waited_on_no_longer_than_the_lookahead():
    track = CallerTrack(RATE)
    track.arrive(2 * RATE, loud(FRAME))
    early = round((2 + LOOKAHEAD_S) * RATE)
    assert sound(track.take(RATE, early - 1)) == []
    track.take(RATE, early)
    assert track.end == 2 * RATE


def test_the_agent_is_heard_from_the_first_frame_on_without_a_seam_though_the_lead_is_sent_at_once():
    track = AgentTrack(RATE)
    for number in range(50):
        track.send(RATE + max(0, number - 2) * FRAME, loud(FRAME))
    assert sound(track.take(3 * RATE)) == seconds((1.0, 2.0))


def test_frames_a_little_late_leave_no_gap_and_frames_too_late_for_the_far_side_do():
    track = AgentTrack(RATE)
    track.send(0, loud(FRAME))
    track.send(FRAME + FRAME, loud(FRAME))
    track.send(10 * FRAME, loud(FRAME))
    assert sound(track.take(RATE)) == [(0, 2 * FRAME), (10 * FRAME, 11 * FRAME)]


@given(st.integers(0, 400), st.integers(0, 30))
def test_a_barge_in_takes_back_what_was_not_heard(cleared_at: int, taken_back: int):
    track = AgentTrack(RATE)
    for _ in range(20):
        track.send(0, loud(10))
    track.clear(cleared_at, taken_back)
    heard = min(200, cleared_at, 200 - taken_back)
    track.send(300 + cleared_at, loud(10))
    taken = track.take(1000)
    assert sound(taken)[:-1] == ([(0, heard)] if heard else [])
    assert len(taken) == 2000


def test_what_was_taken_is_not_taken_back():
    track = AgentTrack(RATE)
    track.send(0, loud(FRAME))
    track.take(FRAME)
    track.clear(0)
    assert track.end == FRAME
    assert track.take(FRAME // 2) == b""
