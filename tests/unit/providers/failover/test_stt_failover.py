"""A list of recognisers: the caller's sentence survives the failure of one."""

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.failover.circuit import BreakerPolicy
from vox.providers.failover.members import FailOverPolicy
from vox.providers.failover.stt import FailOverRecognition
from vox.providers.failover.wrap import wrap
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.metrics import NullMetrics

DOWN = DependencyError("down", code="provider_unreachable", retryable=True)
TONE = b"\x00\x10\x00\xf0" * 80  # 20 ms at 8 kHz


class Recogniser:
    """Hands out a text or a failure for each utterance, and keeps what it was given."""

    def __init__(self, *results: str | VoxError, sample_rate: int = 8000) -> None:
        self.sample_rate = sample_rate
        self.results = list(results)
        self.calls: list[str] = []
        self.audio = bytearray()
        self.hints: SpeechHints | None = None
        self.hangs = False

    def open_stream(self, on_partial, *, language=None):
        self.on_partial = on_partial
        return self

    def start(self, hints):
        self.calls.append("start")
        self.audio.clear()
        self.hints = hints

    def push(self, pcm):
        self.audio += pcm

    def pause(self):
        self.calls.append("pause")

    async def finish(self):
        self.calls.append("finish")
        if self.hangs:
            await asyncio.Event().wait()
        result = self.results.pop(0)
        if isinstance(result, str):
            return Transcript(result)
        raise result

    def cancel(self):
        self.calls.append("cancel")

    async def aclose(self):
        self.calls.append("close")


def listening(*recognisers: Recogniser, clock: FakeClock | None = None):
    policy = FailOverPolicy(0.05, BreakerPolicy(failures=2, cooldown_s=10.0), 0.0)
    named = [(f"p{number}", each) for number, each in enumerate(recognisers)]
    driver = wrap("stt", named, policy, clock or FakeClock(), NullMetrics())
    assert isinstance(driver, FailOverRecognition)
    partials: list[str] = []
    return driver, driver.open_stream(lambda partial: partials.append(partial.text)), partials


async def say(stream, frames: int = 10, hints: SpeechHints | None = None) -> str:
    stream.start(hints)
    for _ in range(frames):
        stream.push(TONE)
    stream.pause()
    return (await stream.finish()).text


async def test_the_next_recogniser_gets_the_whole_utterance():
    first, second = Recogniser(DOWN), Recogniser("hello")
    hints = SpeechHints(phrases=("hello",))
    assert await say(listening(first, second)[1], hints=hints) == "hello"
    assert bytes(second.audio) == bytes(first.audio) == TONE * 10
    assert second.hints is hints


async def test_it_is_given_the_audio_at_its_own_rate():
    second = Recogniser("hello", sample_rate=16_000)
    await say(listening(Recogniser(DOWN), second)[1])
    assert len(second.audio) == 2 * len(TONE) * 10


async def test_live_audio_too_where_the_preferred_one_is_passed_over():
    first, second = Recogniser(DOWN, DOWN), Recogniser("one", "two", "three", sample_rate=16_000)
    driver, stream, _ = listening(first, second)
    assert [await say(stream) for _ in range(3)] == ["one", "two", "three"]
    assert first.calls.count("start") == 2
    assert len(second.audio) == 2 * len(TONE) * 10
    assert driver.current == "p1"


async def test_one_that_never_answers_is_not_waited_for():
    first, second = Recogniser(), Recogniser("hello")
    first.hangs = True
    assert await say(listening(first, second)[1]) == "hello"
    assert first.calls[-1] == "cancel"


async def test_the_preferred_one_comes_back():
    clock = FakeClock()
    first, second = Recogniser(DOWN, DOWN, "back"), Recogniser("one", "two")
    stream = listening(first, second, clock=clock)[1]
    assert [await say(stream) for _ in range(2)] == ["one", "two"]
    clock.advance(10.0)
    assert await say(stream) == "back"


async def test_one_without_credentials_is_replaced_too():
    gone = UsageError("there are no AWS credentials", code="missing_api_key")
    assert await say(listening(Recogniser(gone), Recogniser("hello"))[1]) == "hello"


async def test_the_last_failure_is_told():
    with pytest.raises(DependencyError, match="down"):
        await say(listening(Recogniser(DOWN), Recogniser(DOWN))[1])


async def test_interim_texts_come_from_the_one_that_listens():
    first, second = Recogniser(DOWN), Recogniser("x")
    _, stream, partials = listening(first, second)
    stream.start(None)
    first.on_partial(Transcript("he", is_final=False))
    assert partials == ["he"]
    stream.cancel()
    first.on_partial(Transcript("late", is_final=False))
    assert partials == ["he"]


async def test_a_cancel_throws_the_audio_away():
    first, second = Recogniser("a", DOWN), Recogniser("b")
    stream = listening(first, second)[1]
    stream.start(None)
    stream.push(TONE)
    stream.cancel()
    assert await say(stream, frames=2) == "a"
    assert bytes(first.audio) == TONE * 2


async def test_closing_closes_every_opened_stream():
    first, second = Recogniser(DOWN), Recogniser("b")
    stream = listening(first, second)[1]
    await say(stream)
    await stream.aclose()
    await stream.aclose()
    assert first.calls.count("close") == second.calls.count("close") == 1
