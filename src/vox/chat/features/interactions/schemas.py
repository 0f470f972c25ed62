"""Requests around interactions, and what a bot answers; the interaction itself is the gateway's event `interaction_create`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id
from vox.chat.features.messages.components import MAX_OPTIONS, Components, CustomId, Label
from vox.chat.features.messages.schemas import Embed

MAX_EMBEDS = 10
MAX_FIELDS = 10
MAX_FIELD_CHARS = 4000


class ModalField(msgspec.Struct, frozen=True):
    """A text that a modal asks for; `style` is short (one line) or paragraph."""

    custom_id: CustomId
    label: Label
    style: Literal["short", "paragraph"] = "short"
    required: bool = True
    min_length: Annotated[int, Meta(ge=0, le=MAX_FIELD_CHARS)] = 0
    max_length: Annotated[int, Meta(ge=1, le=MAX_FIELD_CHARS)] = MAX_FIELD_CHARS
    placeholder: Annotated[str, Meta(max_length=100)] | None = None
    value: Annotated[str, Meta(max_length=MAX_FIELD_CHARS)] | None = None


class Modal(msgspec.Struct, frozen=True):
    """A form that the bot asks the user to fill in."""

    custom_id: CustomId
    title: Label
    fields: Annotated[list[ModalField], Meta(min_length=1, max_length=MAX_FIELDS)]


class InteractionAnswer(msgspec.Struct, frozen=True):
    """What a bot answers, by REST or as the JSON of its HTTP response.

    Args:
        body: the text of the message.
        embeds: its cards.
        components: its buttons and menus.
        ephemeral: whether only the user who acted is sent it, and nothing is stored.
        type: message: a new message; update: the message whose component was used changes; modal: a form opens; ack: nothing to show.
        modal: the form, for the type modal.
    """

    body: str | None = None
    embeds: Annotated[list[Embed], Meta(max_length=MAX_EMBEDS)] | None = None
    components: Components | None = None
    ephemeral: bool = False
    type: Literal["message", "update", "modal", "ack"] = "message"
    modal: Modal | None = None


class UseComponent(msgspec.Struct, frozen=True):
    """A button that was pressed, or the values chosen in a menu."""

    msg_id: Id
    component_id: CustomId
    values: Annotated[list[CustomId], Meta(max_length=MAX_OPTIONS)] | None = None


class SubmitModal(msgspec.Struct, frozen=True):
    """A form that was filled in: texts by the custom_id of their fields."""

    modal_id: Annotated[str, Meta(min_length=1, max_length=64)]
    values: Annotated[dict[CustomId, Annotated[str, Meta(max_length=MAX_FIELD_CHARS)]], Meta(max_length=MAX_FIELDS)]
