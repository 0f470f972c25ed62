"""Speech by Cartesia over its WebSocket: a context for each sentence, audio and the times of the words side by side.

The first sentence of an answer goes out as it is written: a context takes its text in parts.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions
from vox.providers.tts._vendor_sockets import SocketPool, VendorSocket
from vox.providers.tts._vendor_words import WordVendorSpeech, sending
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
    takes_words: bool = Field(default=True, description="Speak the first sentence of an answer while it is written")
    buffer_ms: int = Field(
        default=300,
        ge=0,
        le=5000,
        description="How long Cartesia gathers such words before it speaks; more sounds better",
    )
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


class Cartesia(WordVendorSpeech):
    """Speaks with Cartesia's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self.takes_words = config.takes_words
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
        """One context."""
        async with self._context() as (socket, context):
            socket.send(self._request(sentence, context, sentence.text))
            async for piece in self._answer(sentence, socket, context):
                yield piece

    async def pieces_of(self, sentence: Sentence, parts: AsyncIterator[str]) -> AsyncGenerator[Piece, None]:
        """One context that is told each time whether it goes on."""
        async with self._context() as (socket, context):

            def send(text: str, *, goes_on: bool = True) -> None:
                socket.send(self._request(sentence, context, text, goes_on=goes_on, buffer_ms=self._config.buffer_ms))

            async with sending(parts, send, lambda: send("", goes_on=False)):
                async for piece in self._answer(sentence, socket, context):
                    yield piece

    @asynccontextmanager
    async def _context(self) -> AsyncGenerator[tuple[VendorSocket, str], None]:
        context = new_id("context")
        cancel = msgspec.json.encode({"context_id": context, "cancel": True}).decode()
        async with self._sockets.lease(on_cut=cancel) as socket:
            yield socket, context

    async def _answer(self, sentence: Sentence, socket: VendorSocket, context: str) -> AsyncGenerator[Piece, None]:
        """What the context says; what another one, which was cut, still sends is passed over."""
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

    def _request(
        self, sentence: Sentence, context: str, text: str, *, goes_on: bool = False, buffer_ms: int | None = None
    ) -> str:
        config = self._config
        request: dict[str, Any] = {
            "model_id": config.model,
            "transcript": text,
            "voice": {"mode": "id", "id": sentence.voice},
            "language": sentence.base_language or config.language,
            "context_id": context,
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": self.sample_rate},
            "add_timestamps": config.word_times,
            "continue": goes_on,
        }
        if config.speed is not None:
            request["generation_config"] = {"speed": config.speed}
        if buffer_ms is not None:
            request["max_buffer_delay_ms"] = buffer_ms
        return msgspec.json.encode(request).decode()


def create(config: Config, deps: Deps) -> Cartesia:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Cartesia(config, deps)
