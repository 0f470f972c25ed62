"""The chat gateway's wire format: constants, close codes, what a client may say, and the frames of the server.

The one thing to know: a server frame is `{"seq":N,` and a tail that is the same for every receiver, so an event is encoded once
however many sockets it goes to. The state machines of both sides stand in `gateway_server` and `gateway_client`.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, Literal

import msgspec

from vox.protocols.websocket_frames import header

PROTOCOL_VERSION: Final = 1
HEARTBEAT_INTERVAL_MS: Final = 45_000
HEARTBEAT_DEADLINE_S: Final = 67.5
"""One and a half intervals."""
IDENTIFY_DEADLINE_S: Final = 30.0
RESUMABLE_S: Final = 300.0
CLIENT_MESSAGES: Final = 120
CLIENT_MESSAGES_PERIOD_S: Final = 60.0
MAX_OPENING_BYTES: Final = 8 * 1024
"""Longest message before a client has said who it is."""
MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Longest message that is decoded; longer ones are answered with PAYLOAD_TOO_LARGE, unread."""
MAX_FRAME_BYTES: Final = 11 << 20
"""Longest message a socket takes at all: 10 MiB must be answered in band, not with a closed socket."""
CUSTOM_STATUS_MAX: Final = 128
ACTIVITY_MAX: Final = 512
STRING_IDS: Final = "string_ids"
PRESENCE_BATCH: Final = "presence_batch"
BOTS: Final = "bots"
WEBHOOKS: Final = "webhooks"
SNAPSHOT: Final = "snapshot"
ACCOUNT_EVENTS: Final = "account_events"
E2EE: Final = "e2ee"
VOICE: Final = "voice"
CAPABILITIES: Final = (STRING_IDS, PRESENCE_BATCH, SNAPSHOT, ACCOUNT_EVENTS, BOTS, WEBHOOKS, E2EE, VOICE)
"""What `ready` names: what a client may ask for in `identify`, and the features of the server. The original claimed voice, e2ee, federation, bots and webhooks."""
STATUSES: Final = frozenset({"online", "idle", "dnd", "invisible"})
ZSTD_LEVEL: Final = 3


class CloseCode(IntEnum):
    """Why the server closes; RESUMABLE says after which of them a session goes on."""

    UNKNOWN_ERROR = 4000
    UNKNOWN_TYPE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTH_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    RATE_LIMITED = 4006
    SESSION_TIMEOUT = 4007
    SERVER_RESTART = 4008
    SESSION_EXPIRED = 4009
    REPLAY_EXHAUSTED = 4010
    VERSION_MISMATCH = 4011
    SERVER_FULL = 4012


RESUMABLE: Final = frozenset(
    {CloseCode.UNKNOWN_ERROR, CloseCode.RATE_LIMITED, CloseCode.SESSION_TIMEOUT, CloseCode.SERVER_RESTART}
)
"""After these, and after a lost connection, a client resumes."""
FRESH: Final = frozenset({CloseCode.SESSION_EXPIRED, CloseCode.REPLAY_EXHAUSTED})
"""After these a client identifies anew and reads what it missed over REST."""
RETRY_LATER: Final = frozenset({CloseCode.SERVER_FULL})
"""All codes in none of the three sets are final: trying again changes nothing."""


class ServerMessage(msgspec.Struct):
    """A server's frame as a client reads it."""

    type: str
    seq: int | None = None
    d: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class ClientMessage(msgspec.Struct):
    """The envelope of everything a client sends; its content is decoded once its type is known."""

    type: str
    d: msgspec.Raw = msgspec.Raw(b"null")


class Heartbeat(msgspec.Struct):
    """Shows that the client is alive; `seq` is the last frame it has (ours, optional: it trims what resuming keeps)."""

    seq: int | None = None


class Identify(msgspec.Struct):
    """Begins a session; what else a client claims about itself is not looked at."""

    token: str
    protocol_version: Any = None
    capabilities: Any = None


class Resume(msgspec.Struct):
    """Goes on with a session from the last frame the client has."""

    token: str
    session_id: str
    last_seq: int


class Typing(msgspec.Struct):
    """The user writes in a feed or a DM; ids may be texts, as clients with `string_ids` have them."""

    feed_id: int | str | None = None
    dm_id: int | str | None = None


class PresenceUpdate(msgspec.Struct):
    """The user's status, and what others may read about it."""

    status: Any = None
    custom_status: Any = None
    activity: dict[str, Any] | None = None


class MlsRelay(msgspec.Struct):
    """An MLS message for other devices. The original has `mls_type` and `data`, and means the user's own sessions; the rest is ours.

    Args:
        mls_type: welcome, commit or proposal.
        data: the message, opaque; in a conversation a text.
        dm_id: the conversation whose members' devices it is for; a text with `string_ids`.
        device_id: the sender's device, for which it does not wait.
        device_ids: only these devices, as for a Welcome; None for all.
        group_id: of a message that is not in MLS framing, which names its group itself.
        epoch: likewise.
        request_id: comes back in the event, or in the refusal.
    """

    mls_type: Literal["welcome", "commit", "proposal"]
    data: Any = None
    dm_id: int | str | None = None
    device_id: str | None = None
    device_ids: list[str] | None = None
    group_id: str | None = None
    epoch: int | None = None
    request_id: str | None = None


class CpaceRelay(msgspec.Struct):
    """A step of pairing two devices of one user; data and nonce are opaque."""

    cpace_type: Literal["isi", "rsi", "confirm", "new_device_key"]
    pair_id: str
    data: Any = None
    nonce: Any = None


class VoiceState(msgspec.Struct):
    """What a user in a voice room says of themselves; what is absent stays."""

    self_mute: bool | None = None
    self_deaf: bool | None = None
    video: bool | None = None
    streaming: bool | None = None


class VoiceCodec(msgspec.Struct):
    """A codec that a client in a room can use, for the others there."""

    room_id: int | str | None = None
    media_type: Any = None
    codec: Any = None
    extras: Any = None


class StageResponse(msgspec.Struct):
    """An answer on a stage, for the others in the room."""

    room_id: int | str | None = None
    response_type: Any = None
    accepted: Any = None


Relayed = MlsRelay | CpaceRelay
"""What is passed on to devices, unread."""
InRoom = VoiceState | VoiceCodec | StageResponse
"""What a user in a voice room says."""
Passed = Relayed | InRoom
"""What one message after the other is carried out for."""


def decode_client(message: str | bytes) -> ClientMessage:
    """The envelope of a client's message.

    Raises:
        ValueError: it is no JSON object with a type.
    """
    try:
        return _client_decoder.decode(message)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
        raise ValueError(str(error)) from None


def decode_server(message: str | bytes) -> ServerMessage:
    """A server's frame, already decompressed.

    Raises:
        ValueError: it is no JSON object with a type.
    """
    try:
        return _server_decoder.decode(message)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None


def encode_client(kind: str, content: Mapping[str, Any] | None = None) -> str:
    """A client's message; without content it has no `d`."""
    message: dict[str, Any] = {"type": kind}
    if content is not None:
        message["d"] = content
    return _encode(message).decode()


def frame(kind: str, content: object = None) -> bytes:
    """A server's frame without a sequence number: hello, heartbeat_ack, resumed and error."""
    return _encode({"type": kind} if content is None else {"type": kind, "d": content})


def tail(kind: str, content: object) -> bytes:
    """Everything behind the sequence number of an event's frame."""
    return b'"type":%b,"d":%b}' % (_encode(kind), _encode(content))


def numbered(seq: int, tail: bytes) -> bytes:
    """The frame of an event for one session."""
    return b'{"seq":%d,%b' % (seq, tail)


def error_frame(code: str, message: str, **extras: object) -> bytes:
    """An error within the session; the connection stays open. `extras` are further fields, such as retry_after_ms."""
    return frame("error", {"code": code, "message": message, **extras})


def framed_run(first_seq: int, tails: Sequence[bytes]) -> bytes:
    """Consecutive events as WebSocket frames on the wire, the first with the number `first_seq`."""
    return run_template(tails, first_seq) % tuple(range(first_seq, first_seq + len(tails)))


def run_template(tails: Sequence[bytes], first_seq: int) -> bytes:
    """The frames of a run with a `%d` for each number: fits every run whose numbers have as many digits each.

    A header depends on a frame's length only, so receivers at 41 and at 77 share a template; those at 99 and 100 do not.
    """
    parts: list[bytes] = []
    for offset, one in enumerate(tails):
        size = _NUMBERED_EXTRA + len(str(first_seq + offset)) + len(one)
        parts += (header(size).replace(b"%", b"%%"), b'{"seq":%d,', one.replace(b"%", b"%%"))
    return b"".join(parts)


def is_one_width(first_seq: int, count: int) -> bool:
    """Whether `count` numbers from `first_seq` on have the same number of digits."""
    return len(str(first_seq)) == len(str(first_seq + count - 1))


_NUMBERED_EXTRA = len('{"seq":,')
_encode = msgspec.json.Encoder().encode
_client_decoder = msgspec.json.Decoder(ClientMessage)
_server_decoder = msgspec.json.Decoder(ServerMessage)
HELLO: Final = frame("hello", {"heartbeat_interval": HEARTBEAT_INTERVAL_MS})
HEARTBEAT_ACK: Final = frame("heartbeat_ack")
