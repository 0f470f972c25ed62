"""Speech by Inworld, streamed as lines of JSON: each has a small WAV file and the times of its words."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._pcm import PcmReader
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech
from vox.providers.tts._words import Timeline

VENDOR = Vendor(
    "Inworld",
    "inworld",
    "https://api.inworld.ai",
    "INWORLD_BASE_URL",
    Key("inworld", ("INWORLD_API_KEY",)),
    max_text=2000,
)


class Config(VendorOptions):
    """Options of Inworld's voices."""

    model: str = Field(default="inworld-tts-1.5-mini", description="One of Inworld's models")
    voice: str = Field(default="Ashley", description="A voice's id; used where the agent has no tts_voice")
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000, description="Of the audio, in Hz")
    speed: float | None = Field(default=None, ge=0.5, le=1.5, description="1 is natural; empty: the voice's own")
    temperature: float | None = Field(default=None, gt=0, le=2, description="How lively; empty: the model's own")
    word_times: bool = Field(default=True, description="Ask for the times of the words")


class _Alignment(msgspec.Struct, rename="camel"):
    words: list[str] = []
    word_start_time_seconds: list[float] = []


class _Times(msgspec.Struct, rename="camel"):
    word_alignment: _Alignment | None = None


class _Result(msgspec.Struct, rename="camel"):
    audio_content: bytes | None = None
    timestamp_info: _Times | None = None


class _Line(msgspec.Struct):
    result: _Result | None = None
    error: Any = None


class Inworld(VendorSpeech):
    """Speaks with Inworld's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._headers = {"Authorization": f"Basic {VENDOR.key.required(deps, VENDOR.provider)}"}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is a line for each piece of audio."""
        timeline = Timeline()
        async with self.request("/tts/v1/voice:stream", headers=self._headers, json=self._body(sentence)) as response:
            async for line in self.events_of(response, _Line):
                if line.error:
                    raise self.reported(line.error)
                result = line.result or _Result()
                times = (result.timestamp_info or _Times()).word_alignment or _Alignment()
                starts_s = timeline.of(times.word_start_time_seconds, sentence.audio_s)
                yield Piece(self._samples(result.audio_content), sentence.words.all_spoken(times.words, starts_s))

    def _samples(self, audio: bytes | None) -> bytes:
        """What is in one line's WAV file."""
        if not audio:
            return b""
        reader = PcmReader(self.vendor.name, self.sample_rate)
        return reader.feed(audio) + reader.finish()

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        config = self._config
        audio: dict[str, Any] = {"audioEncoding": "LINEAR16", "sampleRateHertz": self.sample_rate}
        if config.speed is not None:
            audio["speakingRate"] = config.speed
        body: dict[str, Any] = {
            "text": sentence.text,
            "voiceId": sentence.voice,
            "modelId": config.model,
            "audioConfig": audio,
        }
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.word_times:
            body["timestampType"] = "WORD"
        return body


def create(config: Config, deps: Deps) -> Inworld:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Inworld(config, deps)
