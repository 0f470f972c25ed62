"""Posting through a webhook: the token is all that is needed; the rate limit counts for each token.

Unknown tokens are counted against the address they come from, as unknown logins are, so that guessing them neither costs reads of the
database without end nor uses up the limit of the webhook.
"""

from functools import partial
from typing import Any, Final

from vox.chat.api.request import Call
from vox.chat.api.validation import validate_address, validate_length, validate_name, validate_text
from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import FeedId, MessageId, ThreadId
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.content import Content, validate_embeds
from vox.chat.features.messages.insert import NewMessage
from vox.chat.features.messages.schemas import Extras
from vox.chat.features.messages.send import post_message, thread_address
from vox.chat.features.webhooks import queries
from vox.chat.features.webhooks.posts import Post
from vox.chat.features.webhooks.schemas import Webhook
from vox.security.addresses import network_key
from vox.security.tokens import matches
from vox.text.names import is_visible

LONGEST_TOKEN: Final = 512


async def authorised_webhook(call: Call[Any, Any]) -> Webhook:
    """The webhook of the path, whose token the path has.

    Raises:
        Refusal: WEBHOOK_TOKEN_INVALID.
    """
    chat = call.chat
    webhook = await _find(chat, call.text("webhook_id"), call.text("token"))
    if webhook is None:
        if chat.logins.refused is not None:
            chat.logins.refused.add(network_key(call.client), chat.clock.now())
        raise refuse("WEBHOOK_TOKEN_INVALID", "There is no such webhook, or its token is another one.")
    return webhook


async def post(chat: ChatContext, webhook: Webhook, message: Post, thread_id: int | None = None) -> MessageId:
    """Posts a message, and notifies the users it concerns; its id.

    Raises:
        Refusal: EMPTY_MESSAGE, MESSAGE_TOO_LARGE, VALIDATION_ERROR, SPACE_NOT_FOUND, THREAD_LOCKED, MESSAGE_BLOCKED.
    """
    _validate(chat, message)
    feed_id = FeedId(webhook.feed_id)
    feed = chat.community.feeds.get(feed_id)
    if feed is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    address = Address(feed_id) if thread_id is None else thread_address(chat, feed_id, ThreadId(thread_id))
    embeds = message.embeds
    content = Content(message.body, None, embeds[0] if embeds else None, (), (), None, None)
    extras = Extras(
        embeds=embeds if len(embeds) > 1 else [],
        webhook_name=message.name or webhook.name,
        webhook_avatar=message.avatar or webhook.avatar,
    )
    draft = NewMessage(
        None,
        address,
        content,
        names_thread=feed.type == "forum" and thread_id is None,
        extras=extras,
        webhook_id=webhook.webhook_id,
    )
    return (await post_message(chat, draft)).msg_id


def ignored_header(names: tuple[str, ...]) -> dict[str, str]:
    """The response header that names the fields without a counterpart."""
    listed = ", ".join(dict.fromkeys(name for name in names if name.isascii() and name.isprintable()))
    return {"x-vox-ignored": listed[:1024]} if listed else {}


def malformed(why: object) -> Refusal:
    """The refusal of a body that is not of its shape."""
    return refuse("VALIDATION_ERROR", f"body: {why}")


async def _find(chat: ChatContext, webhook_id: str, token: str) -> Webhook | None:
    if not (webhook_id.isascii() and webhook_id.isdigit()) or len(webhook_id) > 18 or len(token) > LONGEST_TOKEN:  # noqa: PLR2004  digits of an id
        return None
    found = await chat.read(partial(queries.find_webhook, webhook_id=int(webhook_id)))
    return found.webhook if found is not None and matches(token, found.digest) else None


def _validate(chat: ChatContext, message: Post) -> None:
    limits = chat.config.limit
    if message.body is not None:
        validate_text("body", message.body)
        if len(message.body) > limits("message_body_max"):
            raise refuse("MESSAGE_TOO_LARGE", f"A message has at most {limits('message_body_max')} characters.")
    if not (message.body and is_visible(message.body)) and not message.embeds:
        raise refuse("EMPTY_MESSAGE", "A message needs a text or an embed.")
    if message.embeds:
        validate_embeds(message.embeds)
    if message.name is not None:
        validate_name(limits, "username", message.name, "webhook_name_max")
    validate_length(limits, "avatar", message.avatar, "avatar_max")
    validate_address("avatar", message.avatar)
