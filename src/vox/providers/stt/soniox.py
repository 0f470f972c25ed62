"""Soniox: tokens instead of texts, final ones once and the others anew with every message; many languages in one call."""

from collections.abc import Iterable, Sequence

import msgspec

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
    primary,
    reader,
    spoken_confidence,
)
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Word

KEY = _failures.Key("soniox", ("SONIOX_API_KEY",))
MODEL = "stt-rt-v4"
ADDRESS = "wss://stt-rt.soniox.com/transcribe-websocket"
_FINALISED = "<fin>"
_MARKS = frozenset({_FINALISED, "<end>"})


class Config(KeytermOptions):
    """Options of Soniox."""


class _Token(msgspec.Struct):
    text: str
    is_final: bool = False
    start_ms: float = 0.0
    end_ms: float = 0.0
    confidence: float | None = None
    language: str | None = None


class _Message(msgspec.Struct):
    tokens: list[_Token] = []
    error_code: int | None = None
    error_message: str = ""


_read = reader(_Message)


class Dialect(PlainDialect):
    """Soniox' messages.

    Args:
        start: the fields of the first message.
    """

    def __init__(self, start: dict[str, object]) -> None:
        self._start = start
        self._finals: list[_Token] = []

    def begin(self) -> Iterable[Message]:
        """What is spoken and how it is sent."""
        return (as_json(**self._start),)

    def audio(self, pcm: bytes) -> Message:
        """Audio is binary."""
        return pcm

    def flush(self) -> Iterable[Message]:
        """Finalize."""
        return (as_json(type="finalize"),)

    def keep_alive(self) -> Iterable[Message]:
        """At least every 20 seconds."""
        return (as_json(type="keepalive"),)

    def end(self) -> Iterable[Message]:
        """An empty message is the end of the audio."""
        return ("",)

    def receive(self, message: Message) -> Iterable[Event]:
        """Tokens, and the mark that answers a flush. Pieces of words are told as interim until then, so that words stay whole."""
        answer = _read(message)
        if answer.error_code is not None:
            error = _failures.of_status(answer.error_code, answer.error_message, "Soniox", key=KEY)
            yield Failed(error)
            return
        self._finals += [token for token in answer.tokens if token.is_final and token.text not in _MARKS]
        open_tokens = [token for token in answer.tokens if not token.is_final]
        if any(token.text == _FINALISED for token in answer.tokens):
            finals, self._finals = self._finals, []
            yield _heard(finals, is_final=True)
            yield Flushed()
        elif answer.tokens:
            yield _heard([*self._finals, *open_tokens], is_final=False)


def _heard(tokens: Sequence[_Token], *, is_final: bool) -> Heard:
    words = _words(tokens)
    language = next((token.language for token in reversed(tokens) if token.language), None)
    return Heard("".join(token.text for token in tokens).strip(), is_final, spoken_confidence(words), language, words)


def _words(tokens: Sequence[_Token]) -> tuple[Word, ...]:
    """Tokens are pieces of words; one that begins with a space begins a word."""
    groups: list[list[_Token]] = []
    for token in tokens:
        if token.text.startswith(" ") or not groups:
            groups.append([])
        groups[-1].append(token)
    return tuple(
        Word(
            "".join(token.text for token in group).strip(),
            group[0].start_ms / 1000,
            group[-1].end_ms / 1000,
            min((token.confidence for token in group if token.confidence is not None), default=None),
        )
        for group in groups
    )


class Soniox:
    """Connects to Soniox."""

    traits = Traits("Soniox", KEY, chunk_s=0.06, keep_alive_s=8.0, takes_phrases=True)

    def __init__(self, config: Config, key: str, url: str, model: str) -> None:
        self._config = config
        self._key = key
        self._url = url
        self._model = model

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens the one address there is; the key goes in its header."""
        return await open_socket(
            self._url,
            listener,
            headers=[("Authorization", f"Bearer {self._key}")],
            connect_timeout_s=self._config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        start: dict[str, object] = {
            "model": self._model,
            "audio_format": "pcm_s16le",
            "sample_rate": self._config.sample_rate,
            "num_channels": 1,
            "enable_language_identification": True,
            "enable_endpoint_detection": False,
        }
        if session.language:
            start["language_hints"] = [primary(session.language)]
        if session.phrases:
            start["context"] = {"terms": session.phrases}
        return Dialect(start)


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    model = config.model or deps.environment.get("SONIOX_MODEL", "") or MODEL
    url = address(config, deps, "SONIOX_WS_URL", ADDRESS)
    return StreamingRecogniser(Soniox(config, KEY.required(deps, "soniox"), url, model), config)
