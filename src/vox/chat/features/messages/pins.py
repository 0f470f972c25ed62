"""Pinned messages of a feed. The feed's row is locked while its pins are counted, so two at once cannot pass the limit."""

from vox.chat.api.validation import Limits
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import message_pin_update
from vox.chat.events.ids import FeedId, MessageId
from vox.chat.features.messages import queries
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.history_queries import MAX_PINS
from vox.stores.sql import Connection


def pin_limit(limits: Limits) -> int:
    """How many pins a feed may have."""
    return min(limits("max_pins_per_feed"), MAX_PINS)


def pin_message(connection: Connection, *, feed_id: FeedId, msg_id: MessageId, limit: int, now_s: int) -> Change[None]:
    """Pins a message of a feed; one that is pinned stays as it is.

    Raises:
        Refusal: MESSAGE_NOT_FOUND, PIN_LIMIT_REACHED.
    """
    queries.lock_feed_for_pins(connection, feed_id)
    _assert_in_feed(connection, feed_id, msg_id)
    if queries.is_pinned(connection, feed_id, msg_id):
        return Change(None)
    if queries.count_pins(connection, feed_id) >= limit:
        raise refuse("PIN_LIMIT_REACHED", f"A feed has at most {limit} pins.")
    queries.insert_pin(connection, feed_id, msg_id, now_s)
    return Change(None, (message_pin_update(msg_id=msg_id, feed_id=feed_id, pinned=True),))


def unpin_message(connection: Connection, *, feed_id: FeedId, msg_id: MessageId) -> Change[None]:
    """Unpins a message of a feed; succeeds where it is not pinned.

    Raises:
        Refusal: MESSAGE_NOT_FOUND.
    """
    _assert_in_feed(connection, feed_id, msg_id)
    if not queries.delete_pin(connection, feed_id, msg_id):
        return Change(None)
    return Change(None, (message_pin_update(msg_id=msg_id, feed_id=feed_id, pinned=False),))


def _assert_in_feed(connection: Connection, feed_id: FeedId, msg_id: MessageId) -> None:
    if not queries.lock_message_of_feed(connection, feed_id, msg_id):
        raise message_not_found(msg_id)
