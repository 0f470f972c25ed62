"""ElevenLabs' text-to-speech: PCM, or a line of JSON for each piece with the time of each character."""

import json
from base64 import b64encode
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class ElevenLabsSpeech(SpeechVendor):
    provider = "elevenlabs"
    key_variable = "ELEVENLABS_API_KEY"
    key_name = "elevenlabs"
    address_variable = "ELEVENLABS_BASE_URL"
    gives_words = True

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v1/text-to-speech/{voice}/stream", self.answer, methods=["POST"]),
            Route("/v1/text-to-speech/{voice}/stream/with-timestamps", self.answer, methods=["POST"]),
        ]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("xi-api-key") == KEY

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        text, position = self.text_of(seen), 0
        with_times = seen.path.endswith("with-timestamps")
        for sound in sounds:
            if not with_times:
                yield sound.pcm
                continue
            characters: list[str] = []
            starts_s: list[float] = []
            for word in sound.words:
                piece = text[position : word.end]  # the blank before a word goes with it
                step_s = (word.end_s - word.start_s) / len(piece)
                starts_s += [word.start_s - sound.begin_s + step_s * n for n in range(len(piece))]
                characters += piece
                position = word.end
            if characters[:1] == [" "]:
                starts_s[0], starts_s[1] = starts_s[0], starts_s[0]
            alignment = {
                "characters": characters,
                "character_start_times_seconds": starts_s,
                "character_end_times_seconds": [each + 0.01 for each in starts_s],
            }
            line = {"audio_base64": b64encode(sound.pcm).decode(), "alignment": alignment if characters else None}
            yield json.dumps(line).encode() + b"\n\n"

    def error(self, status: int) -> dict[str, object]:
        return {"detail": {"status": "the_status", "message": f"the vendor says {status}"}}
