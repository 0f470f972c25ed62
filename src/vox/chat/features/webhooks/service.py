"""Making and changing incoming webhooks."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from vox.chat.api.validation import Limits, validate_address, validate_length, validate_name
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import webhook_create, webhook_delete, webhook_update
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.webhooks import queries
from vox.chat.features.webhooks.schemas import CreatedWebhook, NewWebhook, Webhook, WebhookChange
from vox.security.tokens import mint
from vox.stores.sql import Connection

TOKEN_PREFIX: Final = "whk_"  # noqa: S105  what a token begins with
TOKEN_BYTES: Final = 32
MAX_IN_A_FEED: Final = 100


async def create(chat: ChatContext, actor_id: UserId, feed_id: FeedId, body: NewWebhook) -> CreatedWebhook:
    """Makes a webhook of a feed.

    Raises:
        Refusal: VALIDATION_ERROR, INVALID_OPERATION where the feed has too many, SPACE_NOT_FOUND.
    """
    if feed_id not in chat.community.feeds:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    name, avatar = _checked(chat.config.limit, body.name, body.avatar)
    token, now_s = mint(TOKEN_PREFIX, TOKEN_BYTES), chat.clock.unix_s()
    unit = partial(
        _create, actor_id=actor_id, feed_id=feed_id, name=name or "", avatar=avatar, digest=token.digest, now_s=now_s
    )
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        webhook_id = await chat.change(unit)
    return CreatedWebhook(webhook_id, feed_id, name or "", token.text, avatar)


async def visible_webhook(chat: ChatContext, user_id: UserId, webhook_id: int) -> Webhook:
    """A webhook of a feed that the caller may view.

    Raises:
        Refusal: WEBHOOK_NOT_FOUND.
    """
    found = await chat.read(partial(queries.find_webhook, webhook_id=webhook_id))
    if found is None or not chat.community.may_in(user_id, "feed", FeedId(found.webhook.feed_id), P.VIEW_SPACE):
        raise not_found(webhook_id)
    return found.webhook


async def change(chat: ChatContext, actor_id: UserId, webhook: Webhook, body: WebhookChange) -> None:
    """Gives a webhook another name or avatar.

    Raises:
        Refusal: VALIDATION_ERROR, WEBHOOK_NOT_FOUND.
    """
    name, avatar = _checked(chat.config.limit, body.name, body.avatar)
    given = {"name": name, "avatar": avatar}
    changed = {key: value for key, value in given.items() if value is not None}
    if changed:
        await chat.change(
            partial(_change, actor_id=actor_id, webhook_id=webhook.webhook_id, values=changed, is_public=True)
        )


async def rotate_token(chat: ChatContext, actor_id: UserId, webhook: Webhook) -> str:
    """Replaces the token of a webhook.

    Raises:
        Refusal: WEBHOOK_NOT_FOUND.
    """
    token = mint(TOKEN_PREFIX, TOKEN_BYTES)
    values = {"token": token.digest}
    await chat.change(
        partial(_change, actor_id=actor_id, webhook_id=webhook.webhook_id, values=values, is_public=False)
    )
    return token.text


def delete(connection: Connection, *, actor_id: UserId, webhook_id: int) -> Change[None]:
    """Deletes a webhook.

    Raises:
        Refusal: WEBHOOK_NOT_FOUND.
    """
    lock_event_order(connection)
    if not queries.delete_webhook(connection, webhook_id):
        raise not_found(webhook_id)
    event = webhook_delete(webhook_id=webhook_id)
    return Change(None, (event,), (AuditEntry("webhook.delete", actor_id, webhook_id),))


def not_found(webhook_id: int) -> Refusal:
    """The refusal for a webhook that does not exist, or not for the caller."""
    return refuse("WEBHOOK_NOT_FOUND", f"There is no webhook {webhook_id}.")


def _create(
    connection: Connection,
    *,
    actor_id: UserId,
    feed_id: FeedId,
    name: str,
    avatar: str | None,
    digest: str,
    now_s: int,
) -> Change[int]:
    lock_event_order(connection)
    if queries.count_webhooks(connection, feed_id) >= MAX_IN_A_FEED:
        raise refuse("INVALID_OPERATION", f"A feed has at most {MAX_IN_A_FEED} webhooks.")
    webhook_id = queries.insert_webhook(
        connection, feed_id=feed_id, name=name, avatar=avatar, digest=digest, now_s=now_s
    )
    event = webhook_create(webhook_id=webhook_id, feed_id=feed_id, name=name)
    entry = AuditEntry("webhook.create", actor_id, webhook_id, {"feed_id": feed_id, "name": name})
    return Change(webhook_id, (event,), (entry,))


def _change(
    connection: Connection, *, actor_id: UserId, webhook_id: int, values: Mapping[str, Any], is_public: bool
) -> Change[None]:
    lock_event_order(connection)
    if not queries.change_webhook(connection, webhook_id, values):
        raise not_found(webhook_id)
    if not is_public:
        return Change(None, (), (AuditEntry("webhook.token_rotate", actor_id, webhook_id),))
    event = webhook_update(webhook_id=webhook_id, changed=values)
    return Change(None, (event,), (AuditEntry("webhook.update", actor_id, webhook_id, values),))


def _checked(limits: Limits, name: str | None, avatar: str | None) -> tuple[str | None, str | None]:
    stored = validate_name(limits, "name", name, "webhook_name_max")
    validate_length(limits, "avatar", avatar, "avatar_max")
    validate_address("avatar", avatar)
    return stored, avatar
