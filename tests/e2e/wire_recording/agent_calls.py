"""Typed conversations over `/ws` in its three formats."""

import contextlib
import json
import re
from collections.abc import Generator
from typing import Any

from tests.e2e.wire_recording.agent_http import call
from tests.e2e.wire_recording.http_client import Frame
from tests.e2e.wire_recording.protobuf import decoded, encoded
from tests.e2e.wire_recording.recording import Recording
from tests.e2e.wire_recording.stream_shapes import LiveStream

_COUNTED = re.compile(r"#\d+$")
_RTVI_ID = re.compile(r"[0-9a-f]{8}")
IN_PROGRESS = "bot-output in progress"
TOKENS = "metrics: tokens"  # comes by itself, unlike the times of a turn
SPOKEN_PART = {"bot-tts-text", IN_PROGRESS}
"""Messages that depend on how far the voice has come when a clock ticks."""
OUTPUT = {"bot-output", "bot-transcription"}
"""What is told of each sentence when it is known and when it is spoken: of two sentences these mix as the voice comes on."""


def calls(recording: Recording) -> None:
    """One call in each format."""
    _json(recording)
    _json_with_audio(recording)
    _rtvi(recording)
    _progress(recording)
    _protobuf(recording)
    _protobuf_with_rtvi(recording)


@contextlib.contextmanager
def _call(recording: Recording, query: str, decode: Any) -> Generator[LiveStream]:
    with call(recording, f"/ws{query}") as socket:
        yield LiveStream(recording, socket, decode)


def _json(recording: Recording) -> None:
    with _call(recording, "", json_frame) as stream:

        def send(kind: str, data: Any = None) -> None:
            stream.socket.send_json({"type": kind, "data": data or {}})

        stream.until("BotStoppedSpeakingFrame")
        stream.phase("greeting")
        send("TranscriptionFrame", {"text": "what can you do"})
        stream.until("BotStoppedSpeakingFrame")
        stream.phase("answer")
        send("TTSSpeakFrame", {"text": "Read this aloud."})
        stream.until("BotStoppedSpeakingFrame")
        stream.phase("a text as it stands")
        for message in (
            "nonsense",
            '{"type":"TranscriptionFrame","data":{}}',
            '{"type":"InputDTMFFrame","data":{"digit":"x"}}',
        ):
            stream.socket.send(message)
            stream.until("ErrorFrame")
        send("LLMMessagesAppendFrame", {"messages": [{"role": "user", "content": "x"}]})
        stream.until("ErrorFrame")
        stream.phase("refusals")
        send("RTVIClientMessageFrame", {"msg_id": "m1", "type": "client-message", "data": {"t": "unknown", "d": {}}})
        stream.until("RTVIServerMessageFrame")
        stream.phase("an application's request")
        send("TTSSpeakFrame", {"text": "This is interrupted."})
        stream.until("BotStartedSpeakingFrame")
        send("InterruptionFrame")
        stream.until("InterruptionFrame")
        stream.until("BotStoppedSpeakingFrame")
        stream.phase("an interruption")
        send("CancelFrame", {"reason": "done"})
        stream.until("close")
        stream.phase("the end")
        stream.record("/ws [JSON]")


def _json_with_audio(recording: Recording) -> None:
    with _call(recording, "?audio=base64&sample_rate=16000", json_frame) as stream:
        stream.until("BotStoppedSpeakingFrame")
        stream.phase("greeting")
        stream.socket.send_json({"type": "ErrorFrame", "data": {"error": "broken", "fatal": True}})
        stream.until("close")
        stream.phase("the end")
        stream.record("/ws?audio=base64 [JSON]")


def _rtvi(recording: Recording) -> None:
    for version in ("1.0.0", "2.0.0"):
        with _call(recording, "?rtvi=1&agent=quiet", _rtvi_message) as stream:

            def send(kind: str, data: Any = None, number: str = "m1", stream: LiveStream = stream) -> None:
                stream.socket.send_json({"label": "rtvi-ai", "type": kind, "id": number, "data": data or {}})

            send("client-ready", {"version": version, "about": {"library": "wire-recording"}})
            stream.show("ready", stream.until("bot-ready"))
            stream.forget()
            send("send-text", {"content": "what can you do"})
            stream.until("bot-stopped-speaking")
            stream.phase("answer", without=SPOKEN_PART, unordered={"metrics", *OUTPUT})
            send("send-text", {"content": "the weather please"})
            asked = stream.until("llm-function-call-in-progress")["data"]
            send("llm-function-call-result", {**asked, "arguments": {}, "result": {"sky": "clear"}})
            stream.until("bot-stopped-speaking")
            stream.phase("a tool", without=SPOKEN_PART, unordered={"metrics", *OUTPUT})
            send("send-text", {"content": "quietly", "options": {"audio_response": False}})
            stream.until("bot-llm-stopped")
            stream.phase("a silent answer", without=OUTPUT)
            send("client-message", {"t": "unknown", "d": 1}, "m2")
            stream.until("error-response")
            stream.socket.send("nonsense")
            stream.until("error")
            send("append-to-context", {"role": "user", "content": "x"}, "m3")
            stream.until("error")
            stream.phase("refusals", without=OUTPUT)
            send("disconnect-bot")
            stream.show("the end", stream.until("close"))
            stream.record(f"/ws?rtvi=1 [version {version}]")


def _progress(recording: Recording) -> None:
    """How far a long sentence has been spoken; the first messages come before the client has said its version."""
    with _call(recording, "?rtvi=1&agent=support", _rtvi_message) as stream:
        ready = {"version": "2.0.0", "about": {"library": "wire-recording"}}
        stream.socket.send_json({"label": "rtvi-ai", "type": "client-ready", "id": "m1", "data": ready})
        stream.until("bot-ready")
        stream.show("a sentence in progress", stream.until(IN_PROGRESS))
        said = stream.until("bot-tts-text")
        stream.show("a spoken part", {**said, "data": dict.fromkeys(said["data"], "<spoken part>")})
        stream.record("/ws?rtvi=1&agent=support [a long sentence]")


def _protobuf(recording: Recording) -> None:
    with _call(recording, "?format=protobuf", _protobuf_frame) as stream:
        stream.show("greeting", stream.until("text"))
        stream.show("audio", stream.until("audio"))
        stream.socket.send(encoded("text", {"text": b"Read this aloud."}))
        while (said := stream.until("text"))["text"] != "Read this aloud.":
            pass
        stream.show("a text as it stands", said)
        stream.until("audio")
        stream.socket.send(encoded("interruption", {"id": 1}))
        stream.show("an interruption", stream.until("interruption"))
        stream.socket.send(encoded("transcription", {"text": b"what can you do", "user_id": b"me"}))
        stream.show("what was typed", stream.until("transcription"))
        while (said := stream.until("text"))["text"] != "I can count.":
            pass
        stream.show("answer", said)
        stream.socket.send(encoded("message", {"data": json.dumps({"id": "m1", "type": "unknown", "x": 1}).encode()}))
        stream.show("an application's object", stream.until("message: error-response"))
        stream.record("/ws?format=protobuf [plain]")


def _protobuf_with_rtvi(recording: Recording) -> None:
    with _call(recording, "?format=protobuf", _protobuf_frame) as stream:
        ready = {
            "label": "rtvi-ai",
            "type": "client-ready",
            "id": "m1",
            "data": {"version": "1.0.0", "about": {"library": "w"}},
        }
        stream.socket.send(encoded("message", {"data": json.dumps(ready).encode()}))
        stream.show("ready", stream.until("message: bot-ready"))
        stop = {"label": "rtvi-ai", "type": "disconnect-bot", "id": "m2", "data": {}}
        stream.socket.send(encoded("message", {"data": json.dumps(stop).encode()}))
        stream.show("the end", stream.until("close"))
        stream.record("/ws?format=protobuf [RTVI]")


def json_frame(frame: Frame) -> tuple[str, Any]:
    """A JSON frame's type, and the frame without its audio."""
    message = json.loads(frame.payload)
    assert frame.kind == "text"
    return message["type"], _without_samples(message)


def _without_samples(message: dict[str, Any]) -> dict[str, Any]:
    data = message["data"]
    return {**message, "data": {**data, "audio": f"<{len(data['audio'])} characters>"}} if "audio" in data else message


def _rtvi_message(frame: Frame) -> tuple[str, Any]:
    assert frame.kind == "text"
    return _shown_rtvi(json.loads(frame.payload))


def _shown_rtvi(message: dict[str, Any]) -> tuple[str, Any]:
    kind = message["type"]
    shown = dict(message)
    if _RTVI_ID.fullmatch(str(shown.get("id", ""))):
        shown["id"] = "<number>"
    if kind == "metrics" and "tokens" in message["data"]:
        kind = TOKENS
    elif kind == "metrics":
        shown["data"] = {name: [_measured(one) for one in values] for name, values in message["data"].items()}
    if kind == "bot-output" and "spoken_progress" in message["data"]:
        kind = IN_PROGRESS if message["data"]["spoken_status"] == "in-progress" else kind
        shown["data"] = {
            **message["data"],
            "spoken_progress": dict.fromkeys(message["data"]["spoken_progress"], "<part>"),
        }
    return kind, shown


def _measured(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "value": "<seconds>"} if isinstance(one["value"], float) else one


def _protobuf_frame(frame: Frame) -> tuple[str, Any]:
    assert frame.kind == "binary"
    kind, fields = decoded(frame.payload)
    shown: dict[str, Any] = {
        name: value.decode() if isinstance(value, bytes) and name != "audio" else value
        for name, value in fields.items()
    }
    if "audio" in shown:
        shown["audio"] = f"<{len(shown['audio'])} bytes>"
    if "name" in shown:
        assert shown["name"].endswith(f"#{shown['id']}")
        shown |= {"id": "<number>", "name": _COUNTED.sub("#<number>", shown["name"])}
    if kind == "message":
        data = json.loads(shown["data"])
        if data.get("label") == "rtvi-ai":
            name, shown["data"] = _shown_rtvi(data)
            return f"message: {name}", shown
        shown["data"] = data
    return kind, shown
