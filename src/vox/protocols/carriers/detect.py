"""Which carrier is on the line, told from its first messages, and the codecs by name.

The one thing to know before changing it: `detect` only looks. The transport hands every message it showed to `detect`
to the codec afterwards, so that nothing is swallowed: Plivo's first message is already `start`, its second is audio.
"""

from typing import Any, Final, Protocol

import msgspec

from vox.errors import PeerError, UsageError
from vox.protocols.carriers import exotel, genesys, json_events, plivo, telnyx, twilio, vonage
from vox.protocols.media_stream import CarrierCodec, ServerCodec, WireMessage


class ServerFactory(Protocol):
    """Makes our side of a stream; larger messages than the limit are refused."""

    def __call__(self, *, max_message_bytes: int = ...) -> ServerCodec:
        """One codec for one stream."""
        ...


class CarrierFactory(Protocol):
    """Makes the carrier's side of a stream; larger messages than the limit are refused."""

    def __call__(self, *, max_message_bytes: int = ...) -> CarrierCodec:
        """One codec for one stream."""
        ...


_SERVERS: Final[dict[str, ServerFactory]] = {
    "twilio": twilio.Server,
    "telnyx": telnyx.Server,
    "plivo": plivo.Server,
    "exotel": exotel.Server,
    "vonage": vonage.Server,
    "genesys": genesys.Server,
}
_CARRIERS: Final[dict[str, CarrierFactory]] = {
    "twilio": twilio.Carrier,
    "telnyx": telnyx.Carrier,
    "plivo": plivo.Carrier,
    "exotel": exotel.Carrier,
    "vonage": vonage.Carrier,
    "genesys": genesys.Carrier,
}
CARRIERS: Final = tuple(_SERVERS)
MAX_OPENING_MESSAGES: Final = 2  # a carrier is known after these, or it is none of ours


class _Opening(msgspec.Struct):
    event: Any = None
    type: Any = None
    stream_id: Any = None
    start: Any = None


_OPENING = msgspec.json.Decoder(_Opening)


def detect(message: WireMessage, *, max_bytes: int = json_events.MAX_MESSAGE_BYTES) -> str | None:
    """The carrier that sends such a message at the start of a stream; None when it does not tell. Raises nothing."""
    if isinstance(message, bytes) and message.lstrip()[:1] != b"{":
        return None
    try:
        opening = json_events.decode(_OPENING, message, max_bytes)
    except PeerError:
        return None
    match opening:
        case _Opening(event="start", start={"streamSid": str()}):
            return "twilio"
        case _Opening(event="start", start={"stream_sid": str()}):
            return "exotel"
        case _Opening(start={"streamId": str()}):
            return "plivo"
        case _Opening(event="start", start={"call_control_id": _}) | _Opening(event="start", stream_id=str(), start={}):
            return "telnyx"
        case _Opening(event="websocket:connected"):
            return "vonage"
        case _Opening(type="open"):
            return "genesys"
        case _:
            return None


def is_early_audio(message: WireMessage) -> bool:
    """Whether a message before the start is audio, which cannot be decoded yet and tells no carrier. Raises nothing."""
    if isinstance(message, bytes) and message.lstrip()[:1] != b"{":
        return bool(message)
    try:
        return json_events.decode(_OPENING, message, json_events.MAX_MESSAGE_BYTES).event == "media"
    except PeerError:
        return False


def codec_for(name: str) -> ServerFactory:
    """Our side of a carrier's stream; `UsageError` for a name that is none of `CARRIERS`."""
    return _SERVERS[_known(name)]


def carrier_for(name: str) -> CarrierFactory:
    """The carrier's own side; `UsageError` for a name that is none of `CARRIERS`."""
    return _CARRIERS[_known(name)]


def _known(name: str) -> str:
    if name not in _SERVERS:
        raise UsageError(
            f"There is no carrier {name!r}.", code="unknown_carrier", hint=f"use one of {', '.join(CARRIERS)}"
        )
    return name
