"""What a WebSocket looks like to the rest of Vox, whichever library carries it.

Everything here is called on the event loop's thread and returns at once: no message costs a task or a future.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

ABNORMAL = 1006
"""Reported when a connection is lost without a close frame; never sent."""
NO_STATUS = 1005
"""Reported for a close frame without a code; never sent."""
CLOSE_TIMEOUT_S = 5.0
"""How long a peer may take for its half of the closing handshake before the connection is cut."""


class Socket(Protocol):
    """One open WebSocket."""

    def send(self, message: str | bytes) -> None:
        """Sends a text (str) or binary (bytes) message; never blocks and is ignored once the socket is closing.

        A peer whose unread backlog exceeds the limit is closed with 1013.
        """
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake; what was sent before is still delivered. Repeated calls do nothing."""
        ...

    def pause_reading(self) -> None:
        """Leaves what the peer sends where it is, so that in the end the peer has to wait; a few messages may still come."""
        ...

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`; does nothing otherwise."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        ...

    @property
    def backlog_bytes(self) -> int:
        """What was sent and the peer has not yet read, as far as this side knows."""
        ...

    @property
    def write_frames(self) -> Callable[[bytes], None] | None:
        """Writes whole, unmasked frames as they are; None where frames are another's business.

        For a server that sends the same bytes to many: the caller encodes, watches the backlog and closes.
        """
        ...


class SocketListener(Protocol):
    """What happens on a socket, in order: `opened`, any number of `received`, `closed`."""

    def opened(self, socket: Socket) -> None:
        """The handshake is done; `socket` may be used and kept."""
        ...

    def received(self, message: str | bytes) -> None:
        """One whole message: str for text, bytes for binary. An exception closes the socket with 1011."""
        ...

    def closed(self, code: int, reason: str) -> None:
        """The connection is gone; the code is the peer's, or ours where we closed first, or 1005/1006. Called once."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one socket; a time of 0 turns the keepalive off.

    `going_away` is said when the server closes; the read buffer grows when a message is larger.
    """

    max_message_bytes: int = 1 << 20
    max_backlog_bytes: int = 1 << 20
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0
    going_away: tuple[int, str] = (1001, "server is closing")
    read_buffer_bytes: int = 8192


def checked_close(code: int, reason: str) -> tuple[int, str]:
    """A code that may be sent and a reason that fits a close frame (123 bytes), cut at a character.

    Raises:
        ValueError: the code may not be sent (RFC 6455 section 7.4).
    """
    if not (1000 <= code <= 1014 and code not in {1004, NO_STATUS, ABNORMAL}) and not 3000 <= code <= 4999:  # noqa: PLR2004  RFC 6455
        raise ValueError(f"close code {code} may not be sent")
    return code, reason.encode()[:123].decode(errors="ignore")
