"""Speech by ElevenLabs: bare PCM with the time of each character, streamed over HTTP."""

from collections.abc import AsyncGenerator
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech
from vox.providers.tts._words import Timeline
from vox.providers.tts.contract import SpokenWord

VENDOR = Vendor(
    "ElevenLabs",
    "elevenlabs",
    "https://api.elevenlabs.io/v1",
    "ELEVENLABS_BASE_URL",
    Key("elevenlabs", ("ELEVENLABS_API_KEY",)),
)


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
    send_language: bool = Field(
        default=False, description="Name the agent's language; the models turbo and flash 2.5 take it, others refuse it"
    )


class ElevenLabs(VendorSpeech):
    """Speaks with ElevenLabs' voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
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
        found = self._sentence.words.characters(alignment.characters, times_s, self._position)
        self._position += sum(map(len, alignment.characters))
        return found


def create(config: Config, deps: Deps) -> ElevenLabs:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return ElevenLabs(config, deps)
