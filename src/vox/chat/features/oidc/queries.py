"""SQL of logins at an organisation's provider: those under way, and whose account is whose."""

from dataclasses import dataclass
from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import oidc_flows, oidc_identities, users
from vox.chat.events.ids import UserId
from vox.security.tokens import digest

Purpose = Literal["login", "link"]


class Profile(msgspec.Struct):
    """What the provider calls a person."""

    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A login under way.

    Args:
        purpose: log in, or link the provider to an account.
        user_id: the account, where it is to be linked.
        challenge: SHA-256 of a secret that only the client which began it knows.
        nonce: what the provider must repeat in its token.
        code_verifier: the secret of PKCE.
        return_to: where the browser goes in the end.
        expires_at: Unix seconds.
    """

    purpose: Purpose
    user_id: UserId | None
    challenge: str
    nonce: str
    code_verifier: str
    return_to: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A login that the provider has confirmed."""

    purpose: Purpose
    user_id: UserId | None
    challenge: str
    subject: str
    profile: Profile
    expires_at: int


def insert_flow(connection: Connection, *, state: str, flow: Flow) -> None:
    """Stores a login that begins."""
    connection.execute(
        insert(oidc_flows).values(
            state=digest(state),
            purpose=flow.purpose,
            user_id=flow.user_id,
            challenge=flow.challenge,
            nonce=flow.nonce,
            code_verifier=flow.code_verifier,
            return_to=flow.return_to,
            expires_at=flow.expires_at,
        )
    )


def take_state(connection: Connection, *, state: str) -> Flow | None:
    """The login of a state, which is good once: its nonce and verifier are gone afterwards."""
    row = oidc_flows.c
    found = connection.execute(
        select(oidc_flows).where(row.state == digest(state), row.nonce != "").with_for_update()
    ).first()
    if found is None:
        return None
    connection.execute(update(oidc_flows).where(row.state == found.state).values(nonce="", code_verifier=""))
    return Flow(
        found.purpose,
        found.user_id,
        found.challenge,
        found.nonce,
        found.code_verifier,
        found.return_to,
        found.expires_at,
    )


def confirm(
    connection: Connection, *, state: str, ticket: str, subject: str, profile: Profile, expires_at: int
) -> None:
    """Stores who the provider says it is, and the digest of the ticket by which the client fetches the login."""
    connection.execute(
        update(oidc_flows)
        .where(oidc_flows.c.state == digest(state))
        .values(ticket=ticket, subject=subject, profile=msgspec.json.encode(profile).decode(), expires_at=expires_at)
    )


def find_ticket(connection: Connection, *, ticket: str) -> Returned | None:
    """The confirmed login of a ticket."""
    row = connection.execute(select(oidc_flows).where(oidc_flows.c.ticket == digest(ticket))).first()
    if row is None:
        return None
    profile = msgspec.json.decode(row.profile, type=Profile)
    return Returned(row.purpose, row.user_id, row.challenge, row.subject, profile, row.expires_at)


def take_ticket(connection: Connection, *, ticket: str) -> bool:
    """Uses a ticket up; False where that has happened already."""
    return bool(connection.execute(delete(oidc_flows).where(oidc_flows.c.ticket == digest(ticket))).rowcount)


def find_account(connection: Connection, *, issuer: str, subject: str) -> UserId | None:
    """The account of a person of the provider."""
    row = oidc_identities.c
    return connection.execute(
        select(row.user_id).where(row.issuer == issuer, row.subject == subject)
    ).scalar_one_or_none()


def insert_identity(connection: Connection, *, issuer: str, subject: str, user_id: UserId, now_s: int) -> bool:
    """Says that a person of the provider has an account; False where they have one already."""
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": now_s}
    return insert_if_absent(connection, oidc_identities, values)


def is_linked(connection: Connection, *, issuer: str, user_id: UserId) -> bool:
    """Whether an account is linked to the provider."""
    row = oidc_identities.c
    found = select(row.subject).where(row.issuer == issuer, row.user_id == user_id)
    return connection.execute(found).first() is not None


def delete_identity(connection: Connection, *, issuer: str, user_id: UserId) -> bool:
    """Ends the link of an account; False where there is none."""
    row = oidc_identities.c
    gone = delete(oidc_identities).where(row.issuer == issuer, row.user_id == user_id)
    return bool(connection.execute(gone).rowcount)


def has_password(connection: Connection, *, user_id: UserId) -> bool:
    """Whether an account can be entered by a password."""
    return connection.execute(select(users.c.password_hash).where(users.c.id == user_id)).scalar() is not None


def delete_expired_flows(connection: Connection, *, now_s: int) -> int:
    """Deletes logins that were not finished in time, and returns how many there were."""
    return connection.execute(delete(oidc_flows).where(oidc_flows.c.expires_at <= now_s)).rowcount
