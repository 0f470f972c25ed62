"""At level debug a socket's messages are lines of the log, by kind and size; at every other level nothing stands between."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from vox.agent.transports.frame_log import frames_logged
from vox.http.coalescing_socket import coalesced
from vox.http.sockets import Socket
from vox.runtime.logging import configure


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []
        self.socket: Any = None

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, message: str | bytes) -> None:
        self.heard.append(message)

    def closed(self, code: int, reason: str) -> None:
        self.heard.append((code, reason))


class FakeSocket:
    is_open = True
    backlog_bytes = 7

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.write_frames = self.sent.append

    def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.sent.append((code, reason))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    configure("info")


def test_above_debug_the_listener_is_the_transport_itself():
    configure("info", stream=io.StringIO())
    listener = Listener()
    assert frames_logged(listener, "ws") is listener


def test_at_debug_kind_and_size_are_logged_and_no_word():
    stream = io.StringIO()
    configure("debug", json=True, stream=stream)
    listener, socket = Listener(), FakeSocket()
    logged = frames_logged(listener, "ws")
    logged.opened(socket)  # type: ignore[arg-type]
    heard = [
        '{"type": "TextFrame", "data": {"text": "secret words"}}',
        '{"event":"media","media":{}}',
        b"\x00" * 640,
        "no JSON",
    ]
    for message in heard:
        logged.received(message)
    listener.socket.send('{"type":"StartFrame"}')
    listener.socket.close(1001, "away")
    logged.closed(1001, "away")
    assert listener.heard == [*heard, (1001, "away")]
    assert socket.sent == ['{"type":"StartFrame"}', (1001, "away")]
    assert (listener.socket.is_open, listener.socket.backlog_bytes) == (True, 7)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    frames = [(line["direction"], line["kind"], line["size"]) for line in lines if line["msg"] == "frame"]
    assert frames == [
        ("in", "TextFrame", len(heard[0])), ("in", "media", len(heard[1])), ("in", "binary", 640), ("in", "text", 7),
        ("out", "StartFrame", 21),
    ]  # fmt: skip
    assert "secret words" not in stream.getvalue()


async def test_messages_that_leave_in_one_write_are_a_line_too():
    stream = io.StringIO()
    configure("debug", json=True, stream=stream)
    listener, socket = Listener(), FakeSocket()
    frames_logged(listener, "ws").opened(socket)  # type: ignore[arg-type]
    joining = coalesced(listener.socket, 1000, 2)
    joining.send("one")
    joining.send("two")
    (written,) = socket.sent
    assert isinstance(written, bytes)
    frames = [line for line in map(json.loads, stream.getvalue().splitlines()) if line["msg"] == "frame"]
    assert [(line["direction"], line["kind"], line["size"]) for line in frames] == [("out", "joined", len(written))]
