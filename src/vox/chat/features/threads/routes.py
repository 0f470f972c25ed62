"""Threads over REST. A thread has no permissions of its own: those of its feed apply."""

from functools import partial
from typing import Any

from vox.chat.api.access import checked, in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import with_name
from vox.chat.database.conflicts import map_conflict
from vox.chat.errors import refuse
from vox.chat.events import thread_subscribe, thread_unsubscribe
from vox.chat.events.ids import FeedId
from vox.chat.events.permissions import P
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.delete import purge_messages
from vox.chat.features.messages.screening import Screened, carry_out, is_screened, sample_of_text, screen
from vox.chat.features.messages.send import assert_may, thread_address
from vox.chat.features.threads import service
from vox.chat.features.threads.queries import threads_by_activity, threads_of_feed
from vox.chat.features.threads.schemas import CreateThread, ThreadInfo, ThreadPage, ThreadQuery, UpdateThread
from vox.chat.features.threads.service import thread_info
from vox.chat.features.threads.subscriptions import follow, unfollow

routes = RouteTable()

IN_ITS_FEED = "{} in the thread's feed"


@routes.get("/feeds/{feed_id}/threads", access=in_feed(P.VIEW_SPACE), query=ThreadQuery, returns=ThreadPage)
async def list_threads(call: Call[None, ThreadQuery]) -> ThreadPage:
    """A feed's threads by id, or the last active first."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_messages"))
    read = partial(threads_of_feed, feed_id=call.id("feed_id"), limit=limit, archived=call.query.archived)
    if call.query.order == "activity":
        listed = partial(threads_by_activity, feed_id=call.id("feed_id"), limit=limit, archived=call.query.archived)
        found, last = await call.chat.read(partial(listed, before=call.query.before))
        return ThreadPage(found, None if last is None else str(last))
    items = await call.chat.read(partial(read, after=call.query.after or 0))
    return ThreadPage(items, str(items[-1].thread_id) if items else None)


@routes.post(
    "/feeds/{feed_id}/threads",
    access=in_feed(P.CREATE_THREADS),
    body=CreateThread,
    status=201,
    returns=ThreadInfo,
)
async def create_thread(call: Call[CreateThread]) -> ThreadInfo:
    """Creates a thread; as in the original, the message it starts from need not exist."""
    chat = call.chat
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    await _screen_name(call, call.id("feed_id"), body.name)
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        return await chat.change(partial(service.create_thread, feed_id=call.id("feed_id"), body=body))


@routes.get("/threads/{thread_id}", access=checked(IN_ITS_FEED.format("VIEW_SPACE")), returns=ThreadInfo)
async def get_thread(call: Call) -> ThreadInfo:
    """One thread."""
    return _thread_for(call, P.VIEW_SPACE)


@routes.patch(
    "/threads/{thread_id}", access=checked(IN_ITS_FEED.format("MANAGE_THREADS")), body=UpdateThread, returns=ThreadInfo
)
async def update_thread(call: Call[UpdateThread]) -> ThreadInfo:
    """Changes the name, or archives, locks, unarchives or unlocks the thread."""
    thread = _thread_for(call, P.MANAGE_THREADS)
    body = with_name(call.chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    await _screen_name(call, thread.parent_feed_id, body.name)
    await call.chat.change(partial(service.update_thread, thread=thread, body=body))
    return thread_info(call.chat.community, thread.thread_id)


@routes.delete("/threads/{thread_id}", access=checked(IN_ITS_FEED.format("MANAGE_THREADS")))
async def delete_thread(call: Call) -> None:
    """Deletes a thread with its messages."""
    thread = _thread_for(call, P.MANAGE_THREADS)
    await purge_messages(call.chat, MessageLocation("thread", thread.thread_id))
    await call.chat.change(partial(service.delete_thread, actor_id=call.user_id, thread=thread))


@routes.put("/feeds/{feed_id}/threads/{thread_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def subscribe_to_thread(call: Call) -> None:
    """Subscribes the caller to notifications about a thread's messages."""
    feed_id, thread_id, user_id = call.id("feed_id"), call.id("thread_id"), call.user_id
    thread_address(call.chat, feed_id, thread_id)
    event = thread_subscribe(thread_id=thread_id, parent_feed_id=feed_id, user_id=user_id)
    await follow(call.chat, "thread", thread_id, user_id, event)


@routes.delete("/feeds/{feed_id}/threads/{thread_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def unsubscribe_from_thread(call: Call) -> None:
    """Ends the caller's subscription of a thread."""
    feed_id, thread_id, user_id = call.id("feed_id"), call.id("thread_id"), call.user_id
    thread_address(call.chat, feed_id, thread_id)
    event = thread_unsubscribe(thread_id=thread_id, parent_feed_id=feed_id, user_id=user_id)
    await unfollow(call.chat, "thread", thread_id, user_id, event)


async def _screen_name(call: Call[Any], feed_id: int, name: str | None) -> None:
    """Asks the rules about the name of a thread; what they want besides refusing is done without waiting for the thread."""
    chat = call.chat
    if name and is_screened(chat):
        screened = Screened(call.user_id, FeedId(feed_id), sample_of_text(name))
        if hits := await screen(chat, screened):
            await carry_out(chat, hits, screened)


def _thread_for(call: Call[Any], permission: P) -> ThreadInfo:
    thread = thread_info(call.chat.community, call.id("thread_id"))
    assert_may(call.chat, call.user_id, thread.parent_feed_id, permission)
    return thread
