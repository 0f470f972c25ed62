"""Speech by Sarvam: voices of India's languages, streamed over HTTP as WAV or bare PCM; words have no times."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor(
    "Sarvam",
    "sarvam",
    "https://api.sarvam.ai",
    "SARVAM_BASE_URL",
    Key("sarvam", ("SARVAM_API_KEY",)),
    max_text=2500,
)
_INDIAN = frozenset({"bn", "en", "gu", "hi", "kn", "ml", "mr", "od", "pa", "ta", "te"})


class Config(VendorOptions):
    """Options of Sarvam's voices."""

    model: str = Field(default="bulbul:v2", description="One of Sarvam's models")
    voice: str = Field(default="anushka", description="A speaker; used where the agent has no tts_voice")
    language: str = Field(default="en-IN", description="Used where the agent names none that Sarvam speaks")
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000] = Field(default=24_000, description="Of the audio, in Hz")
    pace: float | None = Field(default=None, ge=0.3, le=3, description="1 is natural; empty: the voice's own")
    enable_preprocessing: bool = Field(
        default=False, description="Whether Sarvam writes out numbers and words of other languages itself"
    )


class Sarvam(VendorSpeech):
    """Speaks with Sarvam's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._headers = {"api-subscription-key": VENDOR.key.required(deps, VENDOR.provider)}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is the audio."""
        body = self._body(sentence)
        async with self.request("/text-to-speech/stream", headers=self._headers, json=body) as response:
            async for piece in self.audio_of(response):
                yield piece

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        config = self._config
        body: dict[str, Any] = {
            "text": sentence.text,
            "target_language_code": self._language(sentence),
            "speaker": sentence.voice,
            "model": config.model,
            "speech_sample_rate": self.sample_rate,
            "output_audio_codec": "wav",
            "enable_preprocessing": config.enable_preprocessing,
        }
        if config.pace is not None:
            body["pace"] = config.pace
        return body

    def _language(self, sentence: Sentence) -> str:
        """Sarvam's codes are of India: `hi-IN` also for `hi`."""
        language = sentence.base_language
        return f"{language}-IN" if language in _INDIAN else self._config.language


def create(config: Config, deps: Deps) -> Sarvam:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Sarvam(config, deps)
