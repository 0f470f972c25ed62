"""Events of moderation: time-outs, slow mode, raid mode, rules, and the queue of reports."""

from typing import Any, Final

from vox.chat.events.audience import EVERYONE, PermissionHolders, Viewers
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P

_REPORT_READERS: Final = PermissionHolders(P.VIEW_REPORTS.value)
_MANAGERS: Final = PermissionHolders(P.MANAGE_SERVER.value)


def member_timeout(*, user_id: UserId, until: int) -> Event:
    """A member is timed out until then, in Unix seconds; 0 ends a time-out."""
    return Event("member_timeout", {"user_id": user_id, "until": until}, EVERYONE)


def feed_slow_mode(*, feed_id: FeedId, seconds: int) -> Event:
    """Authors wait so long between two messages of a feed; 0 for not at all."""
    return Event("feed_slow_mode", {"feed_id": feed_id, "seconds": seconds}, Viewers("feed", feed_id))


def raid_mode_update(
    *, until: int, joins_paused: bool, new_account_wait_s: int, slow_mode_s: int, is_automatic: bool
) -> Event:
    """Raid mode is on until then, in Unix seconds, with these measures; `until` 0 ends it."""
    payload = {
        "until": until,
        "joins_paused": joins_paused,
        "new_account_wait_s": new_account_wait_s,
        "slow_mode_s": slow_mode_s,
        "automatic": is_automatic,
    }
    return Event("raid_mode_update", payload, _MANAGERS)


def automod_rule_update(*, rule_id: int, name: str, enabled: bool, definition: str) -> Event:
    """A rule was made or changed; its definition is for the servers only."""
    payload = {"rule_id": rule_id, "name": name, "enabled": enabled}
    return Event("automod_rule_update", payload, _MANAGERS, facts={"definition": definition})


def automod_rule_delete(*, rule_id: int) -> Event:
    """A rule is gone."""
    return Event("automod_rule_delete", {"rule_id": rule_id}, _MANAGERS)


def report_create(
    *, report_id: int, reported_user_id: int, reason: str, reporter_id: UserId | None = None, rule_id: int | None = None
) -> Event:
    """A report is in the queue."""
    payload: dict[str, Any] = {"report_id": report_id, "reported_user_id": reported_user_id, "reason": reason}
    return Event("report_create", payload | shown(reporter_id=reporter_id, rule_id=rule_id), _REPORT_READERS)


def report_update(*, report_id: int, status: str, assignee_id: UserId | None) -> Event:
    """A report was assigned or resolved."""
    payload = {"report_id": report_id, "status": status, "assignee_id": assignee_id}
    return Event("report_update", payload, _REPORT_READERS)


def report_delete(*, report_id: int) -> Event:
    """A report is gone."""
    return Event("report_delete", {"report_id": report_id}, _REPORT_READERS)
