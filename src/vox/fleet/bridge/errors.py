"""What the bridge answers when it refuses: the status of each error code, and the shape of the body.

`{"error": {"code": "UPPER_CASE", "message": …, "hint": …}}`, the same everywhere; what is not meant for callers is a plain 500.
"""

from typing import Final

import msgspec

from vox.errors import VoxError

STATUS: Final[dict[str, int]] = {
    "route_not_found": 404,
    "method_not_allowed": 405,
    "validation_error": 400,
    "query_invalid": 400,
    "value_not_storable": 400,
    "body_incomplete": 400,
    "body_timeout": 408,
    "body_too_large": 413,
    "unauthorized": 401,
    "forbidden": 403,
    "rate_limited": 429,
    "bad_signature": 403,
    "unknown_scope": 400,
    "number_invalid": 400,
    "window_invalid": 400,
    "cursor_invalid": 400,
    "provider_unknown": 400,
    "url_refused": 400,
    "setting_invalid": 400,
    "invalid_fleet_url": 400,
    "setting_unknown": 404,
    "bot_not_found": 404,
    "bot_exists": 409,
    "bot_unknown": 422,
    "bot_closed": 503,
    "login_link_invalid": 403,
    "session_not_found": 404,
    "call_not_found": 404,
    "call_ended": 409,
    "call_answered": 409,
    "call_not_answered": 409,
    "idempotency_conflict": 409,
    "webhook_not_found": 404,
    "campaign_not_found": 404,
    "campaign_state_conflict": 409,
    "campaign_not_ready": 422,
    "campaign_rules_invalid": 400,
    "time_zone_unknown": 400,
    "csv_invalid": 400,
    "csv_header_invalid": 400,
    "import_not_found": 404,
    "import_conflict": 409,
    "not_listed": 404,
    "worker_not_found": 404,
    "worker_unreachable": 503,
    "fleet_unknown": 503,
    "hang_up_failed": 502,
    "carrier_unreachable": 502,
    "database_conflict": 409,
    "api_key_not_found": 404,
    "last_admin_key": 409,
    "database_failed": 503,
    "database_busy": 503,
}
"""HTTP status by error code; anything else is a 500 without details."""

_INTERNAL: Final = b'{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}'


def wire_form(error: VoxError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error."""
    status = STATUS.get(error.code, 500)
    headers = {"content-type": "application/json"}
    if status == 500:  # noqa: PLR2004  the status above
        return status, _INTERNAL, headers
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    body = {"code": error.code.upper(), "message": str(error.args[0])}
    if error.hint:
        body["hint"] = error.hint
    return status, msgspec.json.encode({"error": body}), headers
