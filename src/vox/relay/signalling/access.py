"""Where a client's token stands, and how a refusal looks in HTTP."""

from typing import Final

from starlette.datastructures import Headers, QueryParams

from vox.errors import VoxError
from vox.relay.rooms.admission import Admission
from vox.security.credentials import bearer_token
from vox.security.room_tokens import RoomClaims

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


def claims_of(admission: Admission, headers: Headers, query: QueryParams) -> RoomClaims:
    """The claims of a request's token, from the query or as a bearer.

    Raises:
        UsageError: room_token_missing, bad_room_token, room_token_expired or join_denied.
    """
    token = bearer_token(headers.get("authorization", "")) or query.get("access_token", "")
    return admission.claims(token, query.get("room", ""))


def status_of(error: VoxError) -> int:
    """The HTTP status of a refusal."""
    return STATUS.get(error.code, 500)
