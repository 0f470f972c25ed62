"""Google's text-to-speech over REST: one JSON document with a WAV file in it, and the times of the marks in the SSML."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor

SLICE = 4096


class GoogleSpeech(SpeechVendor):
    provider = "google"
    key_variable = "GOOGLE_API_KEY"
    key_name = "google"
    address_variable = "GOOGLE_TTS_URL"
    path = ""
    media_type = "application/json; charset=UTF-8"
    gives_words = True
    speaks_wav = True
    streams = False

    def routes(self) -> list[BaseRoute]:
        paths = ("/v1/text:synthesize", "/v1beta1/text:synthesize")
        return [Route(path, self.answer, methods=["POST"]) for path in paths]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("x-goog-api-key") == KEY

    def text_of(self, seen: Seen) -> str:
        given = seen.json["input"]
        return given["text"] if "text" in given else "".join(ET.fromstring(given["ssml"]).itertext())  # noqa: S314  ours

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        everything = list(sounds)
        answer: dict[str, object] = {
            "audioContent": b64encode(self.wav_head() + b"".join(sound.pcm for sound in everything)).decode()
        }
        words = [word for sound in everything for word in sound.words]
        marks = re.findall(r'<mark name="([^"]+)"', seen.json["input"].get("ssml", ""))
        if seen.json.get("enableTimePointing"):
            points = zip(marks, words, strict=True)
            answer["timepoints"] = [{"markName": mark, "timeSeconds": word.start_s} for mark, word in points]
        body = json.dumps(answer).encode()
        return (body[start : start + SLICE] for start in range(0, len(body), SLICE))

    def error(self, status: int) -> dict[str, object]:
        return {"error": {"code": status, "message": f"the vendor says {status}", "status": "THE_STATUS"}}
