"""Soniox' real-time API, as its public reference describes it."""

import json
from collections.abc import Iterable
from typing import Any

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class Soniox(SocketVendor):
    """The one address; the first message is the configuration. Tokens are pieces of words."""

    garbage = '{"tokens": {"text": 1}}'

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        if isinstance(message, bytes):
            assert client.seen.messages, "the configuration comes first"
            return client.hear(message)
        if not message:
            client.seen.ended = True
            client.send(json.dumps({"tokens": [], "finished": True}))
            client.close()
            return ()
        return client.flush() if client.read(message).get("type") == "finalize" else ()

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        told = client.state.setdefault("final", 0)
        tokens = self._tokens(text)
        fresh = max(0, len(tokens) - 2)
        client.state["final"] = max(told, fresh)
        finals = [{**token, "is_final": True} for token in tokens[told:fresh]]
        return (json.dumps({"tokens": [*finals, *tokens[max(told, fresh) :]], "total_audio_proc_ms": 1}),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        told = client.state.pop("final", 0)
        finals = [{**token, "is_final": True} for token in self._tokens(text)[told:]]
        return (json.dumps({"tokens": [*finals, {"text": "<fin>", "is_final": True}]}),)

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"tokens": [], "error_code": 400, "error_message": "cannot decode"}),)

    def _tokens(self, text: str) -> list[dict[str, Any]]:
        """Every word in two pieces, the first with the space before it."""
        tokens: list[dict[str, Any]] = []
        for n, word in enumerate(text.split()):
            half = (len(word) + 1) // 2
            for part, piece in enumerate((f"{' ' if n else ''}{word[:half]}", word[half:])):
                if piece:
                    start = n * 200 + part * 100
                    times = {"start_ms": start, "end_ms": n * 200 + 200}
                    tokens.append({"text": piece, **times, "confidence": 0.7, "is_final": False, "language": "en"})
        return tokens
