"""One event of the log that each of its receivers gets with their own id in it: a notification of many.

An event for each of them would be a hundred thousand for a mention of everyone in a large community: a second of work, and the end of
the log for everybody who wants to resume.
"""

from collections.abc import Iterable, Iterator

from vox.chat.events import EXCLUDED_USER, Event
from vox.chat.events.ids import UserId
from vox.chat.gateway.outbox import OutgoingEvent
from vox.chat.gateway.session import Session


def is_to_each(event: Event) -> bool:
    """Whether an event is one that each receiver gets with their own id."""
    return EXCLUDED_USER in event.facts


def item_for(event: Event, user_id: UserId, base: int) -> OutgoingEvent | None:
    """What of such an event a user gets; None for its author.

    Args:
        event: of `is_to_each`.
        user_id: one of its audience.
        base: the place in the log before it.
    """
    if user_id == event.facts[EXCLUDED_USER]:
        return None
    return OutgoingEvent(event.type, {**event.payload, "user_id": user_id}, base)


def personalised_items(
    event: Event, base: int, sessions: Iterable[Session]
) -> Iterator[tuple[OutgoingEvent, list[Session]]]:
    """What each user's sessions get of such an event."""
    by_user: dict[UserId, list[Session]] = {}
    for session in sessions:
        by_user.setdefault(session.user_id, []).append(session)
    for user_id, own in by_user.items():
        item = item_for(event, user_id, base)
        if item is not None:
            yield item, own
