"""What a recogniser and its worker processes tell each other; `providers/workers/framing.py` is how it travels."""

import msgspec


class Begin(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """An utterance begins; without a grammar anything may be said. `phrases` are likely ones, `language` a code such as `en`."""

    utterance: int
    grammar: str | None
    phrases: tuple[str, ...] = ()
    language: str = ""


class Audio(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """Audio of an utterance: s16le mono, 16 kHz."""

    utterance: int
    pcm: bytes


class Decode(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """Asks for the text of all the audio so far; `is_final` goes before those that only may be the end."""

    utterance: int
    request: int
    is_final: bool


class Reset(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """The utterance is of no more interest."""

    utterance: int


class Ready(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """The models are loaded."""


class Partial(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """What an utterance sounds like so far."""

    utterance: int
    text: str


class Decoded(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """The answer to `Decode`; `error` says why there is none.

    `alternatives` are other texts with their confidences. `cpu_s` is what the utterance has cost so far, in seconds of one core, interim texts included; 0 where it is not measured.
    """

    utterance: int
    request: int
    text: str
    confidence: float | None = None
    error: str = ""
    language: str = ""
    cpu_s: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()


ToWorker = Begin | Audio | Decode | Reset
FromWorker = Ready | Partial | Decoded

to_worker: "msgspec.msgpack.Decoder[ToWorker]" = msgspec.msgpack.Decoder(ToWorker)
from_worker: "msgspec.msgpack.Decoder[FromWorker]" = msgspec.msgpack.Decoder(FromWorker)
