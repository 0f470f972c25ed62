"""Slow mode: an author waits between two messages of a feed and its threads, whichever process they are sent through.

The turn is taken in the transaction of the message, so a message that fails costs none. Holders of MANAGE_MESSAGES or MANAGE_SPACES
in the feed do not wait.
"""

from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.automod import queries
from vox.stores.sql import Connection


def wait_between_s(chat: ChatContext, author_id: UserId, feed_id: FeedId) -> int:
    """Seconds that an author waits between two messages of a feed; 0 for not at all."""
    community = chat.community
    seconds = community.slow_mode_s(feed_id)
    if not seconds:
        return 0
    is_exempt = community.may_in(author_id, "feed", feed_id, P.MANAGE_MESSAGES) or community.may_in(
        author_id, "feed", feed_id, P.MANAGE_SPACES
    )
    return 0 if is_exempt else seconds


def take_turn(connection: Connection, feed_id: FeedId, author_id: UserId, *, now_ms: int, wait_s: int) -> None:
    """Notes that an author writes now.

    Raises:
        Refusal: SLOW_MODE.
    """
    left_ms = queries.take_turn(connection, feed_id, author_id, now_ms=now_ms, wait_ms=wait_s * 1000)
    if left_ms:
        left_s = -(-left_ms // 1000)
        raise refuse("SLOW_MODE", f"This feed is in slow mode: write again in {left_s} s.", retry_after_ms=left_ms)
