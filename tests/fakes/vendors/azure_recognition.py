"""Azure's Speech service WebSocket protocol, as its public reference describes it."""

import json
from collections.abc import Iterable, Mapping

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor

WAV_HEAD = 44
MAX_AUDIO = 8192


class AzureRecognition(SocketVendor):
    """Turns by request id; the first audio of each has a WAV header, and empty audio ends it."""

    path = "/speech/recognition/conversation/cognitiveservices/v1"
    key_header = "ocp-apim-subscription-key"
    garbage = "no headers at all"

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        if isinstance(message, str):
            head, _, body = message.partition("\r\n\r\n")
            headers = _headers(head)
            assert headers["x-timestamp"].endswith("Z")
            client.seen.messages.append({"path": headers["path"], "body": json.loads(body)})
            return
        size = int.from_bytes(message[:2])
        headers, body = _headers(message[2 : 2 + size].decode("ascii")), message[2 + size :]
        request = headers["x-requestid"]
        assert client.seen.messages[0]["path"] == "speech.config"
        assert len(request) == 32
        assert len(body) <= MAX_AUDIO
        if request != client.state.get("request"):
            client.state["request"] = request
            assert body.startswith(b"RIFF")
            body = body[WAV_HEAD:]
            yield self._message(client, "turn.start", {"context": {"serviceTag": "t"}})
            yield self._message(client, "speech.startDetected", {"Offset": 100_000})
            if not body:
                return
        if body:
            yield from client.hear(body)
        else:
            yield from client.flush()

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return (self._message(client, "speech.hypothesis", {"Text": text, "Offset": 0, "Duration": 1}),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        words = [
            {"Word": word, "Offset": n * 2_000_000, "Duration": 2_000_000, "Confidence": 0.6}
            for n, word in enumerate(text.split())
        ]
        best = {"Confidence": 0.6, "Lexical": text, "ITN": text, "MaskedITN": text, "Display": text, "Words": words}
        status = "Success" if text else "NoMatch"
        phrase = {"RecognitionStatus": status, "Offset": 0, "Duration": 1, **({"NBest": [best]} if text else {})}
        yield self._message(client, "speech.endDetected", {"Offset": 1})
        yield self._message(client, "speech.phrase", phrase)
        yield self._message(client, "turn.end", {})

    def failure(self, client: Client) -> Iterable[Message]:
        return (self._message(client, "speech.phrase", {"RecognitionStatus": "Error: cannot decode"}),)

    def _message(self, client: Client, path: str, body: Mapping[str, object]) -> str:
        head = f"X-RequestId:{client.state['request']}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}"
        return f"{head}\r\n\r\n{json.dumps(body)}"


def _headers(head: str) -> dict[str, str]:
    return {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
