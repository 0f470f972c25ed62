"""The second half of a login, and showing a factor again within one."""

from functools import partial

from vox.chat.api.step_up import FRESH_S
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events.ids import LoginId, UserId
from vox.chat.features.auth.gate import Arrival, Prove, admitted, let_in
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.passkeys.schemas import ChallengeIssued
from vox.chat.features.passkeys.service import issue_challenge, party_of
from vox.chat.features.second_factors import proofs
from vox.chat.features.second_factors.schemas import Proof, SecondHalf
from vox.chat.identity import ticket_queries
from vox.chat.identity.factor_queries import read_factors, record_proof
from vox.chat.identity.tickets import ATTEMPTS, MFA
from vox.stores.sql import Connection


async def finish(chat: ChatContext, body: SecondHalf, arrival: Arrival) -> LoggedIn:
    """Finishes the login that a ticket stands for.

    Raises:
        Refusal: 2FA_INVALID_CODE, 2FA_MAX_ATTEMPTS, 2FA_RECOVERY_EXHAUSTED, AUTH_RATE_LIMITED, VALIDATION_ERROR, or what
            `assert_admitted` raises.
    """
    if body.method not in proofs.METHODS:
        raise refuse("2FA_INVALID_CODE", "method: expected totp, webauthn or recovery", status=400)
    proofs.assert_complete(chat, method=body.method, code=body.code, assertion=body.assertion)
    longest = chat.config.limit("mfa_ticket_max")
    if len(body.mfa_ticket) > longest:
        raise refuse("VALIDATION_ERROR", f"body.mfa_ticket: expected at most {longest} characters")
    ticket = await chat.read(partial(ticket_queries.find, kind=MFA, text=body.mfa_ticket))
    if ticket is None or ticket.expires_at <= chat.clock.unix_s():
        raise refuse("2FA_INVALID_CODE", "This login has expired: begin it again.")
    attempt = await chat.change(lambda connection: Change(ticket_queries.count_attempt(connection, ticket.id)))
    if attempt is None:
        raise refuse("2FA_MAX_ATTEMPTS", "Too many wrong codes: begin the login again.")
    proof = await proofs.check(
        chat,
        ticket.user_id,
        method=body.method,
        code=body.code,
        assertion=body.assertion,
        address=arrival.address,
        purposes=("second_factor", "login"),
        bound_to=ticket.id,
    )
    take = partial(ticket_queries.take, ticket_id=ticket.id)
    if proof is None:
        if attempt >= ATTEMPTS:
            await chat.change(lambda connection: Change(take(connection)))
        raise proofs.wrong_code()
    began = ticket.method or "password"
    standing = await admitted(chat, ticket.user_id, arrival, began)
    done = await let_in(
        chat,
        ticket.user_id,
        standing,
        arrival,
        method=f"{began}+{body.method}",
        prove=proofs.together(proof, take),
    )
    if done is None:
        raise proofs.wrong_code()
    return done


async def begin_proof(chat: ChatContext, *, user_id: UserId, session_id: LoginId) -> ChallengeIssued:
    """A challenge by which a passkey proves its owner within a login.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED, WEBAUTHN_CREDENTIAL_NOT_FOUND.
    """
    party = party_of(chat)
    return await issue_challenge(chat, party, "proof", user_id=user_id, bound_to=session_id, must_verify_user=False)


async def shown(chat: ChatContext, body: Proof, *, user_id: UserId, session_id: LoginId, address: str) -> Prove:
    """What uses up the factor that was shown within a login.

    Raises:
        Refusal: 2FA_NOT_ENABLED, 2FA_INVALID_CODE, 2FA_RECOVERY_EXHAUSTED, AUTH_RATE_LIMITED, VALIDATION_ERROR.
    """
    if not (await chat.read(partial(read_factors, user_id=user_id))).any:
        raise refuse("2FA_NOT_ENABLED", "Your account has no second factor.")
    proofs.assert_complete(chat, method=body.method, code=body.code, assertion=body.assertion)
    proof = await proofs.check(
        chat,
        user_id,
        method=body.method,
        code=body.code,
        assertion=body.assertion,
        address=address,
        purposes=("proof",),
        bound_to=session_id,
    )
    if proof is None:
        raise proofs.wrong_code()
    return proof


async def step_up(chat: ChatContext, body: Proof, *, user_id: UserId, session_id: LoginId, address: str) -> int:
    """Makes a login fresh; returns until when, in Unix seconds.

    Raises:
        Refusal: INVALID_METHOD, or as `shown`.
    """
    if body.method not in proofs.METHODS:
        raise refuse("INVALID_METHOD", "method: expected totp, webauthn or recovery")
    proof = await shown(chat, body, user_id=user_id, session_id=session_id, address=address)
    now_s = chat.clock.unix_s()

    def prove(connection: Connection) -> Change[bool]:
        return Change(proof(connection) and record_proof(connection, session_id=session_id, now_s=now_s))

    if not await chat.change(prove):
        raise proofs.wrong_code()
    return now_s + FRESH_S
