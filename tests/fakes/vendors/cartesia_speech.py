"""Cartesia's text-to-speech WebSocket: JSON both ways, audio and times of words as messages of a context."""

import json
from base64 import b64encode
from typing import Any

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from tests.fakes.vendors.speech_vendor import KEY, Seen, SpeechVendor


class CartesiaSpeech(SpeechVendor):
    provider = "cartesia"
    key_variable = "CARTESIA_API_KEY"
    key_name = "cartesia"
    address_variable = "CARTESIA_BASE_URL"
    path = ""
    gives_words = True
    is_socket = True
    takes_words = True
    in_band = b'{"type": "error", "status_code": 429, "title": "Busy", "message": "slow down", "error_code": "busy"}'

    def routes(self) -> list[BaseRoute]:
        return [WebSocketRoute("/tts/websocket", self.talk)]

    def is_authorised(self, request: HTTPConnection) -> bool:
        return request.headers.get("x-api-key") == KEY and "cartesia-version" in request.headers

    def text_of(self, seen: Seen) -> str:
        return seen.json["transcript"]

    async def conversation(self, websocket: WebSocket) -> None:
        present, text, sent = "", "", 0
        while True:
            body = await websocket.receive_text()
            request = json.loads(body)
            if request.get("cancel"):
                continue
            self.see(websocket, body.encode())
            if self.garbage is not None:
                await self.send_garbage(websocket)
                continue
            context = request["context_id"]
            if context != present:
                present, text, sent = context, "", 0
                await self._send(websocket, "someone-elses-context", "chunk", data=b64encode(b"\x11\x22").decode())
            text += request["transcript"]
            goes_on = request["continue"]
            sounds = self.certain_sounds(text) if goes_on else list(self.sounds(text))
            for sound in sounds[sent:]:
                if not await self.before_message(sent, websocket):
                    break
                sent += 1
                if sound.words and request["add_timestamps"]:
                    times = {
                        "words": [word.text for word in sound.words],
                        "start": [word.start_s for word in sound.words],
                        "end": [word.end_s for word in sound.words],
                    }
                    await self._send(websocket, context, "timestamps", word_timestamps=times)
                await self._send(websocket, context, "chunk", data=b64encode(sound.pcm).decode())
            else:
                if not goes_on:
                    await self._send(websocket, context, "done", done=True)

    async def _send(self, websocket: WebSocket, context: str, kind: str, **fields: Any) -> None:
        message = {"type": kind, "context_id": context, "done": False, "status_code": 206, **fields}
        await websocket.send_text(self.damaged(json.dumps(message).encode()).decode(errors="replace"))
