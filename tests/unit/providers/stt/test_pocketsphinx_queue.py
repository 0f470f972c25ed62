"""The order in which a worker does its work, with ears that only write down what they are asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from vox.providers.stt._pocketsphinx_worker import RequestQueue
from vox.providers.stt._worker_frames import Audio, Begin, Decode, Decoded, FromWorker, Partial, Reset

PIECE = bytes(6400)


@dataclass
class Text:
    text: str
    confidence: float | None = 0.9


class Ears:
    def __init__(self) -> None:
        self.free = ""

    def decode(self, pcm: bytes, grammar: str) -> Text:
        if grammar == "bad":
            raise ValueError("no grammar")
        return Text(f"{grammar} {len(pcm)}")

    def open_free_text(self) -> None:
        """Nothing to load."""

    def begin_free_text(self) -> None:
        assert self.free == "", "one utterance at a time"

    def hear_free_text(self, pcm: bytes) -> str:
        self.free += chr(pcm[0])
        return self.free

    def end_free_text(self) -> str:
        text, self.free = self.free, ""
        return text


class Bench:
    def __init__(self) -> None:
        self.sent: list[Decoded | Partial] = []
        self.desk = RequestQueue(Ears(), cast("Callable[[FromWorker], None]", self.sent.append))

    def give(self, *orders) -> None:
        for order in orders:
            self.desk.take(order)

    def work(self) -> list[Decoded | Partial]:
        while self.desk.has_work:
            self.desk.work()
        sent, self.sent[:] = list(self.sent), []
        return sent


def letter(text: str) -> bytes:
    return text.encode() * 6400


def test_a_grammar_utterance_is_decoded_as_a_whole_whenever_asked():
    bench = Bench()
    bench.give(Begin(1, "g"), Audio(1, PIECE), Decode(1, 1, is_final=False))
    assert bench.work() == [Decoded(1, 1, "g 6400", 0.9)]
    bench.give(Audio(1, PIECE), Decode(1, 2, is_final=True))
    assert bench.work() == [Decoded(1, 2, "g 12800", 0.9)]


def test_those_whose_turn_is_over_go_first():
    bench = Bench()
    bench.give(Begin(1, "a"), Begin(2, "b"), Begin(3, "c"))
    bench.give(Decode(1, 1, is_final=False), Decode(2, 1, is_final=False), Decode(3, 1, is_final=True))
    assert [heard.utterance for heard in bench.work()] == [3, 1, 2]


def test_a_later_request_replaces_an_earlier_one():
    bench = Bench()
    bench.give(Begin(1, "g"), Decode(1, 1, is_final=False), Audio(1, PIECE), Decode(1, 2, is_final=True))
    assert bench.work() == [Decoded(1, 2, "g 6400", 0.9)]


def test_what_is_forgotten_costs_nothing():
    bench = Bench()
    bench.give(Begin(1, "g"), Decode(1, 1, is_final=False), Reset(1), Audio(1, PIECE), Reset(1))
    assert bench.work() == []
    bench.give(Decode(1, 2, is_final=True))
    (heard,) = bench.work()
    assert isinstance(heard, Decoded)
    assert heard.error


def test_a_broken_grammar_fails_its_own_utterance_only():
    bench = Bench()
    bench.give(Begin(1, "bad"), Begin(2, "g"), Decode(1, 1, is_final=True), Decode(2, 1, is_final=True))
    assert bench.work() == [Decoded(1, 1, "", error="no grammar"), Decoded(2, 1, "g 0", 0.9)]


def test_free_text_is_listened_to_as_it_comes():
    bench = Bench()
    bench.give(Begin(1, None), Audio(1, letter("a")), Audio(1, letter("b")))
    assert bench.work() == [Partial(1, "a"), Partial(1, "ab")]
    bench.give(Audio(1, b"cc"), Decode(1, 1, is_final=True))
    assert bench.work() == [Decoded(1, 1, "abc")]


def test_free_text_goes_on_behind_a_pause():
    bench = Bench()
    bench.give(Begin(1, None), Audio(1, letter("a")), Decode(1, 1, is_final=False))
    assert bench.work() == [Decoded(1, 1, "a")]
    bench.give(Audio(1, letter("b")))
    assert bench.work() == [Partial(1, "a b")]
    bench.give(Decode(1, 2, is_final=True))
    assert bench.work() == [Decoded(1, 2, "a b")]


def test_one_talker_does_not_keep_another_waiting():
    bench = Bench()
    bench.give(Begin(1, None), Audio(1, letter("a")))
    assert bench.work() == [Partial(1, "a")]
    bench.give(Begin(2, None), Audio(2, letter("x")), Decode(2, 1, is_final=True))
    assert Decoded(2, 1, "x") in bench.work()
    bench.give(Audio(1, letter("b")), Decode(1, 1, is_final=True))
    assert Decoded(1, 1, "ab") in bench.work(), "nothing of the first talker is lost"


def test_a_talker_who_hangs_up_makes_room():
    bench = Bench()
    bench.give(Begin(1, None), Audio(1, letter("a")))
    bench.work()
    bench.give(Reset(1), Begin(2, None), Audio(2, letter("x")))
    assert bench.work() == [Partial(2, "x")]
