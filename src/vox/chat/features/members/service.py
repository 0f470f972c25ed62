"""Units of work that rename, remove, ban and unban members, and who may do that.

A kicked or banned member loses roles and sockets at once; only a banned one cannot rejoin with an invite.
"""

from collections.abc import Sequence
from itertools import groupby

from vox.chat.api.hierarchy import assert_administrator_left, assert_may, assert_outranks
from vox.chat.community import Community, administrators_in
from vox.chat.community.state import Person
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import (
    Event,
    member_ban,
    member_leave,
    member_unban,
    member_update,
    message_bulk_delete,
    user_update,
)
from vox.chat.events.ids import DmId, FeedId, UserId
from vox.chat.events.kinds import BANNED, KICKED, LOGGED_OUT
from vox.chat.events.people import login_revoked
from vox.chat.events.permissions import P
from vox.chat.features.members import queries
from vox.chat.features.members.rejoin import deactivate
from vox.chat.features.members.schemas import Ban, BanRequest
from vox.chat.features.messages.delete import BATCH, Removed, delete_messages_of_author
from vox.stores.sql import Connection


def assert_may_act(community: Community, *, permission: P, actor_id: UserId, target_id: UserId) -> None:
    """Requires a permission and a higher rank than the other member.

    Raises:
        Refusal: MISSING_PERMISSIONS or ROLE_HIERARCHY.
    """
    assert_may(community, actor_id, permission)
    assert_outranks(community, actor_id, target_id)


def assert_may_rename(community: Community, *, actor_id: UserId, target_id: UserId) -> None:
    """Requires CHANGE_NICKNAME for one's own nickname, MANAGE_NICKNAMES and a higher rank for another member's.

    Raises:
        Refusal: MISSING_PERMISSIONS or ROLE_HIERARCHY.
    """
    if actor_id != target_id:
        assert_may_act(community, permission=P.MANAGE_NICKNAMES, actor_id=actor_id, target_id=target_id)
    elif not community.may(actor_id, P.MANAGE_NICKNAMES):
        assert_may(community, actor_id, P.CHANGE_NICKNAME)


def change_profile(connection: Connection, *, user_id: UserId, changed: dict[str, str]) -> Change[None]:
    """Stores new values of a profile's fields."""
    lock_event_order(connection)
    queries.update_profile(connection, user_id=user_id, changed=changed)
    return Change(None, [user_update(user_id=user_id, changed=changed)])


def rename(connection: Connection, *, actor_id: UserId, user_id: UserId, nickname: str | None) -> Change[None]:
    """Sets the nickname of a member; None removes it."""
    lock_event_order(connection)
    queries.set_nickname(connection, user_id=user_id, nickname=nickname)
    audit = AuditEntry("member.update", actor_id, user_id, {"changed": {"nickname": nickname}})
    return Change(None, [member_update(user_id=user_id, nickname=nickname)], [audit])


def remove(connection: Connection, *, actor_id: UserId, user_id: UserId, reason: str | None) -> Change[None]:
    """Ends a membership: leaving where actor and member are the same, otherwise a kick.

    Raises:
        Refusal: USER_NOT_FOUND, or INVALID_TARGET where no administrator would be left.
    """
    lock_event_order(connection)
    if not queries.is_active(connection, user_id=user_id):
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    revoked = _deactivate(connection, user_id)
    kind = "member.leave" if actor_id == user_id else "member.kick"
    audit = AuditEntry(kind, actor_id, user_id, {"reason": reason} if reason else {})
    # The sockets come first: what is true of their user afterwards is nothing they may see.
    ended = login_revoked(user_id, reason=LOGGED_OUT if actor_id == user_id else KICKED)
    return Change(None, [ended, *revoked, member_leave(user_id=user_id)], [audit])


def ban(
    connection: Connection, *, actor_id: UserId, person: Person, body: BanRequest, now_ms: int, since_ms: int | None
) -> Change[Ban | None]:
    """Deletes one batch of messages; the unit that finds no further batch bans in the same transaction.

    Args:
        connection: of the writer.
        actor_id: the moderator.
        person: the member to ban.
        body: the reason, and how many days of messages are deleted.
        now_ms: Unix milliseconds.
        since_ms: deletes messages since that moment; None deletes none.

    Returns:
        The ban, or None where there are more messages: run it again.
    """
    lock_event_order(connection)
    events: list[Event] = []
    if since_ms is not None:
        removed = delete_messages_of_author(connection, person.id, since_ms)
        events += deletion_events(removed)
        if len(removed) == BATCH:
            return Change(None, events)
    events.append(login_revoked(person.id, reason=BANNED))
    events += _deactivate(connection, person.id)
    queries.replace_ban(connection, user_id=person.id, reason=body.reason, now_s=now_ms // 1000)
    events.append(member_ban(user_id=person.id))
    metadata = {"reason": body.reason, "delete_msg_days": body.delete_msg_days or 0}
    audit = AuditEntry("member.ban", actor_id, person.id, metadata)
    return Change(Ban(person.id, person.display_name, body.reason, now_ms // 1000), events, [audit])


def unban(connection: Connection, *, actor_id: UserId, user_id: UserId) -> Change[None]:
    """Lifts a ban and makes the member active again.

    Raises:
        Refusal: BAN_NOT_FOUND.
    """
    lock_event_order(connection)
    if not queries.delete_ban(connection, user_id=user_id):
        raise refuse("BAN_NOT_FOUND", f"User {user_id} is not banned.")
    return Change(None, [member_unban(user_id=user_id)], [AuditEntry("member.unban", actor_id, user_id)])


def _deactivate(connection: Connection, user_id: UserId) -> list[Event]:
    """Two administrators who remove each other at the same moment must not both succeed."""
    was_administrator = user_id in administrators_in(connection)
    revoked = deactivate(connection, user_id)
    if was_administrator:
        assert_administrator_left(connection)
    return revoked


def deletion_events(removed: Sequence[Removed]) -> list[Event]:
    """The events of deleted messages: one for each place."""

    def place(message: Removed) -> tuple[FeedId, DmId]:
        return message.feed_id or FeedId(0), message.dm_id or DmId(0)

    return [
        message_bulk_delete(
            msg_ids=[message.msg_id for message in messages], feed_id=feed_id or None, dm_id=dm_id or None
        )
        for (feed_id, dm_id), messages in groupby(sorted(removed, key=place), key=place)
    ]
