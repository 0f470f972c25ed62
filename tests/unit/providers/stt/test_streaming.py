"""A vendor that does not answer every flush: when what was understood counts as final. Timers are fired by hand."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from vox.http.sockets import Socket, SocketListener
from vox.providers._failures import Key
from vox.providers.stt._dialect import Event, Flushed, Heard, Message, PlainDialect, Session, StreamingOptions, Traits
from vox.providers.stt._streaming import Stream, StreamingRecogniser
from vox.providers.stt.contract import Transcript

SETTLE_S = 0.8
RATE = 8000
LOUD = b"\x00\x40\x00\xc0" * (RATE // 10)  # 0.4 s


class Line:
    """The client's end of a connection: keeps what is sent, and lets the test say what the vendor answers."""

    write_frames = None
    is_open = True
    backlog_bytes = 0

    def __init__(self, listener: SocketListener) -> None:
        self.listener = listener
        self.sent: list[Message] = []
        self.is_closed = False

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.is_closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def answer(self, word: str) -> None:
        self.listener.received(word)


class Words(PlainDialect):
    """`hello?` is an interim text, `hello` a final one, `hello.` one that answers a flush."""

    def audio(self, pcm: bytes) -> Message:
        return pcm

    def flush(self) -> Iterable[Message]:
        return ("flush",)

    def end(self) -> Iterable[Message]:
        return ("end",)

    def receive(self, message: Message) -> Iterable[Event]:
        text = str(message)
        yield Heard(text.rstrip("?."), is_final=not text.endswith("?"))
        if text.endswith("."):
            yield Flushed()


class Vendor:
    traits = Traits("Acme", Key("acme"), settle_s=SETTLE_S)

    def __init__(self) -> None:
        self.lines: list[Line] = []

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        line = Line(listener)
        self.lines.append(line)
        listener.opened(line)
        return line

    def dialect(self, session: Session) -> Words:
        return Words()


class Timer:
    def __init__(self, delay_s: float, fire: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.fire = fire
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Timers:
    """The loop's timers for unanswered flushes."""

    def __init__(self) -> None:
        self.all: list[Timer] = []

    def add(self, delay_s: float, work: Callable[..., None], *args: Any) -> Timer:
        timer = Timer(delay_s, lambda: work(*args))
        self.all.append(timer)
        return timer

    @property
    def pending(self) -> list[Timer]:
        return [timer for timer in self.all if timer.delay_s == SETTLE_S and not timer.is_cancelled]

    def fire(self) -> None:
        """The oldest one is due."""
        timer = self.pending[0]
        timer.is_cancelled = True
        timer.fire()


@pytest.fixture
async def timers(monkeypatch) -> Timers:
    timers = Timers()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", timers.add)
    return timers


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


async def listening(vendor: Vendor, partials: list[Transcript]) -> Stream:
    stream = StreamingRecogniser(vendor, StreamingOptions(sample_rate=RATE)).open_stream(partials.append)
    stream.start(None)
    for _ in range(3):
        await asyncio.sleep(0)
    stream.push(LOUD)
    return stream


def at_pause(partials: list[Transcript]) -> list[str]:
    return [partial.text for partial in partials if partial.at_pause]


async def test_the_time_of_an_answered_flush_does_not_end_the_next_one(vendor, timers):
    partials: list[Transcript] = []
    stream = await listening(vendor, partials)
    (line,) = vendor.lines
    stream.pause()
    line.answer("book.")
    stream.push(LOUD)
    stream.pause()
    assert len(timers.pending) == 1, "the first flush is answered: its time is over"
    line.answer("a table.")
    assert at_pause(partials) == ["book", "book a table"]
    assert (await stream.finish()).text == "book a table"
    await stream.aclose()


async def test_silence_behind_a_flush_means_that_all_is_known(vendor, timers):
    partials: list[Transcript] = []
    stream = await listening(vendor, partials)
    vendor.lines[0].answer("book")
    stream.pause()
    timers.fire()
    assert at_pause(partials) == ["book"]
    assert (await stream.finish()).text == "book"
    assert not vendor.lines[0].is_closed
    await stream.aclose()


async def test_a_final_text_that_comes_late_is_not_heard_twice(vendor, timers):
    partials: list[Transcript] = []
    stream = await listening(vendor, partials)
    (line,) = vendor.lines
    line.answer("book?")
    stream.pause()
    timers.fire()
    assert at_pause(partials) == [], "the vendor owes a final text"
    line.answer("book.")
    assert at_pause(partials) == ["book"]
    assert (await stream.finish()).text == "book"
    await stream.aclose()


async def test_a_vendor_that_owes_its_final_text_for_good_is_given_up(vendor, timers):
    partials: list[Transcript] = []
    stream = await listening(vendor, partials)
    (line,) = vendor.lines
    line.answer("book?")
    stream.pause()
    timers.fire()
    timers.fire()
    assert at_pause(partials) == ["book"]
    assert line.is_closed
    assert line.sent[-1] == "end", "the vendor stops to bill"
    line.answer("book.")
    assert (await stream.finish()).text == "book"
    await stream.aclose()
