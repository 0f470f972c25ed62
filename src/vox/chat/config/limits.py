"""The limits of the API by name, with their defaults: what `VOX_LIMIT_<NAME>` and `/api/v1/server/limits` may change.

Character limits count characters of text, not bytes. Every value is a whole number; `MINIMUM` says how small it may become,
so that a limit of zero cannot lock the administrators out.
"""

from typing import Final

DEFAULTS: Final[dict[str, int]] = {
    "username_min": 1,
    "username_max": 32,
    "password_min": 8,
    "password_max": 128,
    "display_name_max": 64,
    "mfa_code_max": 32,
    "mfa_ticket_max": 256,
    "webauthn_field_max": 4096,
    "avatar_max": 512,
    "bio_max": 256,
    "nickname_max": 64,
    "message_body_max": 4000,
    "bulk_delete_max": 100,
    "max_pins_per_feed": 50,
    "group_dm_recipients_max": 10,
    "dm_name_max": 64,
    "dm_icon_max": 512,
    "channel_name_min": 1,
    "channel_name_max": 64,
    "topic_max": 256,
    "role_name_min": 1,
    "role_name_max": 64,
    "device_name_max": 64,
    "device_id_max": 128,
    "key_backup_max": 1_000_000,
    "max_devices": 10,
    "report_reason_max": 64,
    "report_description_max": 2000,
    "admin_reason_max": 256,
    "kick_reason_max": 256,
    "ban_reason_max": 256,
    "ban_delete_days_max": 14,
    "invite_max_uses_max": 10_000,
    "invite_max_age_max": 2_592_000,
    "server_name_max": 64,
    "server_description_max": 256,
    "server_icon_max": 512,
    "webhook_name_max": 64,
    "command_name_max": 32,
    "command_description_max": 256,
    "emoji_name_max": 32,
    "federation_address_max": 256,
    "federation_presence_sub_limit": 1000,
    "relay_payload_max": 16_384,
    "file_upload_max_bytes": 26_214_400,
    "max_total_connections": 10_000,
    "presence_custom_status_max": 128,
    "presence_activity_max": 512,
    "max_request_body": 1_048_576,
    "voice_room_max_members": 99,
    "page_limit_messages": 100,
    "page_limit_members": 200,
    "page_limit_dms": 100,
    "page_limit_reports": 100,
    "page_limit_audit_log": 100,
    "page_limit_emoji": 200,
    "page_limit_stickers": 200,
    "page_limit_roles": 200,
    "page_limit_search": 100,
    "page_limit_invites": 100,
    "page_limit_bans": 200,
    "page_limit_friends": 200,
}
"""The original's names and numbers."""

HIGHEST: Final = 2**31 - 1
_FLOORS: Final[dict[str, int]] = {"max_request_body": 4096, "username_max": 1, "password_max": 8}


def problem_with(name: str, value: int) -> str | None:
    """What is wrong with a limit, in words; None where nothing is."""
    if name not in DEFAULTS:
        return f"there is no limit {name}"
    floor = _FLOORS.get(name, 1 if name.startswith("page_limit_") else 0)
    if not floor <= value <= HIGHEST:
        return f"{name} must lie between {floor} and {HIGHEST}"
    return None
