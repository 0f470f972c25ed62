"""Webhooks of media servers: a JSON body, and in the Authorization header a token that has the body's hash.

What an event claims is a reason to look, never a fact: the receiver asks the server what is true. So an event that comes
twice, late or out of order does no harm.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from vox.clients.rooms.contract import Participant
from vox.clients.rooms.room_service import participant_of
from vox.errors import PeerError, UsageError
from vox.security.credentials import bearer_token
from vox.security.digests import is_equal
from vox.security.room_tokens import read_room_token

MAX_BODY_BYTES: Final = 262_144
MAX_AGE_S: Final = 600.0
_JSON: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """What a media server says has happened.

    Attributes:
        kind: room_started, room_finished, participant_joined, participant_left, participant_connection_aborted, track_published,
            track_unpublished, or another.
        id: of the event.
        room: the room's name.
        participant: where the event is about one.
    """

    kind: str
    id: str
    room: str
    participant: Participant | None = None


def read_webhook(authorization: str, body: bytes, keys: Mapping[str, str], *, now: float) -> RoomEvent:
    """The event of a webhook, whose signature is checked first.

    Args:
        authorization: the header, with or without `Bearer`.
        body: as it travelled.
        keys: API keys and their secrets.
        now: Unix seconds.

    Raises:
        UsageError: bad_room_token, room_token_expired; bad_signature where the token is of another body or has no hash.
        PeerError: rooms_answer_malformed.
    """
    claims = read_room_token(bearer_token(authorization) or authorization.strip(), keys, now=now)
    digest = hashlib.sha256(body).digest()
    if not is_equal(base64.b64encode(digest), claims.sha256) and not is_equal(digest.hex(), claims.sha256):
        raise UsageError("The webhook's token is of another body.", code="bad_signature")
    if claims.nbf is not None and now - claims.nbf > MAX_AGE_S:
        raise UsageError("The webhook is too old.", code="room_token_expired")
    try:
        said = _JSON.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise PeerError("the webhook is no JSON object", code="rooms_answer_malformed") from None
    room, kind, number = said.get("room"), said.get("event"), said.get("id", "")
    name = cast("dict[str, Any]", room).get("name") if isinstance(room, dict) else None
    if not isinstance(kind, str) or not isinstance(number, str):
        raise PeerError("the webhook names no event", code="rooms_answer_malformed")
    about = said.get("participant")
    return RoomEvent(
        kind, number, name if isinstance(name, str) else "", participant_of(about) if about is not None else None
    )
