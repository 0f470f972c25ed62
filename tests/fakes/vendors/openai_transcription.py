"""OpenAI's realtime transcription sessions, as their public reference describes them."""

import base64
import json
from collections.abc import Iterable

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class OpenAiTranscription(SocketVendor):
    """`/realtime?intent=transcription`."""

    path = "/realtime"
    garbage = '{"type": ["x"]}'

    def begun(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "session.created", "session": {"type": "transcription"}}),)

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        fields = client.read(message)
        match fields["type"]:
            case "session.update":
                assert fields["session"]["audio"]["input"]["turn_detection"] is None
                if client.fault != "never_ready":
                    yield json.dumps({"type": "session.updated", "session": fields["session"]})
            case "input_audio_buffer.append":
                yield from client.hear(base64.b64decode(fields["audio"]))
            case "input_audio_buffer.commit":
                yield json.dumps({"type": "input_audio_buffer.committed", "item_id": self._item(client)})
                yield from client.flush()
            case _:
                pass

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        told = client.state.get("told", "")
        client.state["told"] = text
        delta = {"item_id": self._item(client), "content_index": 0, "delta": text.removeprefix(told)}
        yield json.dumps({"type": "conversation.item.input_audio_transcription.delta", **delta})

    def final(self, text: str, client: Client) -> Iterable[Message]:
        item = self._item(client)
        client.state["item"] = client.state.get("item", 0) + 1
        client.state["told"] = ""
        completed = {"item_id": item, "content_index": 0, "transcript": text, "usage": {"type": "duration"}}
        yield json.dumps({"type": "conversation.item.input_audio_transcription.completed", **completed})

    def failure(self, client: Client) -> Iterable[Message]:
        problem = {"type": "invalid_request_error", "code": "x", "message": "cannot decode"}
        return (json.dumps({"type": "error", "event_id": "e", "error": problem}),)

    def _item(self, client: Client) -> str:
        return f"item_{client.state.get('item', 0)}"
