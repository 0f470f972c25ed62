"""ElevenLabs' realtime Scribe, as its public reference describes it."""

import base64
import json
from collections.abc import Iterable

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class Scribe(SocketVendor):
    """`/v1/speech-to-text/realtime`, committed by hand."""

    path = "/v1/speech-to-text/realtime"
    key_header = "xi-api-key"
    garbage = '{"message_type": 7}'

    def begun(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"message_type": "session_started", "session_id": "s", "config": {}}),)

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        fields = client.read(message)
        assert fields["message_type"] == "input_audio_chunk"
        if fields["commit"]:
            return client.flush()
        return client.hear(base64.b64decode(fields["audio_base_64"]))

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return (json.dumps({"message_type": "partial_transcript", "text": text}),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        if not text:
            yield json.dumps({"message_type": "commit_throttled", "error": "too little audio"})
            return
        yield json.dumps({"message_type": "committed_transcript", "text": text})
        if client.seen.value("include_timestamps") == "true":
            words = [
                {"text": word, "start": n * 0.2, "end": n * 0.2 + 0.2, "type": "word", "logprob": 0.0}
                for n, word in enumerate(text.split())
            ]
            kind = "committed_transcript_with_timestamps"
            yield json.dumps({"message_type": kind, "text": text, "language_code": "eng", "words": words})

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"message_type": "input_error", "error": "cannot decode"}),)
