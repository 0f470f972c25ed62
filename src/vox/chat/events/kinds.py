"""What each type of event means to the log, to memory and, where only its payload is left, to an audience.

Before changing: an unknown type, and one whose payload does not tell where it belongs, is for administrators only. A hole in
this table may hide an event, it must never show one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vox.chat.events.audience import EVERYONE, Audience, Participants, PermissionHolders, Readers, Users, Viewers
from vox.chat.events.permissions import P

LOGIN_REVOKED: Final = "_login_revoked"
BOT_CHANGED: Final = "_bot"
SUBSCRIPTION_CHANGED: Final = "_webhook_subscription"
"""Events for servers only, which no client is sent."""
REMOTE_CONTACT: Final = "_remote_contact"
"""A user of another server has come to be known: for servers only, because contacts are in no list of members."""
DEVICE_LOGIN: Final = "_device_login"
"""An event for servers only: the sessions of some logins receive events of keys no longer, or again."""
FOR_DEVICES: Final = "for_devices"
"""A fact of events that sessions of removed devices do not receive."""
NOT_KEPT: Final = "not_kept"
"""A fact of events that everyone who could have missed them knows already: they are not written to the event log."""
NEEDED_CAPABILITY: Final = "capability"
"""A fact of events that only sessions get that asked for them in `identify`: the name of the capability."""
LOGGED_OUT: Final = "Logged out"
KICKED: Final = "KICKED: you were removed from the community"
BANNED: Final = "BANNED: you were banned from the community"
"""Reasons for which the sockets of a login are closed."""

SYNC_CATEGORIES: Final[Mapping[str, frozenset[str]]] = {
    "members": frozenset({"member_join", "member_leave", "member_update", "member_ban", "member_unban"}),
    "roles": frozenset({"role_create", "role_update", "role_delete", "role_assign", "role_revoke"}),
    "feeds": frozenset({"feed_create", "feed_update", "feed_delete"}),
    "rooms": frozenset({"room_create", "room_update", "room_delete"}),
    "categories": frozenset({"category_create", "category_update", "category_delete"}),
    "threads": frozenset({"thread_create", "thread_update", "thread_delete"}),
    "webhooks": frozenset({"webhook_create", "webhook_update", "webhook_delete"}),
    "emoji": frozenset({"emoji_create", "emoji_delete", "sticker_create", "sticker_delete"}),
    "bans": frozenset({"member_ban", "member_unban"}),
    "invites": frozenset({"invite_create", "invite_delete"}),
    "permissions": frozenset({"permission_override_update", "permission_override_delete"}),
    "bots": frozenset({"bot_commands_update", "bot_commands_delete"}),
    "users": frozenset({"user_update"}),
    "server": frozenset({"server_update"}),
    "read_states": frozenset(),
}
"""The categories of /sync and the types in each; `read_states` is answered from other tables."""

PERSISTED: Final = frozenset[str]().union(*SYNC_CATEGORIES.values())
"""The types that are written to the event log: exactly those that /sync can ask for."""

CHANGES_ACCESS: Final = frozenset({
    "member_join", "member_leave", "member_update", "member_ban", "member_unban", "user_update",
    "role_create", "role_update", "role_delete", "role_assign", "role_revoke",
    "category_create", "category_update", "category_delete",
    "feed_create", "feed_update", "feed_delete",
    "room_create", "room_update", "room_delete",
    "thread_create", "thread_update", "thread_delete",
    "permission_override_update", "permission_override_delete",
    "dm_create", "dm_recipient_add", "dm_recipient_remove",
    "member_timeout", "feed_slow_mode", "raid_mode_update", "automod_rule_update", "automod_rule_delete",
    LOGIN_REVOKED, BOT_CHANGED, SUBSCRIPTION_CHANGED, REMOTE_CONTACT, DEVICE_LOGIN,
})  # fmt: skip
"""The types that change what `Community` or the registries of bots and outgoing webhooks hold, and the end of logins. Each such event takes a version of its own, names and positions too: so one
number tells a process whether its memory is complete."""

_ADMINISTRATORS: Final = PermissionHolders(P.ADMINISTRATOR.value)
_MANAGERS: Final = PermissionHolders(P.MANAGE_SERVER.value)
_REPORT_READERS: Final = PermissionHolders(P.VIEW_REPORTS.value)
_WEBHOOK_KEEPERS: Final = PermissionHolders(P.MANAGE_WEBHOOKS.value)

_Rule = Callable[[Mapping[str, Any]], Audience]


def audience_of(kind: str, payload: Mapping[str, Any]) -> Audience:
    """Who may know of an event of which only type and payload are left, as in an older server's log.

    Where the payload does not name the place (reactions, changes of threads, deleted spaces) only the event itself knows more;
    here it is for administrators.
    """
    rule = _RULES.get(kind)
    try:
        return rule(payload) if rule is not None else _ADMINISTRATORS
    except (KeyError, TypeError):
        return _ADMINISTRATORS


def _everyone(_payload: Mapping[str, Any]) -> Audience:
    return EVERYONE


def _managers(_payload: Mapping[str, Any]) -> Audience:
    return _MANAGERS


def _webhook_keepers(_payload: Mapping[str, Any]) -> Audience:
    return _WEBHOOK_KEEPERS


def _report_readers(_payload: Mapping[str, Any]) -> Audience:
    return _REPORT_READERS


def _place(payload: Mapping[str, Any]) -> Audience:
    feed_id = payload.get("feed_id")
    return Readers(feed_id) if feed_id is not None else Participants(payload["dm_id"])


def _feed(payload: Mapping[str, Any]) -> Audience:
    return Viewers("feed", payload["feed_id"])


def _room(payload: Mapping[str, Any]) -> Audience:
    return Viewers("room", payload["room_id"])


def _parent_feed(payload: Mapping[str, Any]) -> Audience:
    return Viewers("feed", payload["parent_feed_id"])


def _space(payload: Mapping[str, Any]) -> Audience:
    return Viewers(payload["space_type"], payload["space_id"])


def _participants(payload: Mapping[str, Any]) -> Audience:
    return Participants(payload["dm_id"])


def _removed(payload: Mapping[str, Any]) -> Audience:
    return Participants(payload["dm_id"], (payload["user_id"],))


def _both(payload: Mapping[str, Any]) -> Audience:
    return Users((payload["user_id"], payload["target_id"]))


def _self(payload: Mapping[str, Any]) -> Audience:
    return Users((payload["user_id"],))


_RULES: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(
        (
            "message_create",
            "message_update",
            "message_delete",
            "message_bulk_delete",
            "message_pin_update",
            "typing_start",
        ),
        _place,
    ),
    **dict.fromkeys(SYNC_CATEGORIES["members"] | SYNC_CATEGORIES["roles"] | SYNC_CATEGORIES["categories"], _everyone),
    **dict.fromkeys(SYNC_CATEGORIES["emoji"] | SYNC_CATEGORIES["bots"], _everyone),
    **dict.fromkeys(("emoji_update", "sticker_update", "user_update", "server_update", "presence_update"), _everyone),
    **dict.fromkeys(("feed_create", "feed_update", "feed_subscribe", "feed_unsubscribe"), _feed),
    **dict.fromkeys(("room_create", "room_update"), _room),
    "thread_create": _parent_feed,
    **dict.fromkeys(SYNC_CATEGORIES["permissions"], _space),
    **dict.fromkeys(SYNC_CATEGORIES["invites"], _managers),
    **dict.fromkeys(SYNC_CATEGORIES["webhooks"], _webhook_keepers),
    **dict.fromkeys(("dm_create", "dm_update", "dm_recipient_add", "dm_read_notify"), _participants),
    "dm_recipient_remove": _removed,
    **dict.fromkeys(
        ("friend_request", "friend_add", "friend_reject", "friend_remove", "block_add", "block_remove"), _both
    ),
    **dict.fromkeys(("notification_create", "read_update", "settings_update", "dm_delivery"), _self),
    **dict.fromkeys(("voice_state_update", "stage_revoke", "stage_topic_update", "stage_invite_decline"), _room),
    "member_timeout": _everyone,
    "feed_slow_mode": _feed,
    **dict.fromkeys(("raid_mode_update", "automod_rule_update", "automod_rule_delete"), _managers),
    **dict.fromkeys(("report_create", "report_update", "report_delete"), _report_readers),
}
