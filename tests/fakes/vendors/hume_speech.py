"""Hume's streamed text-to-speech: lines of JSON, some with audio and some with the time of a word."""

import json
from base64 import b64encode
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class HumeSpeech(SpeechVendor):
    provider = "hume"
    key_variable = "HUME_API_KEY"
    key_name = "hume"
    address_variable = "HUME_BASE_URL"
    path = "/v0"
    sample_rate = 48_000
    media_type = "text/event-stream"
    gives_words = True
    in_band = b'{"type": "error", "error": {"code": "rate_limited", "message": "slow down"}}\n'

    def routes(self) -> list[BaseRoute]:
        return [Route("/v0/tts/stream/json", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("x-hume-api-key") == KEY

    def text_of(self, seen: Seen) -> str:
        return seen.json["utterances"][0]["text"]

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        assert seen.json["format"] == {"type": "pcm"}
        for number, sound in enumerate(sounds):
            lines: list[dict[str, object]] = [
                {
                    "type": "timestamp",
                    "timestamp": {
                        "type": "word",
                        "text": word.text,
                        "time": {"begin": round(word.start_s * 1000), "end": round(word.end_s * 1000)},
                    },
                }
                for word in sound.words
                if "word" in seen.json.get("include_timestamp_types", [])
            ]
            lines.append({"type": "audio", "audio": b64encode(sound.pcm).decode(), "chunk_index": number})
            yield "".join(json.dumps(line) + "\n" for line in lines).encode()

    def error(self, status: int) -> dict[str, object]:
        return {"status": status, "code": "E0000", "message": f"the vendor says {status}"}
