"""Utterances reach the recogniser whole, in order and one at a time, however slow it is."""

import asyncio
from typing import Any, Self

import pytest

from vox.agent.call.recognition import AUDIO_DROPPED, MAX_WAITING_S, UtteranceRecognizer
from vox.errors import DependencyError
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.metrics import Metrics

pytestmark = pytest.mark.usefixtures("virtual_loop")
RATE = 8000


class Recogniser:
    """Answers with the audio it got, as text; fails where told. `delays` are the seconds each answer takes."""

    def __init__(self, sample_rate: int = RATE) -> None:
        self.sample_rate = sample_rate
        self.log: list[str] = []
        self.hints: list[SpeechHints | None] = []
        self.delays: list[float] = []
        self.fails: set[int] = set()
        self.audio = b""
        self.is_closed = False
        self.on_partial: Any = None
        self._is_started = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    def open_stream(self, on_partial: Any, *, language: str | None = None) -> "Recogniser":
        self.on_partial = on_partial
        return self

    def start(self, hints: SpeechHints | None) -> None:
        assert not self._is_started, "a second start before the first utterance was finished"
        self._is_started, self.audio = True, b""
        self.log.append("start")
        self.hints.append(hints)

    def push(self, pcm: bytes) -> None:
        assert self._is_started, "audio outside an utterance"
        self.audio += pcm

    def pause(self) -> None:
        self.log.append("pause")

    async def finish(self) -> Transcript:
        assert self._is_started, "a finish without a start"
        number = self.log.count("finish")
        self.log.append("finish")
        audio = self.audio
        try:
            await asyncio.sleep(self.delays.pop(0) if self.delays else 0)
        finally:
            self._is_started = False
        if number in self.fails:
            raise DependencyError("down", code="stt_failed")
        return Transcript(audio.decode("latin-1").replace("\0", ""))

    def cancel(self) -> None:
        self._is_started = False
        self.log.append("cancel")

    async def aclose(self) -> None:
        self.is_closed = True


def listener_of(recogniser: Recogniser, *, pre_roll_s: float = 0.0, **options: Any) -> UtteranceRecognizer:
    chosen: dict[str, Any] = {"sample_rate": RATE, "language": None, "on_partial": print, "metrics": Metrics()}
    return UtteranceRecognizer(recogniser, pre_roll_s=pre_roll_s, **{**chosen, **options})


def say(listener: UtteranceRecognizer, text: str) -> None:
    for letter in text:
        listener.push(letter.encode() + b"\0")


async def finish(listener: UtteranceRecognizer) -> str | None:
    transcript = await listener.transcript(listener.finish())
    return None if transcript is None else transcript.text


async def test_an_utterance_begins_with_what_was_said_before_it_was_noticed():
    listener = listener_of(Recogniser(), pre_roll_s=3 / RATE)
    say(listener, "abcdef")
    listener.start(None)
    say(listener, "ghi")
    listener.pause()
    assert await finish(listener) == "defghi"


async def test_what_comes_after_the_end_belongs_to_the_next_utterance():
    recogniser = Recogniser()
    listener = listener_of(recogniser, pre_roll_s=1.0)
    listener.start(None)
    say(listener, "ab")
    utterance = listener.finish()
    say(listener, "cd")  # before the task that asks for the transcript has run
    listener.start(SpeechHints(phrases=("x",)))
    say(listener, "ef")
    first = await listener.transcript(utterance)
    assert first is not None
    assert first.text == "ab"
    assert await finish(listener) == "cdef"
    assert recogniser.hints == [None, SpeechHints(phrases=("x",))]


async def test_three_utterances_at_a_slow_recogniser_come_out_each_by_itself_and_in_order():
    recogniser = Recogniser()
    recogniser.delays = [3.0, 2.0, 1.0]
    listener = listener_of(recogniser)
    tasks: list[asyncio.Task[Transcript | None]] = []
    for word in ("one", "two", "three"):
        listener.start(None)
        say(listener, word)
        tasks.append(asyncio.create_task(listener.transcript(listener.finish())))
        await asyncio.sleep(0.1)
    texts = [transcript.text for transcript in await asyncio.gather(*tasks) if transcript]
    assert texts == ["one", "two", "three"]
    assert recogniser.log == ["start", "finish"] * 3


async def test_an_utterance_under_way_is_heard_to_its_end_when_the_one_before_it_fails():
    recogniser = Recogniser()
    recogniser.fails, recogniser.delays = {0}, [1.0]
    listener = listener_of(recogniser)
    listener.start(None)
    say(listener, "lost")
    failing = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0.5)
    listener.start(None)
    say(listener, "ke")
    with pytest.raises(DependencyError):
        await failing
    say(listener, "pt")
    assert await finish(listener) == "kept"


async def test_a_cancelled_utterance_gives_nothing_and_a_new_one_waits_until_the_recogniser_is_free():
    recogniser = Recogniser()
    recogniser.delays = [1.0]
    listener = listener_of(recogniser)
    listener.start(None)
    say(listener, "old")
    old = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0.5)
    listener.cancel()
    listener.start(None)  # the recogniser still unwinds
    say(listener, "new")
    assert await old is None
    assert await finish(listener) == "new"


async def test_a_cancelled_task_lets_the_next_utterance_begin():
    recogniser = Recogniser()
    recogniser.delays = [1000.0]
    listener = listener_of(recogniser)
    listener.start(None)
    task = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0.5)
    task.cancel()
    listener.cancel()
    listener.start(None)
    say(listener, "new")
    await asyncio.gather(task, return_exceptions=True)
    assert await finish(listener) == "new"


async def test_audio_that_waits_is_bounded_and_the_oldest_goes_first():
    recogniser, metrics = Recogniser(), Metrics()
    recogniser.delays = [60.0]
    listener = listener_of(recogniser, metrics=metrics)
    listener.start(None)
    first = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(1)
    later: list[asyncio.Task[Transcript | None]] = []
    for letter in (b"x\0", b"y\0"):
        listener.start(None)
        for _second in range(10):
            listener.push(letter * RATE)
        later.append(asyncio.create_task(listener.transcript(listener.finish())))
        await asyncio.sleep(1)
    await first
    texts = [transcript.text for transcript in await asyncio.gather(*later) if transcript]
    assert [len(text) / RATE for text in texts] == [MAX_WAITING_S - 10, 10]
    assert f"{AUDIO_DROPPED.name} 5.0" in metrics.render().decode()


async def test_a_recogniser_at_another_rate_gets_all_of_the_audio():
    recogniser = Recogniser(sample_rate=16_000)
    listener = listener_of(recogniser)
    listener.start(None)
    for _ in range(50):
        listener.push(b"\x10\x20" * 160)
    await finish(listener)
    assert len(recogniser.audio) == 2 * 50 * 320


async def test_interim_texts_count_only_while_their_utterance_is_spoken():
    recogniser, heard = Recogniser(), list[str]()
    recogniser.delays = [1.0]
    listener = listener_of(recogniser, on_partial=lambda transcript: heard.append(transcript.text))
    recogniser.on_partial(Transcript("early"))
    listener.start(None)
    recogniser.on_partial(Transcript("now"))
    task = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0.5)
    recogniser.on_partial(Transcript("late"))
    listener.start(None)
    recogniser.on_partial(Transcript("of the former one"))
    await task
    assert heard == ["now"]


async def test_closing_while_a_transcript_is_awaited_begins_nothing_new():
    recogniser = Recogniser()
    recogniser.delays = [1.0]
    listener = listener_of(recogniser)
    listener.start(None)
    task = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0.5)
    listener.start(None)
    await listener.aclose()
    await listener.aclose()
    assert await task is None
    assert recogniser.is_closed
    assert recogniser.log.count("start") == 1


async def test_finishing_what_never_began_gives_nothing():
    listener = listener_of(Recogniser())
    assert await finish(listener) is None


async def test_it_says_that_it_is_behind_once_so_many_pieces_wait():
    recogniser, told = Recogniser(), list[int]()
    recogniser.delays = [1.0]
    listener = listener_of(recogniser, max_waiting=3, on_behind=lambda: told.append(listener.waiting))
    listener.start(None)
    say(listener, "first")
    transcript = asyncio.create_task(listener.transcript(listener.finish()))
    await asyncio.sleep(0)
    listener.start(None)
    for piece in (b"a", b"b", b"c", b"d"):
        assert listener.is_behind is (listener.waiting >= 3)
        listener.push(piece)
    assert told == [3, 4]
    await transcript
    assert (listener.waiting, listener.is_behind) == (0, False)
    listener.push(b"e")
    assert recogniser.audio == b"abcde"
