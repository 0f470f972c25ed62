"""Making bots and managing their tokens.

Who manages a bot could act as it, so besides its owner only those may whose permissions and rank are not below the bot's.
A unit of work ends with the bot as it is then, which every process takes into its memory.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from vox.chat.api.validation import validate_person_name
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, missing_permission, refuse
from vox.chat.events import Event, bot_commands_delete, member_leave, user_update
from vox.chat.events.ids import UserId
from vox.chat.events.integrations import bot_changed
from vox.chat.events.people import login_revoked
from vox.chat.events.permissions import P, exceeds
from vox.chat.features.bots import queries
from vox.chat.features.bots.schemas import BotChange, NewBot
from vox.chat.features.members.queries import update_profile
from vox.chat.features.members.rejoin import deactivate
from vox.chat.identity.queries import NewUser
from vox.chat.identity.registration import create_user
from vox.chat.integrations.addresses import assert_reachable
from vox.chat.integrations.queries import read_bots
from vox.chat.integrations.registry import Bot
from vox.chat.integrations.signing import OVERLAP_S, secret_of
from vox.security.tokens import Token, mint
from vox.stores.sql import Connection

TOKEN_PREFIX: Final = "vox_bot_"  # noqa: S105  what a token begins with
TOKEN_LASTS_S: Final = 100 * 366 * 86_400
"""A bot's token does not expire; it ends when it is rotated."""
ROTATED: Final = "The bot's token was replaced"
DISABLED: Final = "The bot is disabled"
DELETED: Final = "The bot was deleted"


def managed_bot(chat: ChatContext, actor_id: UserId, target_id: UserId) -> Bot:
    """The bot, for a caller who may manage it.

    Raises:
        Refusal: USER_NOT_FOUND, MISSING_PERMISSIONS or ROLE_HIERARCHY for a caller who may not, FORBIDDEN where the user is no bot.
    """
    community, bot = chat.community, chat.integrations.bots.get(target_id)
    if bot is None or bot.owner_id != actor_id:
        if not community.may(actor_id, P.MANAGE_SERVER):
            raise missing_permission("MANAGE_SERVER")
        if target_id not in community.users:
            raise refuse("USER_NOT_FOUND", f"There is no user {target_id}.")
        if bot is None:
            raise not_a_bot(target_id)
        has_less = exceeds(community.permissions(actor_id), community.permissions(target_id))
        if has_less or community.rank(actor_id) > community.rank(target_id):
            raise refuse("ROLE_HIERARCHY", "This bot may do more than you: its owner or an administrator manages it.")
    return bot


def not_a_bot(user_id: UserId) -> Refusal:
    """The refusal where a user is no bot."""
    return refuse("FORBIDDEN", f"User {user_id} is not a bot.")


async def create_bot(chat: ChatContext, owner_id: UserId, body: NewBot) -> tuple[UserId, Token, str]:
    """Makes a bot; its user id, token and signing secret.

    Raises:
        Refusal: VALIDATION_ERROR, INVALID_URL, FORBIDDEN for a bot, AUTH_FAILED (409) where the name is taken.
    """
    if chat.integrations.is_bot(owner_id):
        raise refuse("FORBIDDEN", "A bot cannot create bots; a member owns them.")
    limits = chat.config.limit
    username = validate_person_name(limits, "username", body.username, "username_max", "username_min")
    display_name = username
    if body.display_name:
        display_name = validate_person_name(limits, "display_name", body.display_name, "display_name_max")
    if body.interaction_url:
        await assert_reachable(chat.integration_guard, body.interaction_url)
    key, now_s, token = await chat.signing_key.get(chat.change), chat.clock.unix_s(), mint(TOKEN_PREFIX)
    user = NewUser(username, display_name, None, now_s)
    unit = partial(_create, user=user, owner_id=owner_id, url=body.interaction_url or None, digest=token.digest)
    user_id, bot_id = await chat.change(unit)
    return user_id, token, secret_of(key, "bot", bot_id, 1)


async def change_bot(chat: ChatContext, actor_id: UserId, bot: Bot, body: BotChange) -> None:
    """Changes what was given of a bot.

    Raises:
        Refusal: VALIDATION_ERROR, INVALID_URL, or FORBIDDEN where it was deleted meanwhile.
    """
    display_name: str | None = None
    if body.display_name is not None:
        display_name = validate_person_name(chat.config.limit, "display_name", body.display_name, "display_name_max")
    if body.interaction_url:
        await assert_reachable(chat.integration_guard, body.interaction_url)
    unit = partial(_change, actor_id=actor_id, user_id=bot.user_id, display_name=display_name, body=body)
    await chat.change(unit)


async def rotate_token(chat: ChatContext, actor_id: UserId, bot: Bot) -> str:
    """Replaces the token of a bot and ends every login that it has; the new one.

    Raises:
        Refusal: FORBIDDEN where it was deleted meanwhile.
    """
    token, now_s = mint(TOKEN_PREFIX), chat.clock.unix_s()
    await chat.change(partial(_rotate_token, actor_id=actor_id, user_id=bot.user_id, digest=token.digest, now_s=now_s))
    return token.text


async def rotate_secret(chat: ChatContext, actor_id: UserId, bot: Bot) -> tuple[str, int]:
    """Replaces the signing secret of a bot; the new one, and until when the old one signs too (Unix seconds).

    Raises:
        Refusal: FORBIDDEN where it was deleted meanwhile.
    """
    key, now_s = await chat.signing_key.get(chat.change), chat.clock.unix_s()
    bot_id, version = await chat.change(partial(_rotate_secret, actor_id=actor_id, user_id=bot.user_id, now_s=now_s))
    return secret_of(key, "bot", bot_id, version), now_s + OVERLAP_S


def delete_bot(connection: Connection, *, actor_id: UserId, user_id: UserId) -> Change[None]:
    """Deletes a bot: token, commands and roles go, its messages stay.

    Raises:
        Refusal: FORBIDDEN where it was deleted meanwhile.
    """
    lock_event_order(connection)
    bot_id = _lock(connection, user_id)
    names = queries.command_names(connection, bot_id)
    queries.delete_sessions(connection, user_id)
    queries.delete_bot(connection, user_id)
    events: list[Event] = [*deactivate(connection, user_id), member_leave(user_id=user_id)]
    if names:
        events.append(bot_commands_delete(bot_id=user_id, command_names=names))
    events += [bot_changed(user_id, None), login_revoked(user_id, reason=DELETED)]
    return Change(None, events, [AuditEntry("bot.delete", actor_id, user_id)])


def state_event(connection: Connection, user_id: UserId) -> Event:
    """The bot as it is in this transaction, for the memory of every process."""
    rows = read_bots(connection, user_id)
    return bot_changed(user_id, rows[0] if rows else None)


def _create(
    connection: Connection, *, user: NewUser, owner_id: UserId, url: str | None, digest: str
) -> Change[tuple[UserId, int]]:
    user_id, events = create_user(connection, user, as_administrator=False, is_join=False)
    now_s = user.created_at
    bot_id = queries.insert_bot(connection, user_id=user_id, owner_id=owner_id, interaction_url=url, now_s=now_s)
    _insert_token(connection, user_id, digest, now_s, is_disabled=False)
    entry = AuditEntry("bot.create", owner_id, user_id, {"username": user.username})
    return Change((user_id, bot_id), [*events, state_event(connection, user_id)], [entry])


def _change(
    connection: Connection, *, actor_id: UserId, user_id: UserId, display_name: str | None, body: BotChange
) -> Change[None]:
    lock_event_order(connection)
    _lock(connection, user_id)
    events: list[Event] = []
    changed: dict[str, object] = {}
    if display_name is not None:
        update_profile(connection, user_id=user_id, changed={"display_name": display_name})
        events.append(user_update(user_id=user_id, changed={"display_name": display_name}))
        changed["display_name"] = display_name
    if body.interaction_url is not None:
        queries.change_bot(connection, user_id, {"interaction_url": body.interaction_url or None})
        changed["interaction_url"] = "set" if body.interaction_url else "removed"
    if body.disabled is not None and body.disabled != queries.is_disabled(connection, user_id):
        queries.change_bot(connection, user_id, {"disabled": body.disabled})
        queries.set_token_kind(connection, user_id, is_disabled=body.disabled)
        changed["disabled"] = body.disabled
        events.append(login_revoked(user_id, reason=DISABLED))
    if not changed:
        return Change(None)
    return Change(
        None, [*events, state_event(connection, user_id)], [AuditEntry("bot.update", actor_id, user_id, changed)]
    )


def _rotate_token(
    connection: Connection, *, actor_id: UserId, user_id: UserId, digest: str, now_s: int
) -> Change[None]:
    lock_event_order(connection)
    _lock(connection, user_id)
    queries.delete_sessions(connection, user_id)
    _insert_token(connection, user_id, digest, now_s, is_disabled=queries.is_disabled(connection, user_id))
    events: Sequence[Event] = (login_revoked(user_id, reason=ROTATED),)
    return Change(None, events, [AuditEntry("bot.token_rotate", actor_id, user_id)])


def _rotate_secret(connection: Connection, *, actor_id: UserId, user_id: UserId, now_s: int) -> Change[tuple[int, int]]:
    found = queries.rotate_secret(connection, user_id, now_s)
    if found is None:
        raise not_a_bot(user_id)
    return Change(found, (), [AuditEntry("bot.secret_rotate", actor_id, user_id)])


def _insert_token(connection: Connection, user_id: UserId, digest: str, now_s: int, *, is_disabled: bool) -> None:
    queries.insert_token(
        connection,
        user_id=user_id,
        digest=digest,
        now_s=now_s,
        expires_at=now_s + TOKEN_LASTS_S,
        is_disabled=is_disabled,
    )


def _lock(connection: Connection, user_id: UserId) -> int:
    bot_id = queries.lock_bot(connection, user_id)
    if bot_id is None:
        raise not_a_bot(user_id)
    return bot_id
