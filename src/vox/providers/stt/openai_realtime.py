"""OpenAI's realtime transcription: text as it is spoken, where `openai` uploads each utterance."""

from collections.abc import Iterable
from typing import Literal

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
    base64_text,
    primary,
    reader,
)
from vox.providers.stt._streaming import StreamingRecogniser

KEY = _failures.Key("openai", ("OPENAI_API_KEY",))
MODEL = "gpt-4o-transcribe"
_NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
_ITEM = "conversation.item.input_audio_transcription."


class Config(KeytermOptions):
    """Options of OpenAI's realtime transcription."""

    sample_rate: Literal[24_000] = Field(default=24_000, description="Of the audio sent, in Hz")  # pyright: ignore[reportIncompatibleVariableOverride]  frozen
    noise_reduction: Literal["", "near_field", "far_field"] = Field(default="", description="Empty: none")


class _Problem(msgspec.Struct):
    message: str = ""
    code: str | None = None
    type: str | None = None


class _Message(msgspec.Struct):
    type: str
    item_id: str = ""
    delta: str = ""
    transcript: str = ""
    error: _Problem | None = None


_read = reader(_Message)


class Dialect(PlainDialect):
    """The messages of a transcription session.

    Args:
        session: the fields of the session's update.
    """

    needs_ready = True

    def __init__(self, session: dict[str, object]) -> None:
        self._session = session
        self._item = ""
        self._text = ""

    def begin(self) -> Iterable[Message]:
        """What is spoken and how it is sent."""
        return (as_json(type="session.update", session=self._session),)

    def audio(self, pcm: bytes) -> Message:
        """Audio goes as base64."""
        return as_json(type="input_audio_buffer.append", audio=base64_text(pcm))

    def flush(self) -> Iterable[Message]:
        """A commit makes an item of the audio, which is then transcribed."""
        return (as_json(type="input_audio_buffer.commit"),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Deltas and whole transcripts of items."""
        answer = _read(message)
        match answer.type:
            case "session.updated":
                yield Ready()
            case kind if kind == f"{_ITEM}delta":
                if answer.item_id != self._item:
                    self._item, self._text = answer.item_id, ""
                self._text += answer.delta
                yield Heard(self._text)
            case kind if kind == f"{_ITEM}completed":
                self._item = self._text = ""
                yield Heard(answer.transcript, is_final=True)
                yield Flushed()
            case "error" | "conversation.item.input_audio_transcription.failed":
                problem = answer.error or _Problem()
                if problem.code == _NOTHING_TO_COMMIT:
                    yield Flushed()
                    return
                fields = {"message": problem.message, "code": problem.code, "type": problem.type}
                yield Failed(_failures.reported(fields, "OpenAI", KEY))
            case _:
                pass


class OpenAiRealtime:
    """Connects to OpenAI."""

    traits = Traits("OpenAI", KEY, chunk_s=0.1, max_chunk_s=5.0, takes_phrases=True)

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/realtime` for transcription."""
        return await open_socket(
            f"{self._base_url}/realtime?intent=transcription",
            listener,
            headers=[("Authorization", f"Bearer {self._key}")],
            connect_timeout_s=self._config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection. Turns are ended here, so that OpenAI's own detection of them is off."""
        transcription: dict[str, object] = {"model": self._config.model or MODEL}
        if session.language:
            transcription["language"] = primary(session.language)
        if session.phrases:
            transcription["prompt"] = ", ".join(session.phrases)
        audio: dict[str, object] = {
            "format": {"type": "audio/pcm", "rate": self._config.sample_rate},
            "transcription": transcription,
            "turn_detection": None,
        }
        if self._config.noise_reduction:
            audio["noise_reduction"] = {"type": self._config.noise_reduction}
        return Dialect({"type": "transcription", "audio": {"input": audio}})


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    url = address(config, deps, "OPENAI_REALTIME_BASE_URL", "wss://api.openai.com/v1")
    return StreamingRecogniser(OpenAiRealtime(config, KEY.required(deps, "openai_realtime"), url), config)
