"""The one gate to a login: whatever proved who someone is, here is decided whether they are let in, and nowhere else.

Password, second factor, passkey and an organisation's provider all end in `let_in`. What they used up (a ticket, a code, a challenge)
goes in the same transaction that stores the login: either both happen or neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from vox.chat.api.request import AnyCall
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event
from vox.chat.events.ids import UserId
from vox.chat.events.people import login_revoked
from vox.chat.features.auth import queries
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.invites.service import assert_usable
from vox.chat.features.members.rejoin import rejoin_within
from vox.chat.identity.factors import Factors
from vox.chat.identity.joins import raid_audit
from vox.chat.identity.logins import no_member
from vox.chat.identity.public_address import relying_party
from vox.chat.identity.queries import NewSession, Standing, find_standing, insert_session, why_no_member
from vox.chat.identity.ticket_queries import issue
from vox.chat.identity.tickets import MFA, Issued
from vox.security.addresses import network_key
from vox.security.tokens import mint
from vox.stores.sql import Connection

TOKEN_PREFIX: Final = "vox_sess_"  # noqa: S105  what a token begins with
LONGEST_CLIENT: Final = 200

Prove = Callable[[Connection], bool]
"""Uses up what proved who someone is, within the login's transaction; False where it is void meanwhile, and then no login is stored."""


class _WithInvite(Protocol):
    @property
    def invite_code(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who is at the gate.

    Args:
        client: the program's name for the list of logins.
        address: of the client.
        invite_code: lets a user who was kicked or left rejoin.
    """

    client: str | None
    address: str
    invite_code: str | None = None


def arrival_of(call: AnyCall, body: _WithInvite | None = None) -> Arrival:
    """Who a request is from."""
    client = call.header(b"user-agent")[:LONGEST_CLIENT].replace("\0", "") or None
    return Arrival(client, call.client, body.invite_code if body is not None else None)


async def assert_admitted(
    chat: ChatContext, user_id: UserId, standing: Standing, arrival: Arrival, method: str
) -> None:
    """Refuses who may not log in, or not in this way, once it is certain who they are.

    Args:
        chat: the server.
        user_id: the account.
        standing: whether it is active or banned.
        arrival: may bring an invite.
        method: how the login began: password, passkey or oidc.

    Raises:
        Refusal: BANNED, KICKED, NOT_A_MEMBER, INVITE_INVALID, INVITE_EXPIRED, or FORBIDDEN where only the provider lets in.
    """
    if standing.is_banned or (not standing.is_active and not arrival.invite_code):
        raise no_member(await chat.read(partial(why_no_member, user_id=user_id)))
    if chat.settings.oidc_only and method != "oidc" and not chat.community.is_administrator(user_id):
        raise refuse("FORBIDDEN", f"This community is entered by {chat.settings.oidc_name} only: log in there.")
    if not standing.is_active and arrival.invite_code:
        await assert_usable(chat, arrival.invite_code)


async def admitted(chat: ChatContext, user_id: UserId, arrival: Arrival, method: str) -> Standing:
    """The standing of an account that may log in; raises as `assert_admitted`, and AUTH_FAILED for one that is gone."""
    standing = await chat.read(partial(find_standing, user_id=user_id))
    if standing is None:
        raise refuse("AUTH_FAILED", "This account exists no longer.")
    await assert_admitted(chat, user_id, standing, arrival, method)
    return standing


async def let_in(
    chat: ChatContext, user_id: UserId, standing: Standing, arrival: Arrival, *, method: str, prove: Prove
) -> LoggedIn | None:
    """Creates a login for who has been admitted.

    Args:
        chat: the server.
        user_id: the account.
        standing: as `assert_admitted` was given it.
        arrival: who is at the gate.
        method: how they proved who they are, for the list of logins, such as `password+totp`.
        prove: uses up what they proved it with.

    Returns:
        The login; None where the proof is void meanwhile.

    Raises:
        Refusal: what rejoining by the invite raises.
    """
    token, now_s = mint(TOKEN_PREFIX), chat.clock.unix_s()
    session = NewSession(token.digest, now_s, now_s + chat.config.session_ttl_s, arrival.client, method)
    invite = arrival.invite_code if not standing.is_active else None
    unit = partial(_store, user_id=user_id, session=session, invite=invite, prove=prove)
    if not await chat.change(unit):
        return None
    chat.logins.addresses.add(user_id, network_key(arrival.address))
    person = await chat.logins.member(user_id)
    return LoggedIn(token.text, user_id, person.display_name, sorted(person.role_ids))


def ask_second_factor(
    connection: Connection, *, user_id: UserId, now_s: int, method: str, prove: Prove
) -> Change[Issued | None]:
    """Makes the ticket for the second half of a login; None where the first half is void meanwhile."""
    if not prove(connection):
        return Change(None)
    return Change(issue(connection, MFA, user_id=user_id, now_s=now_s, method=method))


def second_factor_required(chat: ChatContext, ticket: Issued, factors: Factors) -> Refusal:
    """What to raise for a login that a second factor must finish."""
    methods = factors.methods(with_passkeys=relying_party(chat.config) is not None)
    extras: dict[str, Any] = {"mfa_ticket": ticket.text, "available_methods": methods}
    return refuse("2FA_REQUIRED", "Finish the login with your second factor at /api/v1/auth/login/2fa.", **extras)


def _store(
    connection: Connection, *, user_id: UserId, session: NewSession, invite: str | None, prove: Prove
) -> Change[bool]:
    events: list[Event] = []
    if invite is not None:
        lock_event_order(connection)
    if not prove(connection):
        return Change(False)
    if invite is not None:
        events += rejoin_within(connection, user_id=user_id, code=invite, now_s=session.created_at)
    insert_session(connection, user_id=user_id, session=session)
    ended = queries.delete_surplus_sessions(connection, user_id=user_id)
    if ended:
        events.append(login_revoked(user_id, ended))
    return Change(True, events, raid_audit(events))
