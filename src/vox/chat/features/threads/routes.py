"""Threads over REST. What a thread's feed allows holds in the thread; it has no permissions of its own."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import checked, in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.schema import messages, thread_subscribers, threads
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import thread_create, thread_delete, thread_subscribe, thread_unsubscribe, thread_update
from vox.chat.events.permissions import P
from vox.chat.features.messages.delete import delete_messages, purge_messages
from vox.chat.features.messages.send import assert_may, thread_address
from vox.chat.features.spaces.layout import thread_info
from vox.chat.features.threads.schemas import CreateThread, ThreadInfo, ThreadPage, ThreadQuery, UpdateThread
from vox.chat.features.threads.subscriptions import follow, unfollow

routes = RouteTable()

IN_ITS_FEED = "{} in the thread's feed"


@routes.get("/feeds/{feed_id}/threads", access=in_feed(P.VIEW_SPACE), query=ThreadQuery, returns=ThreadPage)
async def list_threads(call: Call[None, ThreadQuery]) -> ThreadPage:
    """A feed's threads by id."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_messages"))
    items = await call.chat.read(partial(_page, feed_id=call.id("feed_id"), after=call.query.after or 0, limit=limit))
    return ThreadPage(items, str(items[-1].thread_id) if items else None)


@routes.post(
    "/feeds/{feed_id}/threads",
    access=in_feed(P.CREATE_THREADS),
    body=CreateThread,
    status=201,
    returns=ThreadInfo,
)
async def create_thread(call: Call[CreateThread]) -> ThreadInfo:
    """A new thread; the message it starts from may be gone or never have been, as in the original."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        return await chat.change(partial(_create, feed_id=call.id("feed_id"), body=body))


@routes.get("/threads/{thread_id}", access=checked(IN_ITS_FEED.format("VIEW_SPACE")), returns=ThreadInfo)
async def get_thread(call: Call) -> ThreadInfo:
    """One thread."""
    return _thread_for(call, P.VIEW_SPACE)


@routes.patch(
    "/threads/{thread_id}", access=checked(IN_ITS_FEED.format("MANAGE_THREADS")), body=UpdateThread, returns=ThreadInfo
)
async def update_thread(call: Call[UpdateThread]) -> ThreadInfo:
    """Another name, or archived or locked or not any more."""
    thread, body = _thread_for(call, P.MANAGE_THREADS), call.body
    validate_length(call.chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    await call.chat.change(partial(_update, thread=thread, body=body))
    return thread_info(call.chat.community, thread.thread_id)


@routes.delete("/threads/{thread_id}", access=checked(IN_ITS_FEED.format("MANAGE_THREADS")))
async def delete_thread(call: Call) -> None:
    """Deletes a thread with its messages."""
    thread = _thread_for(call, P.MANAGE_THREADS)
    await purge_messages(call.chat, messages.c.thread_id == thread.thread_id)
    await call.chat.change(partial(_delete, actor_id=call.user_id, thread=thread))


@routes.put("/feeds/{feed_id}/threads/{thread_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def subscribe(call: Call) -> None:
    """Follows a thread: its messages become notifications."""
    feed_id, thread_id, user_id = call.id("feed_id"), call.id("thread_id"), call.user_id
    thread_address(call.chat, feed_id, thread_id)
    event = thread_subscribe(thread_id=thread_id, parent_feed_id=feed_id, user_id=user_id)
    await follow(call.chat, thread_subscribers, thread_id, user_id, event)


@routes.delete("/feeds/{feed_id}/threads/{thread_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def unsubscribe(call: Call) -> None:
    """Follows a thread no longer."""
    feed_id, thread_id, user_id = call.id("feed_id"), call.id("thread_id"), call.user_id
    thread_address(call.chat, feed_id, thread_id)
    event = thread_unsubscribe(thread_id=thread_id, parent_feed_id=feed_id, user_id=user_id)
    await unfollow(call.chat, thread_subscribers, thread_id, user_id, event)


def _thread_for(call: Call[Any], permission: P) -> ThreadInfo:
    thread = thread_info(call.chat.community, call.id("thread_id"))
    assert_may(call.chat, call.user_id, thread.parent_feed_id, permission)
    return thread


def _page(connection: Connection, *, feed_id: int, after: int, limit: int) -> list[ThreadInfo]:
    thread = threads.c
    columns = (thread.id, thread.feed_id, thread.parent_msg_id, thread.name, thread.archived, thread.locked)
    query = select(*columns).where(thread.feed_id == feed_id, thread.id > after).order_by(thread.id).limit(limit)
    return [ThreadInfo(*row) for row in connection.execute(query)]


def _create(connection: Connection, *, feed_id: int, body: CreateThread) -> Change[ThreadInfo]:
    lock_event_order(connection)
    values = {"name": body.name, "feed_id": feed_id, "parent_msg_id": body.parent_msg_id}
    thread_id: int = connection.execute(insert(threads).values(values).returning(threads.c.id)).scalar_one()
    event = thread_create(thread_id=thread_id, parent_feed_id=feed_id, name=body.name, parent_msg_id=body.parent_msg_id)
    thread = ThreadInfo(thread_id, feed_id, body.parent_msg_id, body.name, archived=False, locked=False)
    return Change(thread, (event,))


def _update(connection: Connection, *, thread: ThreadInfo, body: UpdateThread) -> Change[None]:
    wanted: dict[str, Any] = {"name": body.name, "archived": body.archived, "locked": body.locked}
    changed = {name: value for name, value in wanted.items() if value is not None}
    if not changed:
        return Change(None)
    lock_event_order(connection)
    statement = update(threads).where(threads.c.id == thread.thread_id).values(changed)
    if not connection.execute(statement).rowcount:
        raise refuse("SPACE_NOT_FOUND", f"There is no thread {thread.thread_id}.")
    event = thread_update(thread_id=thread.thread_id, parent_feed_id=thread.parent_feed_id, changed=changed)
    return Change(None, (event,))


def _delete(connection: Connection, *, actor_id: int, thread: ThreadInfo) -> Change[None]:
    lock_event_order(connection)
    query = select(threads.c.name).where(threads.c.id == thread.thread_id).with_for_update()
    if connection.execute(query).one_or_none() is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no thread {thread.thread_id}.")
    while delete_messages(connection, messages.c.thread_id == thread.thread_id):  # what came since the batches
        pass
    connection.execute(delete(threads).where(threads.c.id == thread.thread_id))
    event = thread_delete(thread_id=thread.thread_id, parent_feed_id=thread.parent_feed_id)
    audit = AuditEntry("thread.delete", actor_id, thread.thread_id, {"name": thread.name})
    return Change(None, (event,), (audit,))
