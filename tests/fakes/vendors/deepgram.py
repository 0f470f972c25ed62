"""Deepgram's live transcription, as its public reference describes it."""

import json
from collections.abc import Iterable
from typing import Any

from tests.fakes.vendors.socket_vendor import Client, Message, SocketVendor


class Deepgram(SocketVendor):
    """`/v1/listen`."""

    path = "/v1/listen"
    garbage = '{"type": "Results", "channel": "none"}'

    def received(self, client: Client, message: Message) -> Iterable[Message]:
        if isinstance(message, bytes):
            return client.hear(message)
        match client.read(message)["type"]:
            case "Finalize":
                return client.flush()
            case "CloseStream":
                client.seen.ended = True
                client.close()
            case _:
                pass
        return ()

    def interim(self, text: str, client: Client) -> Iterable[Message]:
        return (self._results(text),)

    def final(self, text: str, client: Client) -> Iterable[Message]:
        return (self._results(text, is_final=True, from_finalize=True),)

    def failure(self, client: Client) -> Iterable[Message]:
        return (json.dumps({"type": "Error", "err_code": "DATA-0000", "description": "cannot decode", "message": "x"}),)

    def _results(self, text: str, **marks: Any) -> str:
        words = [
            {"word": word.lower(), "punctuated_word": word, "start": n * 0.2, "end": n * 0.2 + 0.2, "confidence": 0.9}
            for n, word in enumerate(text.split())
        ]
        best = {"transcript": text, "confidence": 0.9 if text else 0.0, "words": words}
        return json.dumps(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "duration": 0.2,
                "start": 0.0,
                "is_final": False,
                "speech_final": False,
                "channel": {"alternatives": [best]},
                "metadata": {"request_id": "r"},
                "from_finalize": False,
                **marks,
            }
        )
