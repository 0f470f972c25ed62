"""Bots and their slash commands over REST."""

from functools import partial
from typing import Any

from vox.chat.api.access import USER, checked, requires, self_or
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.bots import commands, queries, service
from vox.chat.features.bots.schemas import (
    BotChange,
    BotInfo,
    BotLine,
    BotList,
    BotToken,
    CommandList,
    CommandNames,
    CommandOfBot,
    CreatedBot,
    Done,
    NewBot,
    OfferedCommands,
    RegisterCommands,
    SigningSecret,
)
from vox.chat.features.bots.service import managed_bot, not_a_bot

MANAGED = checked("the bot's owner, or MANAGE_SERVER and no lower rank and permissions than the bot")

routes = RouteTable()


@routes.post("/bots", access=requires(P.MANAGE_SERVER), body=NewBot, status=201, returns=CreatedBot)
async def create_bot(call: Call[NewBot]) -> CreatedBot:
    """Creates a bot; its token and signing secret are shown this once."""
    user_id, token, secret = await service.create_bot(call.chat, call.user_id, call.body)
    info = await _info(call, user_id)
    return CreatedBot(
        info.user_id,
        info.username,
        info.display_name,
        info.avatar,
        info.owner_id,
        info.disabled,
        info.created_at,
        info.interaction_url,
        info.token_created_at,
        token.text,
        secret,
    )


@routes.get("/bots", access=USER, returns=BotList)
async def list_bots(call: Call) -> BotList:
    """The bots of the community."""
    stored = await call.chat.read(queries.list_bots)
    found = [_shown(call, one) for one in stored]
    return BotList(
        [
            BotLine(one.user_id, one.username, one.display_name, one.avatar, one.owner_id, one.disabled, one.created_at)
            for one in found
            if one is not None
        ]
    )


@routes.get("/bots/{user_id}", access=checked("the bot, its owner, or MANAGE_SERVER"), returns=BotInfo)
async def get_bot(call: Call) -> BotInfo:
    """A bot with the address that its interactions are posted to."""
    target = call.target_id
    if target != call.user_id or not call.chat.integrations.is_bot(target):
        managed_bot(call.chat, call.user_id, target)
    return await _info(call, target)


@routes.patch("/bots/{user_id}", access=MANAGED, body=BotChange, returns=BotInfo)
async def change_bot(call: Call[BotChange]) -> BotInfo:
    """Renames, disables or enables a bot, or gives it another address."""
    bot = managed_bot(call.chat, call.user_id, call.target_id)
    await service.change_bot(call.chat, call.user_id, bot, call.body)
    return await _info(call, bot.user_id)


@routes.post("/bots/{user_id}/token", access=MANAGED, returns=BotToken)
async def rotate_token(call: Call) -> BotToken:
    """Replaces the token of a bot; the old one ends at once."""
    bot = managed_bot(call.chat, call.user_id, call.target_id)
    return BotToken(await service.rotate_token(call.chat, call.user_id, bot))


@routes.post("/bots/{user_id}/signing-secret", access=MANAGED, returns=SigningSecret)
async def rotate_secret(call: Call) -> SigningSecret:
    """Replaces the secret that signs a bot's interactions; the old one signs too for a day."""
    bot = managed_bot(call.chat, call.user_id, call.target_id)
    return SigningSecret(*await service.rotate_secret(call.chat, call.user_id, bot))


@routes.delete("/bots/{user_id}", access=MANAGED)
async def delete_bot(call: Call) -> None:
    """Deletes a bot; its messages stay."""
    bot = managed_bot(call.chat, call.user_id, call.target_id)
    await call.chat.change(partial(service.delete_bot, actor_id=call.user_id, user_id=bot.user_id))


@routes.put("/bots/{user_id}/commands", access=self_or(P.ADMINISTRATOR), body=RegisterCommands, returns=Done)
async def register_commands(call: Call[RegisterCommands]) -> Done:
    """Registers slash commands of a bot."""
    await commands.register(call.chat, call.target_id, call.body)
    return Done()


@routes.get("/bots/{user_id}/commands", access=self_or(P.ADMINISTRATOR), returns=CommandList)
async def list_bot_commands(call: Call) -> CommandList:
    """The commands of a bot."""
    bot = call.chat.integrations.bots.get(call.target_id)
    if bot is None:
        raise not_a_bot(call.target_id)
    return CommandList(bot.commands)


@routes.delete("/bots/{user_id}/commands", access=self_or(P.ADMINISTRATOR), body=CommandNames, returns=Done)
async def delete_commands(call: Call[CommandNames | None]) -> Done:
    """Deletes commands of a bot."""
    if call.body is None:
        raise refuse("VALIDATION_ERROR", "body: expected {command_names: [...]}")
    unit = partial(commands.unregister, user_id=call.target_id, names=call.body.command_names)
    await call.chat.change(unit)
    return Done()


@routes.get("/commands", access=USER, returns=OfferedCommands)
async def list_commands(call: Call) -> OfferedCommands:
    """The commands that can be called, of all enabled bots."""
    users = call.chat.community.users
    return OfferedCommands(
        [
            CommandOfBot(one.command.name, one.command.description, one.command.params, bot_id=one.bot.user_id)
            for _, one in sorted(call.chat.integrations.commands.items())
            if one.bot.user_id in users and users[one.bot.user_id].is_active
        ]
    )


async def _info(call: Call[Any], user_id: UserId) -> BotInfo:
    stored = await call.chat.read(partial(queries.list_bots, user_id=user_id))
    info = _shown(call, stored[0]) if stored else None
    if info is None:
        raise not_a_bot(user_id)
    return info


def _shown(call: Call[Any], stored: queries.StoredBot) -> BotInfo | None:
    person = call.chat.community.users.get(stored.user_id)
    bot = call.chat.integrations.bots.get(stored.user_id)
    if person is None or bot is None:
        return None
    return BotInfo(
        user_id=person.id,
        username=person.username,
        display_name=person.display_name,
        avatar=person.avatar,
        owner_id=bot.owner_id,
        disabled=bot.is_disabled,
        created_at=stored.created_at,
        interaction_url=stored.interaction_url,
        token_created_at=stored.token_created_at,
    )
