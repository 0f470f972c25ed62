"""What a client missed: the log between what it has and now, seen with today's eyes.

The one thing to know: permissions are those of now, for the whole gap. What the user may not read any more is not sent, however
long it was readable; what they may read now is sent. Spaces that appeared or vanished meanwhile come first, unless their
own making or deletion is in the gap: then at that place.
"""

from collections.abc import Callable, Sequence

from vox.chat.bus.contract import Entry
from vox.chat.events.audience import Audience
from vox.chat.events.ids import UserId
from vox.chat.events.kinds import FOR_DEVICES
from vox.chat.gateway.outbox import OutgoingEvent
from vox.chat.gateway.per_recipient import item_of_log
from vox.chat.gateway.session import Session
from vox.chat.gateway.visible_spaces import VisibleSpaces, space_event


def missed(
    session: Session,
    entries: Sequence[Entry],
    start: int,
    view: VisibleSpaces,
    sees: Callable[[UserId, Audience], bool],
) -> list[OutgoingEvent]:
    """The frames that bring a client up to date; the session then knows what they tell.

    Args:
        session: rewound to what the client has.
        entries: the log from `start` on to the present place, complete.
        start: the place up to which the client has everything.
        view: what users see of the spaces now.
        sees: whether a user is in an audience now.
    """
    user_id = session.user_id
    visible = view.of(user_id)
    named = [space_event(entry.event) for entry in entries]
    made = {space for space, appears in filter(None, named) if appears} & visible - session.known
    deleted = {space for space, appears in filter(None, named) if not appears} & session.known - visible
    found = view.frames(session.known - visible - deleted, visible - session.known - made, start)
    base = start
    for entry, changed in zip(entries, named, strict=True):
        event = entry.event
        if changed is None:
            if session.is_keyless and FOR_DEVICES in event.facts:
                pass
            elif sees(user_id, event.audience):
                item = item_of_log(event, session, base, entry.tail)
                if item is not None:
                    found.append(item)
        elif changed[0] in (made if changed[1] else deleted):
            space, appears = changed
            found.append(
                OutgoingEvent(event.type, event.payload, base, encoded=entry.tail, space=space, appears=appears)
            )
        base = entry.position
    session.known = visible
    return found
