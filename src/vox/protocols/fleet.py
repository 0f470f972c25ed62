"""The messages between a call worker and a bridge, as JSON text over the WebSocket that the worker opens. Pure.

The one thing to know: both ends ignore types and fields that they do not know, so that either side may be the newer one. What is
known is checked strictly, and a message that is wrong raises `PeerError` with code `malformed_message` or `message_too_large`.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from vox.protocols.json_edge import check_size, malformed
from vox.protocols.media_stream import WireMessage

CONNECT_PATH: Final = "/v1/fleet/connect"
"""Below the bridge's address; the upgrade carries `Authorization: Bearer <worker token>`."""
MAX_MESSAGE_BYTES: Final = 1 << 18
MAX_CALLS: Final = 1_000
"""Running calls that one worker may report."""
LEASE_S: Final = 6.0
HEARTBEAT_S: Final = 2.0
"""A worker sends its status at least this often; three missed ones end its lease."""
MIN_STATUS_INTERVAL_S: Final = 0.1
"""Changes within this time go out as one status."""

STARTED: Final = "started"
"""The event of the `progress` that says that a call runs; its data are `class` and `since_ms`."""

REPORTS: Final = "reports"
"""The key of an offer's metadata that lists the events of `progress` which the bridge wants of the call from its beginning: `digits`, `transcript`."""

HANDED_OVER: Final = "handed_over"
"""The outcome of `ended` where a call goes on in another process: it is not the end of the call."""
LINE_LOST: Final = "line_lost"
"""The `reason` in a result whose stream broke off: the carrier may connect the call again, and it then goes on."""

RESERVATION_TTL_S: Final = 30.0
"""A reservation that is neither renewed nor taken by its call ends after this, whatever became of the bridge."""
RENEW_S: Final = 10.0

CallClass: TypeAlias = Literal["inbound", "outbound", "campaign"]
WorkerState: TypeAlias = str
"""`starting`, `ready`, `full`, `draining`, `handing_over`, `lame` or `stopped`; calls are placed on `ready` workers only."""
READY: Final = "ready"
FULL: Final = "full"
DRAINING: Final = "draining"

WorkerId = Annotated[str, Meta(pattern="^[a-z0-9-]{1,64}\\Z")]
CallId = Annotated[str, Meta(min_length=1, max_length=128)]
_ShortText = Annotated[str, Meta(max_length=64)]
_Text = Annotated[str, Meta(max_length=1_000)]
_Url = Annotated[str, Meta(max_length=2_048)]
_Token = Annotated[str, Meta(min_length=1, max_length=512)]
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]
_Milliseconds = Annotated[float, Meta(ge=0, le=1e9)]
_UnixMs = Annotated[int, Meta(ge=0, le=1 << 53)]


class RunningCall(msgspec.Struct, frozen=True, rename={"call_class": "class"}):
    """A call that a worker carries; `since_ms` is Unix time."""

    call_id: CallId
    call_class: CallClass
    since_ms: _UnixMs


class Register(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="register", rename={"max_calls": "max"}
):
    """The first message of a worker.

    Args:
        generation: when the worker started, in Unix ms; of two processes with one id the greater one is the worker.
        url: where its HTTP routes are reached.
        transports: carriers and transports that it takes; empty for all.
        max_calls: the ceiling of calls; `status` says what it takes now.
        labels: `relay_region`, `model_region` and `provider` count in placement, others are shown only.
        calls: those that run, so that a bridge that has just started counts them.
        unrecorded: ends of calls that no bridge has acknowledged; they follow.
        pid: of the process, for people who look for it on its machine; 0 where it is not told.
    """

    worker_id: WorkerId
    generation: _UnixMs
    version: _ShortText = ""
    url: _Url = ""
    region: _ShortText = ""
    transports: Annotated[list[_ShortText], Meta(max_length=32)] = []
    max_calls: _Count = 0
    labels: Annotated[dict[_ShortText, _Text], Meta(max_length=32)] = {}
    calls: Annotated[list[RunningCall], Meta(max_length=MAX_CALLS)] = []
    unrecorded: _Count = 0
    pid: Annotated[int, Meta(ge=0, le=1 << 31)] = 0


class Status(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="status", rename={"max_calls": "max"}
):
    """What a worker holds at this moment, on every change and at each heartbeat.

    Args:
        active: running calls.
        reserved: slots held for calls that have no media yet.
        max_calls: the ceiling.
        limit: what it takes now; below the ceiling where the adaptive limit or a drain lowers it.
        state: see `WorkerState`.
        load: 0 idle to 1 full, as the worker judges it.
        free_outbound: slots that an outbound or campaign call may take; None where none are kept for inbound calls.
        next_free_s: when the next slot is expected to be free.
        drain_left_s: until the deadline of its drain; None while it does not drain.
    """

    active: _Count
    reserved: _Count
    max_calls: _Count
    limit: _Count
    state: _ShortText
    load: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    loop_lag_p95_ms: _Milliseconds = 0.0
    free_outbound: _Count | None = None
    next_free_s: _Seconds | None = None
    drain_left_s: _Seconds | None = None


class Accept(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    tag_field="type",
    tag="accept",
    rename={"is_resumable": "resumable"},
):
    """A slot is reserved; the media stream that brings `token` takes it.

    Args:
        is_resumable: the call can go on with another stream, at this worker or another one.
    """

    offer_id: CallId
    reservation_id: CallId
    token: _Token
    stream_url: _Url
    is_resumable: bool = False


class Busy(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="busy"):
    """The worker does not take the offered call."""

    offer_id: CallId
    retry_after_s: _Seconds = 0.0
    reason: _ShortText = ""


class Ended(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="ended"):
    """A call has ended. The worker sends it again on the next connection until `ended_received` names it."""

    call_id: CallId
    outcome: _ShortText
    result: dict[str, Any] = {}


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="progress"):
    """Something happened in a running call; may be lost with a connection."""

    call_id: CallId
    event: _ShortText
    data: dict[str, Any] = {}


class Registered(msgspec.Struct, frozen=True, tag_field="type", tag="registered"):
    """The worker is known; it sends its status every `heartbeat_s` and is given up `lease_s` after its last message."""

    lease_s: _Seconds = LEASE_S
    heartbeat_s: _Seconds = HEARTBEAT_S


class Refused(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """The worker is not taken, for one of `REFUSALS`; the connection is closed after it."""

    code: _ShortText
    message: _Text


class Offer(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="offer", rename={"call_class": "class"}
):
    """Asks for a slot. The worker answers `accept` or `busy` once; a later offer of the same call has another id.

    Args:
        ttl_s: how long the reservation stands without media or a `renew`.
    """

    offer_id: CallId
    call_id: CallId
    call_class: CallClass
    bot_id: _ShortText = ""
    ttl_s: _Seconds = RESERVATION_TTL_S
    metadata: dict[str, Any] = {}


class Renew(msgspec.Struct, frozen=True, tag_field="type", tag="renew"):
    """Keeps a reservation for another `ttl_s`, while the call still rings."""

    reservation_id: CallId
    ttl_s: _Seconds = RESERVATION_TTL_S


class Release(msgspec.Struct, frozen=True, tag_field="type", tag="release"):
    """Gives a reservation back; one that is unknown or has media already is left alone."""

    reservation_id: CallId


class Drain(msgspec.Struct, frozen=True, tag_field="type", tag="drain"):
    """Takes no further calls; those that run have `deadline_s`."""

    deadline_s: _Seconds


class HangUp(msgspec.Struct, frozen=True, tag_field="type", tag="hang_up"):
    """Ends a call."""

    call_id: CallId


class Transfer(msgspec.Struct, frozen=True, tag_field="type", tag="transfer"):
    """Hands a call over to another number or address."""

    call_id: CallId
    to: _Text


class Inject(msgspec.Struct, frozen=True, tag_field="type", tag="inject"):
    """Has the agent say or consider a text in a running call."""

    call_id: CallId
    text: Annotated[str, Meta(max_length=10_000)]


class Watch(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="watch"):
    """Asks for the words of a running call as `progress` with the event `transcript`: for `ttl_s`, and at once those after `after_ms`."""

    call_id: CallId
    ttl_s: _Seconds
    after_ms: _UnixMs = 0


class EndedReceived(msgspec.Struct, frozen=True, tag_field="type", tag="ended_received"):
    """The end of a call is recorded, so the worker may forget it."""

    call_id: CallId


WorkerMessage: TypeAlias = Register | Status | Accept | Busy | Ended | Progress
BridgeMessage: TypeAlias = (
    Registered | Refused | Offer | Renew | Release | Drain | HangUp | Transfer | Inject | Watch | EndedReceived
)

BAD_TOKEN: Final = "bad_worker_token"  # noqa: S105  an error code
WRONG_WORKER: Final = "wrong_worker"
STALE_GENERATION: Final = "stale_generation"
TOO_MANY_WORKERS: Final = "too_many_workers"
MALFORMED: Final = "malformed_message"
REPLACED: Final = "replaced"
"""A newer connection of the same process has taken this one's place."""
LEASE_EXPIRED: Final = "lease_expired"
REFUSALS: Final = (BAD_TOKEN, WRONG_WORKER, STALE_GENERATION, TOO_MANY_WORKERS, MALFORMED, REPLACED, LEASE_EXPIRED)


class _Head(msgspec.Struct):
    type: str


_Message = TypeVar("_Message", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()
_head = msgspec.json.Decoder(_Head)
_FROM_WORKER: Final[dict[str, msgspec.json.Decoder[WorkerMessage]]] = {
    "register": msgspec.json.Decoder(Register),
    "status": msgspec.json.Decoder(Status),
    "accept": msgspec.json.Decoder(Accept),
    "busy": msgspec.json.Decoder(Busy),
    "ended": msgspec.json.Decoder(Ended),
    "progress": msgspec.json.Decoder(Progress),
}
_FROM_BRIDGE: Final[dict[str, msgspec.json.Decoder[BridgeMessage]]] = {
    "registered": msgspec.json.Decoder(Registered),
    "refused": msgspec.json.Decoder(Refused),
    "offer": msgspec.json.Decoder(Offer),
    "renew": msgspec.json.Decoder(Renew),
    "release": msgspec.json.Decoder(Release),
    "drain": msgspec.json.Decoder(Drain),
    "hang_up": msgspec.json.Decoder(HangUp),
    "transfer": msgspec.json.Decoder(Transfer),
    "inject": msgspec.json.Decoder(Inject),
    "watch": msgspec.json.Decoder(Watch),
    "ended_received": msgspec.json.Decoder(EndedReceived),
}


def read_worker(message: WireMessage) -> WorkerMessage | None:
    """What a worker sent; None for a type that this version does not know.

    Raises:
        PeerError: `malformed_message` or `message_too_large`.
    """
    return _read(message, _FROM_WORKER)


def read_bridge(message: WireMessage) -> BridgeMessage | None:
    """What a bridge sent; None for a type that this version does not know.

    Raises:
        PeerError: `malformed_message` or `message_too_large`.
    """
    return _read(message, _FROM_BRIDGE)


def started_call(message: Progress) -> RunningCall | None:
    """The call that the event `started` tells of; None where its data are not what they should be."""
    try:
        return msgspec.convert({"call_id": message.call_id, **message.data}, RunningCall)
    except msgspec.ValidationError:
        return None


def write(message: WorkerMessage | BridgeMessage) -> str:
    """The text of a message.

    Raises:
        PeerError: `message_too_large`; the other end would refuse it.
    """
    text = _encoder.encode(message)
    check_size(text, max_bytes=MAX_MESSAGE_BYTES)
    return text.decode()


def _read(message: WireMessage, decoders: dict[str, msgspec.json.Decoder[_Message]]) -> _Message | None:
    check_size(message, max_bytes=MAX_MESSAGE_BYTES)
    try:
        decoder = decoders.get(_head.decode(message).type)
        return None if decoder is None else decoder.decode(message)
    except msgspec.ValidationError as error:
        raise malformed(f"a message between worker and bridge: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise malformed("a message between worker and bridge is not a JSON object") from error
