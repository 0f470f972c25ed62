"""SQL of the community: every row that decides who may see or do what, or those about a few people and one space."""

import json
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final, cast

from sqlalchemy import Column, ColumnElement, Connection, select, true

from vox.chat.community.state import Category, Feed, Person, Raid, Role, Room, Space, State, Target, Thread
from vox.chat.database.schema import (
    automod_rules,
    categories,
    config,
    dm_participants,
    dms,
    feeds,
    meta,
    permission_overrides,
    role_members,
    roles,
    rooms,
    threads,
    timeouts,
    users,
)
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import AllowDeny, P, holds

RAID_ROW: Final = "raid_mode"
"""The row of `config` with raid mode, as JSON."""
_ALL: Final = true()


def read_state(connection: Connection) -> State:
    """Reads everything; the connection's transaction must be a snapshot, as `SqlDatabase.read` and `write` give."""
    state = State(version=connection.execute(select(meta.c.version)).scalar_one_or_none() or 0)
    held = _pairs(connection, role_members.c.user_id, role_members.c.role_id)
    _read_people(connection, state, held)
    _read_spaces(connection, state)
    _read_overrides(connection, state)
    talking = _pairs(connection, dm_participants.c.dm_id, dm_participants.c.user_id)
    for (dm_id,) in connection.execute(select(dms.c.id)):
        state.dms[dm_id] = frozenset(talking.get(dm_id, ()))
    _read_moderation(connection, state)
    return state


def read_raid(connection: Connection) -> Raid | None:
    """Raid mode as it is stored; None where it is off."""
    stored = connection.execute(select(config.c.value).where(config.c.key == RAID_ROW)).scalar()
    return Raid(**json.loads(stored)) if stored else None


def read_partial_state(connection: Connection, user_ids: Collection[UserId], space: Space | None = None) -> State:
    """Reads all roles, these users, and a space with its overrides; answers about other users and spaces are wrong."""
    state = State()
    held = _pairs(connection, role_members.c.user_id, role_members.c.role_id, role_members.c.user_id.in_(user_ids))
    _read_people(connection, state, held, users.c.id.in_(user_ids))
    if space is not None:
        kind, space_id = space
        if kind == "feed":
            _read_feeds(connection, state, feeds.c.id == space_id)
        else:
            _read_rooms(connection, state, rooms.c.id == space_id)
        override = permission_overrides.c
        _read_overrides(connection, state, (override.space_type == kind) & (override.space_id == space_id))
    return state


def administrators_in(connection: Connection) -> frozenset[UserId]:
    """The active members who hold ADMINISTRATOR, as the transaction sees it; reads the roles and their few administrators.

    Asked inside the unit of work, after the change, it lets two changes at the same moment see each other.
    """
    role = roles.c
    rows = connection.execute(select(role.id, role.name, role.color, role.position, role.permissions))
    known = {row[0]: Role(*row) for row in rows}
    everyone = State(roles=known).everyone_role()
    active = select(users.c.id).where(users.c.active)
    if everyone is None or not holds(everyone.permissions, P.ADMINISTRATOR):
        powerful = [
            role.id for role in known.values() if role.position != 0 and holds(role.permissions, P.ADMINISTRATOR)
        ]
        active = active.join(role_members, role_members.c.user_id == users.c.id).where(
            role_members.c.role_id.in_(powerful)
        )
    return frozenset(connection.execute(active.distinct()).scalars())


def _read_people(
    connection: Connection, state: State, held: dict[int, list[Any]], which: ColumnElement[bool] = _ALL
) -> None:
    role = roles.c
    for row in connection.execute(select(role.id, role.name, role.color, role.position, role.permissions)):
        state.roles[row[0]] = Role(*row)
    user = users.c
    columns = (user.id, user.username, user.display_name, user.nickname, user.avatar, user.active, user.federated)
    for id_, username, display_name, nickname, avatar, active, federated, contact in connection.execute(
        select(*columns, user.contact).where(which)
    ):
        state.users[id_] = Person(
            id=id_,
            username=username,
            display_name=display_name or username,
            nickname=nickname,
            avatar=avatar,
            is_active=bool(active),
            role_ids=frozenset(held.get(id_, ())),
            is_federated=bool(federated),
            is_contact=bool(contact),
        )


def _read_spaces(connection: Connection, state: State) -> None:
    category = categories.c
    for row in connection.execute(select(category.id, category.name, category.position)):
        state.categories[row[0]] = Category(*row)
    _read_feeds(connection, state)
    _read_rooms(connection, state)
    thread = threads.c
    columns = (thread.id, thread.name, thread.feed_id, thread.parent_msg_id, thread.archived, thread.locked)
    for id_, name, feed_id, parent_msg_id, archived, locked in connection.execute(select(*columns)):
        state.threads[id_] = Thread(id_, name, feed_id, parent_msg_id, bool(archived), bool(locked))


def _read_moderation(connection: Connection, state: State) -> None:
    for user_id, until in connection.execute(select(timeouts.c.user_id, timeouts.c.until)):
        state.timeouts[user_id] = until
    for feed_id, seconds in connection.execute(select(feeds.c.id, feeds.c.slow_mode_s).where(feeds.c.slow_mode_s > 0)):
        state.slow_modes[feed_id] = seconds
    rule = automod_rules.c
    for rule_id, definition in connection.execute(select(rule.id, rule.definition).where(rule.enabled)):
        state.rules[rule_id] = definition
    state.raid = read_raid(connection)


def _read_feeds(connection: Connection, state: State, which: ColumnElement[bool] = _ALL) -> None:
    feed = feeds.c
    columns = (feed.id, feed.name, feed.type, feed.topic, feed.category_id, feed.position)
    for row in connection.execute(select(*columns).where(which)):
        state.feeds[row[0]] = Feed(*row)


def _read_rooms(connection: Connection, state: State, which: ColumnElement[bool] = _ALL) -> None:
    room = rooms.c
    columns = (room.id, room.name, room.type, room.category_id, room.position, room.max_members, room.topic)
    for row in connection.execute(select(*columns).where(which)):
        state.rooms[row[0]] = Room(*row)


def _read_overrides(connection: Connection, state: State, which: ColumnElement[bool] = _ALL) -> None:
    override = permission_overrides.c
    columns = (
        override.space_type,
        override.space_id,
        override.target_type,
        override.target_id,
        override.allow,
        override.deny,
    )
    for space_type, space_id, target_type, target_id, allow, deny in connection.execute(
        select(*columns).where(which).order_by(override.id)
    ):
        known = state.feeds if space_type == "feed" else state.rooms
        if space_id in known and (target_type != "role" or target_id in state.roles):
            space = cast("Space", (space_type, space_id))
            target = cast("Target", (target_type, target_id))
            state.overrides.setdefault(space, {})[target] = AllowDeny(allow, deny)


def _pairs(
    connection: Connection, key: Column[Any], value: Column[Any], which: ColumnElement[bool] = _ALL
) -> dict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(select(key, value).where(which)):
        found[row[0]].append(row[1])
    return found
