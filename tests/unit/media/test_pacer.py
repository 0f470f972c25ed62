import asyncio
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.timeline import Timeline
from vox.errors import UsageError
from vox.media.pacer import FRAMES_LATE, FRAMES_SENT, UNDERRUNS, Pacer
from vox.media.playout_track import REPLAY_FRAMES
from vox.media.ticker import Ticker
from vox.runtime.metrics import Metrics

FRAME = 160


class Stage:
    """A pacer over a hand-moved clock, and tracks that note when each frame left."""

    def __init__(self, *, start=1000.0, lead_s=0.0):
        self.time = Timeline(start)
        self.metrics = Metrics()
        self.ticker = Ticker(self.time, metrics=self.metrics, loop=self.time.loop)
        self.pacer = Pacer(self.ticker, self.time, self.metrics, lead_s=lead_s)

    def track(self, **options):
        frames, drained = [], []

        def send(frame):
            frames.append((round(self.time.now(), 4), frame))

        options.setdefault("send", send)
        options.setdefault("on_drained", lambda: drained.append(round(self.time.now(), 4)))
        track = self.pacer.open_track(frame_bytes=FRAME, silence=b"\xff", **options)
        return track, frames, drained

    def count(self, spec):
        return cast("Any", self.metrics.counter(spec)).value


def times(frames):
    return [time for time, _ in frames]


def audio(frames):
    return b"".join(frame for _, frame in frames)


def speech(frames):
    return bytes(index // 7 % 251 for index in range(int(frames * FRAME)))


def test_the_first_frame_leaves_at_once_and_the_others_every_20_ms():
    stage = Stage(start=1000.0012)
    track, frames, drained = stage.track()
    track.write(speech(5))
    assert times(frames) == [1000.0012]
    track.end()
    stage.time.run_until(1000.2)
    assert times(frames) == [1000.0012, 1000.021, 1000.041, 1000.061, 1000.081]
    assert audio(frames) == speech(5)
    assert drained == [1000.101]
    assert stage.time.pending == 0  # an idle pacer needs no timer
    assert stage.count(FRAMES_SENT) == 5


def test_no_frame_is_ever_later_than_its_place_behind_the_first():
    for offset in range(0, 40, 3):
        stage = Stage()
        warm, _, _ = stage.track()
        warm.write(speech(30))
        stage.time.run_until(1000.0 + offset / 2000)
        track, frames, _ = stage.track()
        track.write(speech(20))
        stage.time.run_until(1001.0)
        first = frames[0][0]
        assert first == round(1000.0 + offset / 2000, 4)
        for place, (time, _) in enumerate(frames):
            assert -0.0051 < time - (first + place * 0.02) < 0.0001


def test_calls_are_spread_over_the_phases_in_which_they_began():
    stage = Stage()
    tracks = []
    for place in range(4):
        stage.time.run_until(1000.0 + place * 0.005 + 0.001)
        tracks.append(stage.track())
        tracks[-1][0].write(speech(3))
    stage.time.run_until(1001.0)
    assert [times(frames)[1] for _, frames, _ in tracks] == [1000.02, 1000.025, 1000.03, 1000.035]


def test_a_partial_last_frame_is_padded_and_does_not_count():
    stage = Stage()
    track, frames, drained = stage.track()
    track.write(speech(1.25))
    track.end()
    stage.time.run_until(1000.1)
    assert audio(frames) == speech(1.25) + b"\xff" * 120
    assert track.sent_bytes == 200
    assert drained == [1000.04]


def test_partial_audio_waits_for_more_until_the_reply_ends():
    stage = Stage()
    track, frames, _ = stage.track()
    for _ in range(3):
        track.write(b"\x01" * 50)
    stage.time.run_until(1000.1)
    assert frames == []
    track.end()
    assert times(frames) == [1000.1]


def test_ending_an_empty_reply_drains_on_the_next_tick_and_not_inside_end():
    stage = Stage()
    track, frames, drained = stage.track()
    track.end()
    assert drained == []
    stage.time.run_until(1000.1)
    assert frames == []
    assert drained == [1000.005]


def test_ending_late_drains_once_the_last_frame_is_over():
    stage = Stage()
    track, _, drained = stage.track()
    track.write(speech(2))
    stage.time.run_until(1000.025)
    track.end()
    track.end()
    stage.time.run_until(1000.2)
    assert drained == [1000.04]


def test_a_stall_is_caught_up_frame_by_frame_without_drift():
    stage = Stage()
    track, frames, _ = stage.track()
    track.write(speech(20))
    stage.time.run_until(1000.041)
    stage.time.stall(0.071)  # 1000.112: the frames of .060, .080 and .100 are missed
    stage.time.run_until(1000.2)
    assert times(frames) == [
        1000.0, 1000.02, 1000.04, 1000.112, 1000.112, 1000.112, 1000.12, 1000.14, 1000.16, 1000.18, 1000.2
    ]  # fmt: skip
    assert stage.count(FRAMES_LATE) == 2


def test_after_a_long_stall_the_burst_is_bounded_and_the_rest_goes_on_in_time():
    stage = Stage()
    track, frames, _ = stage.track()
    track.write(speech(200))
    stage.time.run_until(1000.001)
    stage.time.stall(2.0)
    stage.time.run_until(1002.1)
    late = [time for time in times(frames) if time == 1002.001]
    assert len(late) == 10  # 0.2 s
    after = [time for time in times(frames) if time > 1002.001]
    assert {round(b - a, 4) for a, b in pairwise(after)} == {0.02}


def test_an_underrun_is_counted_and_starts_a_new_schedule_at_once():
    stage = Stage()
    track, frames, _ = stage.track()
    track.write(speech(2))
    stage.time.run_until(1000.3)
    track.write(speech(2))
    stage.time.run_until(1000.5)
    assert times(frames) == [1000.0, 1000.02, 1000.3, 1000.32]
    assert stage.count(UNDERRUNS) == 1


def test_audio_that_comes_a_little_late_is_sent_at_once_and_keeps_the_schedule():
    stage = Stage()
    track, frames, _ = stage.track()
    track.write(speech(1))
    stage.time.run_until(1000.028)
    track.write(speech(2))
    stage.time.run_until(1000.1)
    assert times(frames) == [1000.0, 1000.028, 1000.04]
    assert stage.count(UNDERRUNS) == 0


def test_audio_that_comes_in_time_waits_for_its_slot():
    stage = Stage()
    track, frames, _ = stage.track()
    track.write(speech(1))
    stage.time.run_until(1000.007)
    track.write(speech(1))
    stage.time.run_until(1000.1)
    assert times(frames) == [1000.0, 1000.02]


def test_a_lead_sends_ahead_at_once_and_survives_a_gap_as_long():
    stage = Stage(lead_s=0.06)
    track, frames, drained = stage.track()
    track.write(speech(6))
    assert times(frames) == [1000.0] * 4
    stage.time.run_until(1000.095)  # frame 6 was due at 1000.06: no underrun, the far side plays until 1000.12
    track.write(speech(2))
    track.end()
    stage.time.run_until(1000.3)
    assert times(frames) == [*([1000.0] * 4), 1000.02, 1000.04, 1000.095, 1000.095]
    assert drained == [1000.16]
    assert stage.count(UNDERRUNS) == 0


def test_pause_keeps_the_audio_and_resume_goes_on_at_once():
    stage = Stage()
    track, frames, drained = stage.track()
    track.write(speech(4))
    track.end()
    stage.time.run_until(1000.021)
    track.pause()
    stage.time.run_until(1000.5)
    assert (len(frames), track.queued_bytes, drained) == (2, 2 * FRAME, [])
    track.resume()
    stage.time.run_until(1000.6)
    assert times(frames)[2:] == [1000.5, 1000.52]
    assert audio(frames) == speech(4)
    assert drained == [1000.54]
    assert stage.count(UNDERRUNS) == 0


@pytest.mark.parametrize(("heard", "again"), [(2.0, 2), (2.5, 1), (3.0, 1), (4.0, 0), (9.0, 0)])
def test_what_was_sent_and_not_heard_is_sent_again_from_a_whole_frame_on(heard, again):
    stage = Stage(lead_s=0.04)
    track, frames, drained = stage.track()
    track.write(speech(6.5))
    track.end()
    stage.time.run_until(1000.021)  # four frames: two ahead
    track.pause()
    sent = track.sent_bytes
    assert sent == 4 * FRAME
    assert track.rewind(int(heard * FRAME)) == sent - again * FRAME
    assert track.rewind(int(heard * FRAME)) == sent - again * FRAME
    track.resume()
    stage.time.run_until(1001.0)
    pieces = [frame for _, frame in frames]
    assert b"".join(pieces[:4] + pieces[4 + again :])[: len(speech(6.5))] == speech(6.5)
    assert pieces[4 : 4 + again] == pieces[4 - again : 4]
    assert len(drained) == 1


def test_a_track_goes_back_no_further_than_it_remembers_and_not_while_it_plays():
    stage = Stage()
    track, _, _ = stage.track()
    track.write(speech(40))
    assert track.rewind(0) == FRAME
    stage.time.run_until(1000.5)
    track.pause()
    sent = track.sent_bytes
    assert track.rewind(0) == sent - REPLAY_FRAMES * FRAME
    track.clear()
    track.pause()
    assert track.rewind(0) == track.sent_bytes


def test_the_padded_last_frame_is_sent_again_as_the_audio_that_it_was():
    stage = Stage(lead_s=0.04)
    track, frames, drained = stage.track()
    track.write(speech(1.5))
    track.end()
    track.pause()
    assert track.rewind(0) == 0
    track.resume()
    stage.time.run_until(1001.0)
    assert [frame for _, frame in frames[:2]] == [frame for _, frame in frames[2:]]
    assert (len(drained), track.sent_bytes) == (1, len(speech(1.5)))


def test_writing_while_paused_is_taken_and_held():
    stage = Stage()
    track, frames, _ = stage.track()
    track.pause()
    assert track.write(speech(2))
    stage.time.run_until(1000.1)
    assert frames == []
    track.resume()
    assert times(frames) == [1000.1]


def test_clear_throws_the_queue_away_and_the_next_reply_starts_at_once():
    stage = Stage()
    track, frames, drained = stage.track()
    track.write(speech(10))
    track.end()
    stage.time.run_until(1000.021)
    track.pause()
    track.clear()
    assert (track.queued_bytes, track.sent_bytes) == (0, 2 * FRAME)
    stage.time.run_until(1000.103)
    assert len(frames) == 2
    track.write(speech(1))
    assert times(frames)[2:] == [1000.103]
    track.reset()
    assert track.sent_bytes == 0
    stage.time.run_until(1000.5)
    assert drained == []


def test_a_write_after_the_end_goes_on_with_the_reply():
    stage = Stage()
    track, frames, drained = stage.track()
    track.write(speech(1))
    track.end()
    stage.time.run_until(1000.006)
    track.write(speech(1))
    track.end()
    stage.time.run_until(1000.2)
    assert times(frames) == [1000.0, 1000.02]
    assert drained == [1000.04]


def test_marks_are_called_when_their_bytes_have_left():
    stage = Stage()
    track, frames, _ = stage.track()
    seen = []
    track.at(FRAME + 1, lambda: seen.append(("b", len(frames))))
    track.at(FRAME, lambda: seen.append(("a", len(frames))))
    track.at(FRAME + 1, lambda: seen.append(("c", len(frames))))
    track.write(speech(3))
    stage.time.run_until(1000.1)
    track.at(3 * FRAME, lambda: seen.append(("now", len(frames))))
    track.at(4 * FRAME, lambda: seen.append(("never", 0)))
    track.clear()
    track.write(speech(3))
    assert seen == [("a", 1), ("b", 2), ("c", 2), ("now", 3)]


def test_callbacks_may_change_the_track():
    stage = Stage()
    track, frames, _ = stage.track(on_drained=lambda: track.write(speech(1)) and None)
    track.at(2 * FRAME, track.clear)
    track.write(speech(10))
    stage.time.run_until(1000.1)
    assert len(frames) == 2
    track.write(speech(1))
    track.end()
    stage.time.run_until(1000.2)
    assert times(frames)[2:] == [1000.1, 1000.12]


def test_a_send_that_raises_closes_its_track_only():
    stage = Stage()
    calls = []

    def broken(frame):
        calls.append(frame)
        if len(calls) == 3:
            raise ConnectionResetError

    bad, _, bad_drained = stage.track(send=broken)
    good, frames, _ = stage.track()
    bad.write(speech(9))
    bad.end()
    good.write(speech(9))
    stage.time.run_until(1000.5)
    assert (len(calls), len(frames)) == (3, 9)
    assert not bad.is_open
    assert not bad.write(b"x")
    assert bad_drained == []


async def test_a_full_queue_refuses_and_room_waits_for_it_to_drain():
    stage = Stage()
    track, frames, _ = stage.track(max_queued_s=0.04)
    assert track.write(speech(4))  # the bound may be exceeded by the last write
    assert not track.writable
    assert not track.write(speech(1))
    waiting = asyncio.ensure_future(track.room())
    await asyncio.sleep(0)
    stage.time.run_until(1000.021)
    await asyncio.sleep(0)
    assert not waiting.done()
    stage.time.run_until(1000.041)
    assert await waiting is True
    assert track.write(speech(1))
    stage.time.run_until(1000.5)
    assert len(frames) == 5


async def test_closing_and_clearing_wake_whoever_waits_for_room():
    stage = Stage()
    for act, expected in (("clear", True), ("close", False)):
        track, _, _ = stage.track(max_queued_s=0.02)
        track.write(speech(5))
        waiting = asyncio.ensure_future(track.room())
        await asyncio.sleep(0)
        getattr(track, act)()
        assert await waiting is expected


def test_frames_that_do_not_fit_the_ticker_are_refused_with_the_remedy():
    stage = Stage()
    with pytest.raises(UsageError, match="multiple") as caught:
        Pacer(stage.ticker, stage.time, stage.metrics, frame_s=0.012)
    assert caught.value.code == "invalid_frame_size"


@given(
    pieces=st.lists(st.tuples(st.binary(max_size=700), st.integers(0, 90)), max_size=12),
    lead=st.sampled_from([0.0, 0.04]),
)
def test_whatever_the_pieces_and_gaps_the_audio_arrives_whole_in_order_and_never_early(pieces, lead):
    stage = Stage(lead_s=lead)
    track, frames, drained = stage.track()
    for piece, gap_ms in pieces:
        assert track.write(piece)
        stage.time.run_until(stage.time.now() + gap_ms / 1000)
    track.end()
    stage.time.run_until(stage.time.now() + 2)
    whole = b"".join(piece for piece, _ in pieces)
    assert audio(frames)[: len(whole)] == whole
    assert len(frames) == -(-len(whole) // FRAME)
    assert track.sent_bytes == len(whole)
    assert len(drained) == 1
    ahead = round(lead / 0.02) + 1
    for early, late in zip(frames, frames[ahead:], strict=False):
        assert late[0] - early[0] > 0.0149  # never more than the lead and one frame within a frame's length
    assert stage.time.pending == 0
