"""Neuphonic's text-to-speech: server-sent events with bare samples."""

import json
from base64 import b64encode
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class NeuphonicSpeech(SpeechVendor):
    provider = "neuphonic"
    key_variable = "NEUPHONIC_API_KEY"
    key_name = "neuphonic"
    address_variable = "NEUPHONIC_BASE_URL"
    path = ""
    sample_rate = 22_050
    media_type = "text/event-stream"
    in_band = b'data: {"status_code": 429, "errors": ["slow down"]}\n\n'

    def routes(self) -> list[BaseRoute]:
        return [Route("/sse/speak/{language}", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("x-api-key") == KEY

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        assert seen.json["encoding"] == "pcm_linear"
        for sound in sounds:
            data = {"audio": b64encode(sound.pcm).decode(), "sampling_rate": self.sample_rate}
            event = {"status_code": 200, "data": data}
            yield b"event: message\ndata: " + json.dumps(event).encode() + b"\n\n"
