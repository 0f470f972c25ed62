"""What each event does to the memory of the community.

Every function takes the state and the event, sets what the event says and returns whose view may have changed; None when
no view changed. Before changing: an event may come twice (the log is replayed after a reload), so each function sets values and never
counts, and an event about something that is gone already does nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from vox.chat.community.state import (
    EVERYTHING,
    AccessChange,
    Category,
    Feed,
    Person,
    Raid,
    Role,
    Room,
    SpaceRef,
    State,
    Thread,
)
from vox.chat.events import Event
from vox.chat.events.ids import CategoryId, FeedId, RoleId, RoomId, UserId
from vox.chat.events.kinds import REMOTE_CONTACT
from vox.chat.events.permissions import AllowDeny

K = TypeVar("K", bound=int)
T = TypeVar("T", Category, Feed, Room, Role, Person, Thread)


def apply_to(state: State, event: Event) -> AccessChange | None:
    """Takes one event into the state; types it knows nothing of change nothing."""
    rule = _RULES.get(event.type)
    return rule(state, event.payload, event.facts) if rule is not None else None


_Fields = Mapping[str, Any]
_Rule = Callable[[State, _Fields, _Fields], AccessChange | None]


def _member_join(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    user_id = said["user_id"]
    known = state.users.get(user_id)
    state.users[user_id] = Person(
        id=user_id,
        username=said["username"],
        display_name=said.get("display_name") or (known.display_name if known else said["username"]),
        nickname=facts.get("nickname"),
        avatar=facts.get("avatar"),
        is_active=True,
        role_ids=frozenset(facts.get("role_ids", ())),
        is_federated=facts.get("is_federated", False),
    )
    return _one(user_id)


def _remote_contact(state: State, _said: _Fields, facts: _Fields) -> AccessChange | None:
    user_id = facts["user_id"]
    state.users[user_id] = Person(
        id=user_id,
        username=facts["username"],
        display_name=facts["display_name"],
        is_federated=True,
        is_contact=True,
    )
    return _one(user_id)


def _member_leave(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    return _change_person(state, said["user_id"], is_active=False)


def _member_unban(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    return _change_person(state, said["user_id"], is_active=True)


def _member_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    _change_person(state, said["user_id"], nickname=said.get("nickname"))
    return None


def _user_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    _change_person(state, said["user_id"], **_named(said, "username", "display_name", "avatar"))
    return None


def _role_create(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    before = state.everyone_role()
    role = Role(said["role_id"], said["name"], said["color"], said["position"], said["permissions"])
    state.roles[role.id] = role
    return EVERYTHING if state.everyone_role() != before else None


def _role_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    role_id, before = said["role_id"], state.everyone_role()
    _change(state.roles, role_id, _named(said, "name", "color", "permissions", "position"))
    return EVERYTHING if state.everyone_role() != before else _holders(state, role_id)


def _role_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    role_id, before = said["role_id"], state.everyone_role()
    shift = _holders(state, role_id)
    state.roles.pop(role_id, None)
    for user_id in shift.users:
        person = state.users[user_id]
        state.users[user_id] = replace(person, role_ids=person.role_ids - {role_id})
    for space, masks in list(state.overrides.items()):
        _set_overrides(state, space, {target: mask for target, mask in masks.items() if target != ("role", role_id)})
    return EVERYTHING if state.everyone_role() != before else shift


def _role_assign(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    person = state.users.get(said["user_id"])
    if person is None or said["role_id"] not in state.roles:
        return None
    return _change_person(state, person.id, role_ids=person.role_ids | {said["role_id"]})


def _role_revoke(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    person = state.users.get(said["user_id"])
    return _change_person(state, person.id, role_ids=person.role_ids - {said["role_id"]}) if person else None


def _category_create(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    category = Category(said["category_id"], said["name"], said.get("position") or 0)
    state.categories[category.id] = category
    return None


def _category_update(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    _change(state.categories, said["category_id"], _named(said, "name", "position"))
    _move(state.categories, facts.get("categories"))
    return None


def _category_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    category_id = said["category_id"]
    state.categories.pop(category_id, None)
    for feed in list(state.feeds.values()):
        if feed.category_id == category_id:
            state.feeds[feed.id] = replace(feed, category_id=None)
    for room in list(state.rooms.values()):
        if room.category_id == category_id:
            state.rooms[room.id] = replace(room, category_id=None)
    return None


def _feed_create(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    feed = Feed(
        id=said["feed_id"],
        name=said["name"],
        type=said.get("type", "text"),
        topic=said.get("topic"),
        category_id=said.get("category_id"),
        position=facts.get("position", 0),
    )
    _set_overrides(state, ("feed", feed.id), _overrides(state, facts.get("overrides", ())))
    state.feeds[feed.id] = feed
    return _at(("feed", feed.id))


def _feed_update(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    _change(state.feeds, said["feed_id"], _named(said, "name", "topic", "category_id", "position", "type"))
    _move(state.feeds, facts.get("feeds"))
    _move(state.rooms, facts.get("rooms"))
    return None


def _feed_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    feed_id = said["feed_id"]
    state.feeds.pop(feed_id, None)
    state.overrides.pop(("feed", feed_id), None)
    state.slow_modes.pop(feed_id, None)
    for thread in [thread for thread in state.threads.values() if thread.feed_id == feed_id]:
        del state.threads[thread.id]
    return _at(("feed", feed_id))


def _room_create(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    room = Room(
        id=said["room_id"],
        name=said["name"],
        type=said.get("type", "voice"),
        category_id=said.get("category_id"),
        position=facts.get("position", 0),
        max_members=facts.get("max_members"),
    )
    _set_overrides(state, ("room", room.id), _overrides(state, facts.get("overrides", ())))
    state.rooms[room.id] = room
    return _at(("room", room.id))


def _room_update(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    fields = _named(said, "name", "topic", "category_id", "position", "type", "max_members")
    _change(state.rooms, said["room_id"], fields)
    _move(state.feeds, facts.get("feeds"))
    _move(state.rooms, facts.get("rooms"))
    return None


def _room_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    room_id = said["room_id"]
    state.rooms.pop(room_id, None)
    state.overrides.pop(("room", room_id), None)
    return _at(("room", room_id))


def _thread_create(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    if said["parent_feed_id"] in state.feeds:
        thread = Thread(said["thread_id"], said["name"], said["parent_feed_id"], said.get("parent_msg_id"))
        state.threads[thread.id] = thread
    return None


def _thread_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    _change(state.threads, said["thread_id"], _named(said, "name", "archived", "locked"))
    return None


def _thread_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    state.threads.pop(said["thread_id"], None)
    return None


def _override_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    kind, space_id = said["space_type"], said["space_id"]
    added = _overrides(state, [(said["target_type"], said["target_id"], said["allow"], said["deny"])])
    if space_id not in (state.feeds if kind == "feed" else state.rooms) or not added:
        return None
    _set_overrides(state, (kind, space_id), state.overrides.get((kind, space_id), {}) | added)
    return _at((kind, space_id))


def _override_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    kind, space_id = said["space_type"], said["space_id"]
    gone = (said["target_type"], said["target_id"])
    masks = state.overrides.get((kind, space_id), {})
    _set_overrides(state, (kind, space_id), {target: mask for target, mask in masks.items() if target != gone})
    return _at((kind, space_id))


def _dm_create(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    state.dms[said["dm_id"]] = frozenset(said["participant_ids"])
    return _at(("dm", said["dm_id"]))


def _recipient_add(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    dm_id = said["dm_id"]
    if dm_id not in state.dms:
        return None
    state.dms[dm_id] |= {said["user_id"]}
    return _at(("dm", dm_id))


def _recipient_remove(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    dm_id = said["dm_id"]
    if dm_id not in state.dms:
        return None
    state.dms[dm_id] -= {said["user_id"]}
    return _at(("dm", dm_id))


def _member_timeout(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    user_id, until = said["user_id"], said["until"]
    if until:
        state.timeouts[user_id] = until
    else:
        state.timeouts.pop(user_id, None)
    return None


def _feed_slow_mode(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    feed_id, seconds = said["feed_id"], said["seconds"]
    if seconds and feed_id in state.feeds:
        state.slow_modes[feed_id] = seconds
    else:
        state.slow_modes.pop(feed_id, None)
    return None


def _raid_mode_update(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    measures = said["joins_paused"], said["new_account_wait_s"], said["slow_mode_s"]
    state.raid = Raid(said["until"], *measures) if said["until"] else None
    return None


def _rule_update(state: State, said: _Fields, facts: _Fields) -> AccessChange | None:
    rules = {rule_id: text for rule_id, text in state.rules.items() if rule_id != said["rule_id"]}
    if said["enabled"]:
        rules[said["rule_id"]] = facts["definition"]
    state.rules = rules
    return None


def _rule_delete(state: State, said: _Fields, _facts: _Fields) -> AccessChange | None:
    state.rules = {rule_id: text for rule_id, text in state.rules.items() if rule_id != said["rule_id"]}
    return None


def _change_person(state: State, user_id: UserId, **fields: Any) -> AccessChange | None:
    _change(state.users, user_id, fields)
    return _one(user_id)


def _change(known: dict[K, T], key: K, fields: _Fields) -> None:
    old = known.get(key)
    if old is not None and fields:
        known[key] = replace(old, **fields)


def _move(
    known: dict[CategoryId, Category] | dict[FeedId, Feed] | dict[RoomId, Room], positions: Iterable[Any] | None
) -> None:
    for key, position in positions or ():
        old: Any = known.get(key)
        if old is not None:
            known[key] = replace(old, position=position)


def _named(said: _Fields, *names: str) -> dict[str, Any]:
    return {name: said[name] for name in names if name in said}


def _overrides(state: State, rows: Iterable[Any]) -> dict[Any, AllowDeny]:
    return {
        (target_type, target_id): AllowDeny(allow, deny)
        for target_type, target_id, allow, deny in rows
        if target_type != "role" or target_id in state.roles
    }


def _set_overrides(state: State, space: Any, masks: dict[Any, AllowDeny]) -> None:
    """Puts another dictionary in the old one's place, so that a reader on another thread never meets one that changes."""
    if masks:
        state.overrides[space] = masks
    else:
        state.overrides.pop(space, None)


def _holders(state: State, role_id: RoleId) -> AccessChange:
    return AccessChange(users=frozenset(person.id for person in state.users.values() if role_id in person.role_ids))


def _one(user_id: UserId) -> AccessChange:
    return AccessChange(users=frozenset({user_id}))


def _at(place: SpaceRef) -> AccessChange:
    return AccessChange(spaces=frozenset({place}))


_RULES: Final[Mapping[str, _Rule]] = {
    "member_join": _member_join,
    REMOTE_CONTACT: _remote_contact,
    "member_leave": _member_leave,
    "member_ban": _member_leave,
    "member_unban": _member_unban,
    "member_update": _member_update,
    "user_update": _user_update,
    "role_create": _role_create,
    "role_update": _role_update,
    "role_delete": _role_delete,
    "role_assign": _role_assign,
    "role_revoke": _role_revoke,
    "category_create": _category_create,
    "category_update": _category_update,
    "category_delete": _category_delete,
    "feed_create": _feed_create,
    "feed_update": _feed_update,
    "feed_delete": _feed_delete,
    "room_create": _room_create,
    "room_update": _room_update,
    "room_delete": _room_delete,
    "thread_create": _thread_create,
    "thread_update": _thread_update,
    "thread_delete": _thread_delete,
    "permission_override_update": _override_update,
    "permission_override_delete": _override_delete,
    "dm_create": _dm_create,
    "dm_recipient_add": _recipient_add,
    "dm_recipient_remove": _recipient_remove,
    "member_timeout": _member_timeout,
    "feed_slow_mode": _feed_slow_mode,
    "raid_mode_update": _raid_mode_update,
    "automod_rule_update": _rule_update,
    "automod_rule_delete": _rule_delete,
}
"""One rule for each type of `CHANGES_ACCESS`."""
