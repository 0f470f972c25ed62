"""MiniMax's streamed text-to-speech: server-sent events, samples in hexadecimal, and the whole audio again at the end."""

import json
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class MiniMaxSpeech(SpeechVendor):
    provider = "minimax"
    key_variable = "MINIMAX_API_KEY"
    key_name = "minimax"
    address_variable = "MINIMAX_BASE_URL"
    path = ""
    media_type = "text/event-stream"
    in_band = b'{"base_resp": {"status_code": 1002, "status_msg": "slow down"}}'

    def routes(self) -> list[BaseRoute]:
        return [Route("/v1/t2a_v2", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("authorization") == f"Bearer {KEY}"

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        assert seen.json["audio_setting"]["format"] == "pcm"
        whole = b""
        for sound in sounds:
            whole += sound.pcm
            yield _event(sound.pcm, 1)
        yield _event(whole, 2)

    def error(self, status: int) -> dict[str, object]:
        return {
            "base_resp": {"status_code": 1000, "status_msg": f"the vendor says {status}"},
            "message": f"the vendor says {status}",
        }


def _event(pcm: bytes, status: int) -> bytes:
    event = {
        "data": {"audio": pcm.hex(), "status": status},
        "trace_id": "t",
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    return b"data: " + json.dumps(event).encode() + b"\n\n"
