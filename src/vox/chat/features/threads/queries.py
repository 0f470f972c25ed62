"""The SQL of threads and of subscriptions to feeds and threads."""

from typing import Any, Final, Literal

from sqlalchemy import Table, delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import feed_subscribers, messages, thread_subscribers, threads
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId
from vox.chat.features.threads.schemas import ThreadInfo
from vox.stores.sql import Connection

SubscriptionKind = Literal["feed", "thread"]

_SUBSCRIBERS: Final[dict[SubscriptionKind, Table]] = {"feed": feed_subscribers, "thread": thread_subscribers}


_COLUMNS: Final = (
    threads.c.id,
    threads.c.feed_id,
    threads.c.parent_msg_id,
    threads.c.name,
    threads.c.archived,
    threads.c.locked,
)


def threads_of_feed(
    connection: Connection, *, feed_id: FeedId, after: int, limit: int, archived: bool | None = None
) -> list[ThreadInfo]:
    """A feed's threads with ids above `after`, by id."""
    thread = threads.c
    query = select(*_COLUMNS).where(thread.feed_id == feed_id, thread.id > after).order_by(thread.id).limit(limit)
    if archived is not None:
        query = query.where(thread.archived.is_(archived))
    return [ThreadInfo(*row) for row in connection.execute(query)]


def threads_by_activity(
    connection: Connection, *, feed_id: FeedId, before: int | None, limit: int, archived: bool | None
) -> tuple[list[ThreadInfo], int | None]:
    """A feed's threads, the one with the latest message first; a thread without messages stands where it began.

    Returns:
        The threads, and what the next page is `before`; None where this is the last one.
    """
    thread, message = threads.c, messages.c
    newest = select(func.max(message.id)).where(message.thread_id == thread.id).scalar_subquery()
    active = func.coalesce(newest, thread.parent_msg_id, 0)
    query = select(*_COLUMNS, newest, active).where(thread.feed_id == feed_id)
    if archived is not None:
        query = query.where(thread.archived.is_(archived))
    if before is not None:
        query = query.where(active < before)
    rows = [tuple(row) for row in connection.execute(query.order_by(active.desc(), thread.id.desc()).limit(limit))]
    ids, began = [row[0] for row in rows], [row[2] for row in rows]
    counting = select(message.thread_id, func.count()).where(message.thread_id.in_(ids)).group_by(message.thread_id)
    count_of = {row[0]: row[1] for row in connection.execute(counting)}
    opening = select(message.id, message.author_id).where(message.id.in_(began), message.feed_id == feed_id)
    author_of = {row[0]: row[1] for row in connection.execute(opening)}
    items = [
        ThreadInfo(
            *columns, last_msg_id=last, messages=count_of.get(columns[0], 0), author_id=author_of.get(columns[2])
        )
        for *columns, last, _ in rows
    ]
    return items, rows[-1][-1] if len(rows) == limit else None


def insert_thread(connection: Connection, *, name: str, feed_id: FeedId, parent_msg_id: MessageId) -> ThreadId:
    """Inserts a thread and returns its id."""
    values = {"name": name, "feed_id": feed_id, "parent_msg_id": parent_msg_id}
    return connection.execute(insert(threads).values(values).returning(threads.c.id)).scalar_one()


def update_thread(connection: Connection, thread_id: ThreadId, changed: dict[str, Any]) -> bool:
    """Writes the changed columns of a thread; False where there is no such thread."""
    return bool(connection.execute(update(threads).where(threads.c.id == thread_id).values(changed)).rowcount)


def lock_thread(connection: Connection, thread_id: ThreadId) -> bool:
    """Whether there is a thread, which then stays unchanged until the transaction ends."""
    query = select(threads.c.name).where(threads.c.id == thread_id).with_for_update()
    return connection.execute(query).one_or_none() is not None


def delete_thread(connection: Connection, thread_id: ThreadId) -> None:
    """Deletes a thread whose messages are gone."""
    connection.execute(delete(threads).where(threads.c.id == thread_id))


def insert_subscriber(
    connection: Connection, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId
) -> bool:
    """Subscribes a user to a feed or thread; False where the subscription existed."""
    return insert_if_absent(connection, _SUBSCRIBERS[kind], {f"{kind}_id": place_id, "user_id": user_id})


def delete_subscriber(
    connection: Connection, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId
) -> bool:
    """Ends a subscription; False where there was none."""
    table = _SUBSCRIBERS[kind]
    statement = delete(table).where(table.c[f"{kind}_id"] == place_id, table.c.user_id == user_id)
    return bool(connection.execute(statement).rowcount)
