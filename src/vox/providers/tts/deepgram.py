"""Speech by Deepgram's Aura: bare PCM streamed over HTTP; the voice is part of the model's name, and words have no times."""

from collections.abc import AsyncGenerator
from typing import Literal

from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor(
    "Deepgram",
    "deepgram",
    "https://api.deepgram.com/v1",
    "DEEPGRAM_BASE_URL",
    Key("deepgram", ("DEEPGRAM_API_KEY",)),
    max_text=2000,
)


class Config(VendorOptions):
    """Options of Deepgram's voices."""

    model: str = Field(
        default="aura-2-thalia-en", description="A voice's model; the agent's tts_voice, where it has one, comes first"
    )
    sample_rate: Literal[8_000, 16_000, 24_000, 32_000, 48_000] = Field(
        default=24_000, description="Of the audio, in Hz"
    )


class Deepgram(VendorSpeech):
    """Speaks with Deepgram's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.model, sample_rate=config.sample_rate)
        self._headers = {"Authorization": f"Token {VENDOR.key.required(deps, VENDOR.provider)}"}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is the audio."""
        query = {
            "model": sentence.voice,
            "encoding": "linear16",
            "container": "none",
            "sample_rate": str(self.sample_rate),
        }
        async with self.request(
            "/speak", headers=self._headers, params=query, json={"text": sentence.text}
        ) as response:
            async for piece in self.audio_of(response):
                yield piece


def create(config: Config, deps: Deps) -> Deepgram:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Deepgram(config, deps)
