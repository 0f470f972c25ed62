"""Messages of a live call by kind: how many there are and when depends on the clock, what each looks like does not."""

import time
from collections.abc import Callable, Collection
from typing import Any

from tests.e2e.wire_recording.http_client import Frame, WebSocket
from tests.e2e.wire_recording.recording import Recording

Decode = Callable[[Frame], tuple[str, Any]]
"""A message's kind, and its content in the form to keep."""


class LiveStream:
    """One connection of a call, read phase by phase.

    Args:
        recording: knows the placeholders.
        socket: the upgraded connection.
        decode: reads a message.
    """

    def __init__(self, recording: Recording, socket: WebSocket, decode: Decode) -> None:
        self._recording = recording
        self._decode = decode
        self.socket = socket
        self._seen: dict[str, list[Any]] = {}
        self._phases: dict[str, Any] = {}

    def next(self, timeout_s: float = 30.0) -> tuple[str, Any]:
        """The next message's kind and content; `close` is a kind too."""
        frame = self.socket.receive(timeout_s)
        if frame.kind == "close":
            kind, content = "close", self._recording.frame(frame)
        else:
            kind, content = self._decode(frame)
        shown = self._recording.values.value(content)
        known = self._seen.setdefault(kind, [])
        if shown not in known:
            known.append(shown)
        return kind, content

    def until(self, kind: str) -> Any:
        """Reads up to a message of that kind and returns its content."""
        while True:
            found, content = self.next()
            if found == kind:
                return content
            assert found != "close", f"closed while waiting for {kind}: {content}"
            assert found != "close", f"closed while waiting for {kind}: {content}"

    def poll(self) -> str:
        """The kind of the next message where one comes within 20 ms, else nothing."""
        try:
            return self.next(0.02)[0]
        except TimeoutError:
            return ""

    def phase(self, name: str, *, without: Collection[str] = (), unordered: Collection[str] = ()) -> None:
        """Ends a phase: what came since the last one, in the order of the first of each kind.

        Args:
            name: of the phase.
            without: kinds that may or may not come, depending on the machine's speed.
            unordered: kinds that must come, but whose place among others depends on the machine's speed.
        """
        kinds = {
            kind: sorted(contents, key=str) if kind in unordered else contents
            for kind, contents in self._seen.items()
            if kind not in without
        }
        self._phases[name] = {"order": [kind for kind in kinds if kind not in unordered], "messages": kinds}
        self._seen = {}

    def forget(self) -> None:
        """Leaves out what came since the last phase."""
        self._seen = {}

    def show(self, name: str, content: Any) -> None:
        """Keeps one message, for calls whose other messages depend on the machine's speed."""
        self._phases[name] = self._recording.values.value(content)

    def record(self, name: str) -> None:
        """Puts all phases into the recording."""
        self._recording.add(name, {"phases": self._phases})


def pause_until(moment: float) -> None:
    """Waits until a moment of the monotonic clock, as a phone does between two pieces of audio."""
    time.sleep(max(0.0, moment - time.monotonic()))
