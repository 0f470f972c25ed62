"""Incoming webhooks over REST: their management, and posting through them in three shapes."""

from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.api.access import BY_TOKEN, requires
from vox.chat.api.rate_categories import CATEGORIES
from vox.chat.api.request import Call, Reply, RouteTable
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.webhooks import queries, service
from vox.chat.features.webhooks.discord import DiscordPosted, DiscordQuery, from_discord
from vox.chat.features.webhooks.execute import authorised_webhook, ignored_header, malformed, post
from vox.chat.features.webhooks.posts import Post
from vox.chat.features.webhooks.schemas import (
    CreatedWebhook,
    Execute,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookList,
    WebhookToken,
)
from vox.chat.features.webhooks.slack import from_slack
from vox.http.header_values import media_type

LIMIT: Final = CATEGORIES["messages"]
KEEPER: Final = requires(P.MANAGE_WEBHOOKS)
KEEPER_IN_FEED: Final = requires(P.MANAGE_WEBHOOKS, sees="feed")
_JSON: Final = {"content-type": "application/json"}
_YES: Final = frozenset({"true", "1"})

routes = RouteTable()


@routes.post("/feeds/{feed_id}/webhooks", access=KEEPER_IN_FEED, body=NewWebhook, status=201, returns=CreatedWebhook)
async def create_webhook(call: Call[NewWebhook]) -> CreatedWebhook:
    """Creates a webhook that posts to a feed; its token is shown this once."""
    return await service.create(call.chat, call.user_id, call.id("feed_id"), call.body)


@routes.get("/feeds/{feed_id}/webhooks", access=KEEPER_IN_FEED, returns=WebhookList)
async def list_webhooks(call: Call) -> WebhookList:
    """The webhooks of a feed, without their tokens."""
    feed_id = call.id("feed_id")
    if feed_id not in call.chat.community.feeds:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    return WebhookList(await call.chat.read(partial(queries.list_webhooks, feed_id=feed_id)))


@routes.get("/webhooks/{webhook_id}", access=KEEPER, returns=Webhook)
async def get_webhook(call: Call) -> Webhook:
    """A webhook without its token."""
    return await _webhook(call)


@routes.patch("/webhooks/{webhook_id}", access=KEEPER, body=WebhookChange, returns=Webhook)
async def change_webhook(call: Call[WebhookChange]) -> Webhook:
    """Gives a webhook another name or avatar."""
    await service.change(call.chat, call.user_id, await _webhook(call), call.body)
    return await _webhook(call)


@routes.delete("/webhooks/{webhook_id}", access=KEEPER)
async def delete_webhook(call: Call) -> None:
    """Deletes a webhook."""
    webhook = await _webhook(call)
    await call.chat.change(partial(service.delete, actor_id=call.user_id, webhook_id=webhook.webhook_id))


@routes.post("/webhooks/{webhook_id}/token", access=KEEPER, returns=WebhookToken)
async def rotate_webhook_token(call: Call) -> WebhookToken:
    """Replaces the token of a webhook; the old one no longer works."""
    return WebhookToken(await service.rotate_token(call.chat, call.user_id, await _webhook(call)))


@routes.post("/webhooks/{webhook_id}/{token}", access=BY_TOKEN, category=LIMIT, body=Execute)
async def execute_webhook(call: Call[Execute]) -> None:
    """Posts a message through a webhook."""
    webhook = await authorised_webhook(call)
    await post(call.chat, webhook, Post(call.body.body, call.body.embeds or []))


@routes.post(
    "/webhooks/{webhook_id}/{token}/discord",
    access=BY_TOKEN,
    category=LIMIT,
    body=bytes,
    is_raw=True,
    query=DiscordQuery,
    returns=DiscordPosted,
    also=(204,),
)
async def execute_as_discord(call: Call[bytes, DiscordQuery]) -> Reply:
    """Posts a message in the shape of Discord's webhooks."""
    webhook = await authorised_webhook(call)
    if media_type(call.header(b"content-type") or "application/json") != "application/json":
        raise refuse("UNSUPPORTED_MEDIA_TYPE", "Send JSON; files are not taken from webhooks.")
    try:
        message = from_discord(call.body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise malformed(error) from None
    msg_id = await post(call.chat, webhook, message, call.query.thread_id)
    headers = ignored_header(message.ignored)
    if call.query.wait.lower() not in _YES:
        return Reply(204, b"", headers)
    posted = DiscordPosted(
        str(msg_id), str(webhook.feed_id), str(webhook.webhook_id), message.body or "", list(message.ignored)
    )
    return Reply(200, msgspec.json.encode(posted), {**_JSON, **headers})


@routes.post(
    "/webhooks/{webhook_id}/{token}/slack", access=BY_TOKEN, category=LIMIT, body=bytes, is_raw=True, returns=bytes
)
async def execute_as_slack(call: Call[bytes]) -> Reply:
    """Posts a message in the shape of Slack's incoming webhooks."""
    webhook = await authorised_webhook(call)
    try:
        message = from_slack(call.body, call.header(b"content-type"))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise malformed(error) from None
    await post(call.chat, webhook, message)
    return Reply(200, b"ok", {"content-type": "text/plain; charset=utf-8", **ignored_header(message.ignored)})


async def _webhook(call: Call[Any, Any]) -> Webhook:
    return await service.visible_webhook(call.chat, call.user_id, call.id("webhook_id"))
