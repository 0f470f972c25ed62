"""Events of the log that not all of their receivers get alike.

A notification of many comes to each with their own id in it, and the nonce of a message only to its author's sessions.

An event for each of those who are notified would be a hundred thousand for a mention of everyone in a large community: a second of work, and the end of
the log for everybody who wants to resume.
"""

from collections.abc import Iterable, Iterator

from vox.chat.events import EXCLUDED_USER, NEEDED_CAPABILITY, NONCE, Event
from vox.chat.events.ids import UserId
from vox.chat.gateway.outbox import OutgoingEvent
from vox.chat.gateway.session import Session


def is_to_each(event: Event) -> bool:
    """Whether an event is one that each receiver gets with their own id."""
    return EXCLUDED_USER in event.facts


def authors_item(event: Event, base: int) -> tuple[UserId, OutgoingEvent] | None:
    """The author of a message that has a nonce, and the event with it; None for all other events."""
    nonce, author_id = event.facts.get(NONCE), event.payload.get("author_id")
    if nonce is None or author_id is None:
        return None
    return author_id, OutgoingEvent(event.type, {**event.payload, NONCE: nonce}, base)


def item_of_log(event: Event, session: Session, base: int, encoded: bytes) -> OutgoingEvent | None:
    """What a session gets of an event of the log that it missed; None for nothing.

    Args:
        event: one whose audience the user belongs to.
        session: whose.
        base: the place in the log before it.
        encoded: the frame behind its number, as most get it.
    """
    if event.facts:
        if is_to_each(event):
            return item_for(event, session.user_id, base)
        needed = event.facts.get(NEEDED_CAPABILITY)
        if needed is not None and needed not in session.capabilities:
            return None
        own = authors_item(event, base)
        if own is not None and own[0] == session.user_id:
            return own[1]
    return OutgoingEvent(event.type, event.payload, base, encoded=encoded)


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
