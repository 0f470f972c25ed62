"""Events about a user's own account, for the user's other sessions that asked for them."""

from typing import Final

from vox.chat.events.audience import Users
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import DmId, FeedId, MessageId, UserId
from vox.chat.events.kinds import NEEDED_CAPABILITY
from vox.protocols.gateway import ACCOUNT_EVENTS

_FACTS: Final = {NEEDED_CAPABILITY: ACCOUNT_EVENTS}


def read_update(
    *,
    user_id: UserId,
    last_read_msg_id: MessageId,
    feed_id: FeedId | None = None,
    dm_id: DmId | None = None,
    is_unread: bool = False,
) -> Event:
    """A user's read mark has moved; `is_unread` where the user moved it back by intention."""
    payload = {
        "user_id": user_id,
        **shown(feed_id=feed_id, dm_id=dm_id),
        "last_read_msg_id": last_read_msg_id,
        **shown(unread=True if is_unread else None),
    }
    return Event("read_update", payload, Users((user_id,)), facts=dict(_FACTS))


def settings_update(*, user_id: UserId, revision: int) -> Event:
    """A user's settings are stored in another revision."""
    return Event("settings_update", {"user_id": user_id, "revision": revision}, Users((user_id,)), facts=dict(_FACTS))
