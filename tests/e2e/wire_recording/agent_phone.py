"""The phone: each carrier's webhook and stream address, and one short call over each carrier's media stream."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.wire_recording.agent_http import MAX_BODY_BYTES, call
from tests.e2e.wire_recording.carriers import ALL, FORM, GENESYS_PING, Carrier
from tests.e2e.wire_recording.http_client import Frame
from tests.e2e.wire_recording.recording import Recording
from tests.e2e.wire_recording.stream_shapes import LiveStream, pause_until

FRAME_S = 0.02
UTTERANCE_S = 1.0
TONE = (b"\x80" * 8 + b"\x00" * 8) * 10
SILENCE = b"\xff" * 160
"""20 ms of µ-law: as loud as it gets, and nothing."""


def webhooks(recording: Recording, carrier: Carrier) -> None:
    """What a carrier is told when it asks, and who may open the stream that it was told of."""
    host = f"http://127.0.0.1:{recording.port}"

    def ask(line: str, note: str, *, https: bool = False) -> Any:
        method, _, path = line.partition(" ")
        headers, body = carrier.webhook(method, f"{host.replace('http', 'https') if https else host}{path}")
        more = {"X-Forwarded-Proto": "https"} if https else {}
        return recording.ask(line, f"{carrier.name}: {note}", headers={**headers, **more}, body=body or None)

    for line in ("GET /", "HEAD /", "GET /health", "GET /telephony/ws"):
        recording.ask(line, f"{carrier.name}: a visitor")
    ask("POST /", "signed")
    ask("POST /", "signed, behind a proxy", https=True)
    answer = ask("POST /telephony/sales", "signed, an agent")
    ask("GET /?uuid=CA1&CallSid=CA1&from=15550100&to=15550142", "signed, by GET")
    ask("GET /telephony/sales?uuid=CA1", "signed, an agent by GET")
    ask("POST /telephony/unknown", "an unknown agent")
    recording.ask("POST /", f"{carrier.name}: unsigned", headers=FORM, body=b"CallSid=CA1")
    wrong = {name: value[:-6] + "AAAAA=" for name, value in carrier.webhook("POST", f"{host}/")[0].items()}
    recording.ask("POST /", f"{carrier.name}: wrongly signed", headers={**wrong, **FORM}, body=b"CallSid=CA1")
    recording.ask("POST /", f"{carrier.name}: too large", headers=FORM, body=b"x" * (MAX_BODY_BYTES + 1))
    recording.ask("PUT /", f"{carrier.name}: another method")
    recording.upgrade("/telephony/ws", f"{carrier.name}: not announced")
    recording.upgrade("/telephony/ws/sales/1.0", f"{carrier.name}: an old token")
    recording.upgrade("/telephony/ws", f"{carrier.name}: signed", _signed_upgrade(carrier, host))
    if answer.status == 200 and b"/telephony/ws/sales/" in answer.body:
        token = (
            answer.body.partition(b"/telephony/ws/sales/")[2].partition(b'"')[0].partition(b"<")[0].partition(b"?")[0]
        )
        recording.upgrade(f"/telephony/ws/sales/{token.decode()}", f"{carrier.name}: announced")


def _signed_upgrade(carrier: Carrier, host: str) -> dict[str, str]:
    return carrier.sign("GET", f"{host.replace('http', 'ws')}/telephony/ws", b"")


def media(recording: Recording) -> None:
    """One call over each carrier's stream: the greeting and the hang-up; over Twilio's also a caller who cuts in."""
    for carrier in ALL:
        with call(recording, "/telephony/ws") as socket:
            stream = LiveStream(recording, socket, _decoder(carrier.name))
            for message in carrier.opening:
                socket.send_json(message)
            _until_spoken(stream, carrier.name)
            stream.phase("greeting", unordered={"opened", "pong"})
            socket.send("nonsense")
            socket.send_json(carrier.digit)
            socket.send_json(carrier.stop)
            stream.show("the end", stream.until("close"))
            stream.record(f"/telephony/ws [{carrier.name}]")
    _barge_in(recording)
    _strangers(recording)


def _until_spoken(stream: LiveStream, name: str) -> None:
    """Reads up to the mark behind the greeting; AudioHook has none, so there it is the first audio."""
    marks = {"plivo": "checkpoint", "vonage": "notify", "genesys": "audio"}
    stream.until(marks.get(name, "mark"))
    if name == "genesys":
        stream.socket.send_json(GENESYS_PING)
        stream.until("pong")


def _barge_in(recording: Recording) -> None:
    twilio = ALL[0]
    with call(recording, "/telephony/ws/support") as socket:
        stream = LiveStream(recording, socket, _decoder("twilio"))
        for message in twilio.opening:
            socket.send_json(message)
        stream.until("media")
        _speak(stream, TONE, lambda: stream.poll() == "clear")
        until = time.monotonic() + UTTERANCE_S  # the agent falls silent before it is known to be more than a cough
        _speak(stream, TONE, lambda: time.monotonic() > until)
        stream.phase("a caller who cuts in", without={"mark"})
        _speak(stream, SILENCE, lambda: stream.poll() == "media")
        stream.phase("the answer", without={"mark"})
        socket.send_json(twilio.stop)
        stream.show("the end", stream.until("close"))
        stream.record("/telephony/ws/support [twilio: a caller who cuts in]")


def _speak(stream: LiveStream, frame: bytes, is_done: Callable[[], bool]) -> None:
    """Sends audio in real time until something has come of it."""
    deadline = begun = time.monotonic()
    payload = base64.b64encode(frame).decode()
    while not is_done():
        assert time.monotonic() - begun < 20, "nothing came of it"
        stream.socket.send_json(
            {"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}}
        )
        deadline += FRAME_S
        pause_until(deadline)


def _strangers(recording: Recording) -> None:
    for name, messages in (
        ("no carrier", ["{}", "{}"]),
        ("audio before the start", [b"\0" * 160, b"\0" * 160]),
        ("too many malformed messages", [*map(json.dumps, ALL[0].opening), *["nonsense"] * 50]),
    ):
        with call(recording, "/telephony/ws") as socket:
            stream = LiveStream(recording, socket, _decoder("twilio"))
            for message in messages:
                socket.send(message)
            stream.show("the end", stream.until("close"))
            stream.record(f"/telephony/ws [{name}]")


def _decoder(name: str) -> Callable[[Frame], tuple[str, Any]]:
    def decode(frame: Frame) -> tuple[str, Any]:
        if frame.kind == "binary":
            return "audio", f"<{len(frame.payload)} bytes>"
        message = json.loads(frame.payload)
        kind = message["action"] if name == "vonage" else message["type"] if name == "genesys" else message["event"]
        return kind, _shown(message)

    return decode


def _shown(message: Any) -> Any:
    """A message without its audio, and without what counts the messages before it."""
    shown = dict(message)
    if "payload" in shown.get("media", {}):
        size = len(base64.b64decode(shown["media"]["payload"]))
        shown["media"] = {**shown["media"], "payload": f"<{size} bytes>"}
    for counter in ("seq", "clientseq"):
        if counter in shown:
            shown[counter] = "<number>"
    return shown
