"""Sarvam's streamed text-to-speech: a text as JSON, its speech as a WAV file that is still being written."""

from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class SarvamSpeech(SpeechVendor):
    provider = "sarvam"
    key_variable = "SARVAM_API_KEY"
    key_name = "sarvam"
    address_variable = "SARVAM_BASE_URL"
    path = ""
    media_type = "audio/wav"
    speaks_wav = True
    is_raw = True

    def routes(self) -> list[BaseRoute]:
        return [Route("/text-to-speech/stream", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("api-subscription-key") == KEY

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        assert seen.json["output_audio_codec"] == "wav"
        assert seen.json["target_language_code"].endswith("-IN")
        yield self.wav_head()
        yield from (sound.pcm for sound in sounds)

    def error(self, status: int) -> dict[str, object]:
        return {"error": {"message": f"the vendor says {status}", "code": "some_error", "request_id": "r"}}
