"""Requests and responses of bots and their commands. Names and descriptions have their lengths checked in the service."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vox.chat.integrations.commands import Command

MAX_COMMANDS = 100
"""Commands of one bot."""

Url = Annotated[str, Meta(max_length=2048)]


class NewBot(msgspec.Struct, frozen=True):
    """A bot to create; with an `interaction_url` the server posts interactions there, besides the gateway."""

    username: str
    display_name: str | None = None
    interaction_url: Url | None = None


class BotChange(msgspec.Struct, frozen=True):
    """What to change; an empty `interaction_url` removes it."""

    display_name: str | None = None
    interaction_url: Url | None = None
    disabled: bool | None = None


class BotLine(msgspec.Struct, frozen=True):
    """A bot as every member sees it; `created_at` in Unix seconds."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None
    owner_id: int | None
    disabled: bool
    created_at: int


class BotList(msgspec.Struct, frozen=True):
    """All bots, by user id."""

    items: list[BotLine]


class BotInfo(BotLine, frozen=True):
    """A bot as its owner sees it; `token_created_at` is null where it has no token of this server."""

    interaction_url: str | None
    token_created_at: int | None


class CreatedBot(BotInfo, frozen=True):
    """A new bot with its secrets, which are shown this once."""

    token: str
    signing_secret: str


class BotToken(msgspec.Struct, frozen=True):
    """A new token, shown this once; the one before no longer works."""

    token: str


class SigningSecret(msgspec.Struct, frozen=True):
    """A new signing secret, shown this once; the one before signs too until that moment (Unix seconds)."""

    signing_secret: str
    previous_valid_until: int


class RegisterCommands(msgspec.Struct, frozen=True):
    """Commands to add; with `replace` they are all that the bot has afterwards."""

    commands: Annotated[list[Command], Meta(max_length=MAX_COMMANDS)]
    replace: bool = False


class CommandNames(msgspec.Struct, frozen=True):
    """Commands to delete."""

    command_names: Annotated[list[str], Meta(max_length=MAX_COMMANDS)]


class Done(msgspec.Struct, frozen=True):
    """The change was made."""

    ok: bool = True


class CommandList(msgspec.Struct, frozen=True):
    """The commands of one bot, by name."""

    commands: list[Command]


class CommandOfBot(Command, frozen=True, kw_only=True):
    """A command and the user id of its bot."""

    bot_id: int


class OfferedCommands(msgspec.Struct, frozen=True):
    """The commands of all enabled bots, by name."""

    commands: list[CommandOfBot]
