"""The rules for opening a conversation: blocks first, then the recipient's settings.

The same is checked for every member of a group and for members added later, so that a group cannot be used to get around a
setting. In a conversation of two a block also stops editing, reacting, renaming and converting to a group: each of these would
deliver a text.
"""

from collections.abc import Sequence

from vox.chat.community import Community
from vox.chat.errors import refuse
from vox.chat.events.ids import DmId, UserId
from vox.chat.features.messages import queries
from vox.stores.sql import Connection


def assert_reachable(
    connection: Connection, community: Community, caller_id: UserId, recipients: Sequence[UserId]
) -> None:
    """Refuses a conversation that one of the recipients does not accept.

    Args:
        connection: of the writer.
        community: knows the roles.
        caller_id: the user who opens the conversation.
        recipients: the other members.

    Raises:
        Refusal: USER_NOT_FOUND, USER_BLOCKED, DM_PERMISSION_DENIED.
    """
    for recipient in recipients:
        person = community.users.get(recipient)
        if person is None or not person.is_active:
            raise refuse("USER_NOT_FOUND", f"There is no user {recipient}.")
    if queries.is_blocked_by_any(connection, recipients, caller_id):
        raise refuse("USER_BLOCKED", "This person has blocked you.")
    for recipient, permission in queries.dm_permissions_of(connection, recipients):
        if not _is_granted(connection, community, caller_id, recipient, permission):
            raise refuse("DM_PERMISSION_DENIED", "This person does not accept messages from you.")


def assert_unblocked(connection: Connection, dm_id: DmId, user_id: UserId) -> None:
    """Refuses any change in a conversation of two whose other participant has blocked the user.

    Raises:
        Refusal: USER_BLOCKED.
    """
    if queries.is_blocked_in_dm(connection, dm_id, user_id):
        raise refuse("USER_BLOCKED", "This person has blocked you.")


def _is_granted(
    connection: Connection, community: Community, caller_id: UserId, recipient: UserId, permission: str
) -> bool:
    if permission == "friends_only":
        return queries.has_friend(connection, recipient, caller_id)
    if permission == "mutual_servers":
        shared = community.users[recipient].role_ids & community.users[caller_id].role_ids
        return bool(shared - {community.everyone_role_id})
    return permission == "everyone"
