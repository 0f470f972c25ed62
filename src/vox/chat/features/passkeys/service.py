"""What passkeys prove: whether an answer to a challenge is right, for which user, and for what."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId
from vox.chat.features.auth import queries as accounts
from vox.chat.features.auth.gate import Arrival, Prove, admitted, let_in
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.auth.service import LONGEST_NAME
from vox.chat.features.passkeys.schemas import ChallengeIssued, ChallengeRequest, PasskeyLogin
from vox.chat.identity import challenge_queries, factor_queries, ticket_queries
from vox.chat.identity.challenges import Challenge, Purpose, new_challenge
from vox.chat.identity.public_address import RelyingParty, relying_party
from vox.chat.identity.tickets import MFA
from vox.chat.identity.webauthn import (
    Assertion,
    Credential,
    InvalidPasskey,
    canonical_id,
    check_assertion,
    encoded,
    request_options,
    same_id,
    user_handle,
)
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

METHOD: Final = "passkey"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Proved:
    """A right answer: whose it is, and what uses it up."""

    user_id: UserId
    use: Prove


def party_of(chat: ChatContext) -> RelyingParty:
    """What passkeys are bound to here.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED.
    """
    party = relying_party(chat.config)
    if party is None:
        raise refuse(
            "WEBAUTHN_NOT_CONFIGURED",
            "This server has no address that passkeys could belong to: set VOX_SERVER_GATEWAY_URL, or VOX_WEBAUTHN_RP_ID and"
            " VOX_WEBAUTHN_ORIGIN.",
        )
    return party


async def begin_login(chat: ChatContext, body: ChallengeRequest) -> ChallengeIssued:
    """A challenge for logging in by a passkey alone, or for the second half of a login.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED, AUTH_FAILED for an unknown name, WEBAUTHN_CREDENTIAL_NOT_FOUND, or 2FA_INVALID_CODE for
            an unknown ticket.
    """
    party, now_s = party_of(chat), chat.clock.unix_s()
    if body.mfa_ticket is not None:
        ticket = await chat.read(partial(ticket_queries.find, kind=MFA, text=body.mfa_ticket))
        if ticket is None or ticket.expires_at <= now_s:
            raise refuse("2FA_INVALID_CODE", "This login has expired: begin it again.")
        return await issue_challenge(
            chat, party, "second_factor", user_id=ticket.user_id, bound_to=ticket.id, must_verify_user=False
        )
    if body.username is None:
        return await issue_challenge(chat, party, "login", user_id=None, must_verify_user=True)
    user_id = await _user_named(chat, body.username)
    return await issue_challenge(chat, party, "login", user_id=user_id, must_verify_user=True)


async def issue_challenge(
    chat: ChatContext,
    party: RelyingParty,
    purpose: Purpose,
    *,
    user_id: UserId | None,
    bound_to: int | None = None,
    must_verify_user: bool,
) -> ChallengeIssued:
    """Stores a challenge and says what a browser needs to answer it.

    Raises:
        Refusal: WEBAUTHN_CREDENTIAL_NOT_FOUND, the user has no passkey.
    """
    allowed: list[Credential] = []
    if user_id is not None:
        stored = await chat.read(partial(factor_queries.list_credentials, user_id=user_id))
        allowed = [each.credential for each in stored]
        if not allowed:
            raise refuse("WEBAUTHN_CREDENTIAL_NOT_FOUND", "This account has no passkey.")
    challenge = new_challenge(
        purpose, chat.clock.unix_s(), user_id=user_id, bound_to=bound_to, must_verify_user=must_verify_user
    )

    def keep(connection: Connection) -> Change[None]:
        challenge_queries.store(connection, challenge)
        return Change(None)

    await chat.change(keep)
    options = request_options(party, challenge.data, allowed=allowed, must_verify_user=must_verify_user)
    return ChallengeIssued(challenge.id, options)


async def log_in(chat: ChatContext, body: PasskeyLogin, arrival: Arrival) -> LoggedIn:
    """Logs in by a passkey alone, whose device has checked a PIN or finger.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED, WEBAUTHN_FAILED, AUTH_FAILED for an unknown name, VALIDATION_ERROR, or what `assert_admitted`
            raises.
    """
    user_id = await _user_named(chat, body.username) if body.username is not None else None
    answer = Assertion(
        body.challenge_id,
        body.credential_id,
        body.client_data_json,
        body.authenticator_data,
        body.signature,
        body.user_handle,
    )
    proved = await check(chat, answer, purposes=("login",), user_id=user_id)
    standing = await admitted(chat, proved.user_id, arrival, METHOD)
    done = await let_in(chat, proved.user_id, standing, arrival, method=METHOD, prove=proved.use)
    if done is None:
        raise failed()
    return done


async def check(
    chat: ChatContext,
    answer: Assertion,
    *,
    purposes: Collection[Purpose],
    user_id: UserId | None,
    bound_to: int | None = None,
) -> Proved:
    """Checks an answer, whose challenge is used up by it.

    Args:
        chat: the server.
        answer: what the browser said.
        purposes: what its challenge may have been made for.
        user_id: who must have answered; None for the owner of the passkey.
        bound_to: the login or ticket in which it was answered.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED, VALIDATION_ERROR, or WEBAUTHN_FAILED: 400 where challenge or passkey are unknown, 401 where they
            are and the answer is wrong.
    """
    party = party_of(chat)
    _assert_short(chat, answer)
    now_s = chat.clock.unix_s()
    challenge = await chat.change(
        lambda connection: Change(challenge_queries.take(connection, answer.challenge_id, now_s))
    )
    if challenge is None:
        raise refuse("WEBAUTHN_FAILED", "This challenge is unknown, used or expired: ask for another one.")
    try:
        credential_id = canonical_id(answer.credential_id)
        stored = await chat.read(partial(factor_queries.find_credential, credential_id=credential_id))
        if stored is None:
            raise refuse("WEBAUTHN_FAILED", "This passkey is not known here.")
        _assert_meant(challenge, answer, stored.user_id, purposes, user_id, bound_to)
        sign_count = check_assertion(
            party, challenge.data, stored.credential, answer, must_verify_user=challenge.must_verify_user
        )
    except InvalidPasskey as error:
        _log.info("passkey refused", reason=str(error), user_id=user_id)
        raise failed() from None
    use = partial(factor_queries.use_credential, credential=stored.credential, sign_count=sign_count, now_s=now_s)
    return Proved(stored.user_id, use)


def _assert_meant(
    challenge: Challenge,
    answer: Assertion,
    owner: UserId,
    purposes: Collection[Purpose],
    user_id: UserId | None,
    bound_to: int | None,
) -> None:
    """Refuses the answer to a challenge that was made for something or someone else."""
    if challenge.purpose not in purposes or challenge.bound_to not in {None, bound_to}:
        raise InvalidPasskey("its challenge was made for something else")
    if {challenge.user_id, user_id} - {None, owner}:
        raise InvalidPasskey("it is another user's")
    if answer.user_handle is None and challenge.user_id is None:
        raise InvalidPasskey("it does not say whose it is")
    if answer.user_handle and not same_id(answer.user_handle, encoded(user_handle(owner))):
        raise InvalidPasskey("it names another user")


def failed() -> Refusal:
    """The refusal of a wrong answer; it does not tell what was wrong."""
    return refuse("WEBAUTHN_FAILED", "The passkey was not accepted.", status=401)


async def remove(chat: ChatContext, *, user_id: UserId, credential_id: str) -> None:
    """Removes one of a user's passkeys, and the recovery codes where no second factor is left.

    Raises:
        Refusal: WEBAUTHN_CREDENTIAL_NOT_FOUND.
    """
    try:
        stored = await chat.read(partial(factor_queries.find_credential, credential_id=canonical_id(credential_id)))
    except InvalidPasskey:
        stored = None
    if stored is None or stored.user_id != user_id:
        raise _no_such_passkey()
    await chat.change(partial(_remove, user_id=user_id, credential_id=stored.credential.credential_id))


def _remove(connection: Connection, *, user_id: UserId, credential_id: str) -> Change[None]:
    factor_queries.lock_factors(connection, user_id=user_id)
    if not factor_queries.delete_credential(connection, user_id=user_id, credential_id=credential_id):
        raise _no_such_passkey()
    factor_queries.remove_codes_without_factor(connection, user_id=user_id)
    return Change(None)


async def _user_named(chat: ChatContext, username: str) -> UserId:
    account = None
    if "\0" not in username and len(username) <= LONGEST_NAME:
        account = await chat.read(partial(accounts.find_account, username=username))
    if account is None:
        raise refuse("AUTH_FAILED", "There is no such account.")
    return account.user_id


def _assert_short(chat: ChatContext, answer: Assertion) -> None:
    longest = chat.config.limit("webauthn_field_max")
    fields: dict[str, Any] = {
        "client_data_json": answer.client_data_json,
        "authenticator_data": answer.authenticator_data,
        "signature": answer.signature,
        "credential_id": answer.credential_id,
        "user_handle": answer.user_handle or "",
    }
    for name, value in fields.items():
        if len(value) > longest:
            raise refuse("VALIDATION_ERROR", f"body.{name}: expected at most {longest} characters")


def _no_such_passkey() -> Refusal:
    return refuse("WEBAUTHN_CREDENTIAL_NOT_FOUND", "You have no such passkey.")
