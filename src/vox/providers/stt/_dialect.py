"""What a streaming recogniser of a vendor consists of: the way to connect, and the vendor's messages.

A dialect is pure: audio and commands go in and messages come out, messages go in and events come out. The life of a connection, its
deadlines and its errors are the same for every vendor and stand in `_streaming.py`.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import msgspec
from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.http.sockets import Socket, SocketListener
from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig
from vox.providers.stt.contract import Word

MAX_PHRASES = 100
"""Expected phrases that go to a vendor; most take no more."""
MAX_PHRASE = 50
"""Characters of one; longer ones are sentences, and help no recogniser."""

_Shape = TypeVar("_Shape")
Message = str | bytes


class StreamingOptions(DriverConfig):
    """Options that every streaming recogniser has."""

    model: str = Field(default="", description="Empty: the vendor's default")
    language: str = Field(default="", description="BCP-47; empty: the call's, else the vendor's default")
    base_url: str = Field(default="", description="Where the vendor answers; empty: its public address")
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Of the audio sent, in Hz")
    connect_timeout_s: float = Field(default=5.0, gt=0, le=300, description="Longest wait for a connection")
    timeout_s: float = Field(
        default=4.0, gt=0, le=300, description="Longest wait for the transcript once the caller has finished"
    )
    idle_s: float = Field(
        default=30.0, ge=0, le=3600, description="How long a connection is kept without speech; 0: one an utterance"
    )
    max_utterance_s: float = Field(default=60.0, gt=0, le=600, description="Longer utterances are cut")


class KeytermOptions(StreamingOptions):
    """Options of a recogniser that can be told what may be said."""

    keyterms: tuple[str, ...] = Field(
        default=(), description="Words that may be said, such as names; what a flow expects joins them"
    )


@dataclass(frozen=True, slots=True)
class Session:
    """What one connection is for. `language` is BCP-47, empty where none is configured; `phrases` is what may be said."""

    language: str = ""
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The vendor takes audio from now on; told only by dialects that wait for it (`needs_ready`)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood since the last final text. Final text does not change any more, and the next text comes behind it.

    Times of words count from the beginning of the connection's audio.
    """

    text: str
    is_final: bool = False
    confidence: float | None = None
    language: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Flushed:
    """All audio up to one `flush` has been answered."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The vendor reports a failure, or there can be no connection; it is of no more use."""

    error: DependencyError | UsageError


@dataclass(frozen=True, slots=True)
class Reply:
    """The vendor wants this message as an answer."""

    message: Message


Event = Ready | Heard | Flushed | Failed | Reply


class Dialect(Protocol):
    """One connection's messages."""

    needs_ready: bool
    """Whether audio waits for `Ready`."""
    ends_at_flush: bool
    """Whether a flush ends the connection: what comes later goes over a new one."""

    def begin(self) -> Iterable[Message]:
        """What is sent first."""
        ...

    def audio(self, pcm: bytes) -> Message:
        """A message with audio, s16le mono."""
        ...

    def flush(self) -> Iterable[Message]:
        """Asks for the final text of everything sent so far; `Flushed` answers it."""
        ...

    def keep_alive(self) -> Iterable[Message]:
        """Tells the vendor that the connection is still wanted; empty where it need not be told."""
        ...

    def end(self) -> Iterable[Message]:
        """What is said before the connection is closed."""
        ...

    def receive(self, message: Message) -> Iterable[Event]:
        """What a message of the vendor means.

        Raises:
            ValueError: it is not of the documented form.
        """
        ...

    def closed(self, code: int, reason: str) -> Event | None:
        """What it means that the vendor closed the connection; None for a connection that was lost."""
        ...


class PlainDialect:
    """The usual answers, for dialects to build on: nothing to say at the beginning, in between and at the end."""

    needs_ready = False
    ends_at_flush = False

    def begin(self) -> Iterable[Message]:
        """Nothing."""
        return ()

    def keep_alive(self) -> Iterable[Message]:
        """Nothing."""
        return ()

    def end(self) -> Iterable[Message]:
        """Nothing."""
        return ()

    def closed(self, code: int, reason: str) -> Event | None:
        """A lost connection."""
        return None


@dataclass(frozen=True, slots=True)
class Traits:
    """How a vendor wants to be spoken to.

    Args:
        name: as messages and logs say it.
        key: where its API key stands.
        chunk_s: how much audio goes into one message.
        max_chunk_s: the most that one message may hold.
        min_chunk_s: the least; a shorter rest is filled up with silence.
        keep_alive_s: how often an unused connection says that it is wanted; 0 for never.
        settle_s: so long after a flush, what was understood counts as final although the vendor has not said so; None where
            the vendor answers every flush.
        takes_phrases: whether expected phrases go along with a connection, which is opened anew where they change.
    """

    name: str
    key: Key
    chunk_s: float = 0.06
    max_chunk_s: float = 0.5
    min_chunk_s: float = 0.0
    keep_alive_s: float = 0.0
    settle_s: float | None = None
    takes_phrases: bool = False


class Vendor(Protocol):
    """A vendor's part of a streaming recogniser."""

    @property
    def traits(self) -> Traits:
        """How it wants to be spoken to."""
        ...

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens a connection.

        Raises:
            DependencyError: it cannot; an `UpgradeRefusedError` is told as the vendor's status.
        """
        ...

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        ...


@runtime_checkable
class Opened(Protocol):
    """A vendor with something to open before the first call and to close after the last one."""

    async def open(self) -> None:
        """Raises `UsageError` for what the operator has to set right."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...


def reader(shape: type[_Shape]) -> Callable[[Message], _Shape]:
    """Reads JSON messages of this shape; what has another form is a ValueError."""
    decode = msgspec.json.Decoder(shape).decode

    def read(message: Message) -> _Shape:
        try:
            return decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ValueError("not a message of the documented form") from error

    return read


def as_json(**fields: object) -> str:
    """A JSON message."""
    return msgspec.json.encode(fields).decode()


def address(options: StreamingOptions, deps: Deps, variable: str, default: str) -> str:
    """Where the vendor answers: the option's, the environment's or its public address, for WebSockets."""
    url = options.base_url or deps.environment.get(variable, "") or default
    return url.rstrip("/").replace("https://", "wss://", 1).replace("http://", "ws://", 1)


def base64_text(pcm: bytes) -> str:
    """Audio as JSON carries it."""
    return b64encode(pcm).decode("ascii")


def primary(language: str) -> str:
    """The language of a BCP-47 tag, without its region: `de` of `de-CH`."""
    return language.partition("-")[0].lower()


def chosen_phrases(keyterms: Iterable[str], hints: Iterable[str]) -> tuple[str, ...]:
    """The expected phrases that go to a vendor: the operator's first, without marks, each once, bounded."""
    cleaned = (phrase.strip().rstrip(".?!") for phrase in (*keyterms, *hints))
    return tuple(dict.fromkeys(phrase for phrase in cleaned if 0 < len(phrase) <= MAX_PHRASE))[:MAX_PHRASES]


def spoken_confidence(words: Iterable[Word]) -> float | None:
    """The mean of the words' confidences; None where none is known."""
    known = [word.confidence for word in words if word.confidence is not None]
    return min(1.0, max(0.0, sum(known) / len(known))) if known else None
