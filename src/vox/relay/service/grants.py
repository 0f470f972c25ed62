"""What a token must allow for each remote call."""

from typing import Final

from vox.errors import UsageError
from vox.security.room_tokens import RoomClaims

MAX_NAME_CHARS: Final = 256


def need_admin(claims: RoomClaims, name: str) -> None:
    """Raises where the token does not administer this room: permission_denied, request_invalid without a name."""
    check_name(name)
    need("roomAdmin for this room", claims.video.room_admin and claims.video.room == name)


def need_both(claims: RoomClaims, name: str, destination: str) -> None:
    """Raises where the token does not administer this room, or may not bring people into that one."""
    need_admin(claims, name)
    check_name(destination)
    if name == destination:
        raise UsageError("The participant is in that room already.", code="request_invalid")
    need("destinationRoom for that room", claims.video.destination_room == destination)


def need(grant: str, is_granted: bool) -> None:
    """Raises permission_denied, naming the grant.

    Args:
        grant: in words.
        is_granted: whether the token has it.
    """
    if not is_granted:
        raise UsageError(f"The token lacks the grant {grant}.", code="permission_denied")


def check_name(name: str) -> None:
    """Raises request_invalid for what cannot be a room's name."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise UsageError(f"A room's name has 1 to {MAX_NAME_CHARS} characters.", code="request_invalid")
