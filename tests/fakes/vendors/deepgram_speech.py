"""Deepgram's text-to-speech over HTTP: a text as JSON, its speech as bare samples."""

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, SpeechVendor


class DeepgramSpeech(SpeechVendor):
    provider = "deepgram"
    key_variable = "DEEPGRAM_API_KEY"
    key_name = "deepgram"
    address_variable = "DEEPGRAM_BASE_URL"
    media_type = "audio/l16;rate=24000"
    is_raw = True

    def routes(self) -> list[BaseRoute]:
        return [Route("/v1/speak", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        asked = (request.query_params.get("encoding"), request.query_params.get("container"))
        return request.headers.get("authorization") == f"Token {KEY}" and asked == ("linear16", "none")

    def error(self, status: int) -> dict[str, object]:
        return {"err_code": "SOME_CODE", "err_msg": f"the vendor says {status}", "request_id": "r"}
