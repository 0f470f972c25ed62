"""AWS Polly over its REST interface: signed requests, bare samples, and speech marks as lines of JSON."""

import json
from collections.abc import Iterable

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor

ACCESS_KEY = "AKIDEXAMPLE"


class AwsSpeech(SpeechVendor):
    provider = "aws"
    key_variable = "AWS_SECRET_ACCESS_KEY"
    key_name = "aws_secret_access_key"
    address_variable = "AWS_ENDPOINT_URL_POLLY"
    more_environment = {  # noqa: RUF012  read only
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    path = ""
    sample_rate = 16_000
    media_type = "audio/pcm"
    is_raw = True
    gives_words = True
    options = {"word_times": True}  # noqa: RUF012  read only
    requests = 2

    def routes(self) -> list[BaseRoute]:
        return [Route("/v1/speech", self._speak, methods=["POST"])]

    async def _speak(self, request: Request) -> Response:
        if (await request.json())["OutputFormat"] == "pcm":
            return await self.answer(request)
        seen = self.see(request, await request.body())
        text = self.text_of(seen)
        words = [word for sound in self.sounds(text) for word in sound.words]
        marks = [
            {
                "time": round(word.start_s * 1000),
                "type": "word",
                "start": len(text[: word.start].encode()),
                "end": len(text[: word.end].encode()),
                "value": word.text,
            }
            for word in words
        ]
        lines = "".join(json.dumps(mark) + "\n" for mark in marks)
        return Response(lines, media_type="application/x-json-stream")

    def text_of(self, seen: Seen) -> str:
        return seen.json["Text"]

    def is_authorised(self, request: HTTPConnection) -> bool:
        """AWS's own library signs the same request."""
        body = self.seen[-1].body
        headers = request.headers
        ours = AWSRequest("POST", str(request.url), {"Content-Type": "application/json"}, body)
        ours.context["timestamp"] = headers["x-amz-date"]
        ours.headers["X-Amz-Date"] = headers["x-amz-date"]
        judge = SigV4Auth(Credentials(ACCESS_KEY, KEY), "polly", "eu-west-1")
        signature = judge.signature(judge.string_to_sign(ours, judge.canonical_request(ours)), ours)
        return headers["authorization"].endswith(f"Signature={signature}")

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        return (sound.pcm for sound in sounds)

    def error(self, status: int) -> dict[str, object]:
        return {"message": f"the vendor says {status}"}
