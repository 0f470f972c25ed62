"""Bots, their commands, and webhooks: the groups of calls `client.bots` and `client.webhooks`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from vox.clients.chat.bound import Bound, bind, bind_all
from vox.clients.chat.messages import Embed
from vox.clients.chat.rest import Rest, segment


class ParamChoice(msgspec.Struct):
    """One value that an option may have."""

    name: str
    value: Any


class Param(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An option of a command; `type` is string, integer, number, boolean, user, feed, room or role."""

    name: str
    description: str = ""
    required: bool = False
    type: str = "string"
    choices: list[ParamChoice] = []
    min: float | None = None
    max: float | None = None


class CommandSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A slash command as the server offers it."""

    name: str
    description: str = ""
    params: list[Param] = []
    bot_id: int | None = None


class Bot(Bound, kw_only=True):
    """A bot. `token` and `signing_secret` are there only where it was just made."""

    user_id: int
    username: str = ""
    display_name: str = ""
    avatar: str | None = None
    owner_id: int | None = None
    disabled: bool = False
    created_at: int | None = None
    interaction_url: str | None = None
    token_created_at: int | None = None
    token: str = ""
    signing_secret: str = ""

    def __repr__(self) -> str:
        return f"Bot(user_id={self.user_id}, username={self.username!r})"

    async def change(
        self, *, display_name: str | None = None, interaction_url: str | None = None, disabled: bool | None = None
    ) -> "Bot":
        """Changes what is given; an empty `interaction_url` takes it away."""
        body = {"display_name": display_name, "interaction_url": interaction_url, "disabled": disabled}
        return bind(await self.rest.patch(f"/bots/{self.user_id}", Bot, body), self.rest)

    async def rotate_token(self) -> str:
        """A new token; the old one ends at once, with its sockets."""
        return (await self.rest.post(f"/bots/{self.user_id}/token", _Token)).token

    async def delete(self) -> None:
        """Deletes it; its messages stay."""
        await self.rest.delete(f"/bots/{self.user_id}")


class Webhook(Bound, kw_only=True):
    """An incoming webhook; `token` is there only where it was just made."""

    webhook_id: int
    feed_id: int | None = None
    name: str = ""
    avatar: str | None = None
    token: str = ""

    def __repr__(self) -> str:
        return f"Webhook(webhook_id={self.webhook_id}, name={self.name!r})"

    async def execute(self, body: str, *, embeds: Sequence[Embed] = ()) -> None:
        """Posts a message in its name."""
        await execute_webhook(self.rest, self.webhook_id, self.token, body, embeds=embeds)

    async def rotate_token(self) -> str:
        """A new token; the old one no longer works."""
        return (await self.rest.post(f"/webhooks/{self.webhook_id}/token", _Token)).token

    async def delete(self) -> None:
        """Deletes it."""
        await self.rest.delete(f"/webhooks/{self.webhook_id}")


class _Token(msgspec.Struct):
    token: str

    def __repr__(self) -> str:
        return "_Token()"


class _Bots(msgspec.Struct):
    items: list[Bot] = msgspec.field(default_factory=list[Bot])


class _Commands(msgspec.Struct):
    commands: list[CommandSpec] = msgspec.field(default_factory=list[CommandSpec])


class _Webhooks(msgspec.Struct):
    webhooks: list[Webhook] = msgspec.field(default_factory=list[Webhook])


class Bots:
    """Bots and their commands."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def create(
        self, username: str, *, display_name: str | None = None, interaction_url: str | None = None
    ) -> Bot:
        """Makes a bot; its `token` is shown this once."""
        body = {"username": username, "display_name": display_name, "interaction_url": interaction_url}
        return bind(await self._rest.post("/bots", Bot, body), self._rest)

    async def all(self) -> list[Bot]:
        """Every bot of the community."""
        return bind_all((await self._rest.get("/bots", _Bots)).items, self._rest)

    async def set_commands(self, user_id: int, commands: Sequence[CommandSpec]) -> None:
        """Makes these all the commands that the bot has."""
        body: Mapping[str, Any] = {"commands": [msgspec.to_builtins(one) for one in commands], "replace": True}
        await self._rest.put(f"/bots/{user_id}/commands", body)

    async def commands(self) -> list[CommandSpec]:
        """The commands of all bots."""
        return (await self._rest.get("/commands", _Commands)).commands


class Webhooks:
    """Incoming webhooks."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def create(self, feed_id: int, name: str, *, avatar: str | None = None) -> Webhook:
        """Makes a webhook; its `token` is shown this once."""
        body = {"name": name, "avatar": avatar}
        return bind(await self._rest.post(f"/feeds/{feed_id}/webhooks", Webhook, body), self._rest)

    async def of_feed(self, feed_id: int) -> list[Webhook]:
        """The webhooks of a feed."""
        return bind_all((await self._rest.get(f"/feeds/{feed_id}/webhooks", _Webhooks)).webhooks, self._rest)


async def execute_webhook(rest: Rest, webhook_id: int, token: str, body: str, *, embeds: Sequence[Embed] = ()) -> None:
    """Posts a message by a webhook; needs no login."""
    content = {"body": body, "embeds": [msgspec.to_builtins(one) for one in embeds] or None}
    await rest.post(f"/webhooks/{webhook_id}/{segment(token)}", object, content)
