"""SQL of tickets."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.database.schema import sessions
from vox.chat.events.ids import LoginId, UserId
from vox.chat.identity.tickets import ATTEMPTS, LONGEST, Issued, Ticket, TicketKind
from vox.security.tokens import digest, mint


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
