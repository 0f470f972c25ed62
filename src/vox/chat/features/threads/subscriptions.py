"""Following feeds and threads; doing it twice is doing it once."""

from functools import partial

from sqlalchemy import Connection, Table, delete

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import Event


async def follow(chat: ChatContext, table: Table, place_id: int, user_id: int, event: Event) -> None:
    """Adds a follower.

    Args:
        chat: the server.
        table: feed_subscribers or thread_subscribers.
        place_id: which feed or thread.
        user_id: who.
        event: what is told when it is new.

    Raises:
        Refusal: SPACE_NOT_FOUND where the place has just gone.
    """
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        await chat.change(partial(_follow, table=table, place_id=place_id, user_id=user_id, event=event))


async def unfollow(chat: ChatContext, table: Table, place_id: int, user_id: int, event: Event) -> None:
    """Takes a follower away; see `follow`."""
    await chat.change(partial(_unfollow, table=table, place_id=place_id, user_id=user_id, event=event))


def _follow(connection: Connection, *, table: Table, place_id: int, user_id: int, event: Event) -> Change[None]:
    added = insert_if_absent(connection, table, {_place(table): place_id, "user_id": user_id})
    return Change(None, (event,) if added else ())


def _unfollow(connection: Connection, *, table: Table, place_id: int, user_id: int, event: Event) -> Change[None]:
    statement = delete(table).where(table.c[_place(table)] == place_id, table.c.user_id == user_id)
    return Change(None, (event,) if connection.execute(statement).rowcount else ())


def _place(table: Table) -> str:
    return "feed_id" if "feed_id" in table.c else "thread_id"
