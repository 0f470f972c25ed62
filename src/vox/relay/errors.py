"""What the relay answers when it refuses: the HTTP status of each error code, and its code in Twirp.

Plain routes answer `{"error": {"code": "UPPER_CASE", "message": …, "hint": …}}`; Twirp's routes `{"code": "lower_case", "msg": …}`.
"""

from typing import Final

import msgspec

from vox.errors import VoxError

STATUS: Final[dict[str, int]] = {
    "route_not_found": 404,
    "method_not_allowed": 405,
    "body_incomplete": 400,
    "body_timeout": 408,
    "body_too_large": 413,
    "query_invalid": 400,
    "room_token_missing": 401,
    "bad_room_token": 401,
    "room_token_expired": 401,
    "permission_denied": 403,
    "room_not_found": 404,
    "participant_not_found": 404,
    "rate_limited": 429,
    "relay_draining": 503,
}
"""HTTP status by error code on plain routes; anything else is a 500 without details."""

TWIRP: Final[dict[str, tuple[str, int]]] = {
    "route_not_found": ("bad_route", 404),
    "method_not_allowed": ("bad_route", 404),
    "body_incomplete": ("malformed", 400),
    "body_timeout": ("deadline_exceeded", 408),
    "body_too_large": ("malformed", 400),
    "message_malformed": ("malformed", 400),
    "content_type_unsupported": ("bad_route", 404),
    "request_invalid": ("invalid_argument", 400),
    "metadata_too_large": ("invalid_argument", 400),
    "name_invalid": ("invalid_argument", 400),
    "room_token_missing": ("unauthenticated", 401),
    "bad_room_token": ("unauthenticated", 401),
    "room_token_expired": ("unauthenticated", 401),
    "permission_denied": ("permission_denied", 403),
    "room_not_found": ("not_found", 404),
    "participant_not_found": ("not_found", 404),
    "track_not_found": ("not_found", 404),
    "dispatch_not_found": ("not_found", 404),
    "data_too_large": ("invalid_argument", 400),
    "rpc_too_large": ("invalid_argument", 400),
    "room_full": ("resource_exhausted", 429),
    "relay_full": ("resource_exhausted", 429),
    "rooms_full": ("resource_exhausted", 429),
    "too_many_dispatches": ("resource_exhausted", 429),
    "rate_limited": ("resource_exhausted", 429),
    "remote_unmute_refused": ("failed_precondition", 412),
    "not_supported": ("unimplemented", 501),
    "rpc_timeout": ("deadline_exceeded", 408),
    "rpc_failed": ("failed_precondition", 412),
    "relay_draining": ("unavailable", 503),
    "engine_failed": ("unavailable", 503),
}
"""Twirp's code and its HTTP status by error code; anything else is `internal`, without details."""

INTERNAL: Final = b'{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}'
TWIRP_INTERNAL: Final = b'{"code":"internal","msg":"internal error"}'


def wire_form(error: VoxError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error on a plain route."""
    status = STATUS.get(error.code, 500)
    headers = {"content-type": "application/json"}
    if status == 500:  # noqa: PLR2004  the status above
        return status, INTERNAL, headers
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    body = {"code": error.code.upper(), "message": str(error.args[0])}
    if error.hint:
        body["hint"] = error.hint
    return status, msgspec.json.encode({"error": body}), headers


def twirp_form(error: VoxError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error on a Twirp route."""
    headers = {"content-type": "application/json"}
    known = TWIRP.get(error.code)
    if known is None:
        return 500, TWIRP_INTERNAL, headers
    code, status = known
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    body = {"code": code, "msg": str(error.args[0]), "meta": {"reason": error.code}}
    return status, msgspec.json.encode(body), headers
