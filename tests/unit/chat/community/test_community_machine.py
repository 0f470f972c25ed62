"""Whatever happens to a community: memory fed by events is what the database says, and so is every answer from it.

The machine writes each change to SQLite the way the endpoints do, gives its events their versions, sends them through the bus's
encoding and applies them. The reference for every answer goes through the rows with SQL and shares no code with the product.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import create_engine, delete, event, insert, select, text, update

from tests.unit.chat.community.community_rows import Rows
from vox.chat import events
from vox.chat.community import Community, administrators_in, read_state
from vox.chat.database import schema
from vox.chat.events import Event, decode_event, encode_event
from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    SpaceKind,
    SpaceOverride,
    TargetKind,
    Users,
    Viewers,
)
from vox.chat.events.ids import DmId, FeedId, MessageId, RoleId, RoomId, TargetId, UserId
from vox.chat.gateway.audience_index import AudienceIndex

_VIEW, _ADMIN = 1, 1 << 62
_INVITES = 1 << 31
_TABLES = [
    schema.meta, schema.users, schema.roles, schema.role_members, schema.categories, schema.feeds, schema.rooms,
    schema.threads, schema.dms, schema.dm_participants, schema.permission_overrides,
    schema.timeouts, schema.automod_rules, schema.config,
]  # fmt: skip

_SPACES: list[tuple[SpaceKind, Any]] = [("feed", schema.feeds), ("room", schema.rooms)]
_PICK = st.integers(0, 30)
_MASKS = st.sets(st.sampled_from([0, 1, 5, 31])).map(lambda bits: sum(1 << bit for bit in bits))
_POWERS = st.one_of(_MASKS, st.just(_ADMIN))
_KINDS: st.SearchStrategy[SpaceKind] = st.sampled_from(["feed", "room"])
_TARGETS: st.SearchStrategy[TargetKind] = st.sampled_from(["role", "user"])
_OverrideRow = tuple[TargetKind, TargetId, int, int]
_OVERRIDES: st.SearchStrategy[list[_OverrideRow]] = st.lists(
    st.tuples(_TARGETS, st.integers(1, 4).map(RoleId), _MASKS, _MASKS), max_size=2, unique_by=lambda row: row[:2]
)


@dataclass(eq=False)
class _Session:
    user_id: UserId


class CommunityMachine(RuleBasedStateMachine):
    """Changes, and what must hold after each."""

    def __init__(self) -> None:
        super().__init__()
        engine = create_engine("sqlite://")
        event.listen(engine, "connect", _with_foreign_keys)
        schema.metadata.create_all(engine, tables=_TABLES)
        self.connection = engine.connect()
        self.engine = engine
        self.version = 0
        self.log: list[Event] = []
        self.community = Community()
        self.index: AudienceIndex[_Session] = AudienceIndex(self.community)
        self.sessions: list[_Session] = []
        self.looked: set[Audience] = set()
        self.gone: list[FormerViewers] = []

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()

    @initialize(everyone=_MASKS)
    def found(self, everyone: int) -> None:
        self._row(schema.meta, id=1, version=0)
        self.make_role("@everyone", everyone, 0)
        self.make_role("Admin", _ADMIN, 1)
        self.register("alice", [2])
        self.register("bob", [])
        self.make_space("feed", [])
        self.connect(0)
        self.connect(1)
        self.looked.update(self._audiences())

    # People

    @rule(name=st.sampled_from(["carol", "dave"]), roles=st.lists(st.integers(1, 4), max_size=1))
    @precondition(lambda self: len(self._ids(schema.users)) < 6)
    def register(self, name: str, roles: list[int]) -> None:
        count = len(self._ids(schema.users))
        user_id = self._row(schema.users, username=f"{name}{count}", display_name=None, created_at=0)
        held = [role for role in roles if role in self._ids(schema.roles)]
        for role_id in held:
            self._row(schema.role_members, role_id=role_id, user_id=user_id)
        self._happened(events.member_join(user_id=user_id, username=f"{name}{count}", role_ids=list(map(RoleId, held))))

    @rule(pick=_PICK, how=st.sampled_from([events.member_leave, events.member_ban, events.member_unban]))
    def come_or_go(self, pick: int, how: Callable[..., Event]) -> None:
        user_id = self._one(schema.users, pick)
        is_active = how is events.member_unban
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(active=is_active))
        self._happened(how(user_id=user_id))

    @rule(pick=_PICK)
    def come_back(self, pick: int) -> None:
        user_id = self._one(schema.users, pick)
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(active=True))
        person = self.community.users[user_id]
        self._happened(
            events.member_join(
                user_id=user_id,
                username=person.username,
                display_name=person.display_name,
                nickname=person.nickname,
                avatar=person.avatar,
                role_ids=tuple(person.role_ids),
            )
        )

    @rule(pick=_PICK, name=st.sampled_from([None, "Nick"]))
    def rename(self, pick: int, name: str | None) -> None:
        user_id = self._one(schema.users, pick)
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(nickname=name))
        self._happened(events.member_update(user_id=user_id, nickname=name))
        shown = {"display_name": f"{name}!", "avatar": None}
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(**shown))
        self._happened(events.user_update(user_id=user_id, changed=shown))

    # Roles

    @rule(name=st.sampled_from(["mod", "@everyone"]), permissions=_POWERS, position=st.integers(0, 3))
    @precondition(lambda self: len(self._ids(schema.roles)) < 5)
    def make_role(self, name: str, permissions: int, position: int) -> None:
        fields = {"name": name, "color": None, "permissions": permissions, "position": position}
        role_id = self._row(schema.roles, **fields)
        self._happened(
            events.role_create(role_id=role_id, name=name, color=None, permissions=permissions, position=position)
        )

    @rule(
        pick=_PICK, change=st.fixed_dictionaries({}, optional={"permissions": _POWERS, "position": st.integers(0, 3)})
    )
    @precondition(lambda self: bool(self._ids(schema.roles)))
    def change_role(self, pick: int, change: dict[str, Any]) -> None:
        role_id = self._one(schema.roles, pick)
        if change:
            self._sql(update(schema.roles).where(schema.roles.c.id == role_id).values(**change))
        self._happened(events.role_update(role_id=role_id, changed=change))

    @rule(pick=_PICK)
    @precondition(lambda self: len(self._ids(schema.roles)) > 1)
    def delete_role(self, pick: int) -> None:
        role_id = self._one(schema.roles, pick)
        self._sql(delete(schema.roles).where(schema.roles.c.id == role_id))
        override = schema.permission_overrides.c
        self._sql(
            delete(schema.permission_overrides).where(override.target_type == "role", override.target_id == role_id)
        )
        self._happened(events.role_delete(role_id=role_id))

    @rule(pick=_PICK, whom=_PICK)
    @precondition(lambda self: bool(self._ids(schema.roles)))
    def assign(self, pick: int, whom: int) -> None:
        role_id, user_id = self._one(schema.roles, pick), self._one(schema.users, whom)
        if role_id not in self.community.users[user_id].role_ids:
            self._row(schema.role_members, role_id=role_id, user_id=user_id)
        self._happened(events.role_assign(role_id=role_id, user_id=user_id))

    @rule(pick=_PICK, whom=_PICK)
    @precondition(lambda self: bool(self._ids(schema.roles)))
    def revoke(self, pick: int, whom: int) -> None:
        role_id, user_id = self._one(schema.roles, pick), self._one(schema.users, whom)
        member = schema.role_members.c
        self._sql(delete(schema.role_members).where(member.role_id == role_id, member.user_id == user_id))
        self._happened(events.role_revoke(role_id=role_id, user_id=user_id))

    # Spaces

    @rule(kind=_KINDS, rows=_OVERRIDES)
    @precondition(lambda self: len(self._ids(schema.feeds)) + len(self._ids(schema.rooms)) < 5)
    def make_space(self, kind: SpaceKind, rows: list[_OverrideRow]) -> None:
        categories = self._ids(schema.categories)
        category_id = categories[0] if categories else None
        table = schema.feeds if kind == "feed" else schema.rooms
        space_id = self._row(table, name="x", category_id=category_id, position=7)
        known = self._ids(schema.roles)
        overrides = [SpaceOverride(*row) for row in rows if row[0] == "user" or row[1] in known]
        for override in overrides:
            self._store_override(kind, space_id, override)
        if kind == "feed":
            made = events.feed_create(
                feed_id=space_id, name="x", category_id=category_id, position=7, overrides=overrides
            )
        else:
            made = events.room_create(
                room_id=space_id, name="x", category_id=category_id, position=7, overrides=overrides
            )
        self._happened(made)

    @rule(kind=_KINDS, pick=_PICK, topic=st.sampled_from(["a", "b"]))
    def change_space(self, kind: SpaceKind, pick: int, topic: str) -> None:
        table = schema.feeds if kind == "feed" else schema.rooms
        if not self._ids(table):
            return
        space_id = self._one(table, pick)
        self._sql(update(table).where(table.c.id == space_id).values(topic=topic))
        positions: dict[str, dict[int, int]] = {"feeds": {}, "rooms": {}}
        for place, name in ((schema.feeds, "feeds"), (schema.rooms, "rooms")):
            for number, id_ in enumerate(self._ids(place)):
                self._sql(update(place).where(place.c.id == id_).values(position=number))
                positions[name][id_] = number
        if kind == "feed":
            changed = events.feed_update(feed_id=space_id, changed={"topic": topic, "position": 99}, **positions)
        else:
            changed = events.room_update(room_id=space_id, changed={"topic": topic, "position": 99}, **positions)
        self._happened(changed)

    @rule(kind=_KINDS, pick=_PICK)
    def delete_space(self, kind: SpaceKind, pick: int) -> None:
        table = schema.feeds if kind == "feed" else schema.rooms
        if not self._ids(table):
            return
        space_id = self._one(table, pick)
        if kind == "feed":
            overrides = self.community.overrides_of("feed", space_id)
        else:
            overrides = self.community.overrides_of("room", space_id)
        saw = {user_id for user_id in self.community.users if self.community.sees(user_id, Viewers(kind, space_id))}
        override = schema.permission_overrides.c
        self._sql(delete(schema.permission_overrides).where(override.space_type == kind, override.space_id == space_id))
        self._sql(delete(table).where(table.c.id == space_id))
        if kind == "feed":
            gone = events.feed_delete(feed_id=space_id, overrides=overrides)
        else:
            gone = events.room_delete(room_id=space_id, overrides=overrides)
        self._happened(gone)
        assert {session.user_id for session in self.index.sessions(gone.audience)} <= saw
        assert set(self.community.members_seeing(gone.audience)) == saw

    @rule(pick=_PICK)
    def make_thread(self, pick: int) -> None:
        if self._ids(schema.feeds):
            feed_id = self._one(schema.feeds, pick)
            thread_id = self._row(schema.threads, name="t", feed_id=feed_id, parent_msg_id=5)
            self._happened(
                events.thread_create(thread_id=thread_id, parent_feed_id=feed_id, name="t", parent_msg_id=MessageId(5))
            )

    @rule(pick=_PICK, is_deleted=st.booleans())
    def change_thread(self, pick: int, is_deleted: bool) -> None:
        if not self._ids(schema.threads):
            return
        thread_id = self._one(schema.threads, pick)
        feed_id = self.community.threads[thread_id].feed_id
        if is_deleted:
            self._sql(delete(schema.threads).where(schema.threads.c.id == thread_id))
            self._happened(events.thread_delete(thread_id=thread_id, parent_feed_id=feed_id))
        else:
            self._sql(update(schema.threads).where(schema.threads.c.id == thread_id).values(locked=True))
            self._happened(events.thread_update(thread_id=thread_id, parent_feed_id=feed_id, changed={"locked": True}))

    @rule(position=st.integers(0, 3))
    def make_category(self, position: int) -> None:
        category_id = self._row(schema.categories, name="c", position=position)
        self._happened(events.category_create(category_id=category_id, name="c", position=position))

    @rule(pick=_PICK, is_deleted=st.booleans())
    def change_category(self, pick: int, is_deleted: bool) -> None:
        table = schema.categories
        if not self._ids(table):
            return
        category_id = self._one(table, pick)
        if is_deleted:
            self._sql(delete(table).where(table.c.id == category_id))
            self._happened(events.category_delete(category_id=category_id))
            return
        positions = {id_: number for number, id_ in enumerate(self._ids(table))}
        for id_, number in positions.items():
            self._sql(update(table).where(table.c.id == id_).values(position=number))
        self._happened(events.category_update(category_id=category_id, changed={"position": 50}, positions=positions))

    @rule(kind=_KINDS, pick=_PICK, row=st.tuples(_TARGETS, st.integers(1, 5).map(RoleId), _POWERS, _MASKS))
    def override(self, kind: SpaceKind, pick: int, row: _OverrideRow) -> None:
        table = schema.feeds if kind == "feed" else schema.rooms
        if not self._ids(table) or (row[0] == "role" and row[1] not in self._ids(schema.roles)):
            return
        space_id = self._one(table, pick)
        self._store_override(kind, space_id, SpaceOverride(*row))
        self._happened(
            events.permission_override_update(
                space_type=kind, space_id=space_id, target_type=row[0], target_id=row[1], allow=row[2], deny=row[3]
            )
        )

    @rule(pick=_PICK)
    def lift_override(self, pick: int) -> None:
        rows = self.connection.execute(select(schema.permission_overrides)).all()
        if rows:
            row = rows[pick % len(rows)]
            self._sql(delete(schema.permission_overrides).where(schema.permission_overrides.c.id == row.id))
            self._happened(
                events.permission_override_delete(
                    space_type=row.space_type,
                    space_id=row.space_id,
                    target_type=row.target_type,
                    target_id=row.target_id,
                )
            )

    # Moderation

    @rule(pick=_PICK, until=st.sampled_from([0, 10, 20]))
    def time_out(self, pick: int, until: int) -> None:
        user_id = self._one(schema.users, pick)
        self._sql(delete(schema.timeouts).where(schema.timeouts.c.user_id == user_id))
        if until:
            self._row(schema.timeouts, user_id=user_id, until=until, created_at=0)
        self._happened(events.member_timeout(user_id=user_id, until=until))

    @rule(pick=_PICK, seconds=st.sampled_from([0, 5]))
    def slow_down(self, pick: int, seconds: int) -> None:
        if self._ids(schema.feeds):
            feed_id = self._one(schema.feeds, pick)
            self._sql(update(schema.feeds).where(schema.feeds.c.id == feed_id).values(slow_mode_s=seconds))
            self._happened(events.feed_slow_mode(feed_id=feed_id, seconds=seconds))

    @rule(until=st.sampled_from([0, 10]), is_paused=st.booleans())
    def raid(self, until: int, is_paused: bool) -> None:
        self._sql(delete(schema.config))
        measures: dict[str, Any] = {"joins_paused": is_paused, "new_account_wait_s": 3, "slow_mode_s": 4}
        if until:
            self._row(schema.config, key="raid_mode", value=json.dumps({"until": until, **measures}))
        self._happened(events.raid_mode_update(until=until, **measures, is_automatic=False))

    @rule(pick=_PICK, is_enabled=st.booleans(), is_deleted=st.booleans())
    def change_rule(self, pick: int, is_enabled: bool, is_deleted: bool) -> None:
        rules, stamps = schema.automod_rules, {"created_at": 0, "updated_at": 0}
        ids = self._ids(rules)
        if len(ids) < 2:
            ids.append(self._row(rules, name="r", definition="{}", enabled=False, **stamps))
        rule_id = ids[pick % len(ids)]
        if is_deleted:
            self._sql(delete(rules).where(rules.c.id == rule_id))
            self._happened(events.automod_rule_delete(rule_id=rule_id))
        else:
            text_ = f'{{"pick":{pick}}}'
            self._sql(update(rules).where(rules.c.id == rule_id).values(enabled=is_enabled, definition=text_))
            self._happened(events.automod_rule_update(rule_id=rule_id, name="r", enabled=is_enabled, definition=text_))

    # Conversations

    @rule(picks=st.sets(_PICK, min_size=1, max_size=3))
    @precondition(lambda self: len(self._ids(schema.dms)) < 3)
    def open_dm(self, picks: set[int]) -> None:
        members = sorted({self._one(schema.users, pick) for pick in picks})
        dm_id = self._row(schema.dms, created_at=0)
        for user_id in members:
            self._row(schema.dm_participants, dm_id=dm_id, user_id=user_id)
        self._happened(events.dm_create(dm_id=dm_id, participant_ids=members, is_group=False))

    @rule(pick=_PICK, whom=_PICK)
    @precondition(lambda self: bool(self._ids(schema.dms)))
    def join_or_leave_dm(self, pick: int, whom: int) -> None:
        dm_id, user_id = self._one(schema.dms, pick), self._one(schema.users, whom)
        member = schema.dm_participants.c
        if user_id in self.community.dms[dm_id]:
            self._sql(delete(schema.dm_participants).where(member.dm_id == dm_id, member.user_id == user_id))
            removed = events.dm_recipient_remove(dm_id=dm_id, user_id=user_id)
            self._happened(removed)
            assert self.community.sees(user_id, removed.audience) == self.community.users[user_id].is_active
            assert not self.community.in_dm(user_id, dm_id)
        else:
            self._row(schema.dm_participants, dm_id=dm_id, user_id=user_id)
            self._happened(events.dm_recipient_add(dm_id=dm_id, user_id=user_id))

    # Onlookers, and what goes wrong between processes

    @rule(pick=_PICK)
    def connect(self, pick: int) -> None:
        session = _Session(self._one(schema.users, pick))
        self.sessions.append(session)
        self.index.add(session)
        self.index.add(session)

    @rule(pick=_PICK)
    @precondition(lambda self: bool(self.sessions))
    def disconnect(self, pick: int) -> None:
        session = self.sessions.pop(pick % len(self.sessions))
        self.index.remove(session)
        self.index.remove(session)

    @rule(pick=_PICK)
    def look(self, pick: int) -> None:
        audiences = self._audiences()
        audience = audiences[pick % len(audiences)]
        self.looked.add(audience)
        self.index.sessions(audience)

    @rule(pick=_PICK)
    def hear_again(self, pick: int) -> None:
        assert self.community.apply(self.log[pick % len(self.log)]) is None

    @rule()
    def miss_one(self) -> None:
        """An event got lost: the next says so, and a reload heals it."""
        user_id = self._one(schema.users, 0)
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(active=False))
        self._recorded(events.member_leave(user_id=user_id))
        self._sql(update(schema.users).where(schema.users.c.id == user_id).values(active=True))
        shift = self.community.apply(self._recorded(events.member_unban(user_id=user_id)))
        assert shift is not None
        assert shift.must_reload
        old = replace(self.community.state)
        self.index.shift(self.community.replace(read_state(self.connection)))
        assert self.community.replace(old) is None

    # What must hold

    @invariant()
    def memory_is_what_the_database_says(self) -> None:
        loaded = read_state(self.connection)
        assert self.community.state == loaded
        for space, masks in loaded.overrides.items():
            assert list(self.community.state.overrides[space]) == list(masks)

    @invariant()
    def answers_are_what_the_rows_say(self) -> None:
        rows = Rows(self.connection)
        for user_id in [*self._ids(schema.users), 99]:
            assert self.community.permissions(UserId(user_id)) == rows.left(user_id, rows.mask(user_id))
            for kind, table in _SPACES:
                for space_id in [*self._ids(table), 99]:
                    expected = rows.left(user_id, rows.mask_in(user_id, kind, space_id))
                    found = {
                        "feed": self.community.permissions_in(UserId(user_id), "feed", FeedId(space_id)),
                        "room": self.community.permissions_in(UserId(user_id), "room", RoomId(space_id)),
                    }
                    assert found[kind] == expected
            for audience in self._audiences():
                assert self.community.sees(UserId(user_id), audience) == rows.sees(user_id, audience), audience
            viewable = {id_ for id_ in self._ids(schema.feeds) if rows.mask_in(user_id, "feed", id_) & _VIEW}
            assert self.community.visible_feeds(UserId(user_id)) == viewable
        admins = {user_id for user_id in self._ids(schema.users) if rows.mask(user_id) & _ADMIN}
        assert administrators_in(self.connection) == admins

    @invariant()
    def the_index_knows_who_is_told(self) -> None:
        for audience in self.looked:
            expected = {id(session) for session in self.sessions if self.community.sees(session.user_id, audience)}
            found = [id(session) for session in self.index.sessions(audience)]
            assert len(found) == len(set(found))
            assert set(found) == expected, audience
        assert len(self.index) == len(self.sessions)

    # How

    def _happened(self, what: Event) -> None:
        self.index.shift(self.community.apply(self._recorded(what)))

    def _recorded(self, what: Event) -> Event:
        assert what.type in events.CHANGES_ACCESS
        self.version += 1
        self._sql(update(schema.meta).values(version=self.version))
        sent = decode_event(encode_event(replace(what, version=self.version)))
        self.log.append(sent)
        return sent

    def _audiences(self) -> list[Audience]:
        found: list[Audience] = [
            Everyone(),
            PermissionHolders(_INVITES),
            PermissionHolders(_ADMIN),
            Users((UserId(1), UserId(3), UserId(3))),
        ]
        found += [Viewers("feed", FeedId(id_)) for id_ in (*self._ids(schema.feeds), 99)]
        found += [Readers(FeedId(id_)) for id_ in (*self._ids(schema.feeds), 99)]
        found += [
            InviteViewers(UserId(2), feed_id) for feed_id in (None, *map(FeedId, self._ids(schema.feeds)), FeedId(99))
        ]
        found += [Viewers("room", id_) for id_ in self._ids(schema.rooms)]
        found += [Participants(DmId(id_)) for id_ in (*self._ids(schema.dms), 99)]
        return [*found, Participants(DmId(1), (UserId(2),))]

    def _store_override(self, kind: SpaceKind, space_id: int, override: SpaceOverride) -> None:
        self._sql(
            text(
                "INSERT INTO permission_overrides (space_type, space_id, target_type, target_id, allow, deny)"
                " VALUES (:kind, :space, :type, :target, :allow, :deny) ON CONFLICT (space_type, space_id, target_type,"
                " target_id) DO UPDATE SET allow = excluded.allow, deny = excluded.deny"
            ).bindparams(
                kind=kind,
                space=space_id,
                type=override.target_type,
                target=override.target_id,
                allow=override.allow,
                deny=override.deny,
            )
        )

    def _ids(self, table: Any) -> list[Any]:
        return list(self.connection.execute(select(table.c.id).order_by(table.c.id)).scalars())

    def _one(self, table: Any, pick: int) -> Any:
        ids = self._ids(table)
        return ids[pick % len(ids)]

    def _row(self, table: Any, **values: Any) -> Any:
        return self.connection.execute(insert(table).values(**values)).lastrowid

    def _sql(self, statement: Any) -> None:
        self.connection.execute(statement)


def _with_foreign_keys(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


TestCommunity = CommunityMachine.TestCase
TestCommunity.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
