"""Logs in by an organisation's OpenID provider: begin, come back, finish.

Three secrets bind the steps. `state` and PKCE tie the provider's answer to this server's question, the nonce ties its token to it, and the
client's own verifier ties the finished login to the program that began it: neither a browser that was lured to the callback nor who
reads the address it ends at gets a token.
"""

import secrets
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event
from vox.chat.events.ids import UserId
from vox.chat.features.auth.gate import Arrival, admitted, ask_second_factor, let_in, second_factor_required
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.invites.service import use_invite
from vox.chat.features.oidc import queries
from vox.chat.features.oidc.id_token import Client, UntrustedAnswer, authorization_url, s256
from vox.chat.features.oidc.provider import Identity, Provider, new_secret
from vox.chat.features.oidc.queries import Flow, Profile, Purpose, Returned
from vox.chat.features.oidc.schemas import Begin, CallbackQuery, Finish
from vox.chat.identity.factor_queries import read_factors
from vox.chat.identity.joins import raid_audit
from vox.chat.identity.public_address import public_origin
from vox.chat.identity.queries import NewUser, is_name_taken
from vox.chat.identity.registration import create_user
from vox.errors import DependencyError
from vox.runtime.logging import get_logger
from vox.security.tokens import mint
from vox.stores.sql import Connection
from vox.text.names import is_reserved, problem_with_name, stored_name

METHOD: Final = "oidc"
CALLBACK: Final = "/api/v1/auth/oidc/callback"
PREFIX: Final = "oidc_"
BEGUN_LASTS_S: Final = 600
RETURNED_LASTS_S: Final = 300
NAMES_TRIED: Final = 50
LONGEST_TICKET: Final = 256
LONGEST_RETURN: Final = 2048
FALLBACK_NAME: Final = "member"

_log = get_logger(__name__)


class Oidc:
    """Logins by the provider of one server.

    Args:
        chat: the server.
        provider: the provider.
    """

    def __init__(self, chat: ChatContext, provider: Provider) -> None:
        self._chat = chat
        self._provider = provider

    async def begin(self, body: Begin, purpose: Purpose, user_id: UserId | None = None) -> str:
        """Where the browser logs in.

        Raises:
            Refusal: OIDC_NOT_CONFIGURED without a public address, VALIDATION_ERROR for a page of a foreign origin, UNAVAILABLE while the
                provider is.
        """
        chat, client = self._chat, self._client()
        return_to = self._own_page(client, body.return_to)
        try:
            metadata = await self._provider.metadata()
        except (DependencyError, UntrustedAnswer) as error:
            _log.warning("the organisation's provider does not answer", reason=str(error))
            raise refuse("UNAVAILABLE", "The organisation's provider does not answer; try again.") from None
        state, now_s = new_secret(), chat.clock.unix_s()
        flow = Flow(purpose, user_id, body.challenge, new_secret(), new_secret(), return_to, now_s + BEGUN_LASTS_S)

        def store(connection: Connection) -> Change[None]:
            queries.insert_flow(connection, state=state, flow=flow)
            return Change(None)

        await chat.change(store)
        return authorization_url(metadata, client, state=state, nonce=flow.nonce, code_verifier=flow.code_verifier)

    async def come_back(self, query: CallbackQuery) -> str:
        """Where the browser goes after the provider: the client's page, with a ticket or an error in its fragment.

        Raises:
            Refusal: OIDC_FAILED for a state that is unknown, used or expired, where no page is known to go to.
        """
        chat, now_s = self._chat, self._chat.clock.unix_s()
        flow = await chat.change(lambda connection: Change(queries.take_state(connection, state=query.state)))
        if flow is None or flow.expires_at <= now_s:
            raise failed()
        try:
            identity = await self._identity(query, flow)
        except (DependencyError, UntrustedAnswer) as error:
            _log.warning("a login by the organisation's provider failed", reason=str(error))
            return f"{flow.return_to}#oidc_error=failed"
        ticket = mint(PREFIX)

        def store(connection: Connection) -> Change[None]:
            queries.confirm(
                connection,
                state=query.state,
                ticket=ticket.digest,
                subject=identity.subject,
                profile=Profile(identity.username, identity.display_name),
                expires_at=now_s + RETURNED_LASTS_S,
            )
            return Change(None)

        await chat.change(store)
        return f"{flow.return_to}#oidc_ticket={ticket.text}"

    async def finish(self, body: Finish, arrival: Arrival) -> LoggedIn:
        """Logs in who has come back, and makes an account where that is allowed.

        Raises:
            Refusal: OIDC_FAILED, FORBIDDEN where there is no account and none may be made, 2FA_REQUIRED, or what `assert_admitted`
                raises.
        """
        chat = self._chat
        returned = await self._returned(body, "login", None)
        user_id = await chat.read(partial(queries.find_account, issuer=self._provider.issuer, subject=returned.subject))
        if user_id is None:
            user_id = await self._register(returned, arrival)
            arrival = replace(arrival, invite_code=None)
        standing = await admitted(chat, user_id, arrival, METHOD)
        take = partial(queries.take_ticket, ticket=body.oidc_ticket)
        held = await chat.read(partial(read_factors, user_id=user_id))
        if held.any:
            now_s = chat.clock.unix_s()
            ticket = await chat.change(
                partial(ask_second_factor, user_id=user_id, now_s=now_s, method=METHOD, prove=take)
            )
            raise second_factor_required(chat, ticket, held) if ticket is not None else failed()
        done = await let_in(chat, user_id, standing, arrival, method=METHOD, prove=take)
        if done is None:
            raise failed()
        return done

    async def link(self, body: Finish, user_id: UserId) -> None:
        """Links the person who has come back to the account in whose login that began.

        Raises:
            Refusal: OIDC_FAILED, or INVALID_OPERATION where they have another account, or it is linked to someone else.
        """
        returned = await self._returned(body, "link", user_id)
        issuer, now_s = self._provider.issuer, self._chat.clock.unix_s()

        def store(connection: Connection) -> Change[None]:
            lock_event_order(connection)
            if not queries.take_ticket(connection, ticket=body.oidc_ticket):
                raise failed()
            if queries.find_account(connection, issuer=issuer, subject=returned.subject) == user_id:
                return Change(None)
            if queries.is_linked(connection, issuer=issuer, user_id=user_id) or not queries.insert_identity(
                connection, issuer=issuer, subject=returned.subject, user_id=user_id, now_s=now_s
            ):
                raise refuse("INVALID_OPERATION", "One of the two is linked to someone else already.")
            return Change(None)

        await self._chat.change(store)

    async def unlink(self, user_id: UserId) -> None:
        """Ends the link of an account that can be entered otherwise.

        Raises:
            Refusal: INVALID_OPERATION where there is none, or the account has no password.
        """
        issuer = self._provider.issuer

        def remove(connection: Connection) -> Change[None]:
            if not queries.has_password(connection, user_id=user_id):
                raise refuse(
                    "INVALID_OPERATION", "Your account has no password: you could not log in without the link."
                )
            if not queries.delete_identity(connection, issuer=issuer, user_id=user_id):
                raise refuse("INVALID_OPERATION", "Your account is not linked.")
            return Change(None)

        await self._chat.change(remove)

    async def is_linked(self, user_id: UserId) -> bool:
        """Whether an account is linked."""
        return await self._chat.read(partial(queries.is_linked, issuer=self._provider.issuer, user_id=user_id))

    async def _identity(self, query: CallbackQuery, flow: Flow) -> Identity:
        if query.error or not query.code:
            raise UntrustedAnswer(f"the provider says {query.error[:100]!r}")
        metadata = await self._provider.metadata()
        must_say_issuer = metadata.authorization_response_iss_parameter_supported
        if (query.iss or must_say_issuer) and query.iss != metadata.issuer:
            raise UntrustedAnswer("the answer is another provider's")
        return await self._provider.identify(
            self._client(), code=query.code, code_verifier=flow.code_verifier, nonce=flow.nonce
        )

    async def _returned(self, body: Finish, purpose: Purpose, user_id: UserId | None) -> Returned:
        ticket = body.oidc_ticket
        if not ticket.startswith(PREFIX) or len(ticket) > LONGEST_TICKET:
            raise failed()
        returned = await self._chat.read(partial(queries.find_ticket, ticket=ticket))
        if returned is None or returned.expires_at <= self._chat.clock.unix_s():
            raise failed()
        is_right = secrets.compare_digest(s256(body.verifier), returned.challenge)
        if not is_right or (returned.purpose, returned.user_id) != (purpose, user_id):
            await self._chat.change(lambda connection: Change(queries.take_ticket(connection, ticket=ticket)))
            raise failed()
        return returned

    async def _register(self, returned: Returned, arrival: Arrival) -> UserId:
        chat, settings = self._chat, self._chat.settings
        needs_invite = not settings.oidc_registration and settings.registration == "invite"
        if not settings.oidc_registration and settings.registration == "closed":
            raise refuse("FORBIDDEN", "You have no account here, and registration is closed.")
        if needs_invite and not arrival.invite_code:
            raise refuse("INVITE_INVALID", "You have no account here; making one needs an invite.", status=422)
        shortest, longest = chat.config.limit("username_min"), chat.config.limit("username_max")
        base = _name(returned.profile.username, longest) or _name(returned.profile.display_name, longest)
        base = base if len(base) >= shortest else FALLBACK_NAME
        display_name = _name(returned.profile.display_name, chat.config.limit("display_name_max")) or base
        now_s, issuer = chat.clock.unix_s(), self._provider.issuer

        def register(connection: Connection) -> Change[UserId]:
            lock_event_order(connection)
            known = queries.find_account(connection, issuer=issuer, subject=returned.subject)
            if known is not None:
                return Change(known)
            if needs_invite:
                use_invite(connection, arrival.invite_code or "", now_s)
            user = NewUser(_free_name(connection, base, longest), display_name, None, now_s)
            events: list[Event]
            user_id, events = create_user(
                connection, user, as_administrator=False, first_is_administrator=settings.registration == "open"
            )
            queries.insert_identity(connection, issuer=issuer, subject=returned.subject, user_id=user_id, now_s=now_s)
            return Change(user_id, events, raid_audit(events))

        return await chat.change(register)

    def _client(self) -> Client:
        settings = self._chat.settings
        redirect = settings.oidc_redirect_url
        if not redirect:
            origin = public_origin(self._chat.config)
            if origin is None:
                raise refuse(
                    "OIDC_NOT_CONFIGURED",
                    "This server does not know its public address: set VOX_SERVER_GATEWAY_URL or VOX_OIDC_REDIRECT_URL.",
                )
            redirect = origin + CALLBACK
        secret = settings.oidc_client_secret.get_secret_value()
        return Client(settings.oidc_client_id, secret, redirect, settings.oidc_scopes)

    def _own_page(self, client: Client, asked: str | None) -> str:
        """The page that a browser ends at: the community's, or one of a web client that is allowed."""
        own = _origin(client.redirect_url)
        if asked is None:
            return f"{own}/"
        allowed = {own, *(origin.rstrip("/").lower() for origin in self._chat.settings.allowed_origins)}
        is_plain = len(asked) <= LONGEST_RETURN and asked.isascii() and asked.isprintable() and " " not in asked
        if not is_plain or "#" in asked or "\\" in asked or _origin(asked) not in allowed:
            raise refuse(
                "VALIDATION_ERROR",
                "body.return_to: expected a page of this community, or of an origin in VOX_ALLOWED_ORIGINS, without a fragment",
            )
        return asked


def failed() -> Refusal:
    """The refusal of a login that the provider did not confirm, or not to this client; it does not tell which."""
    return refuse("OIDC_FAILED", "The login at the organisation has failed or expired: begin it again.")


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _name(text: str, longest: int) -> str:
    """A name of a stranger's making as it may be stored, or nothing."""
    name = stored_name(text.partition("@")[0])[:longest].strip()
    return "" if not name or "\0" in name or problem_with_name(name) or is_reserved(name) else name


def _free_name(connection: Connection, base: str, longest: int) -> str:
    """The name, with a number where it is taken: no one gets an account by being called like its owner elsewhere."""
    for number in range(1, NAMES_TRIED + 1):
        suffix = f"-{number}" if number > 1 else ""
        name = base[: longest - len(suffix)] + suffix
        if not is_name_taken(connection, username=name):
            return name
    return f"{FALLBACK_NAME}-{secrets.token_hex(6)}"[:longest]
