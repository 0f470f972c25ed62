"""New accounts: the first makes the community's roles, and becomes administrator where registration is open to all.

Everything happens in one unit of work behind one lock, so that two first registrations at the same moment give one administrator,
and one of two equal names is refused.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from vox.chat.database.schema import role_members, roles, sessions, users
from vox.chat.database.unit_of_work import lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_create
from vox.chat.events.permissions import EVERYONE, EVERYONE_DEFAULT, P

ADMIN: Final = "Admin"


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to make; `created_at` in Unix seconds."""

    username: str
    display_name: str
    password_hash: str
    created_at: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A login to keep; times in Unix seconds."""

    digest: str
    created_at: int
    expires_at: int
    client: str | None


def create_user(
    connection: Connection, user: NewUser, *, as_administrator: bool, first_is_administrator: bool = False
) -> tuple[int, list[Event]]:
    """Makes an account, and the community's roles with the first one.

    Raises:
        Refusal: AUTH_FAILED (409), the name is taken.
    """
    lock_event_order(connection)
    as_administrator = as_administrator or (first_is_administrator and _is_first(connection))
    events = create_default_roles(connection)
    if connection.execute(select(users.c.id).where(users.c.username == user.username)).first() is not None:
        raise _taken()
    try:
        user_id = connection.execute(
            insert(users)
            .values(
                username=user.username,
                display_name=user.display_name,
                password_hash=user.password_hash,
                created_at=user.created_at,
            )
            .returning(users.c.id)
        ).scalar_one()
    except IntegrityError:
        raise _taken() from None
    role_ids = (administrator_role(connection),) if as_administrator else ()
    for role_id in role_ids:
        connection.execute(insert(role_members).values(role_id=role_id, user_id=user_id))
    joined = member_join(user_id=user_id, username=user.username, display_name=user.display_name, role_ids=role_ids)
    return user_id, [*events, joined]


def create_session(connection: Connection, user_id: int, session: NewSession) -> int:
    """Keeps a login."""
    return int(
        connection.execute(
            insert(sessions)
            .values(
                token=session.digest,
                user_id=user_id,
                created_at=session.created_at,
                expires_at=session.expires_at,
                last_used_at=session.created_at,
                client=session.client,
            )
            .returning(sessions.c.id)
        ).scalar_one()
    )


def create_default_roles(connection: Connection) -> list[Event]:
    """Makes the roles @everyone and Admin where there are none."""
    if connection.execute(select(roles.c.id).limit(1)).first() is not None:
        return []
    return [
        _make_role(connection, EVERYONE, 0, EVERYONE_DEFAULT),
        _make_role(connection, ADMIN, 1, int(P.ADMINISTRATOR)),
    ]


def administrator_role(connection: Connection) -> int:
    """The best role with ADMINISTRATOR that is not everybody's.

    Raises:
        Refusal: INVALID_TARGET, there is none.
    """
    rows = connection.execute(
        select(roles.c.id, roles.c.permissions).where(roles.c.position != 0).order_by(roles.c.position, roles.c.id)
    )
    for role_id, permissions in rows:
        if permissions & int(P.ADMINISTRATOR):
            return int(role_id)
    raise refuse("INVALID_TARGET", "No role holds ADMINISTRATOR.")


def _make_role(connection: Connection, name: str, position: int, permissions: int) -> Event:
    role_id = connection.execute(
        insert(roles).values(name=name, position=position, permissions=permissions).returning(roles.c.id)
    ).scalar_one()
    return role_create(role_id=role_id, name=name, color=None, permissions=permissions, position=position)


def _taken() -> Exception:
    return refuse("AUTH_FAILED", "This username is taken.", status=409)


def _is_first(connection: Connection) -> bool:
    return connection.execute(select(users.c.id).limit(1)).first() is None
