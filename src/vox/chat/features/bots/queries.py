"""The SQL of bots, their tokens and their commands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from vox.chat.database.schema import bot_commands, bots, sessions, users
from vox.chat.events.ids import LoginId, UserId
from vox.chat.identity.queries import BOT, DISABLED_BOT
from vox.chat.integrations.commands import Command
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class StoredBot:
    """What memory does not hold of a bot; times in Unix seconds."""

    bot_id: int
    user_id: UserId
    interaction_url: str | None
    created_at: int
    token_created_at: int | None


def insert_bot(
    connection: Connection, *, user_id: UserId, owner_id: UserId, interaction_url: str | None, now_s: int
) -> int:
    """Stores a bot and returns its row."""
    values = {"user_id": user_id, "owner_id": owner_id, "interaction_url": interaction_url, "created_at": now_s}
    return int(connection.execute(insert(bots).values(**values).returning(bots.c.id)).scalar_one())


def list_bots(connection: Connection, user_id: UserId | None = None) -> list[StoredBot]:
    """Bots by user id, or one of them."""
    row = bots.c
    token = (
        select(sessions.c.created_at)
        .where(sessions.c.user_id == row.user_id, sessions.c.kind.in_((BOT, DISABLED_BOT)))
        .order_by(sessions.c.id.desc())
        .limit(1)
        .correlate(bots)
        .scalar_subquery()
    )
    query = select(row.id, row.user_id, row.interaction_url, row.created_at, token).order_by(row.user_id)
    if user_id is not None:
        query = query.where(row.user_id == user_id)
    return [StoredBot(*found) for found in connection.execute(query).all()]


def lock_bot(connection: Connection, user_id: UserId) -> int | None:
    """The row of a bot, until the transaction ends; None where there is none."""
    query = select(bots.c.id).where(bots.c.user_id == user_id).with_for_update()
    return connection.execute(query).scalar_one_or_none()


def change_bot(connection: Connection, user_id: UserId, values: Mapping[str, Any]) -> None:
    """Changes columns of a bot."""
    connection.execute(update(bots).where(bots.c.user_id == user_id).values(**values))


def rotate_secret(connection: Connection, user_id: UserId, now_s: int) -> tuple[int, int] | None:
    """Counts the version of a bot's signing secret up; its row and the version, None where there is no such bot."""
    row = bots.c
    query = (
        update(bots)
        .where(row.user_id == user_id)
        .values(secret_version=row.secret_version + 1, secret_rotated_at=now_s)
        .returning(row.id, row.secret_version)
    )
    found = connection.execute(query).first()
    return None if found is None else (found[0], found[1])


def is_disabled(connection: Connection, user_id: UserId) -> bool:
    """Whether a bot is disabled."""
    return bool(connection.execute(select(bots.c.disabled).where(bots.c.user_id == user_id)).scalar_one())


def delete_bot(connection: Connection, user_id: UserId) -> None:
    """Deletes a bot with its commands, and frees its name; the account stays as the author of its messages."""
    connection.execute(delete(bots).where(bots.c.user_id == user_id))
    renamed = {"username": users.c.username + f"~{user_id}", "username_key": None, "password_hash": None}
    connection.execute(update(users).where(users.c.id == user_id).values(renamed))


def insert_token(
    connection: Connection, *, user_id: UserId, digest: str, now_s: int, expires_at: int, is_disabled: bool
) -> None:
    """Stores a bot's token."""
    values = {
        "token": digest,
        "user_id": user_id,
        "created_at": now_s,
        "expires_at": expires_at,
        "kind": DISABLED_BOT if is_disabled else BOT,
        "client": "bot",
    }
    connection.execute(insert(sessions).values(**values))


def delete_sessions(connection: Connection, user_id: UserId) -> list[LoginId]:
    """Deletes every token and login of a user, and returns their ids."""
    query = delete(sessions).where(sessions.c.user_id == user_id).returning(sessions.c.id)
    return list(connection.execute(query).scalars())


def set_token_kind(connection: Connection, user_id: UserId, *, is_disabled: bool) -> None:
    """Lets a bot's token be accepted or refused."""
    was, becomes = (BOT, DISABLED_BOT) if is_disabled else (DISABLED_BOT, BOT)
    query = update(sessions).where(sessions.c.user_id == user_id, sessions.c.kind == was).values(kind=becomes)
    connection.execute(query)


def taken_names(connection: Connection, names: Collection[str]) -> dict[str, UserId]:
    """Which of some command names are registered, and by which bot."""
    query = (
        select(bot_commands.c.name, bots.c.user_id)
        .join(bots, bots.c.id == bot_commands.c.bot_id)
        .where(bot_commands.c.name.in_(names))
    )
    return {name: UserId(user_id) for name, user_id in connection.execute(query).all()}


def command_names(connection: Connection, bot_id: int) -> list[str]:
    """The names of a bot's commands."""
    query = select(bot_commands.c.name).where(bot_commands.c.bot_id == bot_id).order_by(bot_commands.c.name)
    return list(connection.execute(query).scalars())


def insert_commands(connection: Connection, bot_id: int, commands: Sequence[Command]) -> None:
    """Stores commands."""
    rows = [
        {
            "bot_id": bot_id,
            "name": command.name,
            "description": command.description,
            "params": msgspec.json.encode(command.params).decode(),
        }
        for command in commands
    ]
    if rows:
        connection.execute(insert(bot_commands), rows)


def delete_commands(connection: Connection, bot_id: int, names: Collection[str]) -> list[str]:
    """Deletes commands of a bot, and returns the names of those that there were."""
    row = bot_commands.c
    query = delete(bot_commands).where(row.bot_id == bot_id, row.name.in_(names)).returning(row.name)
    return sorted(connection.execute(query).scalars())
