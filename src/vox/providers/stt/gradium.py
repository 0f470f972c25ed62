"""Gradium: words as they are understood, and an acknowledged flush for the end of a turn."""

from collections.abc import Iterable

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
)
from vox.providers.stt._streaming import StreamingRecogniser

KEY = _failures.Key("gradium", ("GRADIUM_API_KEY",))
MODEL = "default"
ADDRESS = "wss://eu.api.gradium.ai"
_POLICY = 1008


class Config(StreamingOptions):
    """Options of Gradium."""

    sample_rate: int = Field(default=24_000, description="Of the audio sent, in Hz: 8000, 16000 or 24000")


class _Message(msgspec.Struct):
    type: str
    text: str = ""
    message: str = ""
    code: int | None = None


_read = reader(_Message)


class Dialect(PlainDialect):
    """Gradium's messages.

    Args:
        setup: the fields of the first message.
    """

    needs_ready = True

    def __init__(self, setup: dict[str, object]) -> None:
        self._setup = setup
        self._texts: list[str] = []
        self._flushes = 0

    def begin(self) -> Iterable[Message]:
        """The setup has to come first."""
        return (as_json(type="setup", **self._setup),)

    def audio(self, pcm: bytes) -> Message:
        """Audio goes as base64."""
        return as_json(type="audio", audio=base64_text(pcm))

    def flush(self) -> Iterable[Message]:
        """A flush with a number of its own."""
        self._flushes += 1
        return (as_json(type="flush", flush_id=str(self._flushes)),)

    def end(self) -> Iterable[Message]:
        """The end of the audio."""
        return (as_json(type="end_of_stream"),)

    def receive(self, message: Message) -> Iterable[Event]:
        """Words come once each; they are told as interim until the flush that ends them is acknowledged."""
        answer = _read(message)
        match answer.type:
            case "ready":
                yield Ready()
            case "text":
                self._texts.append(answer.text.strip())
                yield Heard(" ".join(self._texts))
            case "flushed" | "end_of_stream":
                yield Heard(" ".join(self._texts), is_final=True)
                self._texts = []
                yield Flushed()
            case "error":
                is_refused = answer.code == _POLICY and "key" in answer.message.casefold()
                yield Failed(_failures.of_status(401 if is_refused else 0, answer.message, "Gradium", key=KEY))
            case _:
                pass


class Gradium:
    """Connects to Gradium."""

    traits = Traits("Gradium", KEY, chunk_s=0.08)

    def __init__(self, config: Config, key: str, base_url: str) -> None:
        self._config = config
        self._key = key
        self._base_url = base_url

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Opens `/api/speech/asr`."""
        return await open_socket(
            f"{self._base_url}/api/speech/asr",
            listener,
            headers=[("x-api-key", self._key)],
            connect_timeout_s=self._config.connect_timeout_s,
        )

    def dialect(self, session: Session) -> Dialect:
        """The messages of one connection."""
        rate = self._config.sample_rate
        setup: dict[str, object] = {
            "model_name": self._config.model or MODEL,
            "input_format": "pcm" if rate == 24_000 else f"pcm_{rate}",  # noqa: PLR2004  the rate of plain `pcm`
        }
        if session.language:
            setup["json_config"] = {"language": primary(session.language)}
        return Dialect(setup)


def create(config: Config, deps: Deps) -> StreamingRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    url = address(config, deps, "GRADIUM_BASE_URL", ADDRESS)
    return StreamingRecogniser(Gradium(config, KEY.required(deps, "gradium"), url), config)
