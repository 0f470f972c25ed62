"""Google Speech-to-Text v2, streamed over gRPC: the only way in which Google streams speech.

A stream ends with the audio's end, and the final texts come before Google closes it: what is said behind a pause goes over a new one,
which costs no new connection, because streams share one.
"""

from collections.abc import AsyncGenerator, Iterable
from typing import Any, cast
from urllib.parse import quote

import grpc
from pydantic import Field

from vox.errors import UsageError
from vox.http.sockets import Socket, SocketListener
from vox.providers import _failures
from vox.providers._google_credentials import KEY, GoogleCredentials
from vox.providers.contract import Deps
from vox.providers.stt import _google_wire as wire
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
)
from vox.providers.stt._grpc_socket import LOST, GrpcSocket, channel
from vox.providers.stt._streaming import StreamingRecogniser

NAME = "Google Speech-to-Text"
MODEL = "latest_long"
LANGUAGE = "en-US"
LOCATION = "global"
_METHOD = "/google.cloud.speech.v2.Speech/StreamingRecognize"
_NORMAL = 1000
_REGIONS = {"en": "US", "de": "DE", "fr": "FR", "es": "ES", "it": "IT", "pt": "BR", "ja": "JP", "ko": "KR", "zh": "CN"}
"""Google knows most languages only with their region."""


class Config(KeytermOptions):
    """Options of Google."""

    project: str = Field(default="", description="Empty: GOOGLE_CLOUD_PROJECT, else the credentials' own")
    location: str = Field(default="", pattern="^[a-z0-9-]*$", description="Of the recogniser; empty: global")
    boost: float = Field(default=10.0, ge=0, le=20, description="How much likelier expected phrases become")
    idle_s: float = Field(
        default=0.0, ge=0, le=3600, description="How long a stream is kept without speech; 0: one an utterance"
    )


class Dialect(PlainDialect):
    """The messages of one stream.

    Args:
        config: the first request.
    """

    ends_at_flush = True

    def __init__(self, config: bytes) -> None:
        self._config = config

    def begin(self) -> Iterable[Message]:
        """The configuration comes first."""
        return (self._config,)

    def audio(self, pcm: bytes) -> Message:
        """Up to 15 kB of audio."""
        return wire.audio(pcm)

    def flush(self) -> Iterable[Message]:
        """The end of the audio."""
        return (b"",)

    def receive(self, message: Message) -> Iterable[Event]:
        """A response has final texts, and behind them such as may change."""
        if isinstance(message, str):
            raise ValueError("texts do not belong to the protocol")  # noqa: TRY004  garbage is a ValueError
        results = wire.results(message)
        for result in results:
            if result.is_final:
                yield Heard(result.text, True, result.confidence, result.language, result.words)
        open_texts = [result.text.strip() for result in results if not result.is_final]
        if open_texts:
            yield Heard(" ".join(open_texts))

    def closed(self, code: int, reason: str) -> Event | None:
        """The stream's end is told as an HTTP status."""
        if code == _NORMAL:
            return Flushed()
        if code == LOST:
            return Failed(_failures.of_connection(ConnectionError(reason[:200]), NAME))
        return Failed(_failures.of_status(code, reason, NAME, key=KEY))


class Google:
    """Connects to Google."""

    traits = Traits(NAME, KEY, chunk_s=0.1, max_chunk_s=0.15, takes_phrases=True)

    def __init__(self, config: Config, deps: Deps) -> None:
        self._config = config
        self._credentials = GoogleCredentials(deps, NAME)
        named = deps.secret("google_cloud_project", "GOOGLE_CLOUD_PROJECT") or deps.secret("google_project")
        self._project = config.project or named or ""
        self._location = config.location or deps.secret("google_cloud_location") or LOCATION
        host = "speech.googleapis.com" if self._location == LOCATION else f"{self._location}-speech.googleapis.com"
        self._address = config.base_url or deps.environment.get("GOOGLE_SPEECH_URL", "") or f"https://{host}"
        self._channel: grpc.aio.Channel | None = None

    async def open(self) -> None:
        """Finds the credentials and the project.

        Raises:
            UsageError: there are none.
        """
        await self._credentials.open()
        self._project = self._project or self._credentials.project
        if not self._project:
            raise UsageError(
                f"{NAME} needs the project that is charged",
                code="missing_google_project",
                hint="set GOOGLE_CLOUD_PROJECT, or api_keys.google_cloud_project in the configuration",
            )
        self._channel = channel(self._address)

    async def close(self) -> None:
        """Closes the connection that streams share."""
        if self._channel is not None:
            await self._channel.close()

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Begins a stream."""
        if self._channel is None:
            raise UsageError("the recogniser is used before it is open", code="not_open")
        headers = await self._credentials.headers()
        metadata = [(name.lower(), value) for name, value in headers.items()]
        metadata.append(("x-goog-request-params", f"recognizer={quote(self._recognizer, safe='')}"))
        method = cast("Any", self._channel).stream_stream(_METHOD)

        def start(requests: AsyncGenerator[bytes, None]) -> Any:
            return method(requests, metadata=metadata)

        return GrpcSocket(start, listener)

    def dialect(self, session: Session) -> Dialect:
        """The messages of one stream."""
        config = self._config
        return Dialect(
            wire.streaming_config(
                self._recognizer,
                config.model or MODEL,
                _language(session.language),
                config.sample_rate,
                session.phrases,
                config.boost,
            )
        )

    @property
    def _recognizer(self) -> str:
        return f"projects/{self._project}/locations/{self._location}/recognizers/_"


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver."""
    return StreamingRecogniser(Google(config, deps), config)


def _language(tag: str) -> str:
    if not tag:
        return LANGUAGE
    return tag if "-" in tag else f"{tag}-{_REGIONS.get(tag.lower(), tag.upper())}"
