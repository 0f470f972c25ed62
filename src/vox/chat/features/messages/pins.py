"""Pinned messages of a feed over REST. The feed's row is locked while its pins are counted, so two at once cannot pass the cap."""

from functools import partial

from sqlalchemy import Connection, delete, func, insert, select

from vox.chat.api.access import in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.schema import feeds, messages, pins
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import message_pin_update
from vox.chat.events.permissions import P
from vox.chat.features.messages.history import MAX_PINS, message_not_found, pinned
from vox.chat.features.messages.schemas import History

routes = RouteTable()


@routes.get("/feeds/{feed_id}/pins", access=in_feed(P.READ_HISTORY), returns=History)
async def list_pins(call: Call) -> History:
    """What is pinned in a feed and its threads, the latest pin first."""
    return History(await call.chat.read(partial(pinned, feed_id=call.id("feed_id"))))


@routes.put("/feeds/{feed_id}/pins/{msg_id}", access=in_feed(P.MANAGE_MESSAGES))
async def pin(call: Call) -> None:
    """Pins a message of this feed."""
    chat = call.chat
    most, now_s = min(chat.config.limit("max_pins_per_feed"), MAX_PINS), int(chat.clock.wall().timestamp())
    await chat.change(partial(_pin, feed_id=call.id("feed_id"), msg_id=call.id("msg_id"), most=most, now_s=now_s))


@routes.delete("/feeds/{feed_id}/pins/{msg_id}", access=in_feed(P.MANAGE_MESSAGES))
async def unpin(call: Call) -> None:
    """Takes a pin away."""
    await call.chat.change(partial(_unpin, feed_id=call.id("feed_id"), msg_id=call.id("msg_id")))


def _pin(connection: Connection, *, feed_id: int, msg_id: int, most: int, now_s: int) -> Change[None]:
    connection.execute(select(feeds.c.id).where(feeds.c.id == feed_id).with_for_update(key_share=True))
    _assert_here(connection, feed_id, msg_id)
    of_feed = pins.c.feed_id == feed_id
    if connection.execute(select(pins.c.msg_id).where(of_feed, pins.c.msg_id == msg_id)).first() is not None:
        return Change(None)
    if connection.execute(select(func.count()).select_from(pins).where(of_feed)).scalar_one() >= most:
        raise refuse("PIN_LIMIT_REACHED", f"A feed has at most {most} pins.")
    connection.execute(insert(pins).values(feed_id=feed_id, msg_id=msg_id, pinned_at=now_s))
    return Change(None, (message_pin_update(msg_id=msg_id, feed_id=feed_id, pinned=True),))


def _unpin(connection: Connection, *, feed_id: int, msg_id: int) -> Change[None]:
    _assert_here(connection, feed_id, msg_id)
    statement = delete(pins).where(pins.c.feed_id == feed_id, pins.c.msg_id == msg_id)
    if not connection.execute(statement).rowcount:
        return Change(None)
    return Change(None, (message_pin_update(msg_id=msg_id, feed_id=feed_id, pinned=False),))


def _assert_here(connection: Connection, feed_id: int, msg_id: int) -> None:
    query = select(messages.c.id).where(messages.c.id == msg_id, messages.c.feed_id == feed_id)
    if connection.execute(query.with_for_update(read=True, key_share=True)).first() is None:
        raise message_not_found(msg_id)
