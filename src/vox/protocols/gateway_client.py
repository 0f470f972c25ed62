"""The client's half of a gateway connection: what to answer, when to send a heartbeat, and how to come back after a close.

The one thing to know: it outlives connections. `connected` begins each one, and says resume instead of identify as long as
there is a session to go on with. Numbers must follow each other; a gap or a repeat is the server's fault and is raised.
"""

from collections.abc import Sequence
from enum import StrEnum

import zstandard

from vox.errors import PeerError
from vox.protocols.gateway import (
    FRESH,
    HEARTBEAT_INTERVAL_MS,
    RESUMABLE,
    RETRY_LATER,
    ServerMessage,
    decode_server,
    encode_client,
)

MAX_FRAME_BYTES = 64 << 20
_LARGEST_CODE_OF_TRANSPORT = 3999
_LONGEST_INTERVAL_MS = 3_600_000


class Return(StrEnum):
    """What a client does after a connection has ended."""

    RESUME = "resume"
    IDENTIFY = "identify"
    LATER = "later"
    NEVER = "never"


class GatewayClient:
    """One client over all of its connections.

    Args:
        token: what it logs in with.
        capabilities: what it asks for (STRING_IDS, PRESENCE_BATCH).
        is_compressed: whether the address says `compress=zstd`.
    """

    def __init__(self, token: str, *, capabilities: Sequence[str] = (), is_compressed: bool = False) -> None:
        self.session_id: str | None = None
        self.seq = 0
        self._token = token
        self._capabilities = list(capabilities)
        self._decompress = zstandard.ZstdDecompressor().decompress if is_compressed else None
        self._is_live = False
        self._interval_s = HEARTBEAT_INTERVAL_MS / 1000
        self._next_heartbeat: float | None = None
        self._is_acknowledged = True

    @property
    def is_live(self) -> bool:
        """Whether the session goes on over this connection."""
        return self._is_live

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do; None before the server's hello."""
        return self._next_heartbeat

    def connected(self) -> None:
        """A new connection begins."""
        self._is_live = False
        self._next_heartbeat = None
        self._is_acknowledged = True

    def receive(self, message: str | bytes, now: float) -> tuple[ServerMessage, list[str]]:
        """One frame, and what to answer.

        Raises:
            PeerError: it is no frame of a gateway, or a number is missing or repeated.
        """
        try:
            found = decode_server(message if self._decompress is None else self._decompressed(message))
        except (ValueError, zstandard.ZstdError) as error:
            raise PeerError(f"not a gateway frame: {error}", code="malformed_message") from None
        if found.seq is not None:
            self._count(found)
        return found, self._answer(found, now)

    def tick(self, now: float) -> str | None:
        """The heartbeat that is due; None when none is.

        Raises:
            PeerError: the last one was never answered.
        """
        if self._next_heartbeat is None or now < self._next_heartbeat:
            return None
        if not self._is_acknowledged:
            raise PeerError("the gateway did not answer a heartbeat", code="gateway_silent", retryable=True)
        self._next_heartbeat = now + self._interval_s
        self._is_acknowledged = False
        return encode_client("heartbeat", {"seq": self.seq} if self._is_live else None)

    def closed(self, code: int) -> Return:
        """What to do after a connection has ended with this code."""
        self._is_live = False
        self._next_heartbeat = None
        if code in RESUMABLE or code <= _LARGEST_CODE_OF_TRANSPORT:
            return Return.RESUME if self.session_id is not None else Return.IDENTIFY
        self.forget()
        if code in FRESH:
            return Return.IDENTIFY
        return Return.LATER if code in RETRY_LATER else Return.NEVER

    def forget(self) -> None:
        """Starts a new session with the next connection."""
        self.session_id = None
        self.seq = 0

    def _decompressed(self, message: str | bytes) -> bytes:
        if isinstance(message, str) or self._decompress is None:
            raise PeerError("text on a compressed connection", code="malformed_message")
        return self._decompress(message, max_output_size=MAX_FRAME_BYTES)

    def _count(self, found: ServerMessage) -> None:
        if found.type == "ready":
            self.seq = 0
        if found.seq != self.seq + 1:
            raise PeerError(f"frame {found.seq} after {self.seq}", code="sequence_broken")
        self.seq += 1

    def _answer(self, found: ServerMessage, now: float) -> list[str]:
        if found.type == "hello":
            interval = found.d.get("heartbeat_interval")
            if isinstance(interval, int) and 0 < interval <= _LONGEST_INTERVAL_MS:
                self._interval_s = interval / 1000
            self._next_heartbeat = now + self._interval_s
            return [self._opening()]
        if found.type == "heartbeat_ack":
            self._is_acknowledged = True
        elif found.type == "ready":
            session_id = found.d.get("session_id")
            self.session_id = session_id if isinstance(session_id, str) else None
            self._is_live = True
        elif found.type == "resumed":
            self._is_live = True
        return []

    def _opening(self) -> str:
        if self.session_id is not None:
            content = {"token": self._token, "session_id": self.session_id, "last_seq": self.seq}
            return encode_client("resume", content)
        asked = {"token": self._token, "protocol_version": 1, "capabilities": self._capabilities}
        return encode_client("identify", asked)
