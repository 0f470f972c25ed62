"""SQL of members, profiles and bans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.database.schema import bans, role_members, users
from vox.chat.events.ids import RoleId, UserId
from vox.chat.features.members.ban_lists import ExportedBan
from vox.chat.features.members.schemas import Ban


@dataclass(frozen=True, slots=True)
class ActivatedUser:
    """A user who is active again, as the others are told."""

    username: str
    display_name: str | None
    nickname: str | None
    avatar: str | None
    is_federated: bool


def is_active(connection: Connection, *, user_id: UserId) -> bool:
    """Whether a user exists and is an active member."""
    return bool(connection.execute(select(users.c.active).where(users.c.id == user_id)).scalar())


def set_nickname(connection: Connection, *, user_id: UserId, nickname: str | None) -> None:
    """Stores a nickname; None removes it."""
    connection.execute(update(users).where(users.c.id == user_id).values(nickname=nickname))


def update_profile(connection: Connection, *, user_id: UserId, changed: Mapping[str, str]) -> None:
    """Stores new values of columns of a profile."""
    connection.execute(update(users).where(users.c.id == user_id).values(changed))


def deactivate(connection: Connection, *, user_id: UserId) -> None:
    """Makes a user inactive."""
    connection.execute(update(users).where(users.c.id == user_id).values(active=False))


def activate(connection: Connection, *, user_id: UserId) -> ActivatedUser | None:
    """Makes a user active; None where there is no such user."""
    row = connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(active=True)
        .returning(users.c.username, users.c.display_name, users.c.nickname, users.c.avatar, users.c.federated)
    ).first()
    if row is None:
        return None
    return ActivatedUser(row.username, row.display_name, row.nickname, row.avatar, bool(row.federated))


def role_ids(connection: Connection, *, user_id: UserId) -> list[RoleId]:
    """The roles that a user has been assigned, ascending."""
    held = connection.execute(select(role_members.c.role_id).where(role_members.c.user_id == user_id)).scalars()
    return sorted(held)


def delete_role_memberships(connection: Connection, *, user_id: UserId) -> list[RoleId]:
    """Revokes all roles of a user and returns them, ascending."""
    held = connection.execute(
        delete(role_members).where(role_members.c.user_id == user_id).returning(role_members.c.role_id)
    ).scalars()
    return sorted(held)


def is_banned(connection: Connection, *, user_id: UserId) -> bool:
    """Whether a user is banned."""
    return connection.execute(select(bans.c.id).where(bans.c.user_id == user_id)).first() is not None


def list_bans(connection: Connection, *, after: int, limit: int) -> list[Ban]:
    """Bans by user id."""
    rows = connection.execute(
        select(bans.c.user_id, users.c.display_name, users.c.username, bans.c.reason, bans.c.created_at)
        .join(users, users.c.id == bans.c.user_id)
        .where(bans.c.user_id > after)
        .order_by(bans.c.user_id)
        .limit(limit)
    )
    return [Ban(row.user_id, row.display_name or row.username, row.reason, row.created_at) for row in rows]


def exported_bans(connection: Connection, *, after: int, limit: int) -> list[ExportedBan]:
    """Bans by user id, as a list names them."""
    user = users.c
    rows = connection.execute(
        select(bans.c.user_id, user.username, user.home_domain, user.display_name, bans.c.reason, bans.c.created_at)
        .join(users, user.id == bans.c.user_id)
        .where(bans.c.user_id > after)
        .order_by(bans.c.user_id)
        .limit(limit)
    )
    return [
        ExportedBan(
            user_id=row.user_id,
            username=row.username,
            home_domain=row.home_domain,
            display_name=row.display_name,
            reason=row.reason,
            created_at=row.created_at,
        )
        for row in rows
    ]


def users_named(connection: Connection, *, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], UserId]:
    """Users by what look-alike names have in common and an empty domain, or by their exact name and their domain.

    Args:
        connection: of a reader.
        names: key and exact name of each who is looked for.
    """
    keys, exact = [key for key, _ in names], [name for _, name in names]
    user = users.c
    rows = connection.execute(
        select(user.id, user.username, user.home_domain, user.username_key).where(
            user.username_key.in_(keys) & user.home_domain.is_(None)
            | user.username.in_(exact) & user.home_domain.is_not(None)
        )
    )
    return {(name if domain else key, domain or ""): user_id for user_id, name, domain, key in rows}


def ban_reasons(connection: Connection, *, user_ids: Sequence[UserId]) -> dict[UserId, str | None]:
    """The reasons of the bans of these users, by user id."""
    rows = connection.execute(select(bans.c.user_id, bans.c.reason).where(bans.c.user_id.in_(user_ids)))
    return {row[0]: row[1] for row in rows}


def replace_ban(connection: Connection, *, user_id: UserId, reason: str | None, now_s: int) -> None:
    """Stores a ban in place of an earlier one."""
    connection.execute(delete(bans).where(bans.c.user_id == user_id))
    connection.execute(insert(bans).values(user_id=user_id, reason=reason, created_at=now_s))


def delete_ban(connection: Connection, *, user_id: UserId) -> bool:
    """Deletes the ban of a user and makes the user active; False where there is none."""
    if not connection.execute(delete(bans).where(bans.c.user_id == user_id)).rowcount:
        return False
    connection.execute(update(users).where(users.c.id == user_id).values(active=True))
    return True
