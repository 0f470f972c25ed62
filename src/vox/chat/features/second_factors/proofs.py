"""Whether what a user shows as their second factor is right: checked here for logins, step-ups and removals alike."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId
from vox.chat.features.auth.gate import Prove
from vox.chat.features.passkeys import service as passkeys
from vox.chat.identity import factor_queries, recovery_codes, totp
from vox.chat.identity.challenges import Purpose
from vox.chat.identity.factors import StoredTotp
from vox.chat.identity.password_guesses import take_code_guess
from vox.chat.identity.webauthn import InvalidPasskey, read_assertion
from vox.security.secret_box import is_encrypted
from vox.stores.sql import Connection

METHODS: Final = ("totp", "webauthn", "recovery")


async def check(
    chat: ChatContext,
    user_id: UserId,
    *,
    method: str,
    code: str | None,
    assertion: Mapping[str, Any] | None,
    address: str,
    purposes: Collection[Purpose],
    bound_to: int,
) -> Prove | None:
    """Checks a factor.

    Args:
        chat: the server.
        user_id: whose.
        method: one of METHODS.
        code: what was typed.
        assertion: what a passkey answered.
        address: of the client, for the limit of codes.
        purposes: what the passkey's challenge may have been made for.
        bound_to: the login or ticket in which it is shown.

    Returns:
        What uses it up; None where it is wrong.

    Raises:
        Refusal: 2FA_RECOVERY_EXHAUSTED, AUTH_RATE_LIMITED, VALIDATION_ERROR.
    """
    if method == "webauthn":
        return await _passkey(chat, user_id, assertion or {}, purposes, bound_to)
    now = chat.clock.now()
    await take_code_guess(chat.limits, chat.logins.addresses, user_id=user_id, address=address, now=now)
    if method == "totp":
        return await _one_time_password(chat, user_id, code or "")
    return await _recovery_code(chat, user_id, code or "")


def assert_complete(chat: ChatContext, *, method: str, code: str | None, assertion: object) -> None:
    """Requires what a method needs, within its length.

    Raises:
        Refusal: 2FA_INVALID_CODE (400) where it is missing, VALIDATION_ERROR where it is too long.
    """
    if method == "webauthn":
        if assertion is None:
            raise refuse("2FA_INVALID_CODE", "Send the passkey's assertion.", status=400)
    elif not code:
        raise refuse("2FA_INVALID_CODE", "Send the code.", status=400)
    elif len(code) > (longest := chat.config.limit("mfa_code_max")):
        raise refuse("VALIDATION_ERROR", f"body.code: expected at most {longest} characters")


def wrong_code() -> Refusal:
    """The refusal of a factor that is wrong, used or too old."""
    return refuse("2FA_INVALID_CODE", "The code or passkey is wrong, or was used already.")


async def secret_of(chat: ChatContext, user_id: UserId, stored: StoredTotp) -> bytes:
    """A one-time password secret in clear.

    Raises:
        UsageError: it is encrypted with another key (secret_unreadable, encryption_key_wrong).
    """
    if not is_encrypted(stored.secret):
        return totp.from_text(stored.secret)
    box = await chat.read(chat.encryption_key.opened)
    return box.decrypt(stored.secret, purpose_of(user_id))


def purpose_of(user_id: UserId) -> str:
    """What a user's one-time password secret is encrypted for."""
    return f"totp:{user_id}"


async def _one_time_password(chat: ChatContext, user_id: UserId, code: str) -> Prove | None:
    stored = await chat.read(partial(factor_queries.find_totp, user_id=user_id))
    if stored is None or not stored.is_enabled:
        return None
    secret = await secret_of(chat, user_id, stored)
    step = totp.matching_step(secret, code, chat.clock.unix_s(), after=stored.last_used_step)
    return None if step is None else partial(factor_queries.use_totp_step, user_id=user_id, step=step)


async def _recovery_code(chat: ChatContext, user_id: UserId, code: str) -> Prove | None:
    unused = await chat.read(partial(factor_queries.unused_codes, user_id=user_id))
    if not unused:
        raise refuse(
            "2FA_RECOVERY_EXHAUSTED", "You have no recovery codes left; ask an administrator to reset your login."
        )
    typed = recovery_codes.normalised(code)
    if typed is None:
        return None
    found = await chat.logins.passwords.find(typed, [each.code_hash for each in unused])
    return None if found is None else partial(factor_queries.use_code, code_id=unused[found].id)


async def _passkey(
    chat: ChatContext, user_id: UserId, assertion: Mapping[str, Any], purposes: Collection[Purpose], bound_to: int
) -> Prove | None:
    try:
        answer = read_assertion(assertion)
        return (await passkeys.check(chat, answer, purposes=purposes, user_id=user_id, bound_to=bound_to)).use
    except InvalidPasskey:
        return None
    except Refusal as refusal:
        if refusal.wire_code != "WEBAUTHN_FAILED":
            raise
        return None


def together(*proofs: Prove) -> Prove:
    """What uses several things up; void where one of them is."""

    def use(connection: Connection) -> bool:
        return all(proof(connection) for proof in proofs)

    return use
