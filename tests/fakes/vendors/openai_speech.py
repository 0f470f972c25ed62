"""OpenAI's text-to-speech and Groq's, which has the same interface and WAV alone."""

from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class OpenAiSpeech(SpeechVendor):
    provider = "openai"
    key_variable = "OPENAI_API_KEY"
    key_name = "openai"
    address_variable = "OPENAI_BASE_URL"
    media_type = "audio/pcm"
    is_raw = True
    audio_format = "pcm"

    def routes(self) -> list[BaseRoute]:
        return [Route("/v1/audio/speech", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("authorization") == f"Bearer {KEY}"

    def text_of(self, seen: Seen) -> str:
        return seen.json["input"]

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        assert seen.json["response_format"] == self.audio_format
        if self.speaks_wav:
            yield self.wav_head()
        yield from (sound.pcm for sound in sounds)


class GroqSpeech(OpenAiSpeech):
    provider = "groq"
    key_variable = "GROQ_API_KEY"
    key_name = "groq"
    address_variable = "GROQ_BASE_URL"
    media_type = "audio/wav"
    speaks_wav = True
    audio_format = "wav"
