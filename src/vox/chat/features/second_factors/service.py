"""Adds and removes second factor_queries."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from vox.chat.api.validation import validate_name
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import LoginId, UserId
from vox.chat.features.auth.gate import Prove
from vox.chat.features.auth.service import end_other_sessions
from vox.chat.features.passkeys.service import party_of
from vox.chat.features.second_factors import proofs
from vox.chat.features.second_factors.login import shown
from vox.chat.features.second_factors.schemas import Proof, Setup, SetupConfirmation
from vox.chat.identity import challenge_queries, factor_queries, ticket_queries, totp
from vox.chat.identity.challenges import Challenge, new_challenge
from vox.chat.identity.public_address import RelyingParty
from vox.chat.identity.recovery_codes import new_codes
from vox.chat.identity.tickets import ATTEMPTS, SETUP_TOTP, SETUP_WEBAUTHN, Ticket, TicketKind
from vox.chat.identity.webauthn import (
    Attestation,
    Credential,
    InvalidPasskey,
    check_attestation,
    creation_options,
    read_attestation,
)
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

MOST_PASSKEYS: Final = 25
DEFAULT_NAME: Final = "Security Key"

_log = get_logger(__name__)


async def begin_totp(chat: ChatContext, *, user_id: UserId, session_id: LoginId) -> Setup:
    """A secret for an application, which counts once a code of it was shown.

    Raises:
        Refusal: 2FA_ALREADY_ENABLED.
        UsageError: encryption_key_wrong.
    """
    secret, now_s = totp.new_secret(), chat.clock.unix_s()

    def store(connection: Connection) -> Change[str]:
        factor_queries.lock_factors(connection, user_id=user_id)
        encrypted = chat.encryption_key.prepared(connection).encrypt(secret, proofs.purpose_of(user_id))
        if not factor_queries.store_pending_totp(connection, user_id=user_id, secret=encrypted):
            raise refuse("2FA_ALREADY_ENABLED", "One-time passwords are on already; remove them first.")
        ticket_queries.delete_kinds(connection, user_id=user_id, kinds=(SETUP_TOTP,))
        issued = ticket_queries.issue(connection, SETUP_TOTP, user_id=user_id, now_s=now_s, started_by=session_id)
        return Change(issued.text)

    setup_id = await chat.change(store)
    account = chat.community.users[user_id].username
    return Setup(setup_id, "totp", totp_secret=totp.as_text(secret), totp_uri=totp.uri(secret, account))


async def begin_passkey(chat: ChatContext, *, user_id: UserId, session_id: LoginId) -> Setup:
    """Options by which a browser makes a passkey.

    Raises:
        Refusal: WEBAUTHN_NOT_CONFIGURED, or INVALID_OPERATION beyond the number that a user may have.
    """
    party, now_s = party_of(chat), chat.clock.unix_s()
    existing = [each.credential for each in await chat.read(partial(factor_queries.list_credentials, user_id=user_id))]
    _assert_room(len(existing))

    def store(connection: Connection) -> Change[tuple[str, Challenge]]:
        issued = ticket_queries.issue(connection, SETUP_WEBAUTHN, user_id=user_id, now_s=now_s, started_by=session_id)
        made = new_challenge("register", now_s, user_id=user_id, bound_to=issued.id, must_verify_user=False)
        challenge_queries.store(connection, made)
        return Change((issued.text, made))

    setup_id, challenge = await chat.change(store)
    person = chat.community.users[user_id]
    options = creation_options(
        party,
        challenge.data,
        server_name=chat.config.get("server_name"),
        user_id=user_id,
        username=person.username,
        display_name=person.display_name,
        existing=existing,
    )
    return Setup(setup_id, "webauthn", creation_options={"challenge_id": challenge.id, **options})


async def confirm(chat: ChatContext, body: SetupConfirmation, *, user_id: UserId, session_id: LoginId) -> list[str]:
    """Makes a factor count, and returns recovery codes where the user had none.

    Raises:
        Refusal: 2FA_SETUP_EXPIRED, 2FA_INVALID_CODE, WEBAUTHN_FAILED, FORBIDDEN for a set-up that another login began,
            VALIDATION_ERROR.
    """
    kind = next((each for each in (SETUP_TOTP, SETUP_WEBAUTHN) if body.setup_id.startswith(each.prefix)), None)
    if kind is None:
        raise _expired()
    ticket = await _ticket(chat, kind, body.setup_id)
    if ticket.user_id != user_id or ticket.started_by != session_id:
        raise refuse("FORBIDDEN", "Another login began this; finish it there, or begin again here.")
    if kind is SETUP_TOTP:
        return await _confirm_totp(chat, body, ticket)
    return await _confirm_passkey(chat, body, ticket)


async def remove(chat: ChatContext, body: Proof, *, user_id: UserId, session_id: LoginId, address: str) -> None:
    """Removes a factor, proved by any factor, and ends all other logins.

    Raises:
        Refusal: INVALID_METHOD, 2FA_NOT_ENABLED, 2FA_INVALID_CODE, AUTH_RATE_LIMITED, VALIDATION_ERROR.
    """
    if body.method not in {"totp", "webauthn"}:
        raise refuse("INVALID_METHOD", "method: expected totp or webauthn")
    held = await chat.read(partial(factor_queries.read_factors, user_id=user_id))
    if not (held.has_totp if body.method == "totp" else held.passkeys):
        raise refuse("2FA_NOT_ENABLED", "Your account does not have this second factor.")
    how = "webauthn" if body.assertion is not None else "totp" if _is_digits(body.code) else "recovery"
    given = Proof(how, body.code, body.assertion)
    proof = await shown(chat, given, user_id=user_id, session_id=session_id, address=address)
    await chat.change(partial(_remove, method=body.method, user_id=user_id, kept=session_id, proof=proof))


async def renew_codes(chat: ChatContext, *, user_id: UserId) -> list[str]:
    """Gives a user new recovery codes in place of the old ones.

    Raises:
        Refusal: 2FA_NOT_ENABLED.
    """
    codes = new_codes()
    hashes = await chat.logins.passwords.hash_all(codes)

    def replace(connection: Connection) -> Change[None]:
        factor_queries.lock_factors(connection, user_id=user_id)
        if not factor_queries.read_factors(connection, user_id=user_id).any:
            raise refuse("2FA_NOT_ENABLED", "Your account has no second factor that a recovery code could stand for.")
        factor_queries.replace_codes(connection, user_id=user_id, hashes=hashes)
        return Change(None)

    await chat.change(replace)
    return codes


async def _confirm_totp(chat: ChatContext, body: SetupConfirmation, ticket: Ticket) -> list[str]:
    if not body.code:
        raise refuse("2FA_INVALID_CODE", "Send the code that the application shows.", status=400)
    stored = await chat.read(partial(factor_queries.find_totp, user_id=ticket.user_id))
    if stored is None or stored.is_enabled:
        raise _expired()
    attempt = await chat.change(lambda connection: Change(ticket_queries.count_attempt(connection, ticket.id)))
    if attempt is None:
        raise _expired()
    secret = await proofs.secret_of(chat, ticket.user_id, stored)
    step = totp.matching_step(secret, body.code, chat.clock.unix_s(), after=None)
    if step is None:
        if attempt >= ATTEMPTS:
            await chat.change(lambda connection: Change(ticket_queries.take(connection, ticket.id)))
        raise proofs.wrong_code()
    enable = partial(factor_queries.enable_totp, user_id=ticket.user_id, secret=stored.secret, step=step)
    return await _enabled(chat, ticket, enable)


async def _confirm_passkey(chat: ChatContext, body: SetupConfirmation, ticket: Ticket) -> list[str]:
    name = body.credential_name or DEFAULT_NAME
    name = validate_name(chat.config.limit, "credential_name", name, "device_name_max", "")
    longest = chat.config.limit("webauthn_field_max")
    try:
        answer = read_attestation(body.attestation or {})
        if max(map(len, (answer.attestation_object, answer.client_data_json, answer.credential_id))) > longest:
            raise refuse("VALIDATION_ERROR", f"body.attestation: expected fields of at most {longest} characters")
        party, now_s = party_of(chat), chat.clock.unix_s()
        challenge = await chat.change(
            lambda connection: Change(challenge_queries.take(connection, answer.challenge_id, now_s))
        )
        credential = _made(party, challenge, ticket, answer)
    except InvalidPasskey as error:
        _log.info("passkey refused", reason=str(error), user_id=ticket.user_id)
        raise _not_made() from None
    return await _enabled(
        chat, ticket, partial(_insert, user_id=ticket.user_id, credential=credential, name=name, now_s=now_s)
    )


def _made(party: RelyingParty, challenge: Challenge | None, ticket: Ticket, answer: Attestation) -> Credential:
    if challenge is None or challenge.purpose != "register":
        raise InvalidPasskey("its challenge was not made for a new passkey")
    if (challenge.user_id, challenge.bound_to) != (ticket.user_id, ticket.id):
        raise InvalidPasskey("its challenge belongs to another set-up")
    return check_attestation(party, challenge.data, answer)


def _insert(connection: Connection, *, user_id: UserId, credential: Credential, name: str, now_s: int) -> bool:
    _assert_room(factor_queries.read_factors(connection, user_id=user_id).passkeys)
    if not factor_queries.insert_credential(connection, user_id=user_id, credential=credential, name=name, now_s=now_s):
        raise _not_made()
    return True


async def _enabled(chat: ChatContext, ticket: Ticket, enable: Prove) -> list[str]:
    codes: list[str] = []
    hashes: Sequence[str] = ()
    if not await chat.read(partial(factor_queries.unused_codes, user_id=ticket.user_id)):
        codes = new_codes()
        hashes = await chat.logins.passwords.hash_all(codes)

    def store(connection: Connection) -> Change[list[str]]:
        factor_queries.lock_factors(connection, user_id=ticket.user_id)
        if not ticket_queries.take(connection, ticket.id) or not enable(connection):
            raise _expired()
        if not codes or factor_queries.unused_codes(connection, user_id=ticket.user_id):
            return Change([])
        factor_queries.replace_codes(connection, user_id=ticket.user_id, hashes=hashes)
        return Change(codes)

    return await chat.change(store)


def _remove(connection: Connection, *, method: str, user_id: UserId, kept: LoginId, proof: Prove) -> Change[None]:
    factor_queries.lock_factors(connection, user_id=user_id)
    if not proof(connection):
        raise proofs.wrong_code()
    if method == "totp":
        factor_queries.remove_totp(connection, user_id=user_id)
    else:
        factor_queries.remove_credentials(connection, user_id=user_id)
    factor_queries.remove_codes_without_factor(connection, user_id=user_id)
    return end_other_sessions(connection, user_id=user_id, kept=kept)


async def _ticket(chat: ChatContext, kind: TicketKind, text: str) -> Ticket:
    ticket = await chat.read(partial(ticket_queries.find, kind=kind, text=text))
    if ticket is None:
        raise _expired()
    if ticket.expires_at <= chat.clock.unix_s():
        raise refuse("2FA_SETUP_EXPIRED", "This set-up has expired: begin it again.", status=401)
    return ticket


def _is_digits(code: str | None) -> bool:
    typed = "".join((code or "").split())
    return typed.isdigit() and len(typed) == totp.DIGITS


def _assert_room(passkeys: int) -> None:
    if passkeys >= MOST_PASSKEYS:
        raise refuse("INVALID_OPERATION", f"You have {MOST_PASSKEYS} passkeys; remove one first.")


def _expired() -> Refusal:
    return refuse("2FA_SETUP_EXPIRED", "Nothing of this kind is being set up: begin it again.")


def _not_made() -> Refusal:
    return refuse("WEBAUTHN_FAILED", "The passkey was not accepted: begin its set-up again.")
