"""The six carriers as they ring: what each sends over its media stream, and how each signs its webhook."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CALLER, CALLEE = "+15550100", "+15550142"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "a-secret-of-the-wire-recording"
CLIENT_SECRET = base64.b64encode(b"a client secret").decode()
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(b"wire recording, a key of no use.")

Signed = tuple[dict[str, str], bytes]
"""Headers and body of a webhook."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One carrier.

    Attributes:
        name: as in `runner_transport`.
        environment: the variables with its secrets.
        fields: the form or JSON of an incoming call.
        sign: headers and body of a webhook, from its method, URL and body.
        opening: the first messages of a stream.
        digit: a key, as a message.
        stop: the last message; empty where the carrier just closes.
        sends_json: whether the webhook's body is JSON.
    """

    name: str
    environment: Mapping[str, str]
    fields: Mapping[str, str]
    sign: Callable[[str, str, bytes], dict[str, str]]
    opening: tuple[Any, ...]
    digit: Any
    stop: Any
    sends_json: bool = False

    def webhook(self, method: str, url: str) -> Signed:
        """A signed webhook for that URL; by GET the URL holds all there is."""
        if method == "GET":
            return self.sign(method, url, b""), b""
        if self.sends_json:
            body = json.dumps(dict(self.fields)).encode()
            return {"Content-Type": "application/json", **self.sign(method, url, body)}, body
        body = urlencode(self.fields).encode()
        return {**FORM, **self.sign(method, url, body)}, body


def _mac(secret: str, text: str, name: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), name)).decode()


def _form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True)


def _twilio(method: str, url: str, body: bytes) -> dict[str, str]:
    signed = url + "".join(name + value for name, value in sorted(_form(body)))
    return {"X-Twilio-Signature": _mac(SECRET, signed, "sha1")}


def _telnyx(method: str, url: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    signature = base64.b64encode(PRIVATE_KEY.sign(stamp.encode() + b"|" + body)).decode()
    return {"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": stamp}


def _plivo(method: str, url: str, body: bytes) -> dict[str, str]:
    address, _, query = url.partition("?")
    given = "".join(f"{name}{value}" for name, value in sorted(_form(body)))
    signed = (
        f"{address}?{query}.{given}" if query and given else f"{address}?{query}{given}" if query or given else address
    )
    return {"X-Plivo-Signature-V3": _mac(SECRET, f"{signed}.nonce", "sha256"), "X-Plivo-Signature-V3-Nonce": "nonce"}


def _exotel(method: str, url: str, body: bytes) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRET}"}


def _vonage(method: str, url: str, body: bytes) -> dict[str, str]:
    claims: dict[str, Any] = {"iat": int(time.time()), "jti": "one"}
    if body:
        claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    parts = [_url64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = _url64(hmac.digest(SECRET.encode(), ".".join(parts).encode(), "sha256"))
    return {"Authorization": f"Bearer {'.'.join((*parts, signature))}"}


def _url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _genesys(method: str, url: str, body: bytes) -> dict[str, str]:
    _, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    headers = {
        "Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
        "Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "Audiohook-Correlation-Id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "X-API-KEY": SECRET,
    }
    values = {"@request-target": f"/{path}", "@authority": authority} | {
        name.lower(): value for name, value in headers.items()
    }
    covered = " ".join(f'"{name}"' for name in values)
    parameters = (
        f'({covered});keyid="{SECRET}";nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created={int(time.time())}'
    )
    lines = [f'"{name}": {value}' for name, value in values.items()]
    signed = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(hmac.digest(base64.b64decode(CLIENT_SECRET), signed.encode(), "sha256")).decode()
    return {**headers, "Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{signature}:"}


def _genesys_message(kind: str, number: int, parameters: Any) -> Any:
    return {
        "version": "2", "type": kind, "seq": number, "serverseq": 0, "id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "position": "PT0S", "parameters": parameters,
    }  # fmt: skip


GENESYS_PING = _genesys_message("ping", 2, {})
NUMBERS = {"from": CALLER, "to": CALLEE}
TWILIO_FORM = {"CallSid": "CA1", "From": CALLER, "To": CALLEE, "Direction": "inbound", "CallStatus": "ringing"}
ALL = (
    Carrier(
        "twilio", {"TWILIO_AUTH_TOKEN": SECRET}, TWILIO_FORM, _twilio,
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"},
         {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
             "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"], "customParameters": NUMBERS,
             "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}),
        {"event": "dtmf", "streamSid": "MZ1", "sequenceNumber": "2", "dtmf": {"track": "inbound_track", "digit": "1"}},
        {"event": "stop", "sequenceNumber": "3", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": "CA1"}},
    ),
    Carrier(
        "telnyx",
        {"TELNYX_PUBLIC_KEY": base64.b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode(), "TELNYX_API_KEY": SECRET},
        {"CallSid": "CA1", "CallControlId": "CA1", "From": CALLER, "To": CALLEE, "Direction": "inbound"}, _telnyx,
        ({"event": "connected", "version": "1.0.0"},
         {"event": "start", "sequence_number": "1", "stream_id": "MZ1", "start": {
             "user_id": "u", "call_control_id": "CA1", "from": CALLER, "to": CALLEE, "custom_parameters": {},
             "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}}}),
        {"event": "dtmf", "stream_id": "MZ1", "sequence_number": "2", "dtmf": {"digit": "1"}},
        {"event": "stop", "sequence_number": "3", "stream_id": "MZ1", "stop": {"user_id": "u", "call_control_id": "CA1"}},
    ),
    Carrier(
        "plivo", {"PLIVO_AUTH_TOKEN": SECRET},
        {"CallUUID": "CA1", "From": CALLER, "To": CALLEE, "Direction": "inbound", "Event": "StartApp"}, _plivo,
        ({"event": "start", "sequenceNumber": 1, "extra_headers": "from=15550100;to=15550142", "start": {
            "callId": "CA1", "streamId": "MZ1", "accountId": "1", "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}},),
        {"event": "dtmf", "sequenceNumber": 2, "streamId": "MZ1", "dtmf": {"track": "inbound", "digit": "1"}},
        {"event": "stop", "sequenceNumber": 3, "streamId": "MZ1"},
    ),
    Carrier(
        "exotel", {"EXOTEL_TOKEN": SECRET}, TWILIO_FORM, _exotel,
        ({"event": "connected"},
         {"event": "start", "sequence_number": 1, "stream_sid": "MZ1", "start": {
             "stream_sid": "MZ1", "call_sid": "CA1", "account_sid": "a", "from": CALLER, "to": CALLEE, "custom_parameters": {},
             "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}}}),
        {"event": "dtmf", "sequence_number": 2, "stream_sid": "MZ1", "dtmf": {"duration": "200", "digit": "1"}},
        {"event": "stop", "sequence_number": 3, "stream_sid": "MZ1",
         "stop": {"call_sid": "CA1", "account_sid": "a", "reason": "callended"}},
    ),
    Carrier(
        "vonage", {"VONAGE_SIGNATURE_SECRET": SECRET},
        {"uuid": "CA1", "from": CALLER, "to": CALLEE, "conversation_uuid": "CON-1"}, _vonage,
        ({"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "uuid": "CA1", **NUMBERS},),
        {"event": "websocket:dtmf", "digit": "1", "duration": 260},
        {"event": "websocket:disconnected"},
        sends_json=True,
    ),
    Carrier(
        "genesys", {"GENESYS_API_KEY": f"{SECRET}:{CLIENT_SECRET}"}, {}, _genesys,
        (_genesys_message("open", 1, {
            "organizationId": "d7934305-0972-4844-938e-9060eef73d05", "conversationId": "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
            "participant": {"id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0", "ani": CALLER, "aniName": "", "dnis": CALLEE},
            "media": [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}],
            "language": "en-US", "inputVariables": {}}),),
        _genesys_message("dtmf", 3, {"digit": "1"}),
        _genesys_message("close", 4, {"reason": "end"}),
    ),
)  # fmt: skip
