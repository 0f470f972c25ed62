"""Buttons and select menus below a bot's message: their form on the wire and in the database. Pure.

A component belongs to its message: pressing one that its message does not have is refused, so the `custom_id` that a bot receives is
always one that it sent.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vox.chat.api.validation import validate_address, validate_text
from vox.chat.errors import Refusal, refuse

MAX_COMPONENTS: Final = 25
MAX_OPTIONS: Final = 25
MAX_ROW: Final = 4

CustomId = Annotated[str, Meta(min_length=1, max_length=100)]
Label = Annotated[str, Meta(min_length=1, max_length=80)]
Row = Annotated[int, Meta(ge=0, le=MAX_ROW)]


class Button(msgspec.Struct, frozen=True, tag_field="type", tag="button"):
    """A button; one with a `url` opens that address and is never reported to the bot.

    Args:
        label: its text.
        custom_id: what the bot is told when it is pressed; required without a url.
        style: how it looks: primary, secondary, success, danger or link; clients show others as primary.
        url: the address that it opens.
        disabled: whether it cannot be pressed.
        row: on which line it stands, counted from 0.
    """

    label: Label
    custom_id: CustomId | None = None
    style: Annotated[str, Meta(max_length=32)] = "primary"
    url: Annotated[str, Meta(max_length=2048)] | None = None
    disabled: bool = False
    row: Row = 0


class Option(msgspec.Struct, frozen=True):
    """A choice of a select menu."""

    label: Label
    value: CustomId
    description: Annotated[str, Meta(max_length=100)] | None = None


class Select(msgspec.Struct, frozen=True, tag_field="type", tag="select"):
    """A menu; between `min_values` and `max_values` of its options can be chosen."""

    custom_id: CustomId
    options: Annotated[list[Option], Meta(min_length=1, max_length=MAX_OPTIONS)]
    placeholder: Annotated[str, Meta(max_length=100)] | None = None
    min_values: Annotated[int, Meta(ge=1, le=MAX_OPTIONS)] = 1
    max_values: Annotated[int, Meta(ge=1, le=MAX_OPTIONS)] = 1
    disabled: bool = False
    row: Row = 0


Component = Button | Select
Components = Annotated[list[Component], Meta(max_length=MAX_COMPONENTS)]


def validate_components(components: Sequence[Component]) -> None:
    """Refuses components that could not be told apart or that nothing could follow from.

    Raises:
        Refusal: VALIDATION_ERROR, naming the component.
    """
    seen: set[str] = set()
    for index, component in enumerate(components):
        place = f"components[{index}]"
        for text in _texts(component):
            validate_text(place, text)
        if isinstance(component, Button):
            if (component.custom_id is None) == (component.url is None):
                raise _wrong(place, "a button with either a custom_id or a url")
            validate_address(f"{place}.url", component.url)
        elif component.min_values > component.max_values or component.max_values > len(component.options):
            raise _wrong(place, "min_values <= max_values <= the number of options")
        elif len({option.value for option in component.options}) < len(component.options):
            raise _wrong(place, "options with values of their own")
        if component.custom_id is not None:
            if component.custom_id in seen:
                raise _wrong(place, f"a custom_id of its own ({component.custom_id!r} comes twice)")
            seen.add(component.custom_id)


def find_component(components: Sequence[Component], custom_id: str) -> Component | None:
    """The component with that id; None where the message has none."""
    return next((component for component in components if component.custom_id == custom_id), None)


def validate_press(component: Component, values: Sequence[str] | None) -> None:
    """Refuses to use a component in a way that it does not offer.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    if component.disabled:
        raise _wrong("component_id", "a component that is not disabled")
    if isinstance(component, Button):
        if values:
            raise _wrong("values", "none for a button")
        return
    chosen, offered = values or [], {option.value for option in component.options}
    if len(set(chosen)) != len(chosen) or not offered.issuperset(chosen):
        raise _wrong("values", "values of the menu's options, each once")
    if not component.min_values <= len(chosen) <= component.max_values:
        raise _wrong("values", f"{component.min_values} to {component.max_values} values")


def _texts(component: Component) -> Iterator[str | None]:
    yield component.custom_id
    if isinstance(component, Button):
        yield from (component.label, component.style, component.url)
        return
    yield component.placeholder
    for option in component.options:
        yield from (option.label, option.value, option.description)


def _wrong(field: str, expected: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"body.{field}: expected {expected}")
