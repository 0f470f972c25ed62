"""Speech by Azure's AI Speech: SSML over its REST interface, answered with bare PCM as it is made.

The service has the times of words only in the messages of its own SDK, which are not documented; here they are estimated.
"""

from collections.abc import AsyncGenerator
from typing import Literal

from pydantic import Field

from vox.errors import UsageError
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech, escaped

VENDOR = Vendor(
    "Azure Speech",
    "azure",
    "",
    "AZURE_SPEECH_TTS_URL",
    Key("azure", ("AZURE_SPEECH_KEY", "AZURE_SPEECH_API_KEY")),
)
FORMATS = {
    8_000: "raw-8khz-16bit-mono-pcm",
    16_000: "raw-16khz-16bit-mono-pcm",
    22_050: "raw-22050hz-16bit-mono-pcm",
    24_000: "raw-24khz-16bit-mono-pcm",
    44_100: "raw-44100hz-16bit-mono-pcm",
    48_000: "raw-48khz-16bit-mono-pcm",
}


class Config(VendorOptions):
    """Options of Azure's voices."""

    region: str = Field(
        default="",
        pattern="^[a-z0-9-]*$",
        description="Of the Speech resource, such as westeurope; empty: the environment's AZURE_SPEECH_REGION",
    )
    voice: str = Field(
        default="en-US-AvaMultilingualNeural", description="A voice's name; used where the agent has no tts_voice"
    )
    style: str = Field(default="", description="A speaking style that the voice has, such as cheerful")
    rate: str = Field(default="", description="How fast, as SSML says it: +10%, 0.9; empty: the voice's own")
    pitch: str = Field(default="", description="How high, as SSML says it: +5%, -2st; empty: the voice's own")
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 44_100, 48_000] = Field(
        default=24_000, description="Of the audio, in Hz"
    )


class Azure(VendorSpeech):
    """Speaks with Azure's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._headers = {
            "Ocp-Apim-Subscription-Key": VENDOR.key.required(deps, VENDOR.provider),
            "Content-Type": "application/ssml+xml",
            "X-Microsoft-OutputFormat": FORMATS[config.sample_rate],
            "User-Agent": "vox",
        }
        if not self._base_url:
            self._base_url = _address(config, deps)

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is the audio."""
        ssml = self._ssml(sentence).encode()
        async with self.request("/cognitiveservices/v1", headers=self._headers, content=ssml) as response:
            async for piece in self.audio_of(response):
                yield piece

    def _ssml(self, sentence: Sentence) -> str:
        config = self._config
        spoken = escaped(sentence.text)
        how = "".join(f' {name}="{escaped(value)}"' for name in ("rate", "pitch") if (value := getattr(config, name)))
        if how:
            spoken = f"<prosody{how}>{spoken}</prosody>"
        if config.style:
            spoken = f'<mstts:express-as style="{escaped(config.style)}">{spoken}</mstts:express-as>'
        if "Multilingual" in sentence.voice and "-" in sentence.language:  # it would guess otherwise
            spoken = f'<lang xml:lang="{escaped(sentence.language)}">{spoken}</lang>'
        return (
            '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
            f'xmlns:mstts="https://www.w3.org/2001/mstts" xml:lang="{_language_of(sentence.voice)}">'
            f'<voice name="{escaped(sentence.voice)}">{spoken}</voice></speak>'
        )


def _language_of(voice: str) -> str:
    """The language in a voice's name: `en-US` of `en-US-AvaNeural`."""
    return escaped("-".join(voice.split("-")[:2])) or "en-US"


def _address(config: Config, deps: Deps) -> str:
    region = config.region or deps.environment.get("AZURE_SPEECH_REGION", "")
    if not region:
        raise UsageError(
            "the provider 'azure' needs the region of its Speech resource",
            code="invalid_provider_option",
            hint="set AZURE_SPEECH_REGION, or the option region, such as westeurope",
        )
    return f"https://{region}.tts.speech.microsoft.com"


def create(config: Config, deps: Deps) -> Azure:
    """The driver; raises `UsageError` (`missing_api_key`, `invalid_provider_option`)."""
    return Azure(config, deps)
