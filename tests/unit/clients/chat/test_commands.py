"""Functions become commands by their annotations; what cannot be an option is refused with the remedy."""

import enum
from typing import Annotated, Any, Literal

import pytest

from vox.clients.chat.commands import Option, command_of
from vox.clients.chat.errors import CommandDefinitionError
from vox.clients.chat.interactions import Interaction
from vox.clients.chat.people import User
from vox.clients.chat.spaces import Feed, Room


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


async def every_kind(
    interaction: Interaction,
    text: str,
    count: Annotated[int, Option("how many", min=1, max=9)],
    ratio: float = 0.5,
    size: Size = Size.SMALL,
    colour: Literal["red", "blue"] | None = None,
    who: Annotated[User | None, "the person"] = None,
    where: Feed | None = None,
    room: Room | None = None,
    unannotated: Any = "",
    *,
    loud: bool = False,
) -> None:
    """Shows every kind.

    And more.
    """


del every_kind.__annotations__["unannotated"]


def test_annotations_become_options():
    command = command_of(every_kind)
    assert (command.spec.name, command.spec.description) == ("every-kind", "Shows every kind.")
    shown = [
        (one.name, one.type, one.required, [choice.value for choice in one.choices]) for one in command.spec.params
    ]
    assert shown == [
        ("text", "string", True, []),
        ("count", "integer", True, []),
        ("ratio", "number", False, []),
        ("size", "integer", False, [1, 2]),
        ("colour", "string", False, ["red", "blue"]),
        ("who", "user", False, []),
        ("where", "feed", False, []),
        ("room", "room", False, []),
        ("unannotated", "string", False, []),
        ("loud", "boolean", False, []),
    ]
    count, who = command.spec.params[1], command.spec.params[5]
    assert (count.description, count.min, count.max, who.description) == ("how many", 1, 9, "the person")


async def test_values_become_what_the_function_expects():
    command = command_of(every_kind, name="x")
    params = {"text": "a", "count": "3", "size": 2, "ratio": 1, "loud": "true", "unknown": 1}
    arguments = await command.arguments(bound_interaction(params))
    assert arguments == {"text": "a", "count": 3, "size": Size.LARGE, "ratio": 1.0, "loud": True}
    with pytest.raises(ValueError, match="text is missing"):
        await command.arguments(bound_interaction({"count": 1}))
    with pytest.raises(ValueError, match="invalid literal"):
        await command.arguments(bound_interaction({"text": "a", "count": "many"}))


def bound_interaction(params: dict[str, Any]) -> Interaction:
    from vox.clients.chat.bound import bind
    from vox.clients.chat.rest import Rest

    return bind(Interaction(id="1", params=params), Rest("http://localhost"))


def test_what_cannot_be_a_command_is_refused():
    def ordinary(interaction): ...
    async def bare(): ...
    async def open_ended(interaction, **options: str): ...
    async def without_default(interaction, who: User | None): ...
    async def odd(interaction, when: bytes): ...
    async def mixed(interaction, which: Literal["a", 1]): ...

    refused: dict[Any, str] = {
        ordinary: "write `async def`",
        bare: "give the function a first parameter",
        open_ended: "name each option",
        without_default: "write who = None",
        odd: "use str, int, float",
        mixed: "use str, int, float",
    }
    for function, remedy in refused.items():
        with pytest.raises(CommandDefinitionError, match=remedy):
            command_of(function)
