"""Sarvam: the languages of India and Indian English, streamed, or each utterance uploaded (`streaming: false`).

Sarvam tells no interim texts, and does not say which of its texts answers a flush: the first one behind it counts as that.
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
    Message,
    PlainDialect,
    Session,
    StreamingOptions,
    Traits,
    address,
    as_json,
    base64_text,
    reader,
)
from vox.providers.stt._file_stream import wav
from vox.providers.stt._file_upload import FileRecogniser, Uploader, http_address
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Transcript

KEY = _failures.Key("sarvam", ("SARVAM_API_KEY",))
MODEL = "saarika:v2.5"
LANGUAGE = "en-IN"
_UNKNOWN = "unknown"


class Config(StreamingOptions):
    """Options of Sarvam."""

    sample_rate: int = Field(default=16_000, description="Of the audio sent, in Hz: 8000 or 16000")
    streaming: bool = Field(
        default=True, description="Whether audio goes out as it is spoken; false: a file an utterance"
    )
    timeout_s: float = Field(
        default=6.0, gt=0, le=300, description="Longest wait for the transcript once the caller has finished"
    )


class _Data(msgspec.Struct):
    transcript: str | None = None
    language_code: str | None = None
    error: str = ""
    message: str = ""
    code: str | int | None = None


class _Message(msgspec.Struct):
    type: str
    data: _Data = msgspec.field(default_factory=_Data)


class _File(msgspec.Struct):
    transcript: str
    language_code: str | None = None


_read = reader(_Message)
_read_file = reader(_File)


class Dialect(PlainDialect):
    """Sarvam's messages.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = str(sample_rate)

    def audio(self, pcm: bytes) -> Message:
        """Audio goes as base64; what it is was said in the query."""
        return as_json(audio={"data": base64_text(pcm), "sample_rate": self._sample_rate, "encoding": "audio/wav"})

    def flush(self) -> Iterable[Message]:
        """A flush."""
        return (as_json(type="flush"),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Texts and errors."""
        answer = _read(message)
        match answer.type:
            case "data":
                if answer.data.transcript is None:
                    raise ValueError("data without a transcript")
                yield Heard(answer.data.transcript, is_final=True, language=answer.data.language_code)
                yield Flushed()
            case "error":
                problem = {"message": answer.data.error or answer.data.message, "code": answer.data.code}
                yield Failed(_failures.reported(problem, "Sarvam", KEY))
            case _:
                pass


class Sarvam:
    """Connects to Sarvam."""

    traits = Traits("Sarvam", KEY, chunk_s=0.1, settle_s=1.0)

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/speech-to-text/ws`; everything is said in the query."""
        config = self._config
        query = {
            "language-code": _language(session.language) or LANGUAGE,
            "model": config.model or MODEL,
            "mode": "transcribe",
            "sample_rate": str(config.sample_rate),
            "input_audio_codec": "pcm_s16le",
            "flush_signal": "true",
        }
        return await open_socket(
            f"{self._base_url}/speech-to-text/ws?{urlencode(query)}",
            listener,
            headers=[("Api-Subscription-Key", self._key)],
            connect_timeout_s=config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect(self._config.sample_rate)


class Files:
    """Uploads to Sarvam."""

    def __init__(self, config: Config, uploader: Uploader, key: str, base_url: str) -> None:
        self._config = config
        self._uploader = uploader
        self._key = key
        self._base_url = base_url

    async def __call__(self, pcm: bytes, *, language: str, phrases: tuple[str, ...]) -> Transcript:
        """The transcript of one utterance."""
        body = await self._uploader.post(
            f"{self._base_url}/speech-to-text",
            headers={"api-subscription-key": self._key},
            files={"file": ("audio.wav", wav(pcm, self._config.sample_rate), "audio/wav")},
            data={
                "model": self._config.model or MODEL,
                "language_code": _language(language) or _UNKNOWN,
                "input_audio_codec": "wav",
            },
        )
        try:
            answer = _read_file(body)
        except ValueError as error:
            raise self._uploader.unreadable() from error
        return Transcript(answer.transcript.strip(), language=answer.language_code or language or None)


def create(config: Config, deps: Deps) -> StreamingRecogniser | FileRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    key = KEY.required(deps, "sarvam")
    default = "https://api.sarvam.ai"
    if config.streaming:
        return StreamingRecogniser(Sarvam(config, key, address(config, deps, "SARVAM_BASE_URL", default)), config)
    uploader = Uploader(deps.http, "Sarvam", KEY, timeout_s=config.timeout_s)
    return FileRecogniser(
        Files(config, uploader, key, http_address(config.base_url, deps, "SARVAM_BASE_URL", default)), config
    )


def _language(tag: str) -> str:
    """A tag as Sarvam writes it: every language has India as its region."""
    return f"{tag}-IN" if tag and "-" not in tag else tag
