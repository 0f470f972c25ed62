"""Events around categories, feeds, rooms, threads and their overrides: for who may view the space.

A deleted space has no viewers any more, so its event carries the overrides it had; and what re-orders neighbours carries their
positions. Both are for the servers and never reach a client.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vox.chat.events.audience import EVERYONE, FormerViewers, SpaceKind, SpaceOverride, TargetKind, Viewers
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import CategoryId, FeedId, MessageId, RoomId, SpaceId, TargetId, ThreadId, UserId

Positions = Mapping[int, int]
"""Position by id, of all whose position changed."""


def category_create(*, category_id: CategoryId, name: str, position: int | None = None) -> Event:
    """A category was made."""
    payload = {"category_id": category_id, "name": name} | shown(position=position)
    return Event("category_create", payload, EVERYONE)


def category_update(
    *, category_id: CategoryId, changed: Mapping[str, Any], positions: Positions | None = None
) -> Event:
    """A category has another name or position.

    Args:
        category_id: which.
        changed: what was asked for.
        positions: where it and its neighbours stand now, when they were re-ordered.
    """
    facts = {"categories": _pairs(positions)}
    return Event("category_update", {"category_id": category_id, **changed}, EVERYONE, facts=facts)


def category_delete(*, category_id: CategoryId) -> Event:
    """A category is gone; its feeds and rooms have none now."""
    return Event("category_delete", {"category_id": category_id}, EVERYONE)


def feed_create(
    *,
    feed_id: FeedId,
    name: str,
    type: str = "text",  # noqa: A002  the field's name on the wire
    topic: str | None = None,
    category_id: CategoryId | None = None,
    position: int = 0,
    overrides: Iterable[SpaceOverride] = (),
) -> Event:
    """A feed was made, with its first overrides."""
    payload = {"feed_id": feed_id, "name": name, "type": type} | shown(topic=topic, category_id=category_id)
    facts = {"position": position, "overrides": [_row(override) for override in overrides]}
    return Event("feed_create", payload, Viewers("feed", feed_id), facts=facts)


def feed_update(
    *,
    feed_id: FeedId,
    changed: Mapping[str, Any],
    feeds: Positions | None = None,
    rooms: Positions | None = None,
) -> Event:
    """A feed has another name, topic, category or position.

    Args:
        feed_id: which.
        changed: what was asked for; the position is the requested one.
        feeds: where it and its neighbours stand now, when they were re-ordered.
        rooms: likewise the rooms of its category.
    """
    facts = {"feeds": _pairs(feeds), "rooms": _pairs(rooms)}
    return Event("feed_update", {"feed_id": feed_id, **changed}, Viewers("feed", feed_id), facts=facts)


def feed_delete(*, feed_id: FeedId, overrides: Iterable[SpaceOverride]) -> Event:
    """A feed is gone with its threads; `overrides` are its last ones: `community.overrides_of("feed", feed_id)`."""
    return Event("feed_delete", {"feed_id": feed_id}, FormerViewers(tuple(overrides)))


def room_create(
    *,
    room_id: RoomId,
    name: str,
    type: str = "voice",  # noqa: A002  the field's name on the wire
    category_id: CategoryId | None = None,
    position: int = 0,
    max_members: int | None = None,
    overrides: Iterable[SpaceOverride] = (),
) -> Event:
    """A room was made, with its first overrides."""
    payload = {"room_id": room_id, "name": name, "type": type} | shown(category_id=category_id)
    facts = {
        "position": position,
        "max_members": max_members,
        "overrides": [_row(override) for override in overrides],
    }
    return Event("room_create", payload, Viewers("room", room_id), facts=facts)


def room_update(
    *,
    room_id: RoomId,
    changed: Mapping[str, Any],
    feeds: Positions | None = None,
    rooms: Positions | None = None,
) -> Event:
    """A room has another name, category or position; see `feed_update`."""
    facts = {"feeds": _pairs(feeds), "rooms": _pairs(rooms)}
    return Event("room_update", {"room_id": room_id, **changed}, Viewers("room", room_id), facts=facts)


def room_delete(*, room_id: RoomId, overrides: Iterable[SpaceOverride]) -> Event:
    """A room is gone; see `feed_delete`."""
    return Event("room_delete", {"room_id": room_id}, FormerViewers(tuple(overrides)))


def thread_create(
    *, thread_id: ThreadId, parent_feed_id: FeedId, name: str, parent_msg_id: MessageId | None = None
) -> Event:
    """A thread was opened."""
    payload = {"thread_id": thread_id, "parent_feed_id": parent_feed_id, "name": name}
    return Event("thread_create", payload | shown(parent_msg_id=parent_msg_id), Viewers("feed", parent_feed_id))


def thread_update(*, thread_id: ThreadId, parent_feed_id: FeedId, changed: Mapping[str, Any]) -> Event:
    """A thread has another name, or is archived or locked or not; the feed decides who is told."""
    return Event("thread_update", {"thread_id": thread_id, **changed}, Viewers("feed", parent_feed_id))


def thread_delete(*, thread_id: ThreadId, parent_feed_id: FeedId) -> Event:
    """A thread is gone; the feed decides who is told."""
    return Event("thread_delete", {"thread_id": thread_id}, Viewers("feed", parent_feed_id))


def thread_subscribe(*, thread_id: ThreadId, parent_feed_id: FeedId, user_id: UserId) -> Event:
    """A user follows a thread."""
    payload = {"thread_id": thread_id, "user_id": user_id}
    return Event("thread_subscribe", payload, Viewers("feed", parent_feed_id))


def thread_unsubscribe(*, thread_id: ThreadId, parent_feed_id: FeedId, user_id: UserId) -> Event:
    """A user no longer follows a thread."""
    payload = {"thread_id": thread_id, "user_id": user_id}
    return Event("thread_unsubscribe", payload, Viewers("feed", parent_feed_id))


def feed_subscribe(*, feed_id: FeedId, user_id: UserId) -> Event:
    """A user follows a feed."""
    return Event("feed_subscribe", {"feed_id": feed_id, "user_id": user_id}, Viewers("feed", feed_id))


def feed_unsubscribe(*, feed_id: FeedId, user_id: UserId) -> Event:
    """A user no longer follows a feed."""
    return Event("feed_unsubscribe", {"feed_id": feed_id, "user_id": user_id}, Viewers("feed", feed_id))


def permission_override_update(
    *, space_type: SpaceKind, space_id: SpaceId, target_type: TargetKind, target_id: TargetId, allow: int, deny: int
) -> Event:
    """What a role or user is allowed and denied in a space was set; who can still view the space is told."""
    payload = {
        "space_type": space_type,
        "space_id": space_id,
        "target_type": target_type,
        "target_id": target_id,
        "allow": allow,
        "deny": deny,
    }
    return Event("permission_override_update", payload, Viewers(space_type, space_id))


def permission_override_delete(
    *, space_type: SpaceKind, space_id: SpaceId, target_type: TargetKind, target_id: TargetId
) -> Event:
    """An override was taken away."""
    payload = {"space_type": space_type, "space_id": space_id, "target_type": target_type, "target_id": target_id}
    return Event("permission_override_delete", payload, Viewers(space_type, space_id))


def _pairs(positions: Positions | None) -> Sequence[Sequence[int]]:
    return [[key, position] for key, position in (positions or {}).items()]


def _row(override: SpaceOverride) -> Sequence[object]:
    return [override.target_type, override.target_id, override.allow, override.deny]
