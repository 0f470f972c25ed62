"""The SQL of threads and of subscriptions to feeds and threads."""

from typing import Any, Final, Literal

from sqlalchemy import Table, delete, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import feed_subscribers, thread_subscribers, threads
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId
from vox.chat.features.threads.schemas import ThreadInfo
from vox.stores.sql import Connection

SubscriptionKind = Literal["feed", "thread"]

_SUBSCRIBERS: Final[dict[SubscriptionKind, Table]] = {"feed": feed_subscribers, "thread": thread_subscribers}


def threads_of_feed(connection: Connection, *, feed_id: FeedId, after: int, limit: int) -> list[ThreadInfo]:
    """A feed's threads with ids above `after`, by id."""
    thread = threads.c
    columns = (thread.id, thread.feed_id, thread.parent_msg_id, thread.name, thread.archived, thread.locked)
    query = select(*columns).where(thread.feed_id == feed_id, thread.id > after).order_by(thread.id).limit(limit)
    return [ThreadInfo(*row) for row in connection.execute(query)]


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
