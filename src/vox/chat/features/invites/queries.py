"""SQL of invites."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from vox.chat.database.schema import invites
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.invites.schemas import Invite

_COLUMNS = (
    invites.c.code,
    invites.c.creator_id,
    invites.c.feed_id,
    invites.c.max_uses,
    invites.c.uses,
    invites.c.expires_at,
    invites.c.created_at,
)


@dataclass(frozen=True, slots=True)
class InviteTerms:
    """What decides whether an invite is valid, and who may see it; `expires_at` in Unix seconds."""

    creator_id: UserId | None
    expires_at: int | None
    feed_id: FeedId | None


def insert_invite(connection: Connection, invite: Invite) -> None:
    """Stores a new invite."""
    connection.execute(
        insert(invites).values(
            code=invite.code,
            creator_id=invite.creator_id,
            feed_id=invite.feed_id,
            max_uses=invite.max_uses,
            uses=0,
            expires_at=invite.expires_at,
            created_at=invite.created_at,
        )
    )


def list_invites(connection: Connection, *, creator_id: UserId | None, after: str, limit: int) -> list[Invite]:
    """Invites by code: those of one creator, or of all where it is None."""
    query = select(*_COLUMNS).where(invites.c.code > after).order_by(invites.c.code).limit(limit)
    if creator_id is not None:
        query = query.where(invites.c.creator_id == creator_id)
    return [Invite(*row) for row in connection.execute(query)]


def has_invite(connection: Connection, *, code: str) -> bool:
    """Whether an invite is stored, valid or not."""
    return connection.execute(select(invites.c.code).where(invites.c.code == code)).scalar() is not None


def read_creator(connection: Connection, *, code: str) -> UserId | None:
    """The creator of an invite; None where invite or creator do not exist."""
    return connection.execute(select(invites.c.creator_id).where(invites.c.code == code)).scalar()


def read_terms(connection: Connection, *, code: str) -> InviteTerms | None:
    """Creator, expiry and feed of an invite."""
    query = select(invites.c.creator_id, invites.c.expires_at, invites.c.feed_id).where(invites.c.code == code)
    row = connection.execute(query).first()
    return None if row is None else InviteTerms(row.creator_id, row.expires_at, row.feed_id)


def count_use(connection: Connection, *, code: str) -> bool:
    """Counts one use; False where no use is left. Check and count are one statement, so that no use is counted twice."""
    counted = connection.execute(
        update(invites)
        .where(
            invites.c.code == code,
            or_(invites.c.max_uses.is_(None), invites.c.max_uses == 0, invites.c.uses < invites.c.max_uses),
        )
        .values(uses=invites.c.uses + 1)
    ).rowcount
    return bool(counted)


def delete_invite(connection: Connection, *, code: str) -> bool:
    """Deletes an invite; False where there is none."""
    return bool(connection.execute(delete(invites).where(invites.c.code == code)).rowcount)
