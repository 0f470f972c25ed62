"""One event of the log that each of its receivers gets with his own id in it: a notification of many.

An event for each of them would be a hundred thousand for a mention of everyone in a large community: a second of work, and the end of
the log for everybody who wants to resume.
"""

from collections.abc import Iterable, Iterator

from vox.chat.events import NOT_TO, Event
from vox.chat.gateway.outbox import Item
from vox.chat.gateway.session import Session


def is_to_each(event: Event) -> bool:
    """Whether an event is one that each receiver gets with his own id."""
    return NOT_TO in event.facts


def item_for(event: Event, user_id: int, base: int) -> Item | None:
    """What of such an event a user gets; None for its author.

    Args:
        event: of `is_to_each`.
        user_id: one of its audience.
        base: the place in the log before it.
    """
    if user_id == event.facts[NOT_TO]:
        return None
    return Item(event.type, {**event.payload, "user_id": user_id}, base)


def items_to_each(event: Event, base: int, sessions: Iterable[Session]) -> Iterator[tuple[Item, list[Session]]]:
    """What each user's sessions get of such an event."""
    by_user: dict[int, list[Session]] = {}
    for session in sessions:
        by_user.setdefault(session.user_id, []).append(session)
    for user_id, own in by_user.items():
        item = item_for(event, user_id, base)
        if item is not None:
            yield item, own
