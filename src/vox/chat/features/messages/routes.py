"""Messages of feeds and threads over REST, with reactions, pins, read marks and search.

Reactions and read marks of conversations are here too, because they are the same as those of feeds.
"""

from functools import partial
from typing import Final

from vox.chat.api.access import IN_DM, checked, in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_text
from vox.chat.database.conflicts import map_conflict
from vox.chat.errors import refuse
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId
from vox.chat.events.permissions import P
from vox.chat.features.messages import reactions, send
from vox.chat.features.messages.addresses import Address, MessageLocation, PlaceKind
from vox.chat.features.messages.edit import edit, remove, remove_many
from vox.chat.features.messages.history import one
from vox.chat.features.messages.history_queries import page, pinned
from vox.chat.features.messages.include import asked_for, complete, read_page
from vox.chat.features.messages.pins import pin_limit, pin_message, unpin_message
from vox.chat.features.messages.read_state import bounded_mark, mark_dm_read, mark_feed_read
from vox.chat.features.messages.schemas import (
    BulkDelete,
    Edited,
    EditMessage,
    History,
    HistoryQuery,
    MarkRead,
    Message,
    ReactionList,
    ReactionQuery,
    SearchQuery,
    SearchResults,
    SendMessage,
    Sent,
)
from vox.chat.features.messages.search import scope_of
from vox.chat.features.messages.search_queries import find
from vox.chat.features.messages.send import check_may_announce, thread_address
from vox.errors import DependencyError

SEARCH_S: Final = 6.0
"""How long a caller waits for a search, with the time until one of the threads for searches is free."""

routes = RouteTable()


@routes.get("/feeds/{feed_id}/messages", access=in_feed(P.READ_HISTORY), query=HistoryQuery, returns=History)
async def list_messages(call: Call[None, HistoryQuery]) -> History:
    """A feed's messages outside of threads, newest first."""
    return await history(call, "timeline", call.id("feed_id"))


@routes.get("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.READ_HISTORY), returns=Message)
async def get_message(call: Call) -> Message:
    """One message of a feed or of one of its threads."""
    place = MessageLocation("feed", call.id("feed_id"))
    return await call.chat.read(partial(one, place=place, msg_id=call.id("msg_id")))


@routes.post("/feeds/{feed_id}/messages", access=in_feed(P.SEND_MESSAGES), body=SendMessage, status=201, returns=Sent)
async def send_message(call: Call[SendMessage]) -> Sent:
    """Sends a message to a feed; in a forum it starts a thread."""
    return await send.send_message(call.chat, call.user_id, Address(call.id("feed_id")), call.body)


@routes.patch("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.SEND_MESSAGES), body=EditMessage, returns=Edited)
async def edit_message(call: Call[EditMessage]) -> Edited:
    """Changes the text of the caller's own message."""
    feed_id = call.id("feed_id")
    check_may_announce(call.chat, call.user_id, feed_id)
    return await edit(
        call.chat, call.user_id, Address(feed_id), call.id("msg_id"), call.body.body, call.body.components
    )


@routes.delete("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.VIEW_SPACE))
async def delete_message(call: Call) -> None:
    """Deletes the caller's own message, or any message with MANAGE_MESSAGES."""
    feed_id = call.id("feed_id")
    is_moderator = call.chat.community.may_in(call.user_id, "feed", feed_id, P.MANAGE_MESSAGES)
    await remove(call.chat, call.user_id, Address(feed_id), call.id("msg_id"), is_moderator=is_moderator)


@routes.post("/feeds/{feed_id}/messages/bulk-delete", access=in_feed(P.MANAGE_MESSAGES), body=BulkDelete)
async def bulk_delete(call: Call[BulkDelete]) -> None:
    """Deletes many messages of this feed; ids of messages in other places are ignored."""
    most = call.chat.config.limit("bulk_delete_max")
    if len(call.body.msg_ids) > most:
        raise refuse("VALIDATION_ERROR", f"body.msg_ids: expected at most {most} ids")
    await remove_many(call.chat, call.id("feed_id"), [MessageId(msg_id) for msg_id in dict.fromkeys(call.body.msg_ids)])


@routes.get(
    "/feeds/{feed_id}/threads/{thread_id}/messages",
    access=in_feed(P.READ_HISTORY),
    query=HistoryQuery,
    returns=History,
)
async def list_thread_messages(call: Call[None, HistoryQuery]) -> History:
    """A thread's messages, newest first."""
    thread_id = call.id("thread_id")
    thread_address(call.chat, call.id("feed_id"), thread_id)
    return await history(call, "thread", thread_id)


@routes.post(
    "/feeds/{feed_id}/threads/{thread_id}/messages",
    access=in_feed(P.SEND_IN_THREADS),
    body=SendMessage,
    status=201,
    returns=Sent,
)
async def send_thread_message(call: Call[SendMessage]) -> Sent:
    """Sends a message to a thread that is neither locked nor archived."""
    address = thread_address(call.chat, call.id("feed_id"), call.id("thread_id"))
    return await send.send_message(call.chat, call.user_id, address, call.body)


@routes.get(
    "/feeds/{feed_id}/messages/{msg_id}/reactions",
    access=in_feed(P.READ_HISTORY),
    query=ReactionQuery,
    returns=ReactionList,
)
async def list_reactions(call: Call[None, ReactionQuery]) -> ReactionList:
    """The users who reacted to a message, by emoji; for each emoji a page of users by id."""
    query, address = call.query, Address(call.id("feed_id"))
    validate_text("emoji", query.emoji)
    unit = partial(reactions.list_reactions, address=address, msg_id=call.id("msg_id"), requested=query)
    return await call.chat.read(unit)


@routes.put("/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji}", access=in_feed(P.ADD_REACTIONS | P.READ_HISTORY))
async def react(call: Call) -> None:
    """Reacts to a message of a feed that the caller may read."""
    await _react(call, Address(call.id("feed_id")))


@routes.delete("/feeds/{feed_id}/messages/{msg_id}/reactions/{emoji}", access=in_feed(P.READ_HISTORY))
async def unreact(call: Call) -> None:
    """Deletes the caller's own reaction."""
    await _unreact(call, Address(call.id("feed_id")))


@routes.put("/dms/{dm_id}/messages/{msg_id}/reactions/{emoji}", access=IN_DM)
async def react_in_dm(call: Call) -> None:
    """Reacts to a message of a conversation."""
    await _react(call, Address(dm_id=call.id("dm_id")))


@routes.delete("/dms/{dm_id}/messages/{msg_id}/reactions/{emoji}", access=IN_DM)
async def unreact_in_dm(call: Call) -> None:
    """Deletes the caller's own reaction."""
    await _unreact(call, Address(dm_id=call.id("dm_id")))


@routes.get("/feeds/{feed_id}/pins", access=in_feed(P.READ_HISTORY), returns=History)
async def list_pins(call: Call) -> History:
    """The pinned messages of a feed and its threads, the latest pin first."""
    return History(await call.chat.read(partial(pinned, feed_id=call.id("feed_id"))))


@routes.put("/feeds/{feed_id}/pins/{msg_id}", access=in_feed(P.MANAGE_MESSAGES))
async def pin(call: Call) -> None:
    """Pins a message of this feed."""
    chat, feed_id, msg_id = call.chat, call.id("feed_id"), call.id("msg_id")
    limit, now_s = pin_limit(chat.config.limit), chat.clock.unix_s()
    await chat.change(partial(pin_message, feed_id=feed_id, msg_id=msg_id, limit=limit, now_s=now_s))


@routes.delete("/feeds/{feed_id}/pins/{msg_id}", access=in_feed(P.MANAGE_MESSAGES))
async def unpin(call: Call) -> None:
    """Unpins a message."""
    await call.chat.change(partial(unpin_message, feed_id=call.id("feed_id"), msg_id=call.id("msg_id")))


@routes.post("/feeds/{feed_id}/read", access=in_feed(P.READ_HISTORY), body=MarkRead)
async def read_feed(call: Call[MarkRead]) -> None:
    """Marks a feed as read up to a message; with `unread` the mark may go back."""
    unit = partial(
        mark_feed_read,
        user_id=call.user_id,
        feed_id=call.id("feed_id"),
        msg_id=_mark(call),
        is_unread=call.body.unread,
    )
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        await call.chat.change(unit)


@routes.post("/dms/{dm_id}/read", access=IN_DM, body=MarkRead)
async def read_dm(call: Call[MarkRead]) -> None:
    """Marks a conversation as read up to a message, and tells its participants; with `unread` the mark may go back."""
    user_id, dm_id = call.user_id, call.id("dm_id")
    unit = partial(mark_dm_read, user_id=user_id, dm_id=dm_id, msg_id=_mark(call), is_unread=call.body.unread)
    federation = call.chat.federation
    route = None if federation is None else federation.route_of(user_id, dm_id)
    if federation is not None and route is not None:
        unit = partial(unit, relayed=partial(federation.relay_read, route=route, dm_id=dm_id))
    with map_conflict(refuse("NOT_DM_PARTICIPANT", "That conversation has just been deleted.")):
        await call.chat.change(unit)
    if federation is not None:
        federation.outbox.wake()


@routes.get(
    "/messages/search",
    access=checked("participant of dm_id, or VIEW_SPACE and READ_HISTORY in feed_id; else what the caller may read"),
    query=SearchQuery,
    returns=SearchResults,
)
async def search_messages(call: Call[None, SearchQuery]) -> SearchResults:
    """Messages that match, newest first; the next page is `before` the last one's id."""
    chat, query = call.chat, call.query
    validate_text("query", query.query)
    limit = min(query.limit, chat.config.limit("page_limit_search"))
    scope = scope_of(chat.community, call.user_id, query)
    try:
        found = await chat.read_slowly(partial(find, scope=scope, query=query, limit=limit), deadline_s=SEARCH_S)
    except DependencyError as error:
        if error.code != "database_busy":
            raise
        raise refuse("UNAVAILABLE", "Too many searches are running at once; try again.", retry_after_ms=1000) from None
    return SearchResults(found)


async def history(call: Call[None, HistoryQuery], kind: PlaceKind, place_id: FeedId | ThreadId | DmId) -> History:
    """A page of a history, at most as long as the configured limit."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_messages"))
    place = MessageLocation(kind, place_id)
    if call.query.include is None:
        return History(await call.chat.read(partial(page, place=place, query=call.query, limit=limit)))
    asked = asked_for(call.query.include)
    unit = partial(read_page, place=place, query=call.query, limit=limit, asked=asked, user_id=call.user_id)
    return await complete(call.chat, await call.chat.read(unit), asked, call.user_id)


async def _react(call: Call, address: Address) -> None:
    await reactions.react(call.chat, address, call.id("msg_id"), call.user_id, call.text("emoji"))


async def _unreact(call: Call, address: Address) -> None:
    await reactions.unreact(call.chat, address, call.id("msg_id"), call.user_id, call.text("emoji"))


def _mark(call: Call[MarkRead]) -> MessageId:
    now_ms = call.chat.clock.unix_ms()
    return bounded_mark(MessageId(call.body.up_to_msg_id), now_ms)
