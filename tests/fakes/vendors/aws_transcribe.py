"""AWS Transcribe's streaming over WebSocket, as its public reference describes it."""

import json
from collections.abc import Iterable, Mapping

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor
from vox.providers._aws_event_stream import EventMessage, EventStreamDecoder, encode


class AwsTranscribe(SocketVendor):
    """`/stream-transcription-websocket`; one stream a connection."""

    path = "/stream-transcription-websocket"
    key_header = "query"
    garbage = b"no event stream at all, however long it may be"

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        assert isinstance(message, bytes)
        assert client.seen.value("X-Amz-Signature")
        (event,) = EventStreamDecoder().feed(message)
        assert event.text(":event-type") == "AudioEvent"
        if event.payload:
            return client.hear(event.payload)
        messages = tuple(client.flush())
        if client.fault not in {"silent", "mute", "never_ready", "disconnect"}:
            for each in messages:
                client.send(each)
            client.seen.ended = True
            client.close()
        return ()

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return (self._event(text, is_partial=True),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        return (self._event(text, is_partial=False),) if text else ()

    def failure(self, client: Client) -> Iterable[Message]:
        headers = {":message-type": "exception", ":exception-type": "BadRequestException"}
        return (self._message({"Message": "cannot decode"}, headers),)

    def _event(self, text: str, *, is_partial: bool) -> bytes:
        items = [
            {
                "Content": word,
                "StartTime": n * 0.2,
                "EndTime": n * 0.2 + 0.2,
                "Type": "pronunciation",
                "Confidence": 0.5,
            }
            for n, word in enumerate(text.split())
        ]
        result = {"ResultId": "r", "IsPartial": is_partial, "Alternatives": [{"Transcript": text, "Items": items}]}
        headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
        return self._message({"Transcript": {"Results": [result]}}, headers)

    def _message(self, body: Mapping[str, object], headers: Mapping[str, str]) -> bytes:
        return encode(EventMessage(json.dumps(body).encode(), {**headers, ":content-type": "application/json"}))
