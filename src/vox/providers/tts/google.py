"""Speech by Google's Cloud Text-to-Speech over REST: the whole sentence in one answer, with the times of its words.

Streamed answers exist over gRPC alone, and for one family of voices. A sentence is short, and this answer has times, by a mark in
front of each word, which Google does not charge for.
"""

import re
from collections.abc import AsyncGenerator
from typing import Any, Self

import msgspec
from pydantic import Field

from vox.providers._google_credentials import KEY, GoogleCredentials
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech, escaped
from vox.providers.tts.contract import SpokenWord

VENDOR = Vendor("Google Text-to-Speech", "google", "https://texttospeech.googleapis.com", "GOOGLE_TTS_URL", KEY)
MAX_BYTES = 5000
"""Of a request's text, marks included."""

_WORD = re.compile(r"\S+")
_WITHOUT_MARKS = re.compile(r"Chirp|Studio|Journey|Casual")
"""Families of voices that take no marks."""


class Config(VendorOptions):
    """Options of Google's voices."""

    voice: str = Field(
        default="", description="A voice's name, such as en-US-Neural2-F; empty: Google's choice for the language"
    )
    language: str = Field(default="en-US", description="Used where neither the voice nor the agent names one")
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000, description="Of the audio, in Hz")
    speed: float | None = Field(default=None, ge=0.25, le=2, description="1 is natural; empty: the voice's own")
    pitch: float | None = Field(default=None, ge=-20, le=20, description="In semitones; empty: the voice's own")
    word_times: bool = Field(default=True, description="Ask for the times of the words, where the voice has them")


class _Mark(msgspec.Struct, rename="camel"):
    mark_name: str
    time_seconds: float = 0.0


class _Answer(msgspec.Struct, rename="camel"):
    audio_content: bytes
    timepoints: list[_Mark] = []


class Google(VendorSpeech):
    """Speaks with Google's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._credentials = GoogleCredentials(deps, VENDOR.name)

    async def __aenter__(self) -> Self:
        await self._credentials.open()
        return self

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, one answer."""
        marked = self._config.word_times and not _WITHOUT_MARKS.search(sentence.voice)
        ssml = _ssml(sentence.text) if marked else ""
        if not ssml or len(ssml.encode()) > MAX_BYTES:
            ssml = ""
        headers = await self._credentials.headers()
        path = "/v1beta1/text:synthesize" if ssml else "/v1/text:synthesize"
        async with self.request(path, headers=headers, json=self._body(sentence, ssml)) as response:
            answer = await self.document(response, _Answer)
        yield Piece(answer.audio_content, _words(sentence, answer.timepoints))

    def _body(self, sentence: Sentence, ssml: str) -> dict[str, Any]:
        config = self._config
        named = "-".join(sentence.voice.split("-")[:2]) if sentence.voice.count("-") > 1 else ""
        voice = {"languageCode": named or sentence.language or config.language}
        if sentence.voice:
            voice["name"] = sentence.voice
        audio: dict[str, Any] = {"audioEncoding": "LINEAR16", "sampleRateHertz": self.sample_rate}
        if config.speed is not None:
            audio["speakingRate"] = config.speed
        if config.pitch is not None:
            audio["pitch"] = config.pitch
        if ssml:
            return {
                "input": {"ssml": ssml},
                "voice": voice,
                "audioConfig": audio,
                "enableTimePointing": ["SSML_MARK"],
            }
        text = sentence.text.encode()[:MAX_BYTES].decode(errors="ignore")
        return {"input": {"text": text}, "voice": voice, "audioConfig": audio}


def _ssml(text: str) -> str:
    """The text with a mark in front of each word, named by the word's place."""
    parts: list[str] = []
    position = 0
    for word in _WORD.finditer(text):
        parts += (text[position : word.start()], f'<mark name="{word.start()}"/>', escaped(word[0]))
        position = word.end()
    return f"<speak>{''.join(parts)}</speak>"


def _words(sentence: Sentence, marks: list[_Mark]) -> list[SpokenWord]:
    places = [(int(mark.mark_name), mark.time_seconds) for mark in marks]
    return [found for place, at_s in places if (found := sentence.words.at(place, at_s))]


def create(config: Config, deps: Deps) -> Google:
    """The driver; opening it raises `UsageError` (`missing_api_key`, `invalid_credentials`)."""
    return Google(config, deps)
