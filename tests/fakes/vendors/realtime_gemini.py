"""Google's side of Gemini Live (https://ai.google.dev/api/live), as its documentation has it."""

import base64
import json
from collections import deque
from itertools import count
from typing import Any

from tests.fakes.vendors.realtime_openai import tone
from tests.fakes.vendors.realtime_server import Message, RealtimeServer

INPUT_RATE = 16_000


class GeminiLiveWire:
    """One connection; `answers` and `heard` are those of `OpenAiRealtimeWire`."""

    def __init__(self, server: RealtimeServer, answers: list[tuple[Any, ...]], heard: list[str | None]) -> None:
        self._answers = deque(answers)
        self._heard = deque(heard)
        self._numbers = count(1)
        self._audio = 0
        self._is_generating = False
        self._awaited: set[str] = set()

    def opened(self) -> list[Message]:
        return []

    def received(self, message: Message) -> list[Message]:
        match message:
            case {"setup": _}:
                return [{"setupComplete": {}}]
            case {"realtimeInput": {"activityStart": _}}:
                return self._interrupted()
            case {"realtimeInput": {"audio": {"data": data, "mimeType": "audio/pcm;rate=16000"}}}:
                self._audio += len(base64.b64decode(data))
                return []
            case {"realtimeInput": {"activityEnd": _}}:
                assert self._audio, "an activity without audio"
                self._audio = 0
                return [*self._transcript(), *self._generate("")]
            case {"clientContent": {"turns": turns, "turnComplete": True}}:
                said = turns[0]["parts"][0]["text"].partition("\n\n")[2] if turns else ""
                return [*self._interrupted(), *self._generate(said)]
            case {"clientContent": {"turnComplete": False}}:
                return self._interrupted()
            case {"toolResponse": {"functionResponses": responses}}:
                assert {response["id"] for response in responses} == self._awaited
                self._awaited = set()
                return self._generate("")
            case unknown:
                raise AssertionError(f"unknown message {unknown}")

    def _interrupted(self) -> list[Message]:
        was_generating, self._is_generating = self._is_generating, False
        if not was_generating:
            return []
        return [{"serverContent": {"interrupted": True}}, {"serverContent": {"turnComplete": True}}]

    def _transcript(self) -> list[Message]:
        said = self._heard.popleft() if self._heard else "hello there"
        if said is None:
            return []
        half = len(said) // 2
        return [
            {"serverContent": {"inputTranscription": {"text": said[:half]}}},
            {"serverContent": {"inputTranscription": {"text": said[half:], "finished": True}}},
        ]

    def _generate(self, say: str) -> list[Message]:
        if say:
            answer: tuple[Any, ...] = ("say", say, 1.0)
        else:
            answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        usage = {"usageMetadata": {"promptTokenCount": 7, "responseTokenCount": 2, "totalTokenCount": 9}}
        done = [{"serverContent": {"generationComplete": True}}, {"serverContent": {"turnComplete": True}, **usage}]
        self._is_generating = False
        match answer:
            case ("say", text, seconds):
                audio = tone(seconds)
                words = [word + " " for word in text.split()]
                pieces = [audio[at : at + 9600] for at in range(0, len(audio), 9600)]
                messages = [
                    {"serverContent": {"modelTurn": {"parts": [self._blob(piece)]}}, **usage} for piece in pieces
                ]
                texts = [{"serverContent": {"outputTranscription": {"text": word}}} for word in words]
                return [messages[0], *texts, *messages[1:], *done]
            case ("call", name, arguments):
                call_id = f"function-call-{next(self._numbers)}"
                self._awaited = {call_id}
                call = {"id": call_id, "name": name, "args": json.loads(arguments)}
                return [{"toolCall": {"functionCalls": [call]}}]
            case ("begin", text):
                self._is_generating = True
                return [{"serverContent": {"outputTranscription": {"text": text}}}]
            case ("fail", _):
                error = {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}
                return [{"error": error}]
            case _:
                return [{"serverContent": {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}}]

    def _blob(self, pcm: bytes) -> Message:
        return {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(pcm).decode()}}
