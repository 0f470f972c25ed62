"""Who may open a conversation with whom: blocks first, then what the other's settings allow.

The same is asked for every member of a group and for whoever is added later, so that a group is no way around a setting. In a
conversation of two a block also ends editing, reacting, naming it and making a group of it: each would carry a text across.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from vox.chat.community import Community
from vox.chat.database.schema import blocks, dm_settings, friends
from vox.chat.errors import refuse
from vox.stores.statements import Statement

_BLOCKED = Statement(
    "SELECT 1 FROM dms d JOIN dm_participants p ON p.dm_id = d.id JOIN blocks b ON b.user_id = p.user_id"
    " WHERE d.id = :dm_id AND NOT d.is_group AND b.blocked_id = :user_id"
)


def assert_reachable(connection: Connection, community: Community, caller_id: int, recipients: Sequence[int]) -> None:
    """Refuses where one of the recipients does not want to hear from the caller.

    Args:
        connection: of the writer.
        community: knows the roles.
        caller_id: who wants to talk.
        recipients: others.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    for recipient in recipients:
        person = community.users.get(recipient)
        if person is None or not person.is_active:
            raise refuse("USER_NOT_FOUND", f"There is no user {recipient}.")
    block = select(blocks.c.user_id).where(blocks.c.user_id.in_(recipients), blocks.c.blocked_id == caller_id)
    if connection.execute(block.limit(1)).first() is not None:
        raise refuse("USER_BLOCKED", "This person has blocked you.")
    settings = select(dm_settings.c.user_id, dm_settings.c.dm_permission).where(dm_settings.c.user_id.in_(recipients))
    for recipient, wish in connection.execute(settings).all():
        if not _is_granted(connection, community, caller_id, recipient, wish):
            raise refuse("DM_PERMISSION_DENIED", "This person does not accept messages from you.")


def assert_unblocked(connection: Connection, dm_id: int, user_id: int) -> None:
    """Refuses to write, in whatever way, in a conversation of two to somebody who has blocked the writer.

    Raises:
        Refusal: USER_BLOCKED.
    """
    if _BLOCKED.row(connection, {"dm_id": dm_id, "user_id": user_id}):
        raise refuse("USER_BLOCKED", "This person has blocked you.")


def _is_granted(connection: Connection, community: Community, caller_id: int, recipient: int, wish: str) -> bool:
    if wish == "friends_only":
        query = select(friends.c.user_id).where(
            friends.c.user_id == recipient, friends.c.friend_id == caller_id, friends.c.status == "accepted"
        )
        return connection.execute(query).first() is not None
    if wish == "mutual_servers":
        shared = community.users[recipient].role_ids & community.users[caller_id].role_ids
        return bool(shared - {community.everyone_role_id})
    return wish == "everyone"
