"""The worker's two threads: a run ends when it is of no more interest, and what is only prepared gives way."""

import threading

import numpy as np
import pytest

from tests.time_limits import WAIT_S
from vox.providers.tts._kokoro_audio import SAMPLE_RATE
from vox.providers.tts._kokoro_frames import Cancel, Finished, Measure, Ready, Say, Spoken
from vox.providers.tts._kokoro_text import Run
from vox.providers.tts._kokoro_worker import Speaker


class Ending:
    """Lets a test see that a run was told to end, and the run that it was."""

    def __init__(self) -> None:
        self.event = threading.Event()

    @property
    def terminate(self) -> bool:
        return self.event.is_set()

    @terminate.setter
    def terminate(self, value: bool) -> None:
        if value:
            self.event.set()


class FakeModel:
    """Speaks each word of a text in a run of its own; a run of the word `long` lasts until it is ended."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.runs: list[str] = []

    def plan(self, text: str, voice: str) -> list[Run]:
        if voice == "unknown":
            raise ValueError("no such voice")
        return [Run(word, "", ((0, len(word), 0.0),)) for word in text.split()]

    def new_run(self) -> Ending:
        return Ending()

    def run(self, phonemes: str, voice: str, speed: float, options: Ending) -> np.ndarray:
        self.runs.append(phonemes)
        self.began.release()
        if phonemes == "long":
            assert options.event.wait(WAIT_S)
            raise RuntimeError("terminated")
        return np.full(SAMPLE_RATE // 2, 0.2, np.float32)


class Sent:
    """The messages, as they come."""

    def __init__(self) -> None:
        self.messages: list[object] = []
        self._changed = threading.Condition()

    def __call__(self, message: object) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for_any(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.messages, WAIT_S)

    def wait_for(self, message: object) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: message in self.messages, WAIT_S), self.messages


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
def speaker(model, sent):
    speaker = Speaker(model, 8000, "af_heart", sent, iter(range(10_000)).__next__)
    thread = threading.Thread(target=speaker.speak_on, daemon=True)
    thread.start()
    yield speaker
    speaker.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def say(number: int, text: str, *, is_background: bool = False, voice: str = "af_heart") -> Say:
    return Say(number, text, voice, 1.0, is_background)


def test_a_text_comes_run_by_run_at_the_rate_asked_for(speaker, sent):
    speaker.take(say(1, "one two"))
    sent.wait_for(Finished(1))
    first, second, finished = sent.messages
    assert isinstance(first, Spoken)
    assert isinstance(second, Spoken)
    assert finished == Finished(1)
    assert 0.5 <= len(first.pcm) / 2 / 8000 <= 0.6
    assert second.words[0][2] > 0.5, "words are timed from the text's first sample"


def test_a_cancelled_text_ends_its_run_and_nothing_more_comes_of_it(speaker, model, sent):
    speaker.take(say(1, "long more"))
    assert model.began.acquire(timeout=WAIT_S)
    speaker.take(Cancel(1))
    speaker.take(say(2, "two"))
    sent.wait_for(Finished(2))
    assert model.runs == ["long", "two"]
    assert {message.number for message in sent.messages} == {2}


def test_a_listeners_text_ends_the_run_of_one_that_is_only_prepared(speaker, model, sent):
    speaker.take(say(1, "long", is_background=True))
    assert model.began.acquire(timeout=WAIT_S)
    speaker.take(say(2, "two"))
    sent.wait_for(Finished(2))
    assert model.runs[:2] == ["long", "two"]
    for _ in range(2):
        assert model.began.acquire(timeout=WAIT_S), "the prepared text is begun again"
    speaker.take(Cancel(1))


def test_the_trouble_of_one_text_is_told_and_the_next_is_spoken(speaker, sent):
    speaker.take(say(1, "one", voice="unknown"))
    speaker.take(say(2, "two"))
    sent.wait_for(Finished(2))
    assert Finished(1, "ValueError: no such voice") in sent.messages


def test_a_text_with_nothing_to_say_is_over_at_once(speaker, sent):
    speaker.take(say(1, " "))
    sent.wait_for(Finished(1))
    assert sent.messages == [Finished(1)]


def test_an_idle_worker_measures_itself(speaker, model, sent):
    speaker.take(Measure())
    sent.wait_for_any()
    assert len(model.runs) == 1
    assert isinstance(sent.messages[0], Ready)
    assert sent.messages[0].real_time_factor == pytest.approx(2.0, rel=0.2), "one tick for half a second of speech"
