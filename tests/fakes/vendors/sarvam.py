"""Sarvam's streaming API, as its public reference describes it."""

import base64
import json
from collections.abc import Iterable

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class Sarvam(SocketVendor):
    """`/speech-to-text/ws`; without interim texts, and silent where nothing was said."""

    path = "/speech-to-text/ws"
    key_header = "api-subscription-key"
    garbage = '{"type": "data", "data": {}}'

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        fields = client.read(message)
        if fields.get("type") == "flush":
            return client.flush()
        return client.hear(base64.b64decode(fields["audio"]["data"]))

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        signal = {"event_type": "VAD", "signal_type": "START_SPEECH", "occured_at": 1.0}
        return (json.dumps({"type": "events", "data": signal}),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        if text:
            data = {"request_id": "r", "transcript": text, "language_code": "en-IN", "metrics": {"audio_duration": 1.0}}
            yield json.dumps({"type": "data", "data": data})

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "error", "data": {"error": "cannot decode", "code": 400}}),)
