"""What a client says when it connects: query parameters in the older protocol, one encoded message in the newer. Pure."""

import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from livekit.protocol import models, rtc

from vox.errors import UsageError
from vox.relay.rooms.participant import JoinSettings

MAX_JOIN_BYTES: Final = 1_000_000
"""Of a join request when it is unpacked."""
MOST_TRACKS: Final = 32
MAX_CLIENT_BYTES: Final = 4_096
"""Of what a client says that it is: a part of it goes to everyone in the room."""
_SDKS: Final = {
    "js": models.ClientInfo.JS,
    "swift": models.ClientInfo.SWIFT,
    "ios": models.ClientInfo.SWIFT,
    "android": models.ClientInfo.ANDROID,
    "flutter": models.ClientInfo.FLUTTER,
    "go": models.ClientInfo.GO,
    "unity": models.ClientInfo.UNITY,
    "reactnative": models.ClientInfo.REACT_NATIVE,
    "rust": models.ClientInfo.RUST,
    "python": models.ClientInfo.PYTHON,
    "cpp": models.ClientInfo.CPP,
    "unityweb": models.ClientInfo.UNITY_WEB,
    "node": models.ClientInfo.NODE,
    "unreal": models.ClientInfo.UNREAL,
    "esp32": models.ClientInfo.ESP32,
    "dotnet": models.ClientInfo.DOTNET,
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a client says when it connects.

    Args:
        settings: how it wants to take part.
        is_resume: whether it comes back to a session.
        sid: of that session's participant; may be empty.
        tracks: announced together with joining.
        offer: sent together with joining; None without one.
        sync: what it knows of the session it comes back to; None where it says so later.
    """

    settings: JoinSettings
    is_resume: bool = False
    sid: str = ""
    tracks: Sequence[rtc.AddTrackRequest] = ()
    offer: rtc.SessionDescription | None = None
    sync: rtc.SyncState | None = field(default=None)


def arrival_v0(query: Mapping[str, str], ice_servers: Sequence[rtc.ICEServer]) -> Arrival:
    """Reads the query parameters of `/rtc`."""
    client = models.ClientInfo(
        sdk=_SDKS.get(query.get("sdk", "").lower(), models.ClientInfo.UNKNOWN),
        version=query.get("version", "")[:64],
        protocol=_number(query.get("protocol", "")),
        client_protocol=_number(query.get("client_protocol", "")),
        os=query.get("os", "")[:64],
        os_version=query.get("os_version", "")[:64],
        device_model=query.get("device_model", "")[:64],
        browser=query.get("browser", "")[:64],
        browser_version=query.get("browser_version", "")[:64],
        network=query.get("network", "")[:64],
    )
    settings = JoinSettings(
        auto_subscribe=_is_on(query.get("auto_subscribe", "1")), ice_servers=ice_servers, client=client
    )
    return Arrival(settings, is_resume=_is_on(query.get("reconnect", "")), sid=query.get("sid", ""))


def arrival_v1(text: str, ice_servers: Sequence[rtc.ICEServer]) -> Arrival:
    """Reads the parameter `join_request` of `/rtc/v1`.

    Raises:
        UsageError: join_request_invalid.
    """
    request = rtc.JoinRequest()
    try:
        request.ParseFromString(_unpacked(text))
    except (DecodeError, ValueError, zlib.error):
        raise UsageError("The parameter join_request cannot be read.", code="join_request_invalid") from None
    if len(request.add_track_requests) > MOST_TRACKS:
        raise UsageError(f"A join request may announce {MOST_TRACKS} tracks.", code="join_request_invalid")
    if request.client_info.ByteSize() > MAX_CLIENT_BYTES:
        raise UsageError(f"A client may describe itself in {MAX_CLIENT_BYTES} bytes.", code="join_request_invalid")
    connection = request.connection_settings
    settings = JoinSettings(
        is_single=True,
        auto_subscribe=connection.auto_subscribe,
        ice_servers=ice_servers,
        client=request.client_info,
        metadata=request.metadata,
        attributes=dict(request.participant_attributes),
    )
    return Arrival(
        settings,
        is_resume=request.reconnect,
        sid=request.participant_sid,
        tracks=list(request.add_track_requests),
        offer=request.publisher_offer if request.HasField("publisher_offer") else None,
        sync=request.sync_state if request.HasField("sync_state") else None,
    )


def _unpacked(text: str) -> bytes:
    if len(text) > MAX_JOIN_BYTES * 4 // 3:
        raise ValueError("too large")
    padded = text.replace("-", "+").replace("_", "/").replace(" ", "+")
    wrapped = rtc.WrappedJoinRequest()
    wrapped.ParseFromString(b64decode(padded + "=" * (-len(padded) % 4), validate=True))
    if wrapped.compression != rtc.WrappedJoinRequest.GZIP:
        return wrapped.join_request
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    data = unzip.decompress(wrapped.join_request, MAX_JOIN_BYTES)
    if unzip.unconsumed_tail or not unzip.eof:
        raise ValueError("too large or cut short")
    return data


def _is_on(value: str) -> bool:
    return value.lower() in {"1", "true"}


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 5 else 0  # noqa: PLR2004  small numbers only
