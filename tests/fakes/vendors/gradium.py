"""Gradium's streaming API, as its public reference describes it."""

import base64
import json
from collections.abc import Iterable

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class Gradium(SocketVendor):
    """`/api/speech/asr`; each word is told once."""

    path = "/api/speech/asr"
    key_header = "x-api-key"
    garbage = '{"type": "text", "text": 7}'

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        fields = client.read(message)
        match fields["type"]:
            case "setup":
                if client.fault != "never_ready":
                    yield json.dumps({"type": "ready", "request_id": "r", "sample_rate": 24_000, "delay_in_frames": 2})
            case "audio":
                yield from client.hear(base64.b64decode(fields["audio"]))
            case "flush":
                yield from client.flush()
            case "end_of_stream":
                client.seen.ended = True
                yield json.dumps({"type": "end_of_stream"})
                client.close()
            case _:
                pass

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        told = client.state.get("told", 0)
        words = text.split()
        client.state["told"] = len(words)
        yield json.dumps({"type": "step", "vad": [], "step_idx": 1})
        for n, word in enumerate(words[told:]):
            yield json.dumps({"type": "text", "text": word, "start_s": (told + n) * 0.2, "stream_id": None})

    def final(self, text: str, client: Client) -> Iterable[Message]:
        yield from self.interim(text, client)
        client.state["told"] = 0
        yield json.dumps({"type": "end_text", "stop_s": 1.0, "stream_id": None})
        yield json.dumps({"type": "flushed", "flush_id": client.seen.messages[-1].get("flush_id")})

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "error", "message": "cannot decode", "code": 1011}),)
