"""Azure AI Speech, over the documented WebSocket protocol: one turn of the protocol for each utterance, over one connection.

Each message has headers of its own, as in HTTP. A turn begins with the first audio under a new request id and ends with an empty audio
message; Azure answers with phrases and `turn.end`, which has to be acknowledged by telemetry.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urlencode

import msgspec
from pydantic import Field

from vox.errors import UsageError
from vox.http.sockets import Socket, SocketListener
from vox.http.websocket import open_socket
from vox.providers import _failures
from vox.providers.contract import Deps
from vox.providers.stt._dialect import (
    Event,
    Failed,
    Flushed,
    Heard,
    Message,
    PlainDialect,
    Reply,
    Session,
    StreamingOptions,
    Traits,
    address,
    reader,
)
from vox.providers.stt._file_stream import wav_head
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Word

KEY = _failures.Key("azure", ("AZURE_SPEECH_KEY", "SPEECH_KEY"))
REGION_VARIABLES = ("AZURE_SPEECH_REGION", "SPEECH_REGION")
LANGUAGE = "en-US"
_PATH = "/speech/recognition/conversation/cognitiveservices/v1"
_TICKS = 10_000_000
"""In a second."""
_NOTHING = frozenset({"NoMatch", "InitialSilenceTimeout", "BabbleTimeout", "EndOfDictation"})
_REGIONS = {"en": "US", "de": "DE", "fr": "FR", "es": "ES", "it": "IT", "pt": "PT", "nl": "NL", "ja": "JP", "zh": "CN"}
"""Azure knows no language without its region."""


class Config(StreamingOptions):
    """Options of Azure."""

    region: str = Field(default="", description="Of the resource, as `westeurope`; empty: AZURE_SPEECH_REGION")


class _Word(msgspec.Struct, rename="pascal"):
    word: str
    offset: int = 0
    duration: int = 0
    confidence: float | None = None


class _Best(msgspec.Struct, rename="pascal"):
    display: str = ""
    confidence: float | None = None
    words: list[_Word] = []


class _Body(
    msgspec.Struct,
    rename={"recognition_status": "RecognitionStatus", "display_text": "DisplayText", "text": "Text", "best": "NBest"},
):
    recognition_status: str = ""
    display_text: str = ""
    text: str = ""
    best: list[_Best] = []


_read = reader(_Body)


class Dialect(PlainDialect):
    """Azure's messages.

    Args:
        sample_rate: in Hz.
        now: the time of day, which every message carries.
        new_request: a fresh request id, 32 hexadecimal digits.
    """

    def __init__(self, sample_rate: int, now: Callable[[], datetime], new_request: Callable[[], str]) -> None:
        self._sample_rate = sample_rate
        self._now = now
        self._new_request = new_request
        self._request = ""
        self._flushed: set[str] = set()
        self._sent = 0
        self._began_s = 0.0

    def begin(self) -> Iterable[Message]:
        """Who connects."""
        config = {
            "context": {
                "system": {"version": "1.0.0"},
                "os": {"platform": "Linux", "name": "Vox", "version": "1.0.0"},
                "device": {"manufacturer": "Vox", "model": "agent", "version": "1.0.0"},
            }
        }
        return (self._text("speech.config", msgspec.json.encode(config).decode()),)

    def audio(self, pcm: bytes) -> Message:
        """The first audio of a turn has a WAV header before it."""
        if not self._request:
            self._request = self._new_request()
            self._began_s = self._sent / (2 * self._sample_rate)
            self._sent += len(pcm)
            return self._binary(wav_head(0, self._sample_rate) + pcm)
        self._sent += len(pcm)
        return self._binary(pcm)

    def flush(self) -> Iterable[Message]:
        """Empty audio ends the turn; what comes later belongs to the next one."""
        if not self._request:
            yield self.audio(b"")
        yield self._binary(b"")
        self._flushed.add(self._request)
        self._request = ""

    def receive(self, message: Message) -> Iterable[Event]:
        """Hypotheses, phrases and the end of a turn."""
        if isinstance(message, bytes):
            raise ValueError("binary messages come from clients only")  # noqa: TRY004  garbage is a ValueError
        head, mark, body = message.partition("\r\n\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        }
        if not mark or "path" not in headers:
            raise ValueError("a message without a path")
        match headers["path"].lower():
            case "speech.hypothesis" | "speech.fragment":
                yield Heard(_read(body).text)
            case "speech.phrase":
                yield self._phrase(_read(body))
            case "turn.end":
                request = headers.get("x-requestid", "")
                if request in self._flushed:
                    self._flushed.discard(request)
                    yield Reply(self._text("telemetry", '{"ReceivedMessages":[],"Metrics":[]}', request))
                    yield Flushed()
            case _:
                pass

    def closed(self, code: int, reason: str) -> Event | None:
        """Refusals are told by the code's reason."""
        if "429" in reason or "quota" in reason.casefold():
            return Failed(_failures.of_status(429, reason, "Azure", key=KEY))
        return None

    def _phrase(self, body: _Body) -> Event:
        if body.recognition_status in _NOTHING:
            return Heard("", is_final=True)
        if body.recognition_status != "Success":
            return Failed(
                _failures.reported({"message": f"recognition failed: {body.recognition_status}"}, "Azure", KEY)
            )
        if not body.best:
            return Heard(body.display_text, is_final=True)
        best = body.best[0]
        words = tuple(
            Word(
                word.word,
                self._began_s + word.offset / _TICKS,
                self._began_s + (word.offset + word.duration) / _TICKS,
                word.confidence,
            )
            for word in best.words
        )
        return Heard(best.display or body.display_text, True, best.confidence, None, words)

    def _text(self, path: str, body: str, request: str = "") -> str:
        return f"{self._head(path, 'application/json; charset=utf-8', request)}\r\n{body}"

    def _binary(self, body: bytes) -> bytes:
        head = self._head("audio", "audio/x-wav", self._request).encode("ascii")
        return len(head).to_bytes(2) + head + body

    def _head(self, path: str, content_type: str, request: str) -> str:
        about = f"X-RequestId: {request}\r\n" if request else ""
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return f"Path: {path}\r\n{about}X-Timestamp: {stamp}\r\nContent-Type: {content_type}\r\n"


class Azure:
    """Connects to Azure."""

    traits = Traits("Azure", KEY, chunk_s=0.1, max_chunk_s=0.1)

    def __init__(self, config: Config, deps: Deps, key: str, base_url: str) -> None:
        self._config = config
        self._clock = deps.clock
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens the address of the region."""
        query = {"language": _language(session.language), "format": "detailed", "wordLevelTimestamps": "true"}
        if self._config.model:
            query["cid"] = self._config.model
        return await open_socket(
            f"{self._base_url}{_PATH}?{urlencode(query)}",
            listener,
            headers=[("Ocp-Apim-Subscription-Key", self._key), ("X-ConnectionId", secrets.token_hex(16))],
            connect_timeout_s=self._config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect(self._config.sample_rate, self._clock.wall, lambda: secrets.token_hex(16))


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver.

    Raises:
        UsageError: `missing_api_key`; `missing_region` where neither a region nor an address is known.
    """
    key = KEY.required(deps, "azure")
    region = config.region or deps.secret("azure_region", *REGION_VARIABLES) or ""
    url = address(config, deps, "AZURE_SPEECH_ENDPOINT", f"wss://{region}.stt.speech.microsoft.com" if region else "")
    if not url:
        raise UsageError(
            "the stt provider 'azure' needs the region of your resource",
            code="missing_region",
            hint="set AZURE_SPEECH_REGION, or api_keys.azure_region in the configuration",
        )
    return StreamingRecogniser(Azure(config, deps, key, url), config)


def _language(tag: str) -> str:
    if not tag:
        return LANGUAGE
    return tag if "-" in tag else f"{tag}-{_REGIONS.get(tag.lower(), tag.upper())}"
