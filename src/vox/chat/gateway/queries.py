"""The SQL of the gateway: friendships, and when logins expire."""

from collections.abc import Sequence

from sqlalchemy import select

from vox.chat.database.schema import friends, sessions
from vox.chat.events.ids import LoginId, UserId
from vox.stores.sql import Connection

LoginEnd = tuple[float, bool]
"""When a login expires, Unix seconds, and whether its device was removed."""


def accepted_friendships(connection: Connection) -> list[tuple[UserId, UserId]]:
    """All friendships as pairs of user ids."""
    row = friends.c
    found = connection.execute(select(row.user_id, row.friend_id).where(row.status == "accepted"))
    return [(one, other) for one, other in found]


def login_ends(connection: Connection, *, login_ids: Sequence[LoginId]) -> dict[LoginId, LoginEnd]:
    """When each of some logins expires, and whether it is keyless; one that was deleted is missing."""
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.expires_at, columns.is_keyless).where(
            columns.id.in_(login_ids), columns.kind == "login"
        )
    )
    return {row.id: (row.expires_at, bool(row.is_keyless)) for row in rows}
