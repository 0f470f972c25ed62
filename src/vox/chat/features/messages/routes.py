"""Messages of feeds and threads over REST: history, sending, editing, deleting."""

from functools import partial

from vox.chat.api.access import in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.messages import send
from vox.chat.features.messages.edit import edit, remove, remove_many
from vox.chat.features.messages.history import MessageLocation, PlaceKind, one, page
from vox.chat.features.messages.insert import Address
from vox.chat.features.messages.schemas import (
    BulkDelete,
    Edited,
    EditMessage,
    History,
    HistoryQuery,
    Message,
    SendMessage,
    Sent,
)
from vox.chat.features.messages.send import check_may_announce, thread_address

routes = RouteTable()


@routes.get("/feeds/{feed_id}/messages", access=in_feed(P.READ_HISTORY), query=HistoryQuery, returns=History)
async def list_messages(call: Call[None, HistoryQuery]) -> History:
    """A feed's own messages, newest first; those of its threads are elsewhere."""
    return await history(call, "timeline", call.id("feed_id"))


@routes.get("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.READ_HISTORY), returns=Message)
async def get_message(call: Call) -> Message:
    """One message of a feed or of one of its threads."""
    place = MessageLocation("feed", call.id("feed_id"))
    return await call.chat.read(partial(one, place=place, msg_id=call.id("msg_id")))


@routes.post("/feeds/{feed_id}/messages", access=in_feed(P.SEND_MESSAGES), body=SendMessage, status=201, returns=Sent)
async def send_message(call: Call[SendMessage]) -> Sent:
    """A new message in a feed; in a forum it starts a thread."""
    return await send.send_message(call.chat, call.user_id, Address(call.id("feed_id")), call.body)


@routes.patch("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.SEND_MESSAGES), body=EditMessage, returns=Edited)
async def edit_message(call: Call[EditMessage]) -> Edited:
    """Another text for one's own message."""
    feed_id = call.id("feed_id")
    check_may_announce(call.chat, call.user_id, feed_id)
    return await edit(call.chat, call.user_id, Address(feed_id), call.id("msg_id"), call.body.body)


@routes.delete("/feeds/{feed_id}/messages/{msg_id}", access=in_feed(P.VIEW_SPACE))
async def delete_message(call: Call) -> None:
    """Deletes one's own message, or anybody's with MANAGE_MESSAGES."""
    feed_id = call.id("feed_id")
    is_moderator = call.chat.community.may_in(call.user_id, "feed", feed_id, P.MANAGE_MESSAGES)
    await remove(call.chat, call.user_id, Address(feed_id), call.id("msg_id"), is_moderator=is_moderator)


@routes.post("/feeds/{feed_id}/messages/bulk-delete", access=in_feed(P.MANAGE_MESSAGES), body=BulkDelete)
async def bulk_delete(call: Call[BulkDelete]) -> None:
    """Deletes many messages of this feed; ids of other places are passed over."""
    most = call.chat.config.limit("bulk_delete_max")
    if len(call.body.msg_ids) > most:
        raise refuse("VALIDATION_ERROR", f"body.msg_ids: expected at most {most} ids")
    await remove_many(call.chat, call.id("feed_id"), list(dict.fromkeys(call.body.msg_ids)))


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
    """A new message in a thread that is neither locked nor archived."""
    address = thread_address(call.chat, call.id("feed_id"), call.id("thread_id"))
    return await send.send_message(call.chat, call.user_id, address, call.body)


async def history(call: Call[None, HistoryQuery], kind: PlaceKind, place_id: int) -> History:
    """A page of a place's history, at most as long as the community allows."""
    limit = min(call.query.limit, call.chat.config.limit("page_limit_messages"))
    found = await call.chat.read(partial(page, place=MessageLocation(kind, place_id), query=call.query, limit=limit))
    return History(found)
