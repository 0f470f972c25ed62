"""Units of work of voice rooms: who is in which, and what moderators have muted.

Before changing: every unit locks the room's row first, two rooms in the order of their ids. So members of a room come and go one
after the other in all processes, and each `voice_state_update` has the whole room as it was then.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event, voice_state_update
from vox.chat.events.ids import FeedId, RoomId, UserId
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.voice import guest_queries, queries, stage_queries
from vox.chat.features.voice.queries import MemberRow, RoomRow
from vox.chat.features.voice.reconciliation import Plan
from vox.chat.features.voice.schemas import JoinRoom, VoiceGuest, VoiceMember, VoiceRoom, VoiceSettings
from vox.chat.features.voice.stage import not_in_voice
from vox.stores.sql import Connection

Mark = Literal["server_mute", "server_deaf"]


@dataclass(frozen=True, slots=True)
class RoomState:
    """Everything the community has of a room."""

    room: RoomRow
    members: list[MemberRow]
    guests: list[guest_queries.GuestRow]
    speakers: frozenset[UserId]


def read_room(connection: Connection, room_id: RoomId) -> VoiceRoom:
    """A room as clients see it.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    room = queries.find_room(connection, room_id)
    if room is None:
        raise room_not_found(room_id)
    members, guests = _shown(connection, room_id)
    return VoiceRoom(room_id, members, guests, room.topic, sorted(stage_queries.speakers_of(connection, room_id)))


def read_state(connection: Connection, room_id: RoomId) -> RoomState | None:
    """Everything the community has of a room; None where the room is gone."""
    room = queries.find_room(connection, room_id)
    if room is None:
        return None
    return RoomState(
        room,
        queries.members_of(connection, room_id),
        guest_queries.guests_of(connection, room_id),
        stage_queries.speakers_of(connection, room_id),
    )


def read_settings(connection: Connection, room_id: RoomId) -> VoiceSettings:
    """A room's settings.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    room = queries.find_room(connection, room_id)
    if room is None:
        raise room_not_found(room_id)
    return VoiceSettings(queries.transcript_feed(connection, room_id), room.max_members)


def join(
    connection: Connection, *, user_id: UserId, room_id: RoomId, body: JoinRoom, limit: int, now_s: int
) -> Change[tuple[list[VoiceMember], list[VoiceGuest]]]:
    """Puts a user into a room; what moderators have muted stays muted.

    Raises:
        Refusal: SPACE_NOT_FOUND, ALREADY_IN_VOICE, ROOM_FULL.
    """
    room = _lock(connection, room_id)
    if queries.member(connection, user_id) is not None:
        raise already_in_voice()
    _assert_place(connection, room_id, room, limit)
    marks = queries.marks_of(connection, user_id)
    values = {"self_mute": body.self_mute, "self_deaf": body.self_deaf, "joined_at": now_s, **marks}
    if not queries.insert_member(connection, user_id, room_id, values):
        raise already_in_voice()
    queries.set_connection(connection, user_id, {"absent_since": now_s})
    shown = _shown(connection, room_id)
    return Change(shown, (_event(room_id, *shown),))


def leave(
    connection: Connection,
    *,
    room_id: RoomId,
    user_ids: Collection[UserId],
    actor_id: UserId | None = None,
) -> Change[list[UserId]]:
    """Takes users out of a room, and returns those who were in it.

    Args:
        connection: of the writer.
        room_id: the room.
        user_ids: who goes.
        actor_id: the moderator who removes them.
    """
    if queries.lock_room(connection, room_id) is None:
        return Change([])
    gone = _remove(connection, room_id, user_ids)
    if not gone:
        return Change([])
    audit = [] if actor_id is None else [AuditEntry("voice.kick", actor_id, one, {"room_id": room_id}) for one in gone]
    return Change(gone, (_event(room_id, *_shown(connection, room_id)),), audit)


def move(
    connection: Connection,
    *,
    actor_id: UserId,
    user_id: UserId,
    room_id: RoomId,
    to_room_id: RoomId,
    limit: int,
    now_s: int,
) -> Change[None]:
    """Puts a member into another room; marks of moderators go along.

    Raises:
        Refusal: SPACE_NOT_FOUND, NOT_IN_VOICE, ROOM_FULL.
    """
    locked = {one: _lock(connection, one) for one in sorted({room_id, to_room_id})}
    row = queries.member(connection, user_id)
    if row is None or row.room_id != room_id:
        raise not_in_voice(user_id)
    if room_id == to_room_id:
        return Change(None)
    _assert_place(connection, to_room_id, locked[to_room_id], limit)
    _remove(connection, room_id, [user_id])
    values = {
        "self_mute": row.self_mute,
        "self_deaf": row.self_deaf,
        "server_mute": row.server_mute,
        "server_deaf": row.server_deaf,
        "joined_at": now_s,
    }
    queries.insert_member(connection, user_id, to_room_id, values)
    queries.set_connection(connection, user_id, {"absent_since": now_s})
    events = [_event(one, *_shown(connection, one)) for one in (room_id, to_room_id)]
    return Change(None, events, [AuditEntry("voice.move", actor_id, user_id, {"from": room_id, "to": to_room_id})])


def mark(
    connection: Connection, *, actor_id: UserId, user_id: UserId, room_id: RoomId, name: Mark, value: bool
) -> Change[None]:
    """Mutes or deafens a member, or takes that back.

    Raises:
        Refusal: SPACE_NOT_FOUND, NOT_IN_VOICE.
    """
    _lock(connection, room_id)
    if not queries.update_member(connection, user_id, room_id, {name: value}):
        raise not_in_voice(user_id)
    queries.set_marks(connection, user_id, queries.marks_of(connection, user_id) | {name: value})
    kind = "voice.mute" if name == "server_mute" else "voice.deafen"
    audit = AuditEntry(kind, actor_id, user_id, {"room_id": room_id, "value": value})
    return Change(None, (_event(room_id, *_shown(connection, room_id)),), (audit,))


def set_own_state(
    connection: Connection, *, user_id: UserId, room_id: RoomId, changed: Mapping[str, bool]
) -> Change[bool]:
    """Writes what a member says of itself; False where it is not in that room any more."""
    if queries.lock_room(connection, room_id) is None or not changed:
        return Change(False)
    before = queries.member(connection, user_id)
    if before is None or before.room_id != room_id:
        return Change(False)
    if all(getattr(before, name) == value for name, value in changed.items()):
        return Change(True)
    queries.update_member(connection, user_id, room_id, changed)
    return Change(True, (_event(room_id, *_shown(connection, room_id)),))


def note_token(connection: Connection, *, user_id: UserId, until_s: int) -> Change[None]:
    """Remembers until when a member's token is valid; nothing where the user is in no room any more."""
    if queries.member(connection, user_id) is not None:
        queries.set_connection(connection, user_id, {"token_until": until_s})
    return Change(None)


def learn(connection: Connection, *, room_id: RoomId, found: Plan, now_s: int) -> Change[list[UserId]]:
    """Writes down what the media server shows of a room; returns the members that are gone."""
    if queries.lock_room(connection, room_id) is None:
        return Change([])
    gone = _remove(connection, room_id, found.gone)
    here = {row.user_id for row in queries.members_of(connection, room_id)}
    for user_id in found.absent:
        if user_id in here:
            queries.set_connection(connection, user_id, {"absent_since": now_s})
    for user_id in found.present:
        if user_id in here:
            queries.set_connection(connection, user_id, {"absent_since": None, "was_present": True})
    is_seen = False
    for user_id, seen in found.seen.items():
        values = {"self_mute": seen.self_mute, "video": seen.video, "streaming": seen.streaming}
        is_seen |= queries.update_member(connection, user_id, room_id, values)
    guest_queries.set_absent(connection, room_id, found.guests_absent, now_s)
    guest_queries.set_present(connection, room_id, found.guests_present, now_s)
    guest_queries.delete_guests(connection, room_id, found.guests_gone)
    is_news = gone or is_seen or found.guests_gone or found.guests_present
    return Change(gone, (_event(room_id, *_shown(connection, room_id)),) if is_news else ())


def set_settings(
    connection: Connection, *, actor_id: UserId, room_id: RoomId, feed_id: FeedId | None, max_members: int | None
) -> Change[None]:
    """Names the feed for a room's transcripts, and how many members it takes.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    _lock(connection, room_id)
    queries.set_transcript_feed(connection, room_id, feed_id)
    queries.set_max_members(connection, room_id, max_members)
    changed = {"transcript_feed_id": feed_id, "max_members": max_members}
    return Change(None, (), [AuditEntry("room.update", actor_id, room_id, {"changed": changed})])


def room_event(connection: Connection, room_id: RoomId) -> Event:
    """The room as it is now, for all who may view it."""
    return _event(room_id, *_shown(connection, room_id))


def already_in_voice() -> Refusal:
    """The refusal for a user who is in a room already."""
    return refuse("ALREADY_IN_VOICE", "You are in a voice room already: leave it first.")


def _lock(connection: Connection, room_id: RoomId) -> RoomRow:
    room = queries.lock_room(connection, room_id)
    if room is None:
        raise room_not_found(room_id)
    return room


def _assert_place(connection: Connection, room_id: RoomId, room: RoomRow, limit: int) -> None:
    most = limit if room.max_members is None else min(limit, room.max_members)
    if queries.count_members(connection, room_id) >= most:
        raise refuse("ROOM_FULL", f"The room is full: it takes {most}.")


def _remove(connection: Connection, room_id: RoomId, user_ids: Collection[UserId]) -> list[UserId]:
    gone = queries.delete_members(connection, room_id, user_ids)
    for user_id in gone:
        stage_queries.forget(connection, room_id, user_id)
    return gone


def _shown(connection: Connection, room_id: RoomId) -> tuple[list[VoiceMember], list[VoiceGuest]]:
    return queries.shown_members(connection, room_id), queries.shown_guests(connection, room_id)


def _event(room_id: RoomId, members: list[VoiceMember], guests: list[VoiceGuest]) -> Event:
    plain: Any = msgspec.to_builtins
    return voice_state_update(room_id=room_id, members=plain(members), guests=plain(guests))
