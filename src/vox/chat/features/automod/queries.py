"""SQL of rules, time-outs, slow mode, the reports that rules make, and the messages a rule is tried on."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import automod_rules, feeds, messages, reports, slow_mode_posts, timeouts, users
from vox.chat.events.ids import FeedId, MessageId, UserId
from vox.chat.features.automod.rules import Definition, Rule, definition_from, definition_text
from vox.chat.features.automod.schemas import TimeoutInfo
from vox.stores.statements import Statement

_TAKE_TURN = Statement(
    "INSERT INTO slow_mode_posts (feed_id, user_id, sent_at) VALUES (:feed_id, :user_id, :now_ms)"
    " ON CONFLICT (feed_id, user_id) DO UPDATE SET sent_at = excluded.sent_at"
    " WHERE slow_mode_posts.sent_at <= :before OR slow_mode_posts.sent_at > :ahead RETURNING sent_at"
)
_LAST_TURN = Statement("SELECT sent_at FROM slow_mode_posts WHERE feed_id = :feed_id AND user_id = :user_id")
CLOCK_STEP_MS = 60_000
"""A last message that lies further ahead than this was stored before a clock was set back, and holds no one up."""


def list_rules(connection: Connection) -> list[Rule]:
    """All rules by id."""
    return [_rule(row) for row in connection.execute(select(automod_rules).order_by(automod_rules.c.id))]


def find_rule(connection: Connection, rule_id: int) -> Rule | None:
    """One rule; None where there is none."""
    row = connection.execute(select(automod_rules).where(automod_rules.c.id == rule_id)).first()
    return None if row is None else _rule(row)


def insert_rule(connection: Connection, definition: Definition, *, creator_id: UserId, now_s: int) -> int:
    """Stores a new rule and returns its id."""
    values = {**_columns(definition), "creator_id": creator_id, "created_at": now_s, "updated_at": now_s}
    return int(connection.execute(insert(automod_rules).values(values).returning(automod_rules.c.id)).scalar_one())


def update_rule(connection: Connection, rule_id: int, definition: Definition, *, now_s: int) -> None:
    """Stores another definition of a rule."""
    values = {**_columns(definition), "updated_at": now_s}
    connection.execute(update(automod_rules).where(automod_rules.c.id == rule_id).values(values))


def delete_rule(connection: Connection, rule_id: int) -> str | None:
    """Deletes a rule and returns its name; None where there is none."""
    gone = delete(automod_rules).where(automod_rules.c.id == rule_id).returning(automod_rules.c.name)
    return connection.execute(gone).scalar()


def created_at(connection: Connection, user_id: UserId) -> int:
    """When an account was made, in Unix seconds; 0 for one that is gone."""
    return connection.execute(select(users.c.created_at).where(users.c.id == user_id)).scalar() or 0


def set_timeout(
    connection: Connection, user_id: UserId, until: int, *, reason: str | None, actor_id: UserId | None, now_s: int
) -> None:
    """Stores a time-out in place of an earlier one."""
    values = {"until": until, "reason": reason, "actor_id": actor_id, "created_at": now_s}
    if not insert_if_absent(connection, timeouts, {"user_id": user_id, **values}):
        connection.execute(update(timeouts).where(timeouts.c.user_id == user_id).values(values))


def timed_out_until(connection: Connection, user_id: UserId) -> int:
    """Until when a user is timed out, in Unix seconds; 0 without a time-out."""
    return connection.execute(select(timeouts.c.until).where(timeouts.c.user_id == user_id)).scalar() or 0


def delete_timeout(connection: Connection, user_id: UserId) -> bool:
    """Deletes a time-out; False where there is none."""
    return bool(connection.execute(delete(timeouts).where(timeouts.c.user_id == user_id)).rowcount)


def list_timeouts(connection: Connection, *, after: int, limit: int, now_s: int) -> list[TimeoutInfo]:
    """Time-outs that are not over, by user id."""
    row = timeouts.c
    found = connection.execute(
        select(row.user_id, row.until, row.reason, row.actor_id, row.created_at)
        .where(row.user_id > after, row.until > now_s)
        .order_by(row.user_id)
        .limit(limit)
    )
    return [TimeoutInfo(*values) for values in found]


def delete_expired_timeouts(connection: Connection, *, now_s: int, limit: int) -> list[UserId]:
    """Deletes time-outs that are over, and returns whose they were."""
    over = select(timeouts.c.user_id).where(timeouts.c.until <= now_s).order_by(timeouts.c.user_id).limit(limit)
    user_ids = list(connection.execute(over).scalars())
    connection.execute(delete(timeouts).where(timeouts.c.user_id.in_(user_ids), timeouts.c.until <= now_s))
    return user_ids


def has_feed(connection: Connection, feed_id: FeedId) -> bool:
    """Whether a feed exists."""
    return connection.execute(select(feeds.c.id).where(feeds.c.id == feed_id)).first() is not None


def set_slow_mode(connection: Connection, feed_id: FeedId, seconds: int) -> bool:
    """Stores the time between two messages of an author; False where there is no such feed."""
    changed = update(feeds).where(feeds.c.id == feed_id).values(slow_mode_s=seconds)
    return bool(connection.execute(changed).rowcount)


def take_turn(connection: Connection, feed_id: FeedId, user_id: UserId, *, now_ms: int, wait_ms: int) -> int:
    """Notes that an author writes now, unless the last time is too short ago; one statement, so two processes agree.

    Returns:
        0, or for how many more milliseconds the author has to wait.
    """
    place = {"feed_id": feed_id, "user_id": user_id}
    values = {**place, "now_ms": now_ms, "before": now_ms - wait_ms, "ahead": now_ms + CLOCK_STEP_MS}
    if _TAKE_TURN.row(connection, values) is not None:
        return 0
    last = _LAST_TURN.row(connection, place)
    return 0 if last is None else max(1, int(last[0]) + wait_ms - now_ms)


def last_turn(connection: Connection, feed_id: FeedId, user_id: UserId) -> int:
    """When an author wrote last while slow mode was on, in Unix milliseconds; 0 for never."""
    row = _LAST_TURN.row(connection, {"feed_id": feed_id, "user_id": user_id})
    return 0 if row is None else int(row[0])


def delete_old_turns(connection: Connection, *, before_ms: int) -> int:
    """Deletes what slow mode needs no longer, and returns how many rows went."""
    return connection.execute(delete(slow_mode_posts).where(slow_mode_posts.c.sent_at < before_ms)).rowcount


def insert_flag(connection: Connection, values: dict[str, Any], *, evidence: Sequence[dict[str, Any]]) -> int:
    """Stores the report of a rule and returns its id."""
    text = msgspec.json.encode(evidence).decode()
    stored = insert(reports).values(**values, evidence=text).returning(reports.c.id)
    return int(connection.execute(stored).scalar_one())


def latest_messages(
    connection: Connection, feed_ids: Collection[FeedId], *, limit: int
) -> list[tuple[MessageId, FeedId, UserId | None, str | None, str | None, int]]:
    """The latest messages of feeds, oldest first: id, feed, author, text, embed, Unix milliseconds."""
    row = messages.c
    if not feed_ids:
        return []
    found = connection.execute(
        select(row.id, row.feed_id, row.author_id, row.body, row.embed, row.timestamp)
        .where(row.feed_id.in_(feed_ids))
        .order_by(row.id.desc())
        .limit(limit)
    )
    return [(each[0], each[1], each[2], each[3], each[4], each[5]) for each in reversed(found.all())]


def ages_of(connection: Connection, user_ids: Collection[UserId]) -> dict[UserId, int]:
    """When accounts were made, in Unix seconds, by user id."""
    found = connection.execute(select(users.c.id, users.c.created_at).where(users.c.id.in_(user_ids)))
    return {row[0]: row[1] for row in found}


def count_rules(connection: Connection) -> int:
    """How many rules there are."""
    return int(connection.execute(select(func.count()).select_from(automod_rules)).scalar_one())


def _columns(definition: Definition) -> dict[str, Any]:
    return {"name": definition.name, "enabled": definition.enabled, "definition": definition_text(definition)}


def _rule(row: Any) -> Rule:
    fields = msgspec.structs.asdict(definition_from(row.definition))
    stamps = {"created_at": row.created_at, "updated_at": row.updated_at}
    return Rule(**fields, rule_id=row.id, creator_id=row.creator_id, **stamps)
