"""What the Kokoro driver and its worker processes tell each other; `providers/workers/framing.py` is how it travels."""

import msgspec


class Say(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """Asks for a text to be spoken. What `is_background` asks for waits for all that is listened to."""

    number: int
    text: str
    voice: str
    speed: float
    is_background: bool


class Cancel(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """The text is of no more interest."""

    number: int


class Measure(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """Asks for `Ready` once more, with what the machine does now."""


class Ready(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """The model is loaded and has spoken a short text, at this many seconds per second of speech."""

    real_time_factor: float


class Spoken(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """The next piece of a text: s16le mono, the words that begin in it as (start, end, seconds since the text's first sample)."""

    number: int
    pcm: bytes
    words: list[tuple[int, int, float]]
    elapsed_s: float
    audio_s: float


class Finished(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """The text is spoken; `error` says why it is not."""

    number: int
    error: str = ""


ToWorker = Say | Cancel | Measure
FromWorker = Ready | Spoken | Finished

to_worker: "msgspec.msgpack.Decoder[ToWorker]" = msgspec.msgpack.Decoder(ToWorker)
from_worker: "msgspec.msgpack.Decoder[FromWorker]" = msgspec.msgpack.Decoder(FromWorker)
