"""What a message can be operated with: buttons, menus, and forms that open in answer to them; pure."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

ButtonStyle = Literal["primary", "secondary", "success", "danger", "link"]


class Button(msgspec.Struct, kw_only=True, tag="button", omit_defaults=True):
    """A button: with a `custom_id` it comes back as an interaction, with a `url` and style "link" it opens a page."""

    label: str
    custom_id: str | None = None
    url: str | None = None
    style: ButtonStyle = "primary"
    disabled: bool = False
    row: int = 0


class MenuOption(msgspec.Struct, omit_defaults=True):
    """One line of a menu."""

    label: str
    value: str
    description: str | None = None


class Menu(msgspec.Struct, kw_only=True, tag="select", omit_defaults=True):
    """A menu: what was chosen comes back as the interaction's `values`."""

    custom_id: str
    options: list[MenuOption]
    placeholder: str | None = None
    min_values: int = 1
    max_values: int = 1
    disabled: bool = False
    row: int = 0


class TextInput(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A field of a modal."""

    custom_id: str
    label: str
    style: Literal["short", "paragraph"] = "short"
    required: bool = True
    min_length: int = 0
    max_length: int = 4000
    placeholder: str | None = None
    value: str | None = None


class Modal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A form that opens in answer to a command, button or menu; what was typed comes back as the interaction's `fields`."""

    custom_id: str
    title: str
    fields: list[TextInput]


Component = Button | Menu


def link_button(label: str, url: str) -> Button:
    """A button that opens a page."""
    return Button(label=label, url=url, style="link")


def encoded(components: Sequence[Component] | None) -> list[Any] | None:
    """Components as a request has them; an empty list takes them away, None leaves them out."""
    return None if components is None else [msgspec.to_builtins(one) for one in components]
