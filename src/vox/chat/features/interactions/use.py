"""Using what a bot offers: its buttons, menus and forms."""

from functools import partial
from typing import Any

import msgspec

from vox.chat.api.validation import validate_text
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event
from vox.chat.events.ids import MessageId, UserId
from vox.chat.features.interactions import queries
from vox.chat.features.interactions.answers import assert_open
from vox.chat.features.interactions.calls import (
    LIVES_MS,
    Asked,
    begin,
    interaction_event,
    new_interaction_id,
    post_where_http,
    store_interaction,
)
from vox.chat.features.interactions.queries import MODAL
from vox.chat.features.interactions.schemas import Modal, ModalField, SubmitModal, UseComponent
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.components import Button, Component, find_component, validate_press
from vox.chat.features.messages.content import read_extras
from vox.chat.features.messages.history import message_not_found
from vox.chat.features.messages.send import may_read
from vox.chat.integrations.registry import Bot
from vox.stores.sql import Connection

_decode_components = msgspec.json.Decoder(list[Component]).decode
_decode_modal = msgspec.json.Decoder(Modal).decode


async def use_component(chat: ChatContext, user_id: UserId, body: UseComponent) -> None:
    """Tells a bot that one of its components was used.

    Raises:
        Refusal: MESSAGE_NOT_FOUND, NOT_BOT_MESSAGE, COMPONENT_NOT_FOUND, BOT_DISABLED, VALIDATION_ERROR, FORBIDDEN for a bot.
    """
    if chat.integrations.is_bot(user_id):
        raise refuse("FORBIDDEN", "Bots cannot use components.")
    for text in (body.component_id, *(body.values or ())):
        validate_text("component_id", text)
    msg_id = MessageId(body.msg_id)
    address, author_id, components = await _offered(chat, user_id, msg_id)
    if author_id is None or not chat.integrations.is_bot(author_id):
        raise refuse("NOT_BOT_MESSAGE", "Only messages of bots have components.")
    component = find_component(components, body.component_id)
    if component is None:
        raise refuse("COMPONENT_NOT_FOUND", f"This message has no component {body.component_id!r}.")
    validate_press(component, body.values)
    bot = _active_bot(chat, author_id)
    fields: dict[str, Any] = {"component_id": body.component_id}
    if not isinstance(component, Button):
        fields["values"] = body.values or []
    kind = "button" if isinstance(component, Button) else "select"
    await begin(chat, bot, Asked(kind, user_id, address, fields, msg_id))


async def submit_modal(chat: ChatContext, user_id: UserId, body: SubmitModal) -> None:
    """Gives a bot what a user wrote into its form; a form is submitted once.

    Raises:
        Refusal: INTERACTION_NOT_FOUND with its reason, FORBIDDEN for another user, VALIDATION_ERROR naming the field, BOT_DISABLED.
    """
    for text in (body.modal_id, *body.values, *body.values.values()):
        validate_text("values", text)
    bot, event = await chat.change(partial(_submit, chat=chat, user_id=user_id, body=body))
    await post_where_http(chat, bot, event)


async def _offered(
    chat: ChatContext, user_id: UserId, msg_id: MessageId
) -> tuple[Address, UserId | None, list[Component]]:
    """Where a message is that the user may read, its author and its components."""
    used = await chat.read(partial(queries.find_used_message, msg_id=msg_id))
    if used is not None and may_read(chat, used.address, user_id):
        extras = read_extras(used.extras, used.embed)
        return used.address, used.author_id, extras.components if extras is not None else []
    if used is None:
        now_ms = chat.clock.unix_ms()
        shown = await chat.read(partial(queries.find_ephemeral, msg_id=msg_id, user_id=user_id, now_ms=now_ms))
        if shown is not None and shown.content is not None:
            return shown.address, shown.bot_user_id, _decode_components(shown.content)
    raise message_not_found(msg_id)


def _active_bot(chat: ChatContext, user_id: UserId) -> Bot:
    bot, person = chat.integrations.bots.get(user_id), chat.community.users.get(user_id)
    if bot is None or bot.is_disabled or person is None or not person.is_active:
        raise refuse("BOT_DISABLED", "This bot is not active at present.")
    return bot


def _submit(
    connection: Connection, *, chat: ChatContext, user_id: UserId, body: SubmitModal
) -> Change[tuple[Bot, Event]]:
    now_ms = chat.clock.unix_ms()
    one = queries.lock_interaction(connection, body.modal_id)
    if one is not None and one.kind != MODAL:
        one = None
    if one is not None and one.user_id != user_id:
        raise refuse("FORBIDDEN", "This form was not sent to you.")
    one = assert_open(one, body.modal_id, now_ms)
    bot = _active_bot(chat, one.bot_user_id)
    modal = _decode_modal(one.content or "")
    _validate_values(modal, body.values)
    queries.set_answered(connection, one.id)
    fields = {"custom_id": modal.custom_id, "values": body.values}
    asked = Asked("modal_submit", user_id, one.address, fields, one.msg_id)
    event = interaction_event(bot.user_id, new_interaction_id(), asked)
    change = store_interaction(
        connection, bot_user_id=bot.user_id, asked=asked, event=event, expires_at=now_ms + LIVES_MS
    )
    return Change((bot, event), change.events)


def _validate_values(modal: Modal, values: dict[str, str]) -> None:
    known = {field.custom_id for field in modal.fields}
    for name in values:
        if name not in known:
            raise refuse("VALIDATION_ERROR", f"values.{name}: expected a field of the form")
    for field in modal.fields:
        text = values.get(field.custom_id, "")
        if not text and not field.required:
            continue
        if not text:
            raise _wrong(field, "a text, because it is required")
        if not field.min_length <= len(text) <= field.max_length:
            raise _wrong(field, f"{field.min_length} to {field.max_length} characters")


def _wrong(field: ModalField, expected: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"values.{field.custom_id}: expected {expected}")
