"""What the codecs of realtime vendors share: a session's messages as a state machine without a socket. Pure."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from vox.providers.llm.contract import Message
from vox.providers.realtime.contract import RealtimeEvent

SAY: Final = "Say the following to the caller word for word, and nothing else:\n\n{}"
MIN_UTTERANCE_S: Final = 0.1
"""Less is no utterance; vendors refuse it."""

Json = Mapping[str, Any]
Send = Callable[[Json], None]


class Codec(Protocol):
    """One vendor's messages, as a state machine without a socket.

    Attributes:
        send: takes what is to go out.
        post: takes a message that the codec wants to `receive` itself, behind what has come already.
    """

    send: Send
    post: Send

    def begin(self) -> None:
        """The socket is open: the setup goes out."""
        ...

    def resume(self) -> None:
        """The vendor has taken the setup: the conversation so far goes out."""
        ...

    def receive(self, message: Json) -> Iterator[RealtimeEvent]:
        """What a message means; raises `DependencyError` where the vendor refuses the session."""
        ...

    def push(self, pcm: bytes) -> None:
        """See `RealtimeSession`, also for the methods below."""
        ...

    def commit(self) -> int: ...

    def clear(self) -> None: ...

    def respond(self, *, say: str | None = None, is_silent: bool = False) -> int: ...

    def cancel(self) -> None: ...

    def truncate(self, item: str, played_ms: int) -> None: ...

    def add(self, message: Message) -> None: ...

    def add_result(self, call_id: str, name: str, result: str) -> None: ...


def decoded_audio(value: object) -> bytes:
    """Samples out of Base64, whole ones only; nothing where it is none."""
    try:
        pcm = base64.b64decode(value) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""
    return pcm[: len(pcm) & ~1]


def count(value: object) -> int:
    """A number of tokens; 0 where it is none."""
    return value if isinstance(value, int) and value > 0 else 0


def nowhere(message: Json) -> None:
    """Takes messages before there is a session to send them by."""
