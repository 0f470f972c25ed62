"""Helps members who are locked out, without e-mail: second factors removed, and one-use links to choose a password.

A link changes nothing until it is used, so handing one out does not lock out an owner who still knows the password; who made it is in the
audit log. Second factors stay when the password changes: who lost both gets both resets.
"""

from functools import partial

from vox.chat.api.hierarchy import assert_may, assert_outranks, recheck_in_transaction
from vox.chat.api.validation import validate_length, validate_prose
from vox.chat.community import Community
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId
from vox.chat.events.people import login_revoked
from vox.chat.events.permissions import P
from vox.chat.features.account_recovery import queries
from vox.chat.features.account_recovery.schemas import FactorReset, NewPassword, PasswordReset, ResetLink
from vox.chat.identity import factor_queries, ticket_queries
from vox.chat.identity.public_address import public_origin
from vox.chat.identity.tickets import RESET, Issued
from vox.security.passwords import prepared
from vox.stores.sql import Connection


async def reset_factors(chat: ChatContext, body: FactorReset, *, actor_id: UserId) -> None:
    """Removes a member's second factors; their password, or their provider, lets them in alone then.

    Raises:
        Refusal: USER_NOT_FOUND, MISSING_PERMISSIONS, ROLE_HIERARCHY, VALIDATION_ERROR.
    """
    target = _target(chat, body.target_user_id)
    validate_prose(chat.config.limit, "reason", body.reason, "admin_reason_max")
    may_reset = partial(_assert_may, permission=P.MANAGE_2FA, actor_id=actor_id, target_id=target)
    may_reset(chat.community)
    unit = partial(_reset_factors, actor_id=actor_id, target_id=target, reason=body.reason)
    await chat.change(recheck_in_transaction(unit, may_reset, actor_id, target))


async def make_reset_link(chat: ChatContext, body: PasswordReset, *, actor_id: UserId) -> ResetLink:
    """A link by which a member chooses a new password; a link made before is void.

    Raises:
        Refusal: USER_NOT_FOUND, MISSING_PERMISSIONS, INVALID_TARGET for a user of another server, VALIDATION_ERROR.
    """
    target = _target(chat, body.target_user_id)
    validate_prose(chat.config.limit, "reason", body.reason, "admin_reason_max")
    may_reset = partial(_assert_may, permission=P.ADMINISTRATOR, actor_id=actor_id, target_id=target)
    now_s = chat.clock.unix_s()
    unit = partial(_make_link, actor_id=actor_id, target_id=target, reason=body.reason, now_s=now_s)
    issued = await chat.change(recheck_in_transaction(unit, may_reset, actor_id, target))
    origin = public_origin(chat.config)
    url = f"{origin}/#/reset/{issued.text}" if origin is not None else None
    return ResetLink(issued.text, url, now_s + RESET.lasts_s)


async def choose_password(chat: ChatContext, body: NewPassword) -> None:
    """Replaces the password of a link's owner and ends all their logins.

    Raises:
        Refusal: VALIDATION_ERROR, or AUTH_FAILED for a link that is unknown, used or expired.
    """
    validate_length(chat.config.limit, "new_password", prepared(body.new_password), "password_max", "password_min")
    ticket = await chat.read(partial(ticket_queries.find, kind=RESET, text=body.reset_token))
    if ticket is None or ticket.expires_at <= chat.clock.unix_s():
        raise _void()
    hashed = await chat.logins.passwords.hash(body.new_password)

    def replace(connection: Connection) -> Change[None]:
        if not ticket_queries.take(connection, ticket.id):
            raise _void()
        queries.replace_password(connection, user_id=ticket.user_id, password_hash=hashed)
        return Change(None, [login_revoked(ticket.user_id)])

    await chat.change(replace)


def _reset_factors(connection: Connection, *, actor_id: UserId, target_id: UserId, reason: str | None) -> Change[None]:
    factor_queries.lock_factors(connection, user_id=target_id)
    factor_queries.remove_all(connection, user_id=target_id)
    return Change(None, (), [_entry("2fa.admin_reset", actor_id, target_id, reason)])


def _make_link(
    connection: Connection, *, actor_id: UserId, target_id: UserId, reason: str | None, now_s: int
) -> Change[Issued]:
    if not queries.is_local(connection, user_id=target_id):
        raise refuse("INVALID_TARGET", "This account belongs to another server, which keeps its password.")
    ticket_queries.delete_kinds(connection, user_id=target_id, kinds=(RESET,))
    issued = ticket_queries.issue(connection, RESET, user_id=target_id, now_s=now_s)
    return Change(issued, (), [_entry("password.admin_reset", actor_id, target_id, reason)])


def _assert_may(community: Community, *, permission: P, actor_id: UserId, target_id: UserId) -> None:
    assert_may(community, actor_id, permission)
    if target_id != actor_id:
        assert_outranks(community, actor_id, target_id)


def _target(chat: ChatContext, number: int) -> UserId:
    target = UserId(number)
    if target not in chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {number}.")
    return target


def _entry(kind: str, actor_id: UserId, target_id: UserId, reason: str | None) -> AuditEntry:
    return AuditEntry(kind, actor_id, target_id, {"reason": reason} if reason else {})


def _void() -> Refusal:
    return refuse("AUTH_FAILED", "This link is unknown, used or expired: ask an administrator for another one.")
