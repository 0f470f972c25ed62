"""How a user of another server joins this one, and how ours join another: a voucher, a ticket, a login.

The voucher says that the user's server stands behind the request; the ticket is handed to that server, which gives it to its user; the
user exchanges it here for a login, once. Whatever decides about registration decides here, too: a community that is closed stays so.
"""

from functools import partial
from typing import Final, Literal

import msgspec

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event, member_join
from vox.chat.events.ids import UserId
from vox.chat.events.people import login_revoked
from vox.chat.features.auth.queries import delete_surplus_sessions
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.auth.service import TOKEN_PREFIX
from vox.chat.features.federation import queries as own
from vox.chat.features.federation.inbound import federation_of, user_of
from vox.chat.features.invites.service import assert_usable, use_invite
from vox.chat.features.members.queries import role_ids
from vox.chat.federation import queries, vouchers
from vox.chat.federation.addresses import UserAddress, parse_domain
from vox.chat.federation.client import PeerFailure, unreachable
from vox.chat.federation.vouchers import Voucher
from vox.chat.federation.wire import Joined, PeerInfo, PeerJoin
from vox.chat.identity.queries import NewSession, has_roles, insert_session
from vox.security.http_signatures import new_nonce
from vox.security.tokens import Token, digest, mint
from vox.stores.sql import Connection

TICKET_PREFIX: Final = "fed_"
TICKET_LIFE_S: Final = 600
LONGEST_TICKET: Final = 512

Registration = Literal["open", "invite", "closed"]


async def join_elsewhere(chat: ChatContext, user_id: UserId, target: str, invite_code: str | None) -> Joined:
    """Asks another server to let a user in, and returns its answer.

    Raises:
        Refusal: FED_NOT_CONFIGURED, VALIDATION_ERROR, or why the other server does not.
    """
    federation = federation_of(chat)
    domain = parse_domain(target)
    address = federation.address_of(user_id)
    if domain is None or domain == federation.domain:
        raise refuse("VALIDATION_ERROR", "body.target_domain: expected the domain of another server")
    if address is None:
        raise refuse("FORBIDDEN", "Your account is on another server: join from there.")
    await chat.read(partial(federation.assert_permitted, domain=domain))
    identity = await federation.keyring.identity()
    now_s = chat.clock.wall().timestamp()
    voucher = vouchers.issue(identity.private_key, address, domain, now_s=now_s, nonce=new_nonce())
    body = msgspec.json.encode(PeerJoin(address, voucher, invite_code))
    try:
        joined = await federation.client.ask(domain, "POST", "/join", Joined, body, policy=federation.policy)
    except PeerFailure as failure:
        raise unreachable(failure, domain) from None
    return joined


async def let_in(chat: ChatContext, domain: str, said: PeerJoin) -> Joined:
    """Lets a user of another server in, and returns the ticket for a login.

    Raises:
        Refusal: FED_AUTH_FAILED, INVITE_NOT_FOUND, INVITE_EXPIRED, BANNED, FORBIDDEN where registration is closed or needs an invite.
    """
    federation = federation_of(chat)
    address = user_of(chat, said.user_address, domain)
    record = await federation.discovery.find(domain)
    voucher = vouchers.read(
        said.voucher,
        public_keys=record.keys,
        user_address=said.user_address,
        own_domain=federation.domain,
        now_s=chat.clock.wall().timestamp(),
    )
    if voucher is None:
        raise refuse("FED_AUTH_FAILED", "The voucher is not right for this user, this server and this time.")
    if said.invite_code is not None:
        try:
            await assert_usable(chat, said.invite_code)
        except Refusal as refusal:
            raise _invite_refusal(refusal) from None
    ticket = mint(TICKET_PREFIX)
    await chat.change(
        partial(
            _let_in,
            address=address,
            voucher=voucher,
            invite_code=said.invite_code,
            registration=chat.settings.registration,
            most=chat.settings.federation_users_per_peer,
            ticket=ticket,
            now_s=chat.clock.unix_s(),
        )
    )
    return Joined(
        accepted=True,
        federation_token=ticket.text,
        server_info=PeerInfo(chat.config.get("server_name"), federation.domain),
    )


async def log_in(chat: ChatContext, token: str, client: str | None) -> LoggedIn:
    """Exchanges a ticket for a login.

    Raises:
        Refusal: AUTH_FAILED for a ticket that is unknown, expired or used, FED_BLOCKED, BANNED.
    """
    if not token.startswith(TICKET_PREFIX) or len(token) > LONGEST_TICKET:
        raise _wrong_ticket()
    now_s = chat.clock.unix_s()
    session = mint(TOKEN_PREFIX)
    new = NewSession(session.digest, now_s, now_s + chat.config.session_ttl_s, client)
    user_id = await chat.change(partial(_log_in, ticket=digest(token), session=new, now_s=now_s))
    person = await chat.logins.member(user_id)
    return LoggedIn(session.text, user_id, person.display_name, sorted(person.role_ids))


def _let_in(
    connection: Connection,
    *,
    address: UserAddress,
    voucher: Voucher,
    invite_code: str | None,
    registration: Registration,
    most: int,
    ticket: Token,
    now_s: int,
) -> Change[None]:
    lock_event_order(connection)
    name = f"{address.domain} v:{voucher.nonce}"
    if not queries.spend(connection, name, now_s, now_s + vouchers.REMEMBERED_S):
        raise refuse("FED_AUTH_FAILED", "This voucher was used before.")
    text = str(address)
    user_id = queries.find_remote_user(connection, text, address.domain)
    user = None if user_id is None else own.remote_user(connection, user_id)
    if user is not None and user.is_banned:
        raise refuse("BANNED", f"{text} is banned here.")
    is_member = user is not None and user.is_active and not user.is_contact
    was_removed = user is not None and not user.is_active
    if invite_code is not None:
        try:
            use_invite(connection, invite_code, now_s)
        except Refusal as refusal:
            raise _invite_refusal(refusal) from None
    elif was_removed or (registration != "open" and not is_member) or not has_roles(connection):
        raise refuse("FORBIDDEN", "This community takes members by invite only.")
    if registration == "closed" and not is_member and not was_removed:
        raise refuse("FORBIDDEN", "This community takes no new members.")
    events: list[Event] = []
    if user_id is None:
        if queries.count_remote_users(connection, address.domain) >= most:
            raise refuse("QUOTA_EXCEEDED", f"Too many users of {address.domain} are known here.", status=429)
        user_id = queries.insert_remote_user(connection, text, address.domain, address.name, now_s, is_contact=False)
        if user_id is None:
            raise refuse("UNAVAILABLE", "Try again.", retry_after_ms=1000)
        events.append(member_join(user_id=user_id, username=text, display_name=address.name, is_federated=True))
    elif user is not None and not is_member:
        own.let_in(connection, user_id)
        events.append(
            member_join(
                user_id=user_id,
                username=text,
                display_name=user.display_name,
                nickname=user.nickname,
                avatar=user.avatar,
                role_ids=role_ids(connection, user_id=user_id),
                is_federated=True,
            )
        )
    own.insert_ticket(connection, user_id, ticket.digest, now_s, now_s + TICKET_LIFE_S)
    audit = [AuditEntry("federation_join", None, user_id, {"user_address": text})] if events else []
    return Change(None, events, audit)


def _log_in(connection: Connection, *, ticket: str, session: NewSession, now_s: int) -> Change[UserId]:
    user_id = own.use_ticket(connection, ticket, now_s)
    if user_id is None:
        raise _wrong_ticket()
    user = own.remote_user(connection, user_id)
    if user is None or user.home_domain is None:
        raise refuse("AUTH_FAILED", "This is not an account of another server.", status=403)
    if user.is_banned or not user.is_active:
        raise refuse("BANNED", "You are banned from this community.")
    if queries.listed(connection, user.home_domain)[0]:
        raise refuse("FED_BLOCKED", f"This server has blocked {user.home_domain}.")
    insert_session(connection, user_id=user_id, session=session)
    ended = delete_surplus_sessions(connection, user_id=user_id)
    return Change(user_id, [login_revoked(user_id, ended)] if ended else [])


def _invite_refusal(refusal: Refusal) -> Refusal:
    """The original has other words for an invite between servers."""
    if refusal.wire_code == "INVITE_INVALID":
        return refuse("INVITE_NOT_FOUND", "This invite is unknown or used up.")
    return refusal


def _wrong_ticket() -> Refusal:
    return refuse("AUTH_FAILED", "The federation token is unknown, expired or used.")
