"""Inworld's streamed text-to-speech: lines of JSON, each with a WAV file and the times of its words and blanks."""

import json
from base64 import b64encode
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class InworldSpeech(SpeechVendor):
    provider = "inworld"
    key_variable = "INWORLD_API_KEY"
    key_name = "inworld"
    address_variable = "INWORLD_BASE_URL"
    path = ""
    media_type = "application/json"
    gives_words = True
    speaks_wav = True
    in_band = b'{"error": {"code": 8, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}\n'

    def routes(self) -> list[BaseRoute]:
        return [Route("/tts/v1/voice:stream", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("authorization") == f"Basic {KEY}"

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        odd = b""
        for sound in sounds:
            pcm = odd + sound.pcm
            whole = len(pcm) & ~1  # each file has whole samples
            odd = pcm[whole:]
            words = [part for word in sound.words for part in (" ", word.text)]
            starts_s = [each for word in sound.words for each in (word.start_s, word.start_s)]
            result: dict[str, object] = {"audioContent": b64encode(self.wav_head() + pcm[:whole]).decode()}
            if words and seen.json.get("timestampType") == "WORD":
                alignment = {"words": words, "wordStartTimeSeconds": starts_s, "wordEndTimeSeconds": starts_s}
                result["timestampInfo"] = {"wordAlignment": alignment}
            yield json.dumps({"result": result}).encode() + b"\n"

    def error(self, status: int) -> dict[str, object]:
        return {"code": 3, "message": f"the vendor says {status}", "details": []}
