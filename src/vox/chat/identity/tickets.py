"""Tickets: short-lived tokens that stand for one step of a login and are accepted by the one endpoint they were made for.

They are rows of `sessions` whose kind is not `login`, so no other endpoint and no socket takes them. The digest covers the prefix:
a ticket of one kind cannot be rewritten into another. Changing the password, or ending all logins, ends a user's tickets too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.database.schema import sessions
from vox.chat.events.ids import LoginId, UserId
from vox.security.tokens import digest, mint

ATTEMPTS: Final = 5
"""Wrong codes that end a ticket."""
LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class TicketKind:
    """What a ticket is for.

    Args:
        name: in the column `kind`.
        prefix: what its text begins with.
        lasts_s: seconds until it expires.
    """

    name: str
    prefix: str
    lasts_s: int


MFA: Final = TicketKind("mfa", "mfa_", 300)
"""The password was right; a second factor is missing."""
SETUP_TOTP: Final = TicketKind("setup_totp", "setup_totp_", 600)
SETUP_WEBAUTHN: Final = TicketKind("setup_webauthn", "setup_webauthn_", 600)
RESET: Final = TicketKind("reset", "reset_", 86_400)
"""An administrator lets a member choose a new password."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A stored ticket.

    Args:
        id: the row.
        user_id: whose it is.
        started_by: the login it was made in; None for those made before a login.
        expires_at: Unix seconds.
        method: how the login that it stands for began.
    """

    id: int
    user_id: UserId
    started_by: LoginId | None
    expires_at: int
    method: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A new ticket: its row, and its text, which is not kept."""

    id: int
    text: str = field(repr=False)


def issue(
    connection: Connection,
    kind: TicketKind,
    *,
    user_id: UserId,
    now_s: int,
    started_by: LoginId | None = None,
    method: str = "",
) -> Issued:
    """Stores a new ticket."""
    token = mint(kind.prefix)
    ticket_id = connection.execute(
        insert(sessions)
        .values(
            token=token.digest,
            user_id=user_id,
            created_at=now_s,
            expires_at=now_s + kind.lasts_s,
            kind=kind.name,
            started_by=started_by,
            method=method,
        )
        .returning(sessions.c.id)
    ).scalar_one()
    return Issued(ticket_id, token.text)


def find(connection: Connection, kind: TicketKind, text: str) -> Ticket | None:
    """The ticket of that kind, expired or not."""
    if not text.startswith(kind.prefix) or len(text) > LONGEST:
        return None
    row = connection.execute(
        select(
            sessions.c.id, sessions.c.user_id, sessions.c.started_by, sessions.c.expires_at, sessions.c.method
        ).where(sessions.c.token == digest(text), sessions.c.kind == kind.name)
    ).first()
    return None if row is None else Ticket(row.id, row.user_id, row.started_by, row.expires_at, row.method)


def count_attempt(connection: Connection, ticket_id: int) -> int | None:
    """Counts a try before it is checked, so that many at once do not get more tries.

    Returns:
        Which one it is, from 1; None where the ticket has had all its tries, or is gone.
    """
    row = sessions.c
    return connection.execute(
        update(sessions)
        .where(row.id == ticket_id, row.kind != "login", row.mfa_fail_count < ATTEMPTS)
        .values(mfa_fail_count=row.mfa_fail_count + 1)
        .returning(row.mfa_fail_count)
    ).scalar_one_or_none()


def take(connection: Connection, ticket_id: int) -> bool:
    """Uses a ticket up; False where that has happened already."""
    row = sessions.c
    return bool(connection.execute(delete(sessions).where(row.id == ticket_id, row.kind != "login")).rowcount)


def delete_kinds(connection: Connection, *, user_id: UserId, kinds: Sequence[TicketKind]) -> None:
    """Deletes a user's tickets of these kinds."""
    names = [kind.name for kind in kinds]
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.kind.in_(names)))
