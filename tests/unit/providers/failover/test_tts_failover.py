"""A list of voices: one sentence comes from one of them, at one rate."""

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError
from vox.providers.failover.members import FailOverPolicy
from vox.providers.failover.tts import FailOverSpeech
from vox.providers.failover.wrap import wrap
from vox.providers.tts.contract import SpeechChunk, SpokenWord
from vox.runtime.metrics import NullMetrics

DOWN = DependencyError("down", code="provider_unreachable", retryable=True)
WORDS = (SpokenWord(0, 2, 0.0),)


class Voice:
    """Speaks a fifth of a second in pieces, or fails at one of them."""

    def __init__(self, sample_rate: int = 8000, fails_at: int | None = None) -> None:
        self.sample_rate = sample_rate
        self.fails_at = fails_at
        self.voices: list[str | None] = []

    async def synthesize(self, text, *, voice=None, language=None):
        self.voices.append(voice)
        for number in range(10):
            if number == self.fails_at:
                raise DOWN
            yield SpeechChunk(bytes(self.sample_rate // 50 * 2), WORDS if number == 0 else ())


async def spoken(*voices: Voice) -> list[SpeechChunk]:
    named = [(f"p{number}", voice) for number, voice in enumerate(voices)]
    speech = wrap("tts", named, FailOverPolicy(retry_ratio=0.0), FakeClock(), NullMetrics())
    assert isinstance(speech, FailOverSpeech)
    return [chunk async for chunk in speech.synthesize("hi", voice="anna")]


async def test_the_next_voice_speaks_at_the_rate_of_the_first():
    second = Voice(24_000)
    chunks = await spoken(Voice(8000, fails_at=0), second)
    assert abs(sum(len(chunk.pcm) for chunk in chunks) - 8000 // 5 * 2) <= 4
    assert [word for chunk in chunks for word in chunk.words] == list(WORDS)
    assert all(chunk.pcm for chunk in chunks)
    assert second.voices == [None], "the name of a voice is the first provider's"


async def test_a_sentence_that_is_audible_is_not_begun_again():
    second = Voice()
    with pytest.raises(DependencyError):
        await spoken(Voice(fails_at=5), second)
    assert second.voices == []
