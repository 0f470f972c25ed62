"""Whose request it is: the token in the Authorization header, signed with one of the relay's keys."""

from collections.abc import Mapping

from vox.errors import UsageError
from vox.relay.policy import RelayCall
from vox.runtime.clock import Clock
from vox.security.credentials import bearer_token
from vox.security.room_tokens import RoomClaims, read_room_token


class Authenticator:
    """Reads tokens.

    Args:
        keys: API keys and their secrets.
        clock: says whether a token still holds.
    """

    def __init__(self, keys: Mapping[str, str], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def __call__(self, call: RelayCall) -> RoomClaims:
        """The claims of a request's token.

        Raises:
            UsageError: room_token_missing, bad_room_token, or room_token_expired.
        """
        token = bearer_token(call.header(b"authorization"))
        if not token:
            raise UsageError(
                "The request has no access token; send Authorization: Bearer TOKEN.", code="room_token_missing"
            )
        return read_room_token(token, self._keys, now=self._clock.unix())
