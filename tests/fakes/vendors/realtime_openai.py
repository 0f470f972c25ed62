"""OpenAI's side of the Realtime API (https://platform.openai.com/docs/api-reference/realtime), as its documentation has it."""

import base64
import math
from array import array
from collections import deque
from itertools import count
from typing import Any

from tests.fakes.vendors.realtime_server import Message, RealtimeServer

RATE = 24_000


def tone(seconds: float) -> bytes:
    """Something to hear, s16le."""
    return array("h", (round(8000 * math.sin(n / 10)) for n in range(int(RATE * seconds)))).tobytes()


class OpenAiRealtimeWire:
    """One connection.

    Attributes:
        answers: what the model does next, one entry each: ("say", text, seconds), ("call", name, arguments),
            ("begin", text) without an end, ("hang",), ("refuse", code, words), ("fail", code), ("filter",); the last is
            repeated.
        heard: what the vendor writes down of utterances, one after the other; None: it fails to.
    """

    def __init__(self, server: RealtimeServer, answers: list[tuple[Any, ...]], heard: list[str | None]) -> None:
        self._answers = deque(answers)
        self._heard = deque(heard)
        self._numbers = count(1)
        self._audio = 0
        self._active: str | None = None
        self.items: dict[str, int] = {}

    def _event(self, kind: str, **fields: Any) -> Message:
        return {"event_id": f"event_{next(self._numbers)}", "type": kind, **fields}

    def _error(self, code: str, message: str, event_id: str | None = None) -> list[Message]:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": event_id}
        return [self._event("error", error=error)]

    def opened(self) -> list[Message]:
        return [self._event("session.created", session={"type": "realtime", "id": "sess_1", "model": "gpt-realtime"})]

    def received(self, message: Message) -> list[Message]:
        match message["type"]:
            case "session.update":
                if message["session"]["audio"]["output"].get("voice") == "unknown":
                    return self._error("invalid_value", "Invalid value: 'unknown'.")
                return [self._event("session.updated", session=message["session"])]
            case "input_audio_buffer.append":
                self._audio += len(base64.b64decode(message["audio"]))
                return []
            case "input_audio_buffer.clear":
                self._audio = 0
                return [self._event("input_audio_buffer.cleared")]
            case "input_audio_buffer.commit":
                return self._commit()
            case "conversation.item.create":
                return [self._event("conversation.item.added", item=message["item"])]
            case "conversation.item.truncate":
                return self._truncate(message)
            case "response.create":
                if self._active is not None:
                    return self._error(
                        "conversation_already_has_active_response",
                        "Conversation has one already.",
                        message.get("event_id"),
                    )
                if self._answers[0][0] == "refuse":
                    _, code, words = self._answers.popleft()
                    return self._error(code, words, message.get("event_id"))
                return self._respond(message["response"])
            case "response.cancel":
                if self._active is None:
                    return self._error("response_cancel_not_active", "Cancellation failed: no active response found")
                response, self._active = self._active, None
                return [self._done(response, "cancelled", status_details={"reason": "client_cancelled"})]
            case unknown:
                return self._error("unknown_event", f"Unknown event {unknown}")

    def _commit(self) -> list[Message]:
        if self._audio < RATE // 10 * 2:
            return self._error("input_audio_buffer_commit_empty", "Error committing input audio buffer: too small")
        self._audio = 0
        item = f"item_{next(self._numbers)}"
        said = self._heard.popleft() if self._heard else "hello there"
        kind = "conversation.item.input_audio_transcription"
        committed = [self._event("input_audio_buffer.committed", item_id=item)]
        if said is None:
            return [*committed, self._event(f"{kind}.failed", item_id=item, content_index=0, error={})]
        half = len(said) // 2
        return [
            *committed,
            *(self._event(f"{kind}.delta", item_id=item, content_index=0, delta=d) for d in (said[:half], said[half:])),
            self._event(f"{kind}.completed", item_id=item, content_index=0, transcript=said),
        ]

    def _truncate(self, message: Message) -> list[Message]:
        have_ms = self.items.get(message["item_id"])
        if have_ms is None or message["audio_end_ms"] > have_ms:
            return self._error("invalid_value", f"Audio content of {have_ms}ms is already shorter than that")
        return [self._event("conversation.item.truncated", **{k: v for k, v in message.items() if k != "type"})]

    def _respond(self, response: Message) -> list[Message]:
        id_, item = f"resp_{next(self._numbers)}", f"item_{next(self._numbers)}"
        self._active = id_
        created = {"id": id_, "object": "realtime.response", "status": "in_progress", "metadata": response["metadata"]}
        begin = [self._event("response.created", response=created)]
        where = {"response_id": id_, "item_id": item, "output_index": 0, "content_index": 0}
        is_text = response.get("output_modalities") == ["text"]
        if "instructions" in response:
            answer: tuple[Any, ...] = ("say", response["instructions"].partition("\n\n")[2], 1.0)
        else:
            answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        match answer:
            case ("say", text, seconds):
                words = [word + " " for word in text.split()]
                kind = "response.output_text.delta" if is_text else "response.output_audio_transcript.delta"
                texts = [self._event(kind, **where, delta=word) for word in words]
                if is_text:
                    return [*begin, *texts, self._finished(id_)]
                audio = tone(seconds)
                self.items[item] = round(seconds * 1000)
                pieces = [audio[at : at + 9600] for at in range(0, len(audio), 9600)]
                deltas = [
                    self._event("response.output_audio.delta", **where, delta=base64.b64encode(piece).decode())
                    for piece in pieces
                ]
                head = min(len(texts), 2)
                return [*begin, *texts[:head], deltas[0], *texts[head:], *deltas[1:], self._finished(id_)]
            case ("call", name, arguments):
                call = {"id": item, "type": "function_call", "call_id": f"call_{item}", "name": name}
                half = len(arguments) // 2
                pieces = [arguments[:half], arguments[half:]]
                kind = "response.function_call_arguments"
                deltas = [self._event(f"{kind}.delta", **where, call_id=call["call_id"], delta=p) for p in pieces]
                done = {**call, "arguments": arguments, "status": "completed"}
                return [
                    *begin,
                    self._event("response.output_item.added", response_id=id_, output_index=0, item=call),
                    *deltas,
                    self._event("response.output_item.done", response_id=id_, output_index=0, item=done),
                    self._finished(id_),
                ]
            case ("begin", text):
                return [*begin, self._event("response.output_audio_transcript.delta", **where, delta=text)]
            case ("hang",):
                return []
            case ("fail", code):
                self._active = None
                error = {"type": "server_error", "code": code, "message": "The server had an error"}
                return [*begin, self._done(id_, "failed", status_details={"type": "failed", "error": error})]
            case _:
                self._active = None
                details = {"type": "incomplete", "reason": "content_filter"}
                return [*begin, self._done(id_, "incomplete", status_details=details)]

    def _finished(self, response: str) -> Message:
        self._active = None
        return self._done(response, "completed", usage={"input_tokens": 7, "output_tokens": 2})

    def _done(self, response: str, status: str, **fields: Any) -> Message:
        return self._event("response.done", response={"id": response, "status": status, **fields})
