"""Azure's text-to-speech over REST: SSML, which has to be well-formed, and its speech as bare samples."""

from xml.etree import ElementTree as ET

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, SpeechVendor


class AzureSpeech(SpeechVendor):
    provider = "azure"
    key_variable = "AZURE_SPEECH_KEY"
    key_name = "azure"
    address_variable = "AZURE_SPEECH_TTS_URL"
    path = ""
    media_type = "audio/x-wav"
    is_raw = True

    def routes(self) -> list[BaseRoute]:
        return [Route("/cognitiveservices/v1", self.answer, methods=["POST"])]

    def is_authorised(self, request: HTTPConnection) -> bool:
        headers = request.headers
        return (
            headers.get("ocp-apim-subscription-key") == KEY
            and headers.get("x-microsoft-outputformat") == "raw-24khz-16bit-mono-pcm"
            and headers.get("content-type") == "application/ssml+xml"
        )

    def text_of(self, seen: Seen) -> str:
        return "".join(ET.fromstring(seen.body).itertext())  # noqa: S314  our own driver wrote it
