"""Units of work that time members out and end it, for moderators and for rules."""

from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, member_timeout
from vox.chat.events.ids import UserId
from vox.chat.features.automod import queries
from vox.chat.features.automod.rules import MAX_TIMEOUT_S
from vox.chat.features.automod.schemas import NewTimeout, TimeoutInfo
from vox.stores.sql import Connection

SWEPT_AT_ONCE = 500


def time_out(
    connection: Connection, *, actor_id: UserId, user_id: UserId, body: NewTimeout, now_s: int
) -> Change[TimeoutInfo]:
    """Times a member out; an earlier time-out is replaced, or added to where the body says so."""
    lock_event_order(connection)
    start = max(now_s, queries.timed_out_until(connection, user_id)) if body.add else now_s
    until = min(start + body.seconds, now_s + MAX_TIMEOUT_S)
    queries.set_timeout(connection, user_id, until, reason=body.reason, actor_id=actor_id, now_s=now_s)
    audit = AuditEntry("member.timeout", actor_id, user_id, {"until": until, "reason": body.reason})
    done = TimeoutInfo(user_id, until, body.reason, actor_id, now_s)
    return Change(done, [member_timeout(user_id=user_id, until=until)], [audit])


def extend_timeout(connection: Connection, user_id: UserId, seconds: int, *, reason: str, now_s: int) -> list[Event]:
    """Times a member out for a rule, within a unit of work that holds the event order; a longer time-out stays."""
    until = now_s + seconds
    if queries.timed_out_until(connection, user_id) >= until:
        return []
    queries.set_timeout(connection, user_id, until, reason=reason, actor_id=None, now_s=now_s)
    return [member_timeout(user_id=user_id, until=until)]


def end_timeout(connection: Connection, *, actor_id: UserId, user_id: UserId) -> Change[None]:
    """Ends a time-out.

    Raises:
        Refusal: TIMEOUT_NOT_FOUND.
    """
    lock_event_order(connection)
    if not queries.delete_timeout(connection, user_id):
        raise refuse("TIMEOUT_NOT_FOUND", f"User {user_id} is not timed out.")
    audit = AuditEntry("member.timeout_end", actor_id, user_id)
    return Change(None, [member_timeout(user_id=user_id, until=0)], [audit])


def sweep(connection: Connection, now_s: int) -> Change[int]:
    """Forgets time-outs that are over; the change's value is how many."""
    lock_event_order(connection)
    gone = queries.delete_expired_timeouts(connection, now_s=now_s, limit=SWEPT_AT_ONCE)
    return Change(len(gone), [member_timeout(user_id=user_id, until=0) for user_id in gone])
