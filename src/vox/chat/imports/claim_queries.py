"""The SQL of claims: what a placeholder has, moved to an account."""

from sqlalchemy import Connection, delete, func, select, text, update

from vox.chat.database.schema import (
    bots,
    files,
    imported,
    messages,
    oidc_identities,
    permission_overrides,
    sessions,
    users,
    webauthn_credentials,
)
from vox.text.names import name_key

_MERGED = (("reactions", "msg_id", "emoji"), ("role_members", "role_id", ""), ("message_mentions", "msg_id", ""))
"""Tables with the user in their key: table, other columns of the key."""


def find_placeholder(connection: Connection, username: str) -> int | None:
    """The id of an imported person who cannot log in; None where there is none of that name.

    Later imports take an account that claimed a person for that person, so an account without a password, of a member who logs in by
    an organisation's provider or of a bot, must not pass for one.
    """
    is_imported = select(imported.c.local_id).where(imported.c.kind == "person", imported.c.local_id == users.c.id)
    query = select(users.c.id).where(
        users.c.username == username,
        users.c.home_domain.is_(None),
        users.c.password_hash.is_(None),
        is_imported.exists(),
        *(
            ~select(login.c.user_id).where(login.c.user_id == users.c.id).exists()
            for login in (oidc_identities, webauthn_credentials, sessions, bots)
        ),
    )
    return connection.execute(query).scalar()


def find_account(connection: Connection, username: str) -> int | None:
    """The id of an active local account by its name."""
    is_meant = (users.c.username == username) | (users.c.username_key == name_key(username))
    query = select(users.c.id).where(is_meant, users.c.home_domain.is_(None), users.c.active)
    return connection.execute(query.order_by(users.c.username != username).limit(1)).scalar()


def count_messages(connection: Connection, user_id: int) -> int:
    """How many messages a user has written."""
    return int(connection.execute(select(func.count()).where(messages.c.author_id == user_id)).scalar_one())


def move_messages(connection: Connection, source: int, target: int, limit: int) -> int:
    """Gives the oldest messages of a user another author, at most `limit`, and returns how many."""
    oldest = select(messages.c.id).where(messages.c.author_id == source).order_by(messages.c.id).limit(limit)
    return connection.execute(update(messages).where(messages.c.id.in_(oldest)).values(author_id=target)).rowcount


def move_rest(connection: Connection, source: int, target: int) -> None:
    """Gives reactions, roles, mentions, files and overrides of a user to another one, who keeps their own."""
    values = {"source": source, "target": target}
    for table, *others in _MERGED:
        same = " AND ".join(f"o.{column} = {table}.{column}" for column in others if column)
        taken = f"EXISTS (SELECT 1 FROM {table} o WHERE o.user_id = :target AND {same})"  # noqa: S608  names of ours
        connection.execute(text(f"DELETE FROM {table} WHERE user_id = :source AND {taken}"), values)  # noqa: S608  same
        connection.execute(text(f"UPDATE {table} SET user_id = :target WHERE user_id = :source"), values)  # noqa: S608  same
    connection.execute(update(files).where(files.c.uploader_id == source).values(uploader_id=target))
    override = permission_overrides.c
    own = select(override.space_type, override.space_id).where(
        override.target_type == "user", override.target_id == target
    )
    kept = {tuple(row) for row in connection.execute(own)}
    theirs = select(override.id, override.space_type, override.space_id).where(
        override.target_type == "user", override.target_id == source
    )
    for override_id, kind, space_id in connection.execute(theirs).all():
        where = override.id == override_id
        if (kind, space_id) in kept:
            connection.execute(delete(permission_overrides).where(where))
        else:
            connection.execute(update(permission_overrides).where(where).values(target_id=target))


def delete_placeholder(connection: Connection, user_id: int) -> None:
    """Removes a placeholder, which has nothing any more."""
    connection.execute(delete(users).where(users.c.id == user_id))


def repoint(connection: Connection, source: int, target: int) -> None:
    """Lets later imports take the account for the person."""
    connection.execute(
        update(imported).where(imported.c.kind == "person", imported.c.local_id == source).values(local_id=target)
    )
