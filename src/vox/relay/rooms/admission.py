"""Which tokens let their holders into a room."""

from collections.abc import Mapping

from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.security.room_tokens import RoomClaims, read_room_token


class Admission:
    """Reads and checks tokens.

    Args:
        keys: API keys and their secrets.
        clock: says whether a token still holds.
    """

    def __init__(self, keys: Mapping[str, str], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def claims(self, token: str, room: str = "") -> RoomClaims:
        """The claims of a token that lets its holder join a room.

        Args:
            token: the JWT; empty where there is none.
            room: the room that is asked for; empty for the token's.

        Raises:
            UsageError: room_token_missing, bad_room_token, room_token_expired or join_denied.
        """
        if not token:
            raise UsageError("The request has no access token.", code="room_token_missing")
        claims = read_room_token(token, self._keys, now=self._clock.unix())
        if not claims.video.room_join or not claims.video.room:
            raise UsageError("The token does not permit to join a room.", code="join_denied")
        if room and room != claims.video.room:
            raise UsageError("The token is for another room.", code="join_denied")
        return claims
