"""AssemblyAI: Universal Streaming, with words that no longer change as soon as they are told.

AssemblyAI bills for as long as a connection is open, so an unused one is closed sooner than at other vendors.
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
    Ready,
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

KEY = _failures.Key("assemblyai", ("ASSEMBLYAI_API_KEY",))
ENGLISH = "universal-streaming-english"
MULTILINGUAL = "universal-streaming-multilingual"
LATE_MS = 10_000
"""Silence after which AssemblyAI ends a turn by itself; turns are ended here."""
_UNAUTHORIZED = 1008
_TOO_MANY = 4029


class Config(KeytermOptions):
    """Options of AssemblyAI."""

    idle_s: float = Field(
        default=10.0, ge=0, le=3600, description="How long a connection is kept without speech; 0: one an utterance"
    )
    format_turns: bool = Field(default=False, description="Whether final texts have punctuation; they come later then")


class _Word(msgspec.Struct):
    text: str
    start: float = 0.0
    end: float = 0.0
    confidence: float | None = None


class _Message(msgspec.Struct):
    type: str
    transcript: str = ""
    end_of_turn: bool = False
    turn_is_formatted: bool = False
    words: list[_Word] = []
    language_code: str | None = None
    error: str = ""


_read = reader(_Message)


class Dialect(PlainDialect):
    """AssemblyAI's messages of version 3.

    Args:
        is_formatted: whether a turn's end is told twice, the second time with punctuation.
    """

    needs_ready = True

    def __init__(self, *, is_formatted: bool) -> None:
        self._is_formatted = is_formatted

    def audio(self, pcm: bytes) -> Message:
        """Audio is binary, 50 ms to 1 s at a time."""
        return pcm

    def flush(self) -> Iterable[Message]:
        """ForceEndpoint; without a turn under way it is not answered."""
        return (as_json(type="ForceEndpoint"),)

    def end(self) -> Iterable[Message]:
        """Terminate, without which the session is billed on."""
        return (as_json(type="Terminate"),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Begin, turns and errors."""
        answer = _read(message)
        match answer.type:
            case "Begin":
                yield Ready()
            case "Turn":
                words = tuple(
                    Word(each.text, each.start / 1000, each.end / 1000, each.confidence) for each in answer.words
                )
                is_final = answer.end_of_turn and (answer.turn_is_formatted or not self._is_formatted)
                text = answer.transcript if answer.end_of_turn else " ".join(word.text for word in words)
                yield Heard(text, is_final, spoken_confidence(words), answer.language_code, words)
                if is_final:
                    yield Flushed()
            case "Error":
                yield Failed(_failures.reported({"message": answer.error}, "AssemblyAI", KEY))
            case _:
                pass

    def closed(self, code: int, reason: str) -> Event | None:
        """A key that is refused and a limit that is exceeded are told by the code."""
        if code == _UNAUTHORIZED:
            return Failed(_failures.of_status(401, reason, "AssemblyAI", key=KEY))
        if code == _TOO_MANY:
            return Failed(_failures.of_status(429, reason, "AssemblyAI", key=KEY))
        return None


class AssemblyAi:
    """Connects to AssemblyAI."""

    traits = Traits(
        "AssemblyAI", KEY, chunk_s=0.06, max_chunk_s=0.9, min_chunk_s=0.05, settle_s=0.8, takes_phrases=True
    )

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/v3/ws`; everything is said in the query."""
        config = self._config
        is_english = primary(session.language) in {"", "en"}
        query = {
            "speech_model": config.model or (ENGLISH if is_english else MULTILINGUAL),
            "sample_rate": str(config.sample_rate),
            "encoding": "pcm_s16le",
            "format_turns": str(config.format_turns).lower(),
            "max_turn_silence": str(LATE_MS),
        }
        if session.phrases:
            query["keyterms_prompt"] = msgspec.json.encode(session.phrases).decode()
        return await open_socket(
            f"{self._base_url}/v3/ws?{urlencode(query)}",
            listener,
            headers=[("Authorization", self._key)],
            connect_timeout_s=config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect(is_formatted=self._config.format_turns)


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    url = address(config, deps, "ASSEMBLYAI_BASE_URL", "wss://streaming.assemblyai.com")
    return StreamingRecogniser(AssemblyAi(config, KEY.required(deps, "assemblyai"), url), config)
