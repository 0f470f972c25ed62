"""AssemblyAI's streaming API of version 3, as its public reference describes it."""

import json
from collections.abc import Iterable

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class AssemblyAi(SocketVendor):
    """`/v3/ws`."""

    path = "/v3/ws"
    garbage = '{"type": "Turn", "words": 7}'

    def begun(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "Begin", "id": "s", "expires_at": 1}),)

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        if isinstance(message, bytes):
            assert 0.05 <= len(message) / 32_000 <= 1, "50 ms to 1 s"
            return client.hear(message)
        match client.read(message)["type"]:
            case "ForceEndpoint":
                return client.flush()
            case "Terminate":
                client.seen.ended = True
                client.send(json.dumps({"type": "Termination", "audio_duration_seconds": 1}))
                client.close()
            case _:
                pass
        return ()

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return self._turn(text, is_end=False, is_formatted=False)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        if not text:
            return ()  # there is no turn to end
        yield from self._turn(text, is_end=True, is_formatted=False)
        if client.seen.value("format_turns") == "true":
            yield from self._turn(text.capitalize() + ".", is_end=True, is_formatted=True)

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "Error", "error_code": 3006, "error": "cannot decode"}),)

    def _turn(self, text: str, *, is_end: bool, is_formatted: bool) -> Iterable[Message]:
        words = [
            {"text": word, "start": n * 200, "end": n * 200 + 200, "confidence": 0.8, "word_is_final": is_end}
            for n, word in enumerate(text.split())
        ]
        final = [word["text"] for word in words if word["word_is_final"]]
        yield json.dumps(
            {
                "type": "Turn",
                "turn_order": 0,
                "turn_is_formatted": is_formatted,
                "end_of_turn": is_end,
                "transcript": " ".join(map(str, final)),
                "end_of_turn_confidence": 0.5,
                "words": words,
            }
        )
