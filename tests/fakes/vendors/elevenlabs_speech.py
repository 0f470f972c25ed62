"""ElevenLabs' text-to-speech: PCM, or a line of JSON for each piece with the time of each character; contexts over a WebSocket."""

import json
from base64 import b64encode
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.fakes.vendors.speech_vendor import KEY, Seen, Sound, SpeechVendor


class ElevenLabsSpeech(SpeechVendor):
    provider = "elevenlabs"
    key_variable = "ELEVENLABS_API_KEY"
    key_name = "elevenlabs"
    address_variable = "ELEVENLABS_BASE_URL"
    gives_words = True
    takes_words = True

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v1/text-to-speech/{voice}/stream", self.answer, methods=["POST"]),
            Route("/v1/text-to-speech/{voice}/stream/with-timestamps", self.answer, methods=["POST"]),
            WebSocketRoute("/v1/text-to-speech/{voice}/multi-stream-input", self.talk),
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
            characters, starts_s, position = _aligned(text, position, sound)
            alignment = {
                "characters": characters,
                "character_start_times_seconds": starts_s,
                "character_end_times_seconds": [each + 0.01 for each in starts_s],
            }
            line = {"audio_base64": b64encode(sound.pcm).decode(), "alignment": alignment if characters else None}
            yield json.dumps(line).encode() + b"\n\n"

    async def conversation(self, websocket: WebSocket) -> None:
        """Contexts, one after the other; a closed one is spoken to its end."""
        present, text, position, sent, is_over = "", "", 0, 0, True
        while True:
            body = await websocket.receive_text()
            request = json.loads(body)
            if request["context_id"] != present:
                self.see(websocket, body.encode())
                present, text, position, sent, is_over = request["context_id"], "", 0, 0, False
                assert request["text"] == " ", "a context begins with a blank"
                assert request["generation_config"]["chunk_length_schedule"][0] >= 50
                continue
            if is_over:
                continue
            text += request.get("text", "")
            ends = request.get("close_context", False)
            for sound in (list(self.sounds(text)) if ends else self.certain_sounds(text))[sent:]:
                if not await self.before_message(sent, websocket):
                    break
                characters, starts_s, position = _aligned(text, position, sound)
                if not sent:  # the blank that began it is in the first alignment
                    characters, starts_s = [" ", *characters], [0.0, *starts_s]
                sent += 1
                times = {"chars": characters, "charStartTimesMs": [round(each * 1000) for each in starts_s]}
                message = {"audio": b64encode(sound.pcm).decode(), "alignment": times, "contextId": present}
                await websocket.send_text(json.dumps(message))
            if ends:
                is_over = True
                await websocket.send_text(json.dumps({"isFinal": True, "contextId": present}))

    def error(self, status: int) -> dict[str, object]:
        return {"detail": {"status": "the_status", "message": f"the vendor says {status}"}}


def _aligned(text: str, position: int, sound: Sound) -> tuple[list[str], list[float], int]:
    """The characters from this position on that begin in a piece, their times in it, and the next position."""
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
    return characters, starts_s, position
