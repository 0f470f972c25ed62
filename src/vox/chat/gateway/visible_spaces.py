"""Which feeds and rooms a client knows of, and what to tell it when its permissions change.

A client is told of a space when it appears for its user and when it vanishes, whether the space itself was made or deleted or
only the permission changed: the frames are the same. What a client knows is kept per session, so that nothing is told twice.
"""

from collections.abc import Iterable
from typing import Any, Final, cast

from vox.chat.community import AccessChange, Community
from vox.chat.community.state import Space
from vox.chat.events import Event
from vox.chat.events.audience import SpaceKind, Viewers
from vox.chat.events.ids import UserId
from vox.chat.gateway.outbox import OutgoingEvent

APPEARS: Final[dict[str, SpaceKind]] = {"feed_create": "feed", "room_create": "room"}
VANISHES: Final[dict[str, SpaceKind]] = {"feed_delete": "feed", "room_delete": "room"}
MAX_SHARED: Final = 1024
"""Sets kept for sharing; sessions of the same permissions hold one set between them."""


def space_event(event: Event) -> tuple[Space, bool] | None:
    """The space that an event makes (True) or deletes; None for all others."""
    kind = APPEARS.get(event.type)
    if kind is not None:
        return cast("Space", (kind, event.payload[f"{kind}_id"])), True
    kind = VANISHES.get(event.type)
    return (cast("Space", (kind, event.payload[f"{kind}_id"])), False) if kind is not None else None


class PendingChanges:
    """Whose view may have changed since it was last looked at."""

    def __init__(self) -> None:
        self.users: set[UserId] = set()
        self.spaces: set[Space] = set()
        self.everything = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.users or self.spaces)

    def add(self, shift: AccessChange) -> None:
        """Takes in what the community said."""
        self.everything = self.everything or shift.everything
        self.users |= shift.users
        self.spaces.update(place for place in shift.spaces if place[0] != "dm")


class VisibleSpaces:
    """What users see of the community's spaces.

    Args:
        community: answers.
    """

    def __init__(self, community: Community) -> None:
        self._community = community
        self._shared: dict[frozenset[Space], frozenset[Space]] = {}

    def of(self, user_id: UserId) -> frozenset[Space]:
        """The feeds and rooms a user may view."""
        feeds: list[Space] = [("feed", feed_id) for feed_id in self._community.visible_feeds(user_id)]
        rooms: list[Space] = [("room", room_id) for room_id in self._community.visible_rooms(user_id)]
        return self.share(frozenset((*feeds, *rooms)))

    def after(self, user_id: UserId, known: frozenset[Space], changes: PendingChanges) -> frozenset[Space]:
        """What a user may view now, given what they could before and what has changed."""
        if changes.everything or user_id in changes.users:
            return self.of(user_id)
        seen = frozenset(space for space in changes.spaces if self._community.sees(user_id, Viewers(*space)))
        if known & changes.spaces == seen:
            return known
        return self.share((known - changes.spaces) | seen)

    def share(self, known: frozenset[Space]) -> frozenset[Space]:
        """An equal set that others hold too."""
        if len(self._shared) > MAX_SHARED:
            self._shared.clear()
        return self._shared.setdefault(known, known)

    def exists(self, space: Space) -> bool:
        """Whether a space is there at all."""
        kind, space_id = space
        return space_id in (self._community.feeds if kind == "feed" else self._community.rooms)

    def frames(self, lost: Iterable[Space], gained: Iterable[Space], base: int) -> list[OutgoingEvent]:
        """What a client is told when spaces vanish and appear for it without being deleted or made.

        Args:
            lost: spaces to be told as deleted.
            gained: spaces to be told as made; those that are gone already are left out.
            base: the place in the log before it.
        """
        found = [
            OutgoingEvent(f"{space[0]}_delete", {f"{space[0]}_id": space[1]}, base, space=space, appears=False)
            for space in sorted(lost)
        ]
        for space in sorted(gained):
            described = self._described(space)
            if described is not None:
                found.append(OutgoingEvent(f"{space[0]}_create", described, base, space=space, appears=True))
        return found

    def _described(self, space: Space) -> dict[str, Any] | None:
        kind, space_id = space
        place = self._community.feeds.get(space[1]) if space[0] == "feed" else self._community.rooms.get(space[1])
        if place is None:
            return None
        fields = {"topic": getattr(place, "topic", None) if kind == "feed" else None, "category_id": place.category_id}
        named = {f"{kind}_id": space_id, "name": place.name, "type": place.type}
        return named | {name: value for name, value in fields.items() if value is not None}
