"""Requests and responses of incoming webhooks; the shapes of Discord and Slack stand beside their translations."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vox.chat.features.messages.schemas import Embed

MAX_EMBEDS = 10
MAX_BODY = 4000


class NewWebhook(msgspec.Struct, frozen=True):
    """A webhook to create."""

    name: str
    avatar: str | None = None


class WebhookChange(msgspec.Struct, frozen=True):
    """What to change."""

    name: str | None = None
    avatar: str | None = None


class Webhook(msgspec.Struct, frozen=True):
    """A webhook without its token."""

    webhook_id: int
    feed_id: int
    name: str
    avatar: str | None


class CreatedWebhook(msgspec.Struct, frozen=True):
    """A new webhook with its token, which is shown this once."""

    webhook_id: int
    feed_id: int
    name: str
    token: str
    avatar: str | None


class WebhookToken(msgspec.Struct, frozen=True):
    """A new token, shown this once; the one before no longer works."""

    token: str


class WebhookList(msgspec.Struct, frozen=True):
    """The webhooks of a feed."""

    webhooks: list[Webhook]


class Execute(msgspec.Struct, frozen=True):
    """A message to post."""

    body: Annotated[str, Meta(max_length=MAX_BODY)]
    embeds: Annotated[list[Embed], Meta(max_length=MAX_EMBEDS)] | None = None
