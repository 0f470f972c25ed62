"""The tracks of a call become utterances, in the order of time."""

from typing import cast

from tests.unit.clients.fake_agent import tone
from vox.cli.call_transcript import Utterance, transcribe, utterances
from vox.providers.stt.contract import SpeechToText, Transcript

RATE = 8000


def silence(seconds):
    return bytes(int(RATE * seconds) * 2)


class Recogniser:
    """Says how many seconds of sound it got."""

    sample_rate = 16_000

    def open_stream(self, on_partial, *, language=None):
        return Stream()


class Stream:
    def start(self, hints):
        self.pcm = b""

    def push(self, pcm):
        self.pcm += pcm

    async def finish(self):
        return Transcript(f"{len(self.pcm) / 32_000:.1f} s")

    async def aclose(self):
        self.pcm = b""


def test_a_long_pause_parts_two_utterances_and_a_short_one_does_not():
    track = silence(1) + tone(0.5, RATE) + silence(0.4) + tone(0.5, RATE) + silence(1) + tone(0.5, RATE)
    found = [(round(began, 1), round(len(pcm) / 16_000, 1)) for began, pcm in utterances(track, RATE)]
    assert found == [(1.0, 1.8), (3.4, 0.7)]


def test_silence_is_no_utterance():
    assert list(utterances(silence(3), RATE)) == []
    assert list(utterances(b"", RATE)) == []


async def test_both_sides_stand_in_the_order_of_time():
    tracks = {"caller": silence(2) + tone(1, RATE), "agent": tone(1, RATE) + silence(3) + tone(1, RATE)}
    found = await transcribe(tracks, RATE, cast("SpeechToText", Recogniser()))
    assert [(one.speaker, round(one.began_s)) for one in found] == [("agent", 0), ("caller", 2), ("agent", 4)]
    assert found[1] == Utterance("caller", 2.0, "1.2 s")
