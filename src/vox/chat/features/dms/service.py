"""Units of work for conversations: of two users, of which there is one for each pair, and groups."""

from collections.abc import Sequence
from typing import Any

from vox.chat.community import Community
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import dm_create, dm_recipient_add, dm_recipient_remove, dm_update
from vox.chat.events.ids import DmId, UserId
from vox.chat.features.dms import queries
from vox.chat.features.dms.schemas import DmInfo
from vox.chat.features.messages.dm_rules import assert_reachable, assert_unblocked
from vox.stores.sql import Connection


def open_pair(
    connection: Connection, *, community: Community, caller_id: UserId, other_id: UserId, now_s: int
) -> Change[DmInfo]:
    """The conversation of two users, which is created where it does not exist.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    assert_reachable(connection, community, caller_id, [other_id])
    members = sorted((caller_id, other_id))
    pair = f"{members[0]}:{members[1]}"
    dm_id = queries.insert_pair(connection, pair, now_s)
    if dm_id is None:
        return Change(queries.dm_info(connection, queries.id_of_pair(connection, pair)))
    queries.insert_participants(connection, dm_id, members)
    event = dm_create(dm_id=dm_id, participant_ids=members, is_group=False)
    return Change(DmInfo(dm_id, list(members), is_group=False, name=None, icon=None), (event,))


def open_group(
    connection: Connection,
    *,
    community: Community,
    caller_id: UserId,
    member_ids: Sequence[UserId],
    name: str | None,
    now_s: int,
) -> Change[DmInfo]:
    """Creates a group.

    Args:
        connection: of the writer.
        community: knows the roles.
        caller_id: the user who creates it.
        member_ids: all members with the caller, in ascending order.
        name: of the group.
        now_s: Unix seconds.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED, INVALID_TARGET.
    """
    _assert_members(community, member_ids)
    assert_reachable(connection, community, caller_id, [member for member in member_ids if member != caller_id])
    dm_id = queries.insert_group(connection, name, now_s)
    queries.insert_participants(connection, dm_id, member_ids)
    event = dm_create(dm_id=dm_id, participant_ids=member_ids, is_group=True, name=name)
    return Change(DmInfo(dm_id, list(member_ids), is_group=True, name=name, icon=None), (event,))


def update_dm(
    connection: Connection, *, community: Community, dm_id: DmId, user_id: UserId, changed: dict[str, Any]
) -> Change[DmInfo]:
    """Writes another name or icon, or makes a conversation of two a group.

    Raises:
        Refusal: NOT_DM_PARTICIPANT, USER_BLOCKED, INVALID_TARGET.
    """
    is_group = _lock_for_participant(connection, dm_id, user_id)
    assert_unblocked(connection, dm_id, user_id)
    published = dict(changed)
    if "is_group" in changed:
        _assert_members(community, sorted(community.dms.get(dm_id, frozenset())))
        if is_group:
            published = {}
        changed = {**changed, "pair": None}
    if changed:
        queries.update_dm(connection, dm_id, changed)
    events = (dm_update(dm_id=dm_id, changed=published),) if published else ()
    return Change(queries.dm_info(connection, dm_id), events)


def leave_dm(connection: Connection, *, dm_id: DmId, user_id: UserId) -> Change[bool]:
    """Removes the caller from a conversation, and returns whether it is empty then.

    Raises:
        Refusal: NOT_DM_PARTICIPANT.
    """
    _lock_for_participant(connection, dm_id, user_id)
    queries.delete_participant(connection, dm_id, user_id)
    queries.update_dm(connection, dm_id, {"pair": None})
    event = dm_recipient_remove(dm_id=dm_id, user_id=user_id, is_leaving=True)
    return Change(queries.count_participants(connection, dm_id) == 0, (event,))


def delete_dm(connection: Connection, *, dm_id: DmId) -> Change[None]:
    """Deletes an empty conversation whose messages are gone."""
    queries.delete_dm(connection, dm_id)
    return Change(None)


def add_recipient(
    connection: Connection, *, community: Community, dm_id: DmId, caller_id: UserId, recipient_id: UserId, limit: int
) -> Change[None]:
    """Adds a user to a group; one who is a member already stays.

    Raises:
        Refusal: NOT_DM_PARTICIPANT, NOT_GROUP_DM, TOO_MANY_RECIPIENTS, USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    if not _lock_for_participant(connection, dm_id, caller_id):
        raise refuse("NOT_GROUP_DM", "You can add members only to a group; convert this conversation first.")
    if queries.is_participant(connection, dm_id, recipient_id):
        return Change(None)
    _assert_members(community, [recipient_id])
    assert_reachable(connection, community, caller_id, [recipient_id])
    if queries.count_participants(connection, dm_id) >= limit:
        raise refuse("TOO_MANY_RECIPIENTS", f"A group has at most {limit} members.")
    queries.insert_participants(connection, dm_id, [recipient_id])
    return Change(None, (dm_recipient_add(dm_id=dm_id, user_id=recipient_id),))


def remove_recipient(connection: Connection, *, dm_id: DmId, caller_id: UserId, recipient_id: UserId) -> Change[None]:
    """Removes another user from a group; succeeds where the user is not a member.

    Raises:
        Refusal: NOT_DM_PARTICIPANT, NOT_GROUP_DM.
    """
    if not _lock_for_participant(connection, dm_id, caller_id):
        raise refuse("NOT_GROUP_DM", "You can remove members only from a group.")
    if not queries.delete_participant(connection, dm_id, recipient_id):
        return Change(None)
    return Change(None, (dm_recipient_remove(dm_id=dm_id, user_id=recipient_id),))


def _assert_members(community: Community, user_ids: Sequence[UserId]) -> None:
    """Refuses users of other servers who have not joined this one: a group would not reach them."""
    if any((person := community.users.get(user_id)) is not None and person.is_contact for user_id in user_ids):
        raise refuse("INVALID_TARGET", "A user of another server can be in a group once they have joined this one.")


def _lock_for_participant(connection: Connection, dm_id: DmId, user_id: UserId) -> bool:
    """Whether the conversation is a group. Its row stays locked, so that changes of its members come one after the other."""
    is_group = queries.lock_dm(connection, dm_id)
    if is_group is None or not queries.is_participant(connection, dm_id, user_id):
        raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
    return is_group
