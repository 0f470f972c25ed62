"""SQL by which accounts get another password without the old one."""

from sqlalchemy import Connection, delete, select, update

from vox.chat.database.schema import sessions, users
from vox.chat.events.ids import UserId


def is_local(connection: Connection, *, user_id: UserId) -> bool:
    """Whether the account is of this server."""
    local = select(users.c.id).where(users.c.id == user_id, users.c.home_domain.is_(None))
    return connection.execute(local).first() is not None


def replace_password(connection: Connection, *, user_id: UserId, password_hash: str) -> None:
    """Stores another password and deletes all logins and tickets of its owner."""
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
