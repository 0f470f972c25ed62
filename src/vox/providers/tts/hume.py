"""Speech by Hume's Octave: voices that act what they say, streamed as lines of JSON with the times of the words."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor("Hume", "hume", "https://api.hume.ai/v0", "HUME_BASE_URL", Key("hume", ("HUME_API_KEY",)))


class Config(VendorOptions):
    """Options of Hume's voices."""

    model: str = Field(default="2", description="Octave's version; the times of words need 2")
    voice: str = Field(
        default="Male English Actor", description="A voice's id or name; used where the agent has no tts_voice"
    )
    voice_provider: Literal["HUME_AI", "CUSTOM_VOICE"] = Field(
        default="HUME_AI", description="Where a voice's name stands: in Hume's library or in your own"
    )
    description: str = Field(default="", description="How to act, such as: calm and friendly")
    speed: float | None = Field(default=None, ge=0.5, le=2, description="1 is natural; empty: the voice's own")
    word_times: bool = Field(default=True, description="Ask for the times of the words")


class _Span(msgspec.Struct):
    begin: float = 0.0


class _Timestamp(msgspec.Struct):
    type: str = ""
    text: str = ""
    time: _Span = msgspec.field(default_factory=_Span)


class _Line(msgspec.Struct):
    type: str = ""
    audio: bytes | None = None
    timestamp: _Timestamp | None = None
    error: Any = None
    message: str | None = None


class Hume(VendorSpeech):
    """Speaks with Hume's voices; their audio has 48 kHz."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=48_000)
        self._config = config
        self._headers = {"X-Hume-Api-Key": VENDOR.key.required(deps, VENDOR.provider)}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request; each line of its answer has audio or the time of a word."""
        body = self._body(sentence)
        async with self.request("/tts/stream/json", headers=self._headers, json=body) as response:
            async for line in self.events_of(response, _Line):
                if line.type == "error" or line.error:
                    raise self.reported(line.error or {"message": line.message})
                word = line.timestamp if line.timestamp and line.timestamp.type == "word" else None
                found = sentence.words.all_spoken([word.text], [word.time.begin / 1000]) if word else ()
                yield Piece(line.audio or b"", found)

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        config = self._config
        utterance: dict[str, Any] = {"text": sentence.text, "voice": self._voice_of(sentence.voice)}
        if config.description:
            utterance["description"] = config.description
        if config.speed is not None:
            utterance["speed"] = config.speed
        body: dict[str, Any] = {
            "utterances": [utterance],
            "version": config.model,
            "format": {"type": "pcm"},
            "num_generations": 1,
            "instant_mode": True,
            "strip_headers": True,
        }
        if config.word_times:
            body["include_timestamp_types"] = ["word"]
        return body

    def _voice_of(self, voice: str) -> dict[str, str]:
        """By its id, which is a UUID, or by its name."""
        if len(voice) == len("5bb7de05-c8fe-426a-8fcc-ba4fc4ce9f9c") and voice.count("-") == 4:  # noqa: PLR2004  a UUID's
            return {"id": voice}
        return {"name": voice, "provider": self._config.voice_provider}


def create(config: Config, deps: Deps) -> Hume:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Hume(config, deps)
