"""Deepgram: streaming recognition with interim texts, word times and a quick final text at every pause.

Deepgram answers a `Finalize` only where there was noticeable audio left to understand, so that its silence means that all is known.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

import msgspec
from pydantic import Field

from vox.http.sockets import Socket, SocketListener
from vox.http.websocket import open_socket
from vox.providers import _failures
from vox.providers.contract import Deps
from vox.providers.stt._dialect import (
    Event,
    Failed,
    Flushed,
    Heard,
    KeytermOptions,
    Message,
    PlainDialect,
    Session,
    Traits,
    address,
    as_json,
    reader,
)
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Word

KEY = _failures.Key("deepgram", ("DEEPGRAM_API_KEY",))
MODEL = "nova-3"
KEYTERM_MODELS = ("nova-3", "flux")
"""Models that take `keyterm`; older ones take `keywords`."""


class Config(KeytermOptions):
    """Options of Deepgram."""

    smart_format: bool = Field(default=True, description="Whether numbers, dates and addresses are written as such")


class _Word(msgspec.Struct):
    word: str
    start: float = 0.0
    end: float = 0.0
    confidence: float | None = None
    punctuated_word: str = ""


class _Alternative(msgspec.Struct):
    transcript: str = ""
    confidence: float | None = None
    words: list[_Word] = []
    languages: list[str] = []


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative]


class _Message(msgspec.Struct):
    type: str
    is_final: bool = False
    from_finalize: bool = False
    channel: _Channel | list[int] | None = None
    description: str = ""
    message: str = ""
    err_code: str = ""


_read = reader(_Message)


class Dialect(PlainDialect):
    """Deepgram's messages."""

    def audio(self, pcm: bytes) -> Message:
        """Audio is binary."""
        return pcm

    def flush(self) -> Iterable[Message]:
        """Finalize."""
        return (as_json(type="Finalize"),)

    def keep_alive(self) -> Iterable[Message]:
        """KeepAlive, at least every ten seconds."""
        return (as_json(type="KeepAlive"),)

    def end(self) -> Iterable[Message]:
        """CloseStream."""
        return (as_json(type="CloseStream"),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Results and errors; all else is of no interest here."""
        answer = _read(message)
        if answer.type == "Error":
            problem = {"message": answer.description or answer.message, "code": answer.err_code}
            yield Failed(_failures.reported(problem, "Deepgram", KEY))
        if answer.type != "Results":
            return
        if not isinstance(answer.channel, _Channel) or not answer.channel.alternatives:
            raise ValueError("results without a channel")
        best = answer.channel.alternatives[0]
        words = tuple(
            Word(each.punctuated_word or each.word, each.start, each.end, each.confidence) for each in best.words
        )
        language = best.languages[0] if best.languages else None
        yield Heard(best.transcript, answer.is_final, best.confidence if best.transcript else None, language, words)
        if answer.from_finalize:
            yield Flushed()


class Deepgram:
    """Connects to Deepgram."""

    traits = Traits("Deepgram", KEY, keep_alive_s=4.0, settle_s=0.8, takes_phrases=True)

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/v1/listen`; everything is said in the query."""
        config = self._config
        model = config.model or MODEL
        query = [
            ("model", model),
            ("encoding", "linear16"),
            ("sample_rate", str(config.sample_rate)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("punctuate", "true"),
            ("smart_format", str(config.smart_format).lower()),
            ("endpointing", "false"),
            *([("language", session.language)] if session.language else []),
            *(("keyterm" if model.startswith(KEYTERM_MODELS) else "keywords", phrase) for phrase in session.phrases),
        ]
        return await open_socket(
            f"{self._base_url}/v1/listen?{urlencode(query)}",
            listener,
            headers=[("Authorization", f"Token {self._key}")],
            connect_timeout_s=config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect()


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    url = address(config, deps, "DEEPGRAM_BASE_URL", "wss://api.deepgram.com")
    return StreamingRecogniser(Deepgram(config, KEY.required(deps, "deepgram"), url), config)
