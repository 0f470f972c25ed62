"""A client of the chat gateway that keeps every frame in the form in which it is recorded."""

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any

import zstandard

from tests.e2e.wire_recording.http_client import Frame, WebSocket, websocket
from tests.e2e.wire_recording.recording import Recording

MAX_FRAME_BYTES = 1 << 20


class Gateway:
    """One connection; `kept` is what came, ready to be recorded.

    Args:
        recording: knows the placeholders.
        socket: the upgraded connection.
        change: applied to each message before it is kept; None leaves it out.
    """

    def __init__(self, recording: Recording, socket: WebSocket, change: Callable[[Any], Any] | None) -> None:
        self._recording = recording
        self._change = change
        self.socket = socket
        self.kept: list[Any] = []
        self.last_seq = 0
        self.ready: dict[str, Any] = {}

    def send(self, kind: str, content: Any = None) -> None:
        """Sends a message."""
        self.socket.send_json({"type": kind} if content is None else {"type": kind, "d": content})

    def next(self) -> dict[str, Any] | None:
        """The next message, kept; None for the close."""
        frame = self.socket.receive()
        if frame.kind == "close":
            self.kept.append(self._recording.frame(frame))
            return None
        message = json.loads(_unpacked(frame))
        if message["type"] == "ready":
            self.ready = message["d"]
            self._recording.values.learn("session", self.ready["session_id"])
        self.last_seq = message.get("seq", self.last_seq)
        changed = self._change(message) if self._change else message
        if changed is not None:
            shown = self._recording.values.value(changed)
            self.kept.append({"zstd": shown} if frame.kind == "binary" else shown)
        return message

    def expect(self, kind: str) -> dict[str, Any]:
        """Reads up to the next message of that type."""
        while (message := self.next()) is not None:
            if message["type"] == kind:
                return message
        raise AssertionError(f"closed while waiting for {kind}: {self.kept[-3:]}")

    def identify(self, token: str, **more: Any) -> None:
        """Begins a session and reads its `ready`."""
        self.expect("hello")
        self.send("identify", {"token": token, **more})
        self.expect("ready")

    def until_closed(self) -> None:
        """Reads what is left, up to the close."""
        while self.next() is not None:
            pass

    def record(self, name: str) -> None:
        """Puts what came into the recording."""
        self._recording.frames(name, self.kept)


@contextlib.contextmanager
def gateway(
    recording: Recording,
    query: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    change: Callable[[Any], Any] | None = None,
) -> Generator[Gateway]:
    """A connection for the length of the block; it is cut at its end."""
    with websocket(recording.port, f"/gateway{query}", headers) as (_, socket):
        yield Gateway(recording, socket, change)


def _unpacked(frame: Frame) -> bytes:
    if frame.kind == "text":
        return frame.payload
    return zstandard.ZstdDecompressor().decompress(frame.payload, MAX_FRAME_BYTES)
