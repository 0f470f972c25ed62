"""Speech by Cartesia over its WebSocket: a context for each sentence, audio and the times of the words side by side."""

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Literal

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech
from vox.providers.tts._vendor_sockets import SocketPool
from vox.runtime.clock import new_id

VENDOR = Vendor(
    "Cartesia", "cartesia", "https://api.cartesia.ai", "CARTESIA_BASE_URL", Key("cartesia", ("CARTESIA_API_KEY",))
)
VERSION = "2026-03-01"
"""Of the API; its messages change between versions."""


class Config(VendorOptions):
    """Options of Cartesia."""

    model: str = Field(default="sonic-3.5", description="One of Cartesia's models")
    voice: str = Field(
        default="a0e99841-438c-4a64-b679-ae501e7d6091",
        description="A voice's id; used where the agent has no tts_voice",
    )
    language: str = Field(default="en", description="Used where the agent names none")
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000] = Field(
        default=24_000, description="Of the audio, in Hz"
    )
    word_times: bool = Field(default=True, description="Ask for the times of the words")
    speed: float | None = Field(default=None, ge=0.6, le=1.5, description="1 is natural; empty: the voice's own")


class _Words(msgspec.Struct):
    words: list[str] = []
    start: list[float] = []


class _Message(msgspec.Struct):
    type: str
    context_id: str | None = None
    data: bytes | None = None
    word_timestamps: _Words | None = None
    message: str | None = None
    error: str | None = None
    status_code: int = 0


class Cartesia(VendorSpeech):
    """Speaks with Cartesia's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        headers = {"X-API-Key": VENDOR.key.required(deps, VENDOR.provider), "Cartesia-Version": VERSION}
        url = f"{self._base_url}/tts/websocket"
        self._sockets = SocketPool(self, deps.clock, url, headers, timeout_s=config.timeout_s)
        self._decoder = msgspec.json.Decoder(_Message)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the idle sockets."""
        self._sockets.close()

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One context; what another one, which was cut, still sends is passed over."""
        context = new_id("context")
        cancel = msgspec.json.encode({"context_id": context, "cancel": True}).decode()
        async with self._sockets.lease(on_cut=cancel) as socket:
            socket.send(self._request(sentence, context))
            while True:
                message = self._decoder.decode(await socket.receive())
                if message.context_id not in {context, None}:
                    continue
                if message.type == "done":
                    return
                if message.type == "error":
                    words = message.message or message.error
                    raise self.reported({"message": words, "status": message.status_code or ""})
                times = message.word_timestamps or _Words()
                yield Piece(message.data or b"", sentence.words.all_spoken(times.words, times.start))

    def _request(self, sentence: Sentence, context: str) -> str:
        config = self._config
        request: dict[str, Any] = {
            "model_id": config.model,
            "transcript": sentence.text,
            "voice": {"mode": "id", "id": sentence.voice},
            "language": sentence.base_language or config.language,
            "context_id": context,
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": self.sample_rate},
            "add_timestamps": config.word_times,
            "continue": False,
        }
        if config.speed is not None:
            request["generation_config"] = {"speed": config.speed}
        return msgspec.json.encode(request).decode()


def create(config: Config, deps: Deps) -> Cartesia:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Cartesia(config, deps)
