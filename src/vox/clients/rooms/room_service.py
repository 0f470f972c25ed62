"""A client of the RoomService API of media servers: Twirp, JSON by POST, a short-lived token for each call.

Answers are read with snake_case and camelCase names, enums by name or number and 64-bit numbers as texts, because servers differ.
Whatever a server answers, a call ends within its deadline, with a value or with one of the documented errors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import msgspec

from vox.clients.rooms.contract import KINDS, SOURCES, Kind, Participant, Permission, RoomInfo, Source, Track
from vox.errors import DependencyError, PeerError, UsageError
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

DEADLINE_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 8 << 20
MAX_TRACKS: Final = 1000
TOKEN_S: Final = 60.0
_SERVICE: Final = "/twirp/livekit.RoomService/"
_JSON: Final = msgspec.json.Decoder(dict[str, Any])
_NOT_FOUND: Final = 404
_BY_NAME: Final[Mapping[str, Source]] = {one: one for one in SOURCES}
_KIND_BY_NAME: Final[Mapping[str, Kind]] = {one: one for one in KINDS}
_SERVER_FAULT: Final = 500
_TOO_MANY: Final = 429


class Fetch(Protocol):
    """Sends a request through the guard of outgoing addresses."""

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_s: float,
        max_bytes: int,
    ) -> FetchResult:
        """See `vox.security.outbound.OutboundGuard.fetch`."""
        ...


class RoomService:
    """The rooms of one media server.

    Args:
        fetch: `OutboundGuard.fetch`.
        url: of the server: http, https, ws or wss.
        key: signs the calls.
        unix_s: Unix seconds.
        deadline_s: for each call.
    """

    def __init__(
        self, fetch: Fetch, url: str, key: RoomKey, unix_s: Callable[[], float], deadline_s: float = DEADLINE_S
    ) -> None:
        self._fetch = fetch
        self._url = http_address(url)
        self._key = key
        self._unix_s = unix_s
        self._deadline_s = deadline_s

    async def create_room(self, room: str, *, empty_timeout_s: int, max_participants: int = 0) -> RoomInfo:
        """Makes a room, or returns the one that is there."""
        body = {"name": room, "empty_timeout": empty_timeout_s, "max_participants": max_participants}
        return _room(await self._call("CreateRoom", body, VideoGrant(room_create=True)))

    async def list_rooms(self, names: Sequence[str] = ()) -> list[RoomInfo]:
        """The rooms that exist; of these names, where some are given."""
        answer = await self._call("ListRooms", {"names": list(names)}, VideoGrant(room_list=True))
        return [_room(one) for one in _objects(answer.get("rooms"))]

    async def delete_room(self, room: str) -> bool:
        """Ends a room and disconnects everyone in it; False where there was none."""
        return await self._try("DeleteRoom", {"room": room}, VideoGrant(room_create=True, room_admin=True, room=room))

    async def list_participants(self, room: str) -> list[Participant]:
        """Who is in a room; no one where it does not exist."""
        try:
            answer = await self._call("ListParticipants", {"room": room}, _admin(room))
        except UsageError as error:
            if error.code == "room_not_found":
                return []
            raise
        return [_participant(one) for one in _objects(answer.get("participants"))]

    async def remove_participant(self, room: str, identity: str, *, revokes_before_s: int) -> bool:
        """Disconnects a participant; False where it was not there.

        Args:
            room: its name.
            identity: of the participant.
            revokes_before_s: tokens that were valid before this time (Unix seconds) do not let them in again.
        """
        body = {"room": room, "identity": identity, "revoke_token_ts": revokes_before_s}
        return await self._try("RemoveParticipant", body, _admin(room))

    async def update_permission(self, room: str, identity: str, permission: Permission) -> bool:
        """Changes what a participant may do; what it publishes without permission ends. False where it was not there."""
        body = {"room": room, "identity": identity, "permission": _wire(permission)}
        return await self._try("UpdateParticipant", body, _admin(room))

    async def mute_track(self, room: str, identity: str, track_sid: str, *, muted: bool) -> bool:
        """Mutes a track; False where participant or track are gone."""
        body = {"room": room, "identity": identity, "track_sid": track_sid, "muted": muted}
        return await self._try("MutePublishedTrack", body, _admin(room))

    async def _try(self, method: str, body: Mapping[str, Any], grant: VideoGrant) -> bool:
        try:
            await self._call(method, body, grant)
        except UsageError as error:
            if error.code == "room_not_found":
                return False
            raise
        return True

    async def _call(self, method: str, body: Mapping[str, Any], grant: VideoGrant) -> dict[str, Any]:
        """One call.

        Raises:
            UsageError: room_not_found: there is no such room or participant; rooms_refused: the server refuses the call, as for a wrong key.
            DependencyError: rooms_unreachable, or what the guard raises.
            PeerError: rooms_answer_malformed.
        """
        claims = RoomClaims(sub="vox-chat", video=grant)
        token = sign_room_token(self._key, claims, now=self._unix_s(), lifetime_s=TOKEN_S)
        answer = await self._fetch(
            "POST",
            f"{self._url}{_SERVICE}{method}",
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            body=msgspec.json.encode(body),
            deadline_s=self._deadline_s,
            max_bytes=MAX_ANSWER_BYTES,
        )
        if answer.status >= _SERVER_FAULT or answer.status == _TOO_MANY:
            raise DependencyError(
                f"the media server answered {method} with {answer.status}", code="rooms_unreachable", retryable=True
            )
        try:
            found = _JSON.decode(answer.body) if answer.body else {}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise malformed(f"{method} is not answered with a JSON object") from None
        if answer.status == _NOT_FOUND and found.get("code") == "not_found":
            raise UsageError("there is no such room or participant", code="room_not_found")
        if not 200 <= answer.status < 300:  # noqa: PLR2004  the class of success
            why = str(found.get("code", ""))[:64]
            raise UsageError(
                f"the media server refuses {method}: {answer.status} {why}",
                code="rooms_refused",
                hint="check VOX_MEDIA_KEY and VOX_MEDIA_SECRET, and the address",
            )
        return found


def http_address(url: str) -> str:
    """The http address of a media server whose clients use ws."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    return f"{ {'ws': 'http', 'wss': 'https'}.get(scheme.lower(), scheme) }{separator}{rest}"


def malformed(why: str) -> PeerError:
    """The error for an answer that is not as documented."""
    return PeerError(f"the media server's answer is not as documented: {why}", code="rooms_answer_malformed")


def participant_of(value: Any) -> Participant:
    """A participant as answers and webhooks carry it.

    Raises:
        PeerError: rooms_answer_malformed.
    """
    if not isinstance(value, dict):
        raise malformed("a participant is no object")
    return _participant(cast("dict[str, Any]", value))


def _admin(room: str) -> VideoGrant:
    return VideoGrant(room_admin=True, room=room)


def _wire(permission: Permission) -> dict[str, Any]:
    return {
        "can_subscribe": permission.can_subscribe,
        "can_publish": permission.can_publish,
        "can_publish_data": permission.can_publish_data,
        "can_publish_sources": [source.upper() for source in SOURCES if source in permission.sources],
        "hidden": permission.hidden,
        "can_update_metadata": permission.can_update_metadata,
    }


def _room(value: Mapping[str, Any]) -> RoomInfo:
    return RoomInfo(_text(value, "name"), _text(value, "sid"), _number(value, "num_participants"))


def _participant(value: Mapping[str, Any]) -> Participant:
    identity = _text(value, "identity")
    if not identity:
        raise malformed("a participant has no identity")
    granted = _get(value, "permission")
    attributes = _get(value, "attributes")
    said = cast("dict[object, object]", attributes) if isinstance(attributes, dict) else {}
    return Participant(
        identity=identity,
        sid=_text(value, "sid"),
        name=_text(value, "name"),
        kind=_kind(_get(value, "kind")),
        is_joining=_get(value, "state") in {"JOINING", 0, None},
        joined_at=_number(value, "joined_at"),
        permission=_permission(cast("dict[str, Any]", granted)) if isinstance(granted, dict) else None,
        tracks=tuple(_track(one) for one in _objects(_get(value, "tracks"))[:MAX_TRACKS]),
        attributes={str(name): str(text) for name, text in said.items()},
    )


def _permission(value: Mapping[str, Any]) -> Permission:
    sources = _get(value, "can_publish_sources")
    listed = cast("list[object]", sources) if isinstance(sources, list) else []
    return Permission(
        can_subscribe=_get(value, "can_subscribe") is True,
        can_publish=_get(value, "can_publish") is True,
        can_publish_data=_get(value, "can_publish_data") is True,
        sources=frozenset(_source(one) for one in listed),
        hidden=_get(value, "hidden") is True,
        can_update_metadata=_get(value, "can_update_metadata") is True,
    )


def _track(value: Mapping[str, Any]) -> Track:
    return Track(_text(value, "sid"), _source(_get(value, "source")), _get(value, "muted") is True)


def _source(value: object) -> Source:
    if isinstance(value, int) and not isinstance(value, bool):
        return SOURCES[value] if 0 <= value < len(SOURCES) else "unknown"
    return _BY_NAME.get(str(value).lower(), "unknown")


def _kind(value: object) -> Kind:
    if isinstance(value, int) and not isinstance(value, bool):
        return KINDS[value] if 0 <= value < len(KINDS) else "standard"
    return _KIND_BY_NAME.get(str(value).lower(), "standard")


def _get(value: Mapping[str, Any], name: str) -> object:
    """A field by its snake_case name, which a server may write in camelCase."""
    if name in value:
        return value[name]
    first, *others = name.split("_")
    return value.get(first + "".join(other.capitalize() for other in others))


def _text(value: Mapping[str, Any], name: str) -> str:
    found = _get(value, name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise malformed(f"{name} is no text")
    return found


def _number(value: Mapping[str, Any], name: str) -> int:
    found = _get(value, name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:  # noqa: PLR2004  64 bits
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _objects(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in cast("list[object]", value)):
        raise malformed("a list of objects was expected")
    return cast("list[dict[str, Any]]", value)
