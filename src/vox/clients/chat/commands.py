"""Slash commands made of functions: the annotations of the parameters become the options that the server offers.

    async def roll(interaction: Interaction, sides: Annotated[int, Option("how many", min=2)] = 6) -> str: ...

The one thing to know: the server checks what a member types against these options, so a function gets what its annotations say.
"""

import enum
import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from vox.clients.chat.bots import CommandSpec, Param, ParamChoice
from vox.clients.chat.errors import CommandDefinitionError
from vox.clients.chat.interactions import Interaction
from vox.clients.chat.people import Member, People, User
from vox.clients.chat.rest import Rest
from vox.clients.chat.spaces import Feed, Room, Spaces


@dataclass(frozen=True, slots=True)
class Option:
    """What stands beside an option: `Annotated[int, Option("how many", min=1)]`.

    Args:
        description: shown to members.
        min: the smallest number, or the shortest text.
        max: the largest number, or the longest text.
    """

    description: str = ""
    min: float | None = None
    max: float | None = None


Read = Callable[[Rest, Any], Awaitable[Any]]


async def _user(rest: Rest, value: Any) -> Any:
    return await People(rest).user(int(value))


async def _member(rest: Rest, value: Any) -> Any:
    return await People(rest).member(int(value))


async def _feed(rest: Rest, value: Any) -> Any:
    return await Spaces(rest).feed(int(value))


async def _room(rest: Rest, value: Any) -> Any:
    return await Spaces(rest).room(int(value))


def _made_by(kind: Callable[[Any], Any]) -> Read:
    async def read(rest: Rest, value: Any) -> Any:
        return kind(value)

    return read


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in {"true", "yes", "on", "1"}


_KINDS: Final[Mapping[Any, tuple[str, Read]]] = {
    str: ("string", _made_by(str)),
    int: ("integer", _made_by(int)),
    float: ("number", _made_by(float)),
    bool: ("boolean", _made_by(_flag)),
    User: ("user", _user),
    Member: ("user", _member),
    Feed: ("feed", _feed),
    Room: ("room", _room),
}


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command and the function behind it.

    Args:
        spec: what the server offers.
        function: is given the interaction, and the options by name.
        readers: how each option becomes what the function's annotation says.
        permission: what a member must be allowed to do to use it; 0 for nothing.
    """

    spec: CommandSpec
    function: Callable[..., Awaitable[Any]]
    readers: Mapping[str, Read] = field(default_factory=dict[str, Read])
    permission: int = 0

    async def arguments(self, interaction: Interaction) -> dict[str, Any]:
        """The function's arguments, without those that the member left out.

        Raises:
            ValueError: an option does not fit, which only a server without typed options lets through.
        """
        given = {name: interaction.params[name] for name in self.readers if name in interaction.params}
        missing = [one.name for one in self.spec.params if one.required and one.name not in given]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return {name: await self.readers[name](interaction.rest, value) for name, value in given.items()}


def command_of(
    function: Callable[..., Awaitable[Any]], *, name: str = "", description: str = "", permission: int = 0
) -> Command:
    """Makes a command of a function whose first parameter is the interaction.

    Args:
        function: an `async def`.
        name: of the command; by default the function's, with - for _.
        description: by default the first line of the docstring.
        permission: what a member must be allowed to do to use it.

    Raises:
        CommandDefinitionError: a parameter's annotation is no kind of option.
    """
    shown = name or function.__name__.replace("_", "-")
    if not inspect.iscoroutinefunction(function):
        raise CommandDefinitionError(shown, "is an ordinary function", "write `async def`")
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise CommandDefinitionError(shown, "takes no interaction", "give the function a first parameter for it")
    params: list[Param] = []
    readers: dict[str, Read] = {}
    for parameter in parameters[1:]:
        if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
            raise CommandDefinitionError(shown, f"has the open parameter {parameter.name}", "name each option")
        param, reader = _option(shown, parameter, hints.get(parameter.name, str))
        params.append(param)
        readers[parameter.name] = reader
    text = description or (inspect.getdoc(function) or "").partition("\n")[0]
    return Command(CommandSpec(name=shown, description=text, params=params), function, readers, int(permission))


def _option(command: str, parameter: inspect.Parameter, hint: Any) -> tuple[Param, Read]:
    beside = Option()
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        for one in more:
            beside = one if isinstance(one, Option) else Option(one) if isinstance(one, str) else beside
    hint, is_optional = _without_none(hint)
    is_required = parameter.default is inspect.Parameter.empty
    if is_optional and is_required:
        raise CommandDefinitionError(command, f"may have None for {parameter.name}", f"write {parameter.name} = None")
    kind, reader, choices = _kind(command, parameter.name, hint)
    param = Param(
        name=parameter.name,
        description=beside.description,
        required=is_required,
        type=kind,
        choices=choices,
        min=beside.min,
        max=beside.max,
    )
    return param, reader


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint, False
    rest = [one for one in get_args(hint) if one is not type(None)]
    return (rest[0] if len(rest) == 1 else hint), len(rest) < len(get_args(hint))


def _kind(command: str, name: str, hint: Any) -> tuple[str, Read, list[ParamChoice]]:
    if get_origin(hint) is Literal:
        choices = [ParamChoice(str(value), value) for value in get_args(hint)]
        if (plain := _plain_kind(choices)) is not None:
            return (*plain, choices)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        choices = [ParamChoice(one.name.lower(), one.value) for one in hint]
        if (plain := _plain_kind(choices)) is not None:
            kind, reader = plain

            async def read(rest: Rest, value: Any) -> Any:
                return hint(await reader(rest, value))

            return kind, read, choices
    elif hint in _KINDS:
        kind, reader = _KINDS[hint]
        return kind, reader, []
    raise CommandDefinitionError(
        command,
        f"has the option {name} of a type that options cannot have",
        "use str, int, float, bool, Literal, an Enum, User, Member, Feed or Room",
    )


def _plain_kind(choices: list[ParamChoice]) -> tuple[str, Read] | None:
    """The kind that all choices have; None where they have none in common."""
    kinds: set[Any] = {type(one.value) for one in choices}
    return _KINDS[kinds.pop()] if len(kinds) == 1 and kinds <= {str, int, float} else None
