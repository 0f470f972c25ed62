"""The SQL of how long feeds keep their messages."""

from sqlalchemy import Connection, delete, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import feed_retention
from vox.chat.events.ids import FeedId


def read(connection: Connection, feed_id: FeedId) -> int | None:
    """Seconds that a feed keeps its messages; None where it keeps them."""
    return connection.execute(select(feed_retention.c.keep_s).where(feed_retention.c.feed_id == feed_id)).scalar()


def store(connection: Connection, feed_id: FeedId, keep_s: int) -> None:
    """Stores it."""
    if not insert_if_absent(connection, feed_retention, {"feed_id": feed_id, "keep_s": keep_s}):
        connection.execute(update(feed_retention).where(feed_retention.c.feed_id == feed_id).values(keep_s=keep_s))


def remove(connection: Connection, feed_id: FeedId) -> None:
    """Lets the feed keep its messages."""
    connection.execute(delete(feed_retention).where(feed_retention.c.feed_id == feed_id))


def read_all(connection: Connection) -> list[tuple[FeedId, int]]:
    """Feeds that do not keep their messages, and how many seconds they keep them."""
    rows = connection.execute(
        select(feed_retention.c.feed_id, feed_retention.c.keep_s).order_by(feed_retention.c.feed_id)
    )
    return [(FeedId(feed_id), keep_s) for feed_id, keep_s in rows]
