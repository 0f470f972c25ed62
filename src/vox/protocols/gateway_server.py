"""The server's half of one gateway connection: who may say what when, without a socket or a clock.

`receive` turns messages into what they ask for; a caller that has checked an Identify or Resume answers with `accepted`, and
what the client said meanwhile follows in order. To add a message type, add a row to `_CONTENT` and its struct to `gateway`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

import msgspec

from vox.protocols.gateway import (
    ACTIVITY_MAX,
    CLIENT_MESSAGES,
    CLIENT_MESSAGES_PERIOD_S,
    CUSTOM_STATUS_MAX,
    HEARTBEAT_DEADLINE_S,
    IDENTIFY_DEADLINE_S,
    MAX_MESSAGE_BYTES,
    MAX_OPENING_BYTES,
    PROTOCOL_VERSION,
    STATUSES,
    ClientMessage,
    CloseCode,
    CpaceRelay,
    Heartbeat,
    Identify,
    MlsRelay,
    PresenceUpdate,
    Resume,
    StageResponse,
    Typing,
    VoiceCodec,
    VoiceState,
    decode_client,
)


class State(StrEnum):
    """Where a connection is."""

    OPENING = "opening"
    CHECKING = "checking"
    LIVE = "live"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Closing:
    """The connection ends: nothing is received after this."""

    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A message is answered with an error; the connection goes on."""

    code: str
    message: str


InSession = Heartbeat | Typing | PresenceUpdate | MlsRelay | CpaceRelay | VoiceState | VoiceCodec | StageResponse
Asked = Identify | Resume | InSession | Refused | Closing

_CONTENT: Final[dict[str, type[InSession]]] = {
    "heartbeat": Heartbeat,
    "typing": Typing,
    "presence_update": PresenceUpdate,
    "mls_relay": MlsRelay,
    "cpace_relay": CpaceRelay,
    "voice_state_update": VoiceState,
    "voice_codec_neg": VoiceCodec,
    "stage_response": StageResponse,
}
"""What a client may say in a session. Unknown types are ignored."""


class GatewayServer:
    """One connection.

    Args:
        now: when it was opened; all times are seconds on one monotonic clock.
        identify_deadline_s: how long a client may take to say who it is.
        heartbeat_deadline_s: how long it may be silent after that.
        messages: how many messages it may send per `messages_period_s`.
        messages_period_s: the sliding window of `messages`.
    """

    __slots__ = ("_deadline", "_heartbeat_deadline_s", "_held", "_messages", "_period_s", "_times", "state")

    def __init__(
        self,
        now: float,
        *,
        identify_deadline_s: float = IDENTIFY_DEADLINE_S,
        heartbeat_deadline_s: float = HEARTBEAT_DEADLINE_S,
        messages: int = CLIENT_MESSAGES,
        messages_period_s: float = CLIENT_MESSAGES_PERIOD_S,
    ) -> None:
        self.state = State.OPENING
        self._deadline = now + identify_deadline_s
        self._heartbeat_deadline_s = heartbeat_deadline_s
        self._messages = messages
        self._period_s = messages_period_s
        self._times: list[float] = []  # of an idle client three; a deque would take 700 bytes
        self._held: list[str | bytes] | None = None

    @property
    def deadline(self) -> float:
        """When `expired` has something to do."""
        return self._deadline

    def receive(self, message: str | bytes, now: float) -> list[Asked]:
        """What a message asks for; empty for what is ignored."""
        if self.state is State.CLOSED:
            return []
        if self._is_too_often(now):
            return [self._close(CloseCode.RATE_LIMITED, "too many messages")]
        if self.state is State.CHECKING:
            if len(message) > MAX_OPENING_BYTES:
                return [self._close(CloseCode.DECODE_ERROR, "message too large")]
            self._held = [*(self._held or ()), message]
            return []
        return self._take(message, now)

    def accepted(self, now: float) -> list[Asked]:
        """Begins the session: what was said while the client was being checked comes out."""
        if self.state is not State.CHECKING:
            return []
        self.state = State.LIVE
        self._deadline = now + self._heartbeat_deadline_s
        held, self._held = self._held, None
        return [asked for message in held or () if self.state is State.LIVE for asked in self._take(message, now)]

    def expired(self, now: float) -> Closing | None:
        """The end of a connection whose client says nothing; None before the deadline."""
        if now < self._deadline or self.state in {State.CLOSED, State.CHECKING}:
            return None
        if self.state is State.OPENING:
            return self._close(CloseCode.NOT_AUTHENTICATED, "identify timeout")
        return self._close(CloseCode.SESSION_TIMEOUT, "heartbeat timeout")

    def closed(self) -> None:
        """Takes nothing more."""
        self.state = State.CLOSED
        self._held = None

    def _take(self, message: str | bytes, now: float) -> list[Asked]:
        is_opening = self.state is State.OPENING
        if isinstance(message, bytes):
            return [self._close(CloseCode.DECODE_ERROR, "messages are text")]
        if len(message) > (MAX_OPENING_BYTES if is_opening else MAX_MESSAGE_BYTES):
            if is_opening:
                return [self._close(CloseCode.DECODE_ERROR, "message too large")]
            return [Refused("PAYLOAD_TOO_LARGE", "The message is too large.")]
        try:
            envelope = decode_client(message)
        except ValueError:
            return [self._close(CloseCode.DECODE_ERROR, "invalid JSON")]
        if is_opening:
            return [self._opening(envelope)]
        if envelope.type in {"identify", "resume"}:
            return [self._close(CloseCode.ALREADY_AUTHENTICATED, "already authenticated")]
        shape = _CONTENT.get(envelope.type)
        if shape is None:
            return []
        if shape is Heartbeat:
            self._deadline = now + self._heartbeat_deadline_s
            return [_heartbeat(envelope)]
        try:
            asked = _content(envelope, shape)
        except (ValueError, RecursionError) as error:
            return [Refused("VALIDATION_ERROR", f"{envelope.type}: {error}"[:200])]
        return [_checked_presence(asked) if isinstance(asked, PresenceUpdate) else asked]

    def _opening(self, envelope: ClientMessage) -> Asked:
        shape = {"identify": Identify, "resume": Resume}.get(envelope.type)
        if shape is None:
            return self._close(CloseCode.NOT_AUTHENTICATED, "identify first")
        try:
            asked = _content(envelope, shape)
        except (ValueError, RecursionError):
            return self._close(CloseCode.AUTH_FAILED, "fields are missing")
        if isinstance(asked, Identify) and asked.protocol_version not in (None, PROTOCOL_VERSION):
            return self._close(CloseCode.VERSION_MISMATCH, "protocol version 1 only")
        self.state = State.CHECKING
        return asked

    def _is_too_often(self, now: float) -> bool:
        times = self._times
        if times and now - times[-1] >= self._period_s:
            times.clear()
        elif len(times) >= self._messages:
            if now - times[0] < self._period_s:
                return True
            del times[0]
        times.append(now)
        return False

    def _close(self, code: CloseCode, reason: str) -> Closing:
        self.closed()
        return Closing(code, reason)


def capabilities(asked: Identify) -> frozenset[str]:
    """The capabilities a client names; anything that is no text is not one."""
    claimed: object = asked.capabilities
    named = cast("list[object]", claimed) if isinstance(claimed, list) else []
    return frozenset(one for one in named if isinstance(one, str))


def as_id(value: float | str | None) -> int | None:
    """An id a client sent as a number or, with string ids, as a text; None for anything else."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < _ID_DIGITS else None
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_ID else None


_ID_DIGITS = 20
_LARGEST_ID = (1 << 63) - 1
_encoded = msgspec.json.Encoder().encode


def _content(envelope: ClientMessage, shape: type[Any]) -> Any:
    raw = bytes(envelope.d)
    return msgspec.json.decode(b"{}" if raw == b"null" else raw, type=shape)


def _heartbeat(envelope: ClientMessage) -> Heartbeat:
    try:
        return _content(envelope, Heartbeat)
    except (ValueError, RecursionError):
        return Heartbeat()  # the original never looked; a sign of life is one


def _checked_presence(asked: PresenceUpdate) -> PresenceUpdate | Refused:
    if not isinstance(asked.status, str) or asked.status not in STATUSES:
        return Refused("INVALID_STATUS", f"The status is one of {', '.join(sorted(STATUSES))}.")
    custom = asked.custom_status
    if isinstance(custom, str):
        asked.custom_status = custom[:CUSTOM_STATUS_MAX]
    elif custom is not None and len(_encoded(custom).decode()) > ACTIVITY_MAX:
        return Refused("PAYLOAD_TOO_LARGE", "The custom status is too large.")
    if asked.activity is not None and len(_encoded(asked.activity).decode()) > ACTIVITY_MAX:
        return Refused("PAYLOAD_TOO_LARGE", "The activity is too large.")
    return asked
