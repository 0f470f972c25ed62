"""Events of moderation: what each says, and who is told."""

from typing import Any

import pytest

from vox.chat.events import (
    EVERYONE,
    Event,
    PermissionHolders,
    Viewers,
    automod_rule_delete,
    automod_rule_update,
    feed_slow_mode,
    member_timeout,
    raid_mode_update,
    report_create,
    report_delete,
    report_update,
)
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P

REPORT_READERS = PermissionHolders(P.VIEW_REPORTS.value)
MANAGERS = PermissionHolders(P.MANAGE_SERVER.value)


@pytest.mark.parametrize(
    ("event", "payload", "audience"),
    [
        (member_timeout(user_id=UserId(2), until=9), {"user_id": 2, "until": 9}, EVERYONE),
        (feed_slow_mode(feed_id=FeedId(4), seconds=5), {"feed_id": 4, "seconds": 5}, Viewers("feed", FeedId(4))),
        (automod_rule_delete(rule_id=1), {"rule_id": 1}, MANAGERS),
        (
            report_create(report_id=1, reported_user_id=2, reason="automod", rule_id=3),
            {"report_id": 1, "reported_user_id": 2, "reason": "automod", "rule_id": 3},
            REPORT_READERS,
        ),
        (
            report_update(report_id=1, status="open", assignee_id=None),
            {"report_id": 1, "status": "open", "assignee_id": None},
            REPORT_READERS,
        ),
        (report_delete(report_id=1), {"report_id": 1}, REPORT_READERS),
    ],
)
def test_what_is_said_and_who_is_told(event: Event, payload: dict[str, Any], audience: object) -> None:
    assert event.payload == payload
    assert event.audience == audience


def test_raid_mode_says_its_measures() -> None:
    event = raid_mode_update(until=9, joins_paused=True, new_account_wait_s=1, slow_mode_s=2, is_automatic=True)
    assert event.payload == {
        "until": 9,
        "joins_paused": True,
        "new_account_wait_s": 1,
        "slow_mode_s": 2,
        "automatic": True,
    }
    assert event.audience == MANAGERS


def test_the_words_of_a_rule_are_for_the_servers_only() -> None:
    event = automod_rule_update(rule_id=1, name="r", enabled=True, definition="{}")
    assert event.payload == {"rule_id": 1, "name": "r", "enabled": True}
    assert event.facts == {"definition": "{}"}
    assert event.audience == MANAGERS
