"""A server of Coqui's XTTS: its speakers as JSON, and speech as bare samples."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import Seen, SpeechVendor

SPEAKER = {"speaker_embedding": [0.5, 0.25], "gpt_cond_latent": [[0.5], [0.25]]}


class XttsSpeech(SpeechVendor):
    provider = "xtts"
    address_variable = "XTTS_BASE_URL"
    path = ""
    media_type = "audio/wav"
    is_raw = True

    def routes(self) -> list[BaseRoute]:
        return [Route("/studio_speakers", self._speakers), Route("/tts_stream", self.answer, methods=["POST"])]

    async def _speakers(self, request: Request) -> Response:
        return JSONResponse({"Ana": SPEAKER, "Bo": SPEAKER})

    def is_authorised(self, request: HTTPConnection) -> bool:
        return True

    def text_of(self, seen: Seen) -> str:
        assert seen.json["speaker_embedding"] == SPEAKER["speaker_embedding"]
        return seen.json["text"]

    def error(self, status: int) -> dict[str, object]:
        return {"detail": f"the vendor says {status}"}
