"""What the chat server answers when it refuses: `raise refuse(code, message)`.

The codes and their statuses are the original's wire contract, so they stand in one table; a few codes have several statuses
there, and those places say `status=`.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from vox.errors import UsageError, VoxError

STATUS: Final[dict[str, int]] = {
    "AUTH_FAILED": 401,
    "AUTH_EXPIRED": 401,
    "AUTH_RATE_LIMITED": 429,
    "2FA_REQUIRED": 401,
    "2FA_INVALID_CODE": 401,
    "2FA_MAX_ATTEMPTS": 401,
    "2FA_RECOVERY_EXHAUSTED": 422,
    "2FA_NOT_ENABLED": 422,
    "2FA_ALREADY_ENABLED": 409,
    "2FA_SETUP_EXPIRED": 400,
    "INVALID_METHOD": 400,
    "WEBAUTHN_FAILED": 400,
    "WEBAUTHN_NOT_CONFIGURED": 400,
    "WEBAUTHN_CREDENTIAL_NOT_FOUND": 404,
    "STEP_UP_REQUIRED": 403,
    "OIDC_NOT_CONFIGURED": 404,
    "OIDC_FAILED": 401,
    "SESSION_NOT_FOUND": 404,
    "WEBHOOK_TOKEN_INVALID": 401,
    "BANNED": 403,
    "KICKED": 403,
    "NOT_A_MEMBER": 403,
    "BOT_DISABLED": 403,
    "MISSING_PERMISSIONS": 403,
    "FORBIDDEN": 403,
    "ROLE_HIERARCHY": 403,
    "NOT_DM_PARTICIPANT": 403,
    "USER_BLOCKED": 403,
    "DM_PERMISSION_DENIED": 403,
    "THREAD_LOCKED": 403,
    "TIMED_OUT": 403,
    "MESSAGE_BLOCKED": 403,
    "ACCOUNT_TOO_NEW": 403,
    "JOINS_PAUSED": 403,
    "SLOW_MODE": 429,
    "RULE_NOT_FOUND": 404,
    "TIMEOUT_NOT_FOUND": 404,
    "REPORT_ASSIGNED": 409,
    "REPORT_RESOLVED": 409,
    "FED_AUTH_FAILED": 403,
    "FED_BLOCKED": 403,
    "FED_POLICY_DENIED": 403,
    "FED_TIMESTAMP_EXPIRED": 403,
    "FED_MISSING_TIMESTAMP": 400,
    "FED_USER_NOT_FOUND": 404,
    "FED_NOT_CONFIGURED": 404,
    "FED_UNAVAILABLE": 502,
    "INVITE_NOT_FOUND": 404,
    "DEVICE_LIMIT_REACHED": 403,
    "USER_NOT_FOUND": 404,
    "SPACE_NOT_FOUND": 404,
    "MESSAGE_NOT_FOUND": 404,
    "FILE_NOT_FOUND": 404,
    "REPORT_NOT_FOUND": 404,
    "BAN_NOT_FOUND": 404,
    "REQUEST_NOT_FOUND": 404,
    "DEVICE_NOT_FOUND": 404,
    "KEY_BACKUP_NOT_FOUND": 404,
    "PAIRING_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "WEBHOOK_NOT_FOUND": 404,
    "INTERACTION_NOT_FOUND": 404,
    "CMD_NOT_FOUND": 404,
    "COMPONENT_NOT_FOUND": 404,
    "INVITE_INVALID": 404,
    "EMPTY_MESSAGE": 400,
    "MESSAGE_TOO_LARGE": 400,
    "INVALID_ATTACHMENT": 400,
    "INVALID_TARGET": 400,
    "INVALID_TARGET_TYPE": 400,
    "INVALID_OPERATION": 400,
    "INVALID_LIMIT": 400,
    "INVALID_USER_ID": 400,
    "INVALID_URL": 400,
    "INVALID_CATEGORY": 400,
    "FULL_SYNC_REQUIRED": 400,
    "TOO_MANY_RECIPIENTS": 400,
    "NOT_GROUP_DM": 400,
    "NOT_BOT_MESSAGE": 400,
    "PIN_LIMIT_REACHED": 400,
    "PROTOCOL_VERSION_MISMATCH": 400,
    "UNKNOWN": 404,
    "NO_CERT_PINNING": 404,
    "VOICE_NOT_CONFIGURED": 404,
    "AGENT_NOT_FOUND": 404,
    "CODE_NOT_FOUND": 404,
    "NOT_IN_VOICE": 400,
    "MISSING_ROOM_ID": 400,
    "NO_PENDING_INVITE": 400,
    "ALREADY_IN_VOICE": 409,
    "CODE_TAKEN": 409,
    "ROOM_FULL": 503,
    "AGENT_UNAVAILABLE": 503,
    "NAME_TAKEN": 409,
    "CMD_ALREADY_REGISTERED": 409,
    "SETTINGS_CONFLICT": 409,
    "DEVICE_ID_CONFLICT": 409,
    "PAIRING_ANSWERED": 409,
    "MLS_EPOCH_CONFLICT": 409,
    "INVITE_EXPIRED": 410,
    "PAYLOAD_TOO_LARGE": 413,
    "FILE_TOO_LARGE": 413,
    "QUOTA_EXCEEDED": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RANGE_NOT_SATISFIABLE": 416,
    "VALIDATION_ERROR": 422,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "GIF_UPSTREAM_ERROR": 502,
    "GIF_PROVIDER_UNAVAILABLE": 503,
    "UNAVAILABLE": 503,
    "INSUFFICIENT_STORAGE": 507,
}
"""HTTP status by wire code. OURS are not among the original's."""
OURS: Final[dict[str, str]] = {
    "KICKED": "The account was removed from the community; an invite lets it rejoin. The original says BANNED.",
    "NOT_A_MEMBER": "The account has left the community; an invite lets it rejoin. The original says BANNED.",
    "BOT_DISABLED": "The bot is disabled; its owner or an administrator can enable it.",
    "COMPONENT_NOT_FOUND": "The message has no such button or menu.",
    "STEP_UP_REQUIRED": "Show a second factor at /auth/step-up first; available_methods names those you have.",
    "OIDC_NOT_CONFIGURED": "This server has no login by an organisation's provider.",
    "OIDC_FAILED": "The organisation's provider did not confirm the login, or it was begun elsewhere or too long ago.",
    "TIMED_OUT": "A moderator or a rule has timed the member out: they may read until retry_after_ms is over.",
    "MESSAGE_BLOCKED": "A rule of the community refuses this text; the message is the rule's own sentence.",
    "ACCOUNT_TOO_NEW": "Raid mode is on, and the account is too young to write: try again after retry_after_ms.",
    "JOINS_PAUSED": "Raid mode is on, and the community takes no new members until retry_after_ms is over.",
    "SLOW_MODE": "The feed is in slow mode: the author's next message is taken after retry_after_ms.",
    "RULE_NOT_FOUND": "There is no rule of auto-moderation with this id.",
    "TIMEOUT_NOT_FOUND": "The member is not timed out.",
    "REPORT_ASSIGNED": "Another moderator works on this report.",
    "REPORT_RESOLVED": "The report is resolved already.",
    "VOICE_NOT_CONFIGURED": "This server has no media server: voice rooms are shown, and no one can talk in them.",
    "AGENT_NOT_FOUND": "The agent server has no agent of this name.",
    "AGENT_UNAVAILABLE": "The agent server is away or busy, or this server has none: try again after retry_after_ms.",
    "CODE_NOT_FOUND": "The telephone number leads to no room with this code.",
    "CODE_TAKEN": "The telephone number leads to another room with this code.",
    "NAME_TAKEN": "Another emoji or sticker has this name.",
    "SETTINGS_CONFLICT": "Another client of the user has changed the settings; `revision` is the present one.",
    "PAIRING_NOT_FOUND": "The pairing of two devices is unknown, was denied or has expired; the original answers 204.",
    "PAIRING_ANSWERED": "The pairing of two devices has its one answer already; the original answers 204.",
    "MLS_EPOCH_CONFLICT": "Another commit of this MLS group's epoch came first: take that one, and commit again.",
    "QUOTA_EXCEEDED": "The user has no room left for files.",
    "RANGE_NOT_SATISFIABLE": "The Range header names bytes that the file does not have.",
    "UNAVAILABLE": "The server is busy, or something it depends on is away: try again after retry_after_ms.",
    "INSUFFICIENT_STORAGE": "The server's disk is full.",
}
"""Codes that the original's clients do not know, and what they mean: such a client shows the message."""


class Refusal(UsageError):  # noqa: N818  what it is to the client: an answer, not a failure
    """A request that is answered with an error of the table.

    Args:
        wire_code: a key of STATUS.
        message: for people.
        status: where the code has another status than its usual one.
        allow: the methods that a path does take, for 405 (RFC 9110 section 15.5.6).
        extras: further fields of the error object, such as retry_after_ms.
    """

    def __init__(
        self, wire_code: str, message: str, *, status: int | None = None, allow: str = "", **extras: object
    ) -> None:
        super().__init__(message, code=wire_code.lower())
        self.wire_code = wire_code
        self.status = status or STATUS[wire_code]
        self.allow = allow
        self.extras = extras


def refuse(wire_code: str, message: str, *, status: int | None = None, allow: str = "", **extras: object) -> Refusal:
    """What to raise; the status is the one of the table unless given."""
    return Refusal(wire_code, message, status=status, allow=allow, **extras)


def missing_permission(name: str) -> Refusal:
    """The caller lacks a permission."""
    return refuse("MISSING_PERMISSIONS", f"This needs the {name} permission.", missing_permission=name)


def timed_out(left_s: int) -> Refusal:
    """The caller is timed out for so many more seconds."""
    return refuse(
        "TIMED_OUT", f"You are timed out: you can read, and write again in {left_s} s.", retry_after_ms=left_s * 1000
    )


def missing_token() -> Refusal:
    """No Authorization header came; 422 is what clients of this API know, so the message says what it means."""
    return refuse(
        "VALIDATION_ERROR",
        "header authorization: field required; log in at /api/v1/auth/login and send Authorization: Bearer <token>",
    )


def rate_limited(wait_s: float, what: str, wire_code: str = "RATE_LIMITED") -> Refusal:
    """The caller has to wait.

    Args:
        wait_s: seconds until one more request is let through.
        what: too many of what, the start of the sentence.
        wire_code: RATE_LIMITED or AUTH_RATE_LIMITED.
    """
    after_ms = max(1, math.ceil(wait_s * 1000))
    return refuse(wire_code, f"{what}: try again in {-(-after_ms // 1000)} s.", retry_after_ms=after_ms)


WireForm = tuple[int, bytes, Mapping[str, str]]
"""Status, body, headers."""


def wire_form(error: VoxError) -> WireForm:
    """An error as a response; what is no refusal is named by its kind only."""
    if isinstance(error, Refusal):
        headers = {"content-type": "application/json"}
        after_ms = error.extras.get("retry_after_ms")
        if isinstance(after_ms, int):
            headers["retry-after"] = str(-(-after_ms // 1000))
        if error.allow:
            headers["allow"] = error.allow
        return error.status, _body(error.wire_code, error.args[0], error.extras), headers
    if error.retryable:
        after_s = max(1, round(error.retry_after_s or 1))
        if error.code == "disk_full":
            body = _body("INSUFFICIENT_STORAGE", "The server's disk is full.", {"retry_after_ms": after_s * 1000})
            return 507, body, {"content-type": "application/json", "retry-after": str(after_s)}
        body = _body("UNAVAILABLE", "The server is busy; try again.", {"retry_after_ms": after_s * 1000})
        return 503, body, {"content-type": "application/json", "retry-after": str(after_s)}
    return 500, _body("INTERNAL_ERROR", "Internal server error", {}), {"content-type": "application/json"}


def _body(code: str, message: str, extras: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message, **extras}})
