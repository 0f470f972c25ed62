"""The order in which a Whisper worker does its work, with a decoder that writes down what it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from vox.providers.stt._whisper_worker import RequestQueue
from vox.providers.stt._worker_frames import Audio, Begin, Decode, Decoded, FromWorker, Partial, Reset

HALF_SECOND = bytes(16_000)


@dataclass
class Heard:
    text: str
    confidence: float | None = 0.9
    language: str = "en"
    alternatives: tuple[tuple[str, float], ...] = (("yellow", 0.8),)


class Decoder:
    def __init__(self) -> None:
        self.asked: list[tuple[int, tuple[str, ...], str, bool]] = []
        self.texts: list[str] = []
        self.is_broken = False

    def decode(self, pcm: bytes, phrases: Sequence[str], language: str, *, is_final: bool) -> Heard:
        self.asked.append((len(pcm), tuple(phrases), language, is_final))
        if self.is_broken:
            raise ValueError("no such thing")
        return Heard(self.texts.pop(0) if self.texts else "hello")


class World:
    def __init__(self, partial_s: float = 0.5) -> None:
        self.decoder = Decoder()
        self.sent: list[FromWorker] = []
        self.cpu_s = 0.0
        self.queue = RequestQueue(self.decoder, self.sent.append, partial_s=partial_s, cpu_s=self.clock)

    def clock(self) -> float:
        self.cpu_s += 0.1
        return self.cpu_s

    def work(self) -> None:
        while self.queue.has_work:
            self.queue.work()


def test_a_request_is_answered_with_what_it_cost():
    world = World()
    world.queue.take(Begin(1, None, ("book a table",), "en"))
    world.queue.take(Audio(1, bytes(100)))
    world.queue.take(Decode(1, 7, is_final=True))
    world.work()
    assert world.decoder.asked == [(100, ("book a table",), "en", True)]
    [answer] = world.sent
    assert isinstance(answer, Decoded)
    assert (answer.utterance, answer.request, answer.text, answer.confidence, answer.language) == (
        1,
        7,
        "hello",
        0.9,
        "en",
    )
    assert answer.alternatives == (("yellow", 0.8),)
    assert 0.09 < answer.cpu_s < 0.11


def test_the_end_of_an_utterance_goes_before_a_pause_and_a_pause_before_interim_texts():
    world = World()
    for number in (1, 2, 3):
        world.queue.take(Begin(number, None))
        world.queue.take(Audio(number, HALF_SECOND))
    world.queue.take(Decode(1, 1, is_final=False))
    world.queue.take(Decode(2, 1, is_final=True))
    world.work()
    assert [message.utterance for message in world.sent if isinstance(message, Decoded)] == [2, 1]
    assert [final for _, _, _, final in world.decoder.asked] == [True, True, False]


def test_interim_texts_show_what_two_in_a_row_agree_on():
    world = World()
    world.decoder.texts = ["I would", "I would like too", "I would like to book", "I would like to book"]
    world.queue.take(Begin(1, None))
    for _ in range(4):
        world.queue.take(Audio(1, HALF_SECOND))
        world.work()
    assert [message.text for message in world.sent if isinstance(message, Partial)] == [
        "I would",
        "I would like",
        "I would like to book",
    ]


def test_interim_texts_come_only_with_enough_new_audio_and_only_where_they_are_asked_for():
    world = World()
    world.queue.take(Begin(1, None))
    world.queue.take(Audio(1, HALF_SECOND[:-2]))
    assert not world.queue.has_work
    without = World(partial_s=0)
    without.queue.take(Begin(1, None))
    without.queue.take(Audio(1, HALF_SECOND * 20))
    assert not without.queue.has_work


def test_the_caller_who_has_said_most_since_their_interim_text_gets_the_next():
    world = World()
    for number, pieces in ((1, 1), (2, 3), (3, 2)):
        world.queue.take(Begin(number, None))
        world.queue.take(Audio(number, HALF_SECOND * pieces))
    world.work()
    assert [size // len(HALF_SECOND) for size, _, _, _ in world.decoder.asked] == [3, 2, 1]


def test_only_the_last_request_of_an_utterance_is_answered():
    world = World()
    world.queue.take(Begin(1, None))
    world.queue.take(Decode(1, 1, is_final=False))
    world.queue.take(Decode(1, 2, is_final=True))
    world.work()
    assert [message.request for message in world.sent if isinstance(message, Decoded)] == [2]


def test_what_is_thrown_away_is_not_worked_on():
    world = World()
    world.queue.take(Begin(1, None))
    world.queue.take(Audio(1, HALF_SECOND))
    world.queue.take(Decode(1, 1, is_final=True))
    world.queue.take(Reset(1))
    assert not world.queue.has_work
    world.queue.take(Decode(1, 2, is_final=True))
    world.work()
    [answer] = world.sent
    assert isinstance(answer, Decoded)
    assert answer.error


def test_one_broken_utterance_leaves_the_others_alone():
    world = World()
    world.decoder.is_broken = True
    world.queue.take(Begin(1, None))
    world.queue.take(Decode(1, 1, is_final=True))
    world.work()
    world.decoder.is_broken = False
    world.queue.take(Begin(2, None))
    world.queue.take(Decode(2, 1, is_final=True))
    world.work()
    first, second = world.sent
    assert isinstance(first, Decoded)
    assert isinstance(second, Decoded)
    assert (first.error, second.text) == ("no such thing", "hello")


def test_an_interim_text_that_fails_is_merely_missing():
    world = World()
    world.decoder.is_broken = True
    world.queue.take(Begin(1, None))
    world.queue.take(Audio(1, HALF_SECOND))
    world.work()
    assert world.sent == []
