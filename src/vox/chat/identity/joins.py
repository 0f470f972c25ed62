"""Who may join during a raid, and when a raid is taken for one: the same for new accounts and for members who come back.

Joins are counted in the event log, inside the transaction of the join and behind its lock: so the count is one over all processes,
and of two joins that exceed it together one turns raid mode on.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from vox.chat.community.loading import RAID_ROW, read_raid
from vox.chat.config.queries import delete_row, read_value, store_rows
from vox.chat.database.unit_of_work import AuditEntry
from vox.chat.errors import refuse
from vox.chat.events import Event, raid_mode_update
from vox.chat.identity.queries import joins_since
from vox.stores.sql import Connection

POLICY_ROW: Final = "raid_policy"
WINDOW_S: Final = 60

LastsS = Annotated[int, Meta(ge=60, le=7 * 86_400)]
WaitS = Annotated[int, Meta(ge=0, le=7 * 86_400)]
SlowS = Annotated[int, Meta(ge=0, le=21_600)]


class Measures(Struct, frozen=True, kw_only=True):
    """What raid mode does while it lasts; times in seconds."""

    lasts_s: LastsS = 1800
    joins_paused: bool = True
    new_account_wait_s: WaitS = 0
    slow_mode_s: SlowS = 0


class RaidPolicy(Measures, frozen=True, kw_only=True):
    """When raid mode turns itself on, and with which measures; `joins_per_minute` 0 is never."""

    joins_per_minute: Annotated[int, Meta(ge=0, le=10_000)] = 0


def read_policy(connection: Connection) -> RaidPolicy:
    """The stored policy; raid mode never turns itself on where there is none."""
    text = read_value(connection, key=POLICY_ROW)
    return msgspec.json.decode(text, type=RaidPolicy) if text else RaidPolicy()


def store_policy(connection: Connection, policy: RaidPolicy) -> None:
    """Stores the policy, within a unit of work."""
    store_rows(connection, {POLICY_ROW: msgspec.json.encode(policy).decode()})


def start_raid(connection: Connection, measures: Measures, now_s: int, *, is_automatic: bool) -> Event:
    """Turns raid mode on or changes it, within a unit of work that holds the event order; returns the event of that."""
    stored: dict[str, Any] = {
        "until": now_s + measures.lasts_s,
        "joins_paused": measures.joins_paused,
        "new_account_wait_s": measures.new_account_wait_s,
        "slow_mode_s": measures.slow_mode_s,
    }
    store_rows(connection, {RAID_ROW: json.dumps(stored)})
    return raid_mode_update(**stored, is_automatic=is_automatic)


def end_raid(connection: Connection) -> Event | None:
    """Turns raid mode off; returns the event of that, None where it was not on."""
    if read_raid(connection) is None:
        return None
    delete_row(connection, key=RAID_ROW)
    return raid_mode_update(until=0, joins_paused=False, new_account_wait_s=0, slow_mode_s=0, is_automatic=False)


def check_joins_open(connection: Connection, now_s: int) -> None:
    """Refuses a new member while raid mode pauses joins.

    Raises:
        Refusal: JOINS_PAUSED.
    """
    raid = read_raid(connection)
    if raid is not None and raid.joins_paused and raid.until > now_s:
        raise refuse(
            "JOINS_PAUSED",
            "This community takes no new members at the moment; try again later.",
            retry_after_ms=(raid.until - now_s) * 1000,
        )


def raid_after_join(connection: Connection, now_s: int) -> list[Event]:
    """Turns raid mode on where the join of this unit of work is one too many; returns the event of that."""
    policy = read_policy(connection)
    if not policy.joins_per_minute:
        return []
    raid = read_raid(connection)
    if raid is not None and raid.until > now_s:
        return []
    joined = joins_since(connection, now_s - WINDOW_S) + 1  # this one is in the log only when the unit has ended
    return [start_raid(connection, policy, now_s, is_automatic=True)] if joined > policy.joins_per_minute else []


def raid_audit(events: Sequence[Event]) -> list[AuditEntry]:
    """What the audit log keeps of raid mode among the events of a change that no moderator made."""
    return [
        AuditEntry("raid.start", None, None, dict(event.payload))
        for event in events
        if event.type == "raid_mode_update" and event.payload["automatic"]
    ]
