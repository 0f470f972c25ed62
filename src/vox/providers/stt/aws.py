"""AWS Transcribe, streamed over a WebSocket whose address is signed, with audio and texts in AWS's event stream encoding.

An empty audio event ends the stream, and the final texts come before AWS closes it: what is said behind a pause goes over a new one.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

import msgspec
from pydantic import Field

from vox.errors import PeerError
from vox.http.sockets import Socket, SocketListener
from vox.http.websocket import open_socket
from vox.providers import _failures
from vox.providers._aws_credentials import AwsChain
from vox.providers._aws_event_stream import EventMessage, EventStreamDecoder, encode
from vox.providers._aws_signature import Signer
from vox.providers.contract import Deps
from vox.providers.stt._dialect import (
    Event,
    Failed,
    Flushed,
    Heard,
    Message,
    PlainDialect,
    Session,
    StreamingOptions,
    Traits,
    address,
    reader,
    spoken_confidence,
)
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Word

KEY = _failures.Key("aws_secret_access_key", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
LANGUAGE = "en-US"
_PATH = "/stream-transcription-websocket"
_NORMAL = 1000
_STATUS = {
    "BadRequestException": 400,
    "LimitExceededException": 429,
    "InternalFailureException": 500,
    "ConflictException": 409,
    "ServiceUnavailableException": 503,
    "AccessDeniedException": 403,
    "UnrecognizedClientException": 403,
}
_AUDIO = {
    ":content-type": "application/octet-stream",
    ":event-type": "AudioEvent",
    ":message-type": "event",
}
_REGIONS = {"en": "US", "de": "DE", "fr": "FR", "es": "US", "it": "IT", "pt": "BR", "ja": "JP", "ko": "KR", "zh": "CN"}
"""AWS knows no language without its region."""


class Config(StreamingOptions):
    """Options of AWS Transcribe."""

    region: str = Field(
        default="", pattern="^[a-z0-9-]*$", description="Empty: the environment's AWS_REGION, else us-east-1"
    )
    vocabulary: str = Field(default="", description="The name of a custom vocabulary of yours")
    idle_s: float = Field(
        default=0.0, ge=0, le=3600, description="How long a connection is kept without speech; 0: one an utterance"
    )


class _Item(msgspec.Struct, rename="pascal"):
    content: str = ""
    start_time: float = 0.0
    end_time: float = 0.0
    type: str = "pronunciation"
    confidence: float | None = None


class _Alternative(msgspec.Struct, rename="pascal"):
    transcript: str = ""
    items: list[_Item] = []


class _Result(msgspec.Struct, rename="pascal"):
    is_partial: bool
    alternatives: list[_Alternative] = []
    language_code: str | None = None


class _Transcript(msgspec.Struct, rename="pascal"):
    results: list[_Result]


class _Message(msgspec.Struct, rename="pascal"):
    transcript: _Transcript


_read = reader(_Message)
_read_problem = reader(dict[str, str])


class Dialect(PlainDialect):
    """The messages of one stream."""

    ends_at_flush = True

    def audio(self, pcm: bytes) -> Message:
        """Audio in an event of its own."""
        return encode(EventMessage(pcm, _AUDIO))

    def flush(self) -> Iterable[Message]:
        """An empty event ends the audio."""
        return (self.audio(b""),)

    def end(self) -> Iterable[Message]:
        """As a flush."""
        return self.flush()

    def receive(self, message: Message) -> Iterable[Event]:
        """Results and exceptions."""
        if isinstance(message, str):
            raise ValueError("texts do not belong to the protocol")  # noqa: TRY004  garbage is a ValueError
        decoder = EventStreamDecoder()
        try:
            events = decoder.feed(message)
        except PeerError as error:
            raise ValueError(str(error)) from error
        if not decoder.is_whole:
            raise ValueError("half a message")
        for event in events:
            if event.text(":message-type") == "exception":
                kind = event.text(":exception-type")
                problem = _read_problem(event.payload)
                words = problem.get("Message") or problem.get("message") or kind
                yield Failed(_failures.of_status(_STATUS.get(kind, 0), words, "AWS Transcribe", key=KEY))
            elif event.text(":event-type") == "TranscriptEvent":
                yield from map(_heard, _read(event.payload).transcript.results)

    def closed(self, code: int, reason: str) -> Event | None:
        """AWS closes the stream when all of it is answered."""
        return Flushed() if code == _NORMAL else None


def _heard(result: _Result) -> Heard:
    if not result.alternatives:
        return Heard("", not result.is_partial)
    best = result.alternatives[0]
    words = tuple(
        Word(item.content, item.start_time, item.end_time, item.confidence)
        for item in best.items
        if item.type == "pronunciation"
    )
    return Heard(best.transcript, not result.is_partial, spoken_confidence(words), result.language_code, words)


class Transcribe:
    """Connects to AWS."""

    traits = Traits("AWS Transcribe", KEY, chunk_s=0.1, max_chunk_s=0.2)

    def __init__(self, config: Config, deps: Deps) -> None:
        self._config = config
        self._clock = deps.clock
        self._chain = AwsChain(deps)
        self._region = self._chain.region(config.region)
        default = f"wss://transcribestreaming.{self._region}.amazonaws.com:8443"
        self._base_url = address(config, deps, "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", default)

    async def open(self) -> None:
        """Looks for credentials, so that their absence is known at start."""
        await self._chain.credentials()

    async def close(self) -> None:
        """Nothing is kept."""

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens a signed address, which holds for five minutes."""
        config = self._config
        query = {
            "language-code": _language(session.language),
            "media-encoding": "pcm",
            "sample-rate": str(config.sample_rate),
        }
        if config.vocabulary:
            query["vocabulary-name"] = config.vocabulary
        if config.model:
            query["language-model-name"] = config.model
        credentials = await self._chain.credentials()
        signer = Signer(self._region, "transcribe")
        url = signer.presigned_url(
            credentials, "GET", f"{self._base_url}{_PATH}?{urlencode(query)}", now=self._clock.wall()
        )
        return await open_socket(url, listener, connect_timeout_s=config.connect_timeout_s)

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect()


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; opening it raises `UsageError` (`missing_api_key`) where there are no credentials."""
    return StreamingRecogniser(Transcribe(config, deps), config)


def _language(tag: str) -> str:
    if not tag:
        return LANGUAGE
    return tag if "-" in tag else f"{tag}-{_REGIONS.get(tag.lower(), tag.upper())}"
