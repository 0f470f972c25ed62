"""Speech by ElevenLabs: bare PCM with the time of each character, streamed over HTTP.

The first sentence of an answer goes over a kept WebSocket as it is written, as a context of its own; the others are answered sooner
over HTTP, because the WebSocket gathers text before it speaks.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions
from vox.providers.tts._vendor_sockets import SocketPool
from vox.providers.tts._vendor_words import WordVendorSpeech, sending
from vox.providers.tts._words import Timeline
from vox.providers.tts.contract import SpokenWord
from vox.runtime.clock import new_id

VENDOR = Vendor(
    "ElevenLabs",
    "elevenlabs",
    "https://api.elevenlabs.io/v1",
    "ELEVENLABS_BASE_URL",
    Key("elevenlabs", ("ELEVENLABS_API_KEY",)),
)
INACTIVITY_S = 180
"""The longest that ElevenLabs keeps a WebSocket without text."""
WITHOUT_WEBSOCKET = "eleven_v3"
"""What the models begin with that have none."""
MAX_VOICES = 16
"""Whose WebSockets are kept; the voice is part of the address."""
CHUNKS = [50, 90, 140, 250]
"""Characters that ElevenLabs gathers before it speaks; 50 is the least."""


class Config(VendorOptions):
    """Options of ElevenLabs."""

    model: str = Field(default="eleven_multilingual_v2", description="One of ElevenLabs' models")
    voice: str = Field(
        default="JBFqnCBsd6RMkjVDRZzb", description="A voice's id; used where the agent has no tts_voice"
    )
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000] = Field(
        default=24_000, description="Of the audio, in Hz"
    )
    word_times: bool = Field(default=True, description="Ask for the times of the words")
    stability: float | None = Field(default=None, ge=0, le=1, description="Empty: the voice's own")
    similarity_boost: float | None = Field(default=None, ge=0, le=1, description="Empty: the voice's own")
    style: float | None = Field(default=None, ge=0, le=1, description="Empty: the voice's own")
    speed: float | None = Field(default=None, ge=0.7, le=1.2, description="1 is natural; empty: the voice's own")
    takes_words: bool = Field(
        default=True, description="Speak the first sentence of an answer while it is written; not with eleven_v3"
    )
    send_language: bool = Field(
        default=False, description="Name the agent's language; the models turbo and flash 2.5 take it, others refuse it"
    )


class ElevenLabs(WordVendorSpeech):
    """Speaks with ElevenLabs' voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self.takes_words = config.takes_words and not config.model.startswith(WITHOUT_WEBSOCKET)
        self._pools: dict[str, SocketPool] = {}
        self._decoder = msgspec.json.Decoder(_Message)
        self._headers = {"xi-api-key": VENDOR.key.required(deps, VENDOR.provider)}
        names = ("stability", "similarity_boost", "style", "speed")
        self._settings = {name: value for name in names if (value := getattr(config, name)) is not None}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request; with times of words, its answer is a line of JSON for each piece of audio."""
        path = f"/text-to-speech/{quote(sentence.voice, safe='')}/stream"
        request = self.request(
            f"{path}/with-timestamps" if self._config.word_times else path,
            headers=self._headers,
            params={"output_format": f"pcm_{self.sample_rate}"},
            json=self._body(sentence),
        )
        async with request as response:
            if not self._config.word_times:
                async for piece in self.audio_of(response):
                    yield piece
                return
            alignment = _Alignment(sentence)
            async for line in self.events_of(response, _Line):
                yield Piece(line.audio_base64 or b"", alignment.words(line.alignment))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the idle sockets."""
        while self._pools:
            self._pools.popitem()[1].close()

    async def pieces_of(self, sentence: Sentence, parts: AsyncIterator[str]) -> AsyncGenerator[Piece, None]:
        """One context, which is closed behind its last word."""
        context = new_id("context")

        def message(**fields: Any) -> str:
            return msgspec.json.encode({"context_id": context, **fields}).decode()

        close = message(close_context=True)
        async with self._pool(sentence).lease(on_cut=close) as socket:
            settings = {"voice_settings": self._settings} if self._settings else {}
            socket.send(message(text=" ", generation_config={"chunk_length_schedule": CHUNKS}, **settings))

            def end() -> None:
                socket.send(message(flush=True))
                socket.send(close)

            alignment = _Alignment(sentence)

            def send(part: str) -> None:
                socket.send(message(text=part if part[-1:].isspace() else f"{part} "))

            async with sending(parts, send, end):
                while True:
                    answer = self._decoder.decode(await socket.receive())
                    if answer.error:
                        raise self.reported({"message": answer.message or answer.error})
                    if answer.contextId not in {context, None}:
                        continue
                    if answer.isFinal:
                        return
                    yield Piece(answer.audio or b"", alignment.words(answer.characters()))

    def _pool(self, sentence: Sentence) -> SocketPool:
        """The sockets of the sentence's voice and language."""
        query: dict[str, Any] = {
            "model_id": self._config.model,
            "output_format": f"pcm_{self.sample_rate}",
            "inactivity_timeout": INACTIVITY_S,
            "sync_alignment": str(self._config.word_times).lower(),
        }
        if self._config.send_language and sentence.base_language:
            query["language_code"] = sentence.base_language
        path = f"/text-to-speech/{quote(sentence.voice, safe='')}/multi-stream-input?{urlencode(query)}"
        if (known := self._pools.get(path)) is not None:
            return known
        if len(self._pools) >= MAX_VOICES:
            self._pools.pop(next(iter(self._pools))).close()
        url = f"{self._base_url}{path}"
        pool = SocketPool(self, self._clock, url, self._headers, timeout_s=self._timeout_s)
        return self._pools.setdefault(path, pool)

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        body: dict[str, Any] = {"text": sentence.text, "model_id": self._config.model}
        if self._settings:
            body["voice_settings"] = self._settings
        if self._config.send_language and sentence.base_language:
            body["language_code"] = sentence.base_language
        return body


class _Characters(msgspec.Struct):
    characters: list[str] = []
    character_start_times_seconds: list[float] = []


class _Line(msgspec.Struct):
    audio_base64: bytes | None = None
    alignment: _Characters | None = None


class _CharacterTimes(msgspec.Struct):
    chars: list[str] = []
    charStartTimesMs: list[float] = []  # noqa: N815  as it is on the wire


class _Message(msgspec.Struct):
    audio: bytes | None = None
    alignment: _CharacterTimes | None = None
    contextId: str | None = None  # noqa: N815  same
    isFinal: bool | None = None  # noqa: N815  same
    error: str | None = None
    message: str | None = None

    def characters(self) -> _Characters | None:
        """The alignment as HTTP has it."""
        if self.alignment is None:
            return None
        times_s = [at_ms / 1000 for at_ms in self.alignment.charStartTimesMs]
        return _Characters(self.alignment.chars, times_s)


class _Alignment:
    """Follows the alignment of the text as it was sent, character by character."""

    def __init__(self, sentence: Sentence) -> None:
        self._sentence = sentence
        self._timeline = Timeline()
        self._position = 0

    def words(self, alignment: _Characters | None) -> list[SpokenWord]:
        if alignment is None:
            return []
        times_s = self._timeline.of(alignment.character_start_times_seconds, self._sentence.audio_s)
        characters: Sequence[str] = alignment.characters
        if not self._position:  # a blank begins a context, and no text
            blanks = next((n for n, each in enumerate(characters) if not each.isspace()), len(characters))
            blanks = 0 if self._sentence.words.text[:1].isspace() else blanks
            characters, times_s = characters[blanks:], times_s[blanks:]
        found = self._sentence.words.characters(characters, times_s, self._position)
        self._position += sum(map(len, characters))
        return found


def create(config: Config, deps: Deps) -> ElevenLabs:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return ElevenLabs(config, deps)
