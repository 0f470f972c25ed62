"""ElevenLabs' Scribe: streamed with a realtime model, or each utterance uploaded with a model for files (`model: scribe_v1`)."""

from collections.abc import Iterable
from math import exp
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
    Ready,
    Session,
    StreamingOptions,
    Traits,
    address,
    as_json,
    base64_text,
    primary,
    reader,
    spoken_confidence,
)
from vox.providers.stt._file_stream import wav
from vox.providers.stt._file_upload import FileRecogniser, Uploader, http_address
from vox.providers.stt._streaming import StreamingRecogniser
from vox.providers.stt.contract import Transcript, Word

KEY = _failures.Key("elevenlabs", ("ELEVENLABS_API_KEY",))
MODEL = "scribe_v2_realtime"
_STREAMING = "_realtime"
_STATUS = {
    "auth_error": 401,
    "quota_exceeded": 402,
    "rate_limited": 429,
    "queue_overflow": 429,
    "resource_exhausted": 503,
    "transcriber_error": 500,
    "error": 500,
    "input_error": 400,
    "invalid_request": 400,
    "chunk_size_exceeded": 400,
    "unaccepted_terms": 402,
    "session_time_limit_exceeded": 503,
    "insufficient_audio_activity": 503,
}
"""What the kinds of error mean as HTTP statuses."""
_NOTHING_TO_COMMIT = "commit_throttled"


class Config(StreamingOptions):
    """Options of ElevenLabs."""

    timeout_s: float = Field(
        default=6.0, gt=0, le=300, description="Longest wait for the transcript once the caller has finished"
    )
    word_times: bool = Field(
        default=False, description="Whether streamed texts have the times of words; they come later then"
    )


class _Word(msgspec.Struct):
    text: str = ""
    start: float | None = None
    end: float | None = None
    type: str = "word"
    logprob: float | None = None


class _Message(msgspec.Struct):
    message_type: str
    text: str = ""
    language_code: str | None = None
    words: list[_Word] = []
    error: str = ""


class _File(msgspec.Struct):
    text: str
    language_code: str | None = None
    words: list[_Word] = []


_read = reader(_Message)
_read_file = reader(_File)


class Dialect(PlainDialect):
    """Scribe's messages.

    Args:
        sample_rate: in Hz.
        has_word_times: whether a committed text is told a second time, with words.
    """

    needs_ready = True

    def __init__(self, sample_rate: int, *, has_word_times: bool) -> None:
        self._sample_rate = sample_rate
        self._final = "committed_transcript_with_timestamps" if has_word_times else "committed_transcript"

    def audio(self, pcm: bytes) -> Message:
        """Audio goes as base64."""
        return self._chunk(pcm, commit=False)

    def flush(self) -> Iterable[Message]:
        """A commit without audio."""
        return (self._chunk(b"", commit=True),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Texts and errors."""
        answer = _read(message)
        match answer.message_type:
            case "session_started":
                yield Ready()
            case "partial_transcript":
                yield Heard(answer.text)
            case kind if kind == self._final:
                words = _words(answer.words)
                yield Heard(answer.text, True, spoken_confidence(words), answer.language_code, words)
                yield Flushed()
            case kind if kind == _NOTHING_TO_COMMIT:
                yield Flushed()
            case kind if kind in _STATUS:
                yield Failed(_failures.of_status(_STATUS[kind], answer.error or kind, "ElevenLabs", key=KEY))
            case _:
                pass

    def _chunk(self, pcm: bytes, *, commit: bool) -> str:
        return as_json(
            message_type="input_audio_chunk",
            audio_base_64=base64_text(pcm),
            commit=commit,
            sample_rate=self._sample_rate,
        )


def _words(words: Iterable[_Word]) -> tuple[Word, ...]:
    return tuple(
        Word(word.text, word.start, word.end, None if word.logprob is None else exp(min(0.0, word.logprob)))
        for word in words
        if word.type == "word" and word.start is not None and word.end is not None
    )


class ElevenLabs:
    """Connects to ElevenLabs."""

    traits = Traits("ElevenLabs", KEY, chunk_s=0.1, max_chunk_s=0.9)

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/v1/speech-to-text/realtime`; turns are ended here, by commits."""
        config = self._config
        query = {
            "model_id": config.model or MODEL,
            "audio_format": f"pcm_{config.sample_rate}",
            "commit_strategy": "manual",
            "include_timestamps": str(config.word_times).lower(),
        }
        if session.language:
            query["language_code"] = primary(session.language)
        return await open_socket(
            f"{self._base_url}/v1/speech-to-text/realtime?{urlencode(query)}",
            listener,
            headers=[("xi-api-key", self._key)],
            connect_timeout_s=config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        return Dialect(self._config.sample_rate, has_word_times=self._config.word_times)


class Files:
    """Uploads to ElevenLabs."""

    def __init__(self, config: Config, uploader: Uploader, key: str, base_url: str) -> None:
        self._config = config
        self._uploader = uploader
        self._key = key
        self._base_url = base_url

    async def __call__(self, pcm: bytes, *, language: str, phrases: tuple[str, ...]) -> Transcript:
        """The transcript of one utterance."""
        fields = {"model_id": self._config.model, "tag_audio_events": "false"}
        if language:
            fields["language_code"] = primary(language)
        body = await self._uploader.post(
            f"{self._base_url}/v1/speech-to-text",
            headers={"xi-api-key": self._key},
            files={"file": ("audio.wav", wav(pcm, self._config.sample_rate), "audio/wav")},
            data=fields,
        )
        try:
            answer = _read_file(body)
        except ValueError as error:
            raise self._uploader.unreadable() from error
        words = _words(answer.words)
        return Transcript(
            answer.text.strip(),
            confidence=spoken_confidence(words),
            language=answer.language_code or language or None,
            words=words,
        )


def create(config: Config, deps: Deps) -> StreamingRecogniser | FileRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    key = KEY.required(deps, "elevenlabs")
    default = "https://api.elevenlabs.io"
    if (config.model or MODEL).endswith(_STREAMING):
        return StreamingRecogniser(
            ElevenLabs(config, key, address(config, deps, "ELEVENLABS_BASE_URL", default)), config
        )
    uploader = Uploader(deps.http, "ElevenLabs", KEY, timeout_s=config.timeout_s)
    url = http_address(config.base_url, deps, "ELEVENLABS_BASE_URL", default)
    return FileRecogniser(Files(config, uploader, key, url), config)
