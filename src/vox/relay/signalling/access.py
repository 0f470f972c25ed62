"""Who may open a signalling socket: the token in the query or as a bearer, and what it has to say."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, QueryParams

from vox.errors import UsageError, VoxError
from vox.runtime.clock import Clock
from vox.security.credentials import bearer_token
from vox.security.room_tokens import RoomClaims, read_room_token

STATUS: Final = {
    "room_token_missing": 401,
    "bad_room_token": 401,
    "room_token_expired": 401,
    "join_denied": 403,
    "name_invalid": 403,
    "room_not_found": 404,
    "join_request_invalid": 400,
    "room_full": 429,
    "rooms_full": 503,
    "relay_full": 503,
    "relay_draining": 503,
}
"""HTTP status by error code; clients read 401, 403 and 404 as final, anything else as worth another try."""


class Admission:
    """Reads and checks tokens.

    Args:
        keys: API keys and their secrets.
        clock: says whether a token still holds.
    """

    def __init__(self, keys: Mapping[str, str], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def claims(self, headers: Headers, query: QueryParams) -> RoomClaims:
        """The claims of a token that lets its holder join a room.

        Raises:
            UsageError: room_token_missing, bad_room_token, room_token_expired or join_denied.
        """
        token = bearer_token(headers.get("authorization", "")) or query.get("access_token", "")
        if not token:
            raise UsageError("The request has no access token.", code="room_token_missing")
        claims = read_room_token(token, self._keys, now=self._clock.unix())
        if not claims.video.room_join or not claims.video.room:
            raise UsageError("The token does not permit to join a room.", code="join_denied")
        asked = query.get("room", "")
        if asked and asked != claims.video.room:
            raise UsageError("The token is for another room.", code="join_denied")
        return claims


def status_of(error: VoxError) -> int:
    """The HTTP status of a refusal."""
    return STATUS.get(error.code, 500)
