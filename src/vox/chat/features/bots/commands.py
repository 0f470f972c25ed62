"""Registering slash commands: a name is one bot's in the whole community."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import msgspec

from vox.chat.api.validation import Limits, validate_length, validate_prose
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event, bot_commands_delete, bot_commands_update
from vox.chat.events.ids import UserId
from vox.chat.features.bots import queries
from vox.chat.features.bots.schemas import MAX_COMMANDS, RegisterCommands
from vox.chat.features.bots.service import not_a_bot, state_event
from vox.chat.integrations.commands import Command, command_name, problem_with_params
from vox.stores.sql import Connection


async def register(chat: ChatContext, user_id: UserId, body: RegisterCommands) -> None:
    """Adds commands of a bot, or replaces all that it has.

    Raises:
        Refusal: FORBIDDEN where the user is no bot, VALIDATION_ERROR, CMD_ALREADY_REGISTERED.
    """
    if not chat.integrations.is_bot(user_id):
        raise not_a_bot(user_id)
    for index, command in enumerate(body.commands):
        _validate(chat.config.limit, f"commands[{index}]", command)
    twice = next((name for name, count in Counter(one.name for one in body.commands).items() if count > 1), None)
    if twice is not None:
        raise _taken(twice)
    unit = partial(_register, user_id=user_id, commands=body.commands, replaces=body.replace)
    await chat.change(unit)


def unregister(connection: Connection, *, user_id: UserId, names: Sequence[str]) -> Change[None]:
    """Deletes commands of a bot: all of these, or none.

    Raises:
        Refusal: FORBIDDEN where the user is no bot, CMD_NOT_FOUND.
    """
    lock_event_order(connection)
    bot_id = queries.lock_bot(connection, user_id)
    if bot_id is None:
        raise not_a_bot(user_id)
    missing = set(names) - set(queries.delete_commands(connection, bot_id, names))
    if missing:
        raise refuse("CMD_NOT_FOUND", f"The bot has no command {min(missing)!r}.")
    if not names:
        return Change(None)
    gone = bot_commands_delete(bot_id=user_id, command_names=list(dict.fromkeys(names)))
    return Change(None, (gone, state_event(connection, user_id)))


def _register(connection: Connection, *, user_id: UserId, commands: Sequence[Command], replaces: bool) -> Change[None]:
    lock_event_order(connection)
    bot_id = queries.lock_bot(connection, user_id)
    if bot_id is None:
        raise not_a_bot(user_id)
    names = [command.name for command in commands]
    owners = queries.taken_names(connection, names)
    for name, owner in sorted(owners.items()):
        if owner != user_id or not replaces:
            raise _taken(name)
    before = queries.command_names(connection, bot_id)
    if len(names) + (0 if replaces else len(before)) > MAX_COMMANDS:
        raise refuse("VALIDATION_ERROR", f"body.commands: expected at most {MAX_COMMANDS} commands of a bot")
    events: list[Event] = []
    if replaces:
        queries.delete_commands(connection, bot_id, before)
        if gone := [name for name in before if name not in set(names)]:
            events.append(bot_commands_delete(bot_id=user_id, command_names=gone))
    queries.insert_commands(connection, bot_id, commands)
    if commands:
        events.append(bot_commands_update(bot_id=user_id, commands=[msgspec.to_builtins(one) for one in commands]))
    if not events:
        return Change(None)
    return Change(None, [*events, state_event(connection, user_id)])


def _validate(limits: Limits, place: str, command: Command) -> None:
    validate_length(limits, f"{place}.name", command.name, "command_name_max")
    validate_prose(limits, f"{place}.name", command.name, "command_name_max")
    if not command.name or command_name(f"/{command.name}") != command.name or command.name.startswith("/"):
        raise refuse(
            "VALIDATION_ERROR", f"body.{place}.name: expected a word without spaces, and without a slash before it"
        )
    validate_prose(limits, f"{place}.description", command.description, "command_description_max")
    for param in command.params:
        for choice in param.choices or ():
            validate_prose(limits, f"{place}.params", choice.name, "command_description_max")
            if isinstance(choice.value, str):
                validate_prose(limits, f"{place}.params", choice.value, "command_description_max")
        validate_prose(limits, f"{place}.params", param.description, "command_description_max")
    if problem := problem_with_params(command.params):
        raise refuse("VALIDATION_ERROR", f"body.{place}.params: expected {problem}")


def _taken(name: str) -> Refusal:
    return refuse("CMD_ALREADY_REGISTERED", f"A command {name!r} is registered already.")
