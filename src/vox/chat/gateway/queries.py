"""The SQL of the gateway: friendships, and when logins expire."""

from collections.abc import Sequence

from sqlalchemy import select

from vox.chat.database.schema import friends, sessions
from vox.chat.events.ids import LoginId, UserId
from vox.stores.sql import Connection


def accepted_friendships(connection: Connection) -> list[tuple[UserId, UserId]]:
    """All friendships as pairs of user ids."""
    row = friends.c
    found = connection.execute(select(row.user_id, row.friend_id).where(row.status == "accepted"))
    return [(one, other) for one, other in found]


def login_ends(connection: Connection, *, login_ids: Sequence[LoginId]) -> dict[LoginId, float]:
    """When each of some logins expires, in Unix seconds; one that was deleted is missing."""
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.expires_at).where(columns.id.in_(login_ids), columns.kind == "login")
    )
    return {row.id: row.expires_at for row in rows}
