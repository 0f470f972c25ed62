"""Answering an interaction: once, in time, and by the bot that was asked.

One unit of work takes the interaction and stores what follows from it, so that it is answered exactly if the answer is there: a
malformed one does not use it up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.api.validation import validate_text
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.snowflakes import time_of
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.errors import Refusal, missing_permission, refuse
from vox.chat.events import Event, Users, interaction_modal, message_create, message_update
from vox.chat.events.ids import MessageId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.interactions import queries
from vox.chat.features.interactions.queries import EPHEMERAL, MODAL, StoredInteraction
from vox.chat.features.interactions.schemas import InteractionAnswer, Modal
from vox.chat.features.messages.components import validate_components
from vox.chat.features.messages.content import Content, embed_fields, extra_fields, validate_embeds
from vox.chat.features.messages.edit import edit_in_transaction
from vox.chat.features.messages.insert import InsertedMessage, NewMessage, insert_message
from vox.chat.features.messages.schemas import Embed, Extras
from vox.chat.features.messages.screening import (
    Screened,
    consequences,
    deletes,
    followed_by,
    is_screened,
    sample_of,
    screen,
)
from vox.chat.features.messages.send import notify
from vox.stores.sql import Connection
from vox.text.names import is_visible

FORM_LIVES_MS: Final = 15 * 60_000
"""How long a user may take over a form, and how long the components of an ephemeral message work."""


@dataclass(frozen=True, slots=True)
class _Posted:
    draft: NewMessage
    message: InsertedMessage


async def respond(chat: ChatContext, bot_user_id: UserId, interaction_id: str, answer: InteractionAnswer) -> None:
    """Takes a bot's answer.

    Raises:
        Refusal: VALIDATION_ERROR, EMPTY_MESSAGE, MESSAGE_TOO_LARGE; INTERACTION_NOT_FOUND with its reason, FORBIDDEN for another bot,
            MISSING_PERMISSIONS or SPACE_NOT_FOUND where the bot may not answer there, or what storing the message refuses.
    """
    unit: UnitOfWork[_Posted | None] = partial(
        _respond, chat=chat, bot_user_id=bot_user_id, interaction_id=interaction_id, answer=answer
    )
    screened = await _screened(chat, bot_user_id, interaction_id, answer) if is_screened(chat) else None
    hits = await screen(chat, screened) if screened is not None else ()
    if hits and screened is not None and (then := consequences(chat, hits, screened)) is not None:
        changed = screened.msg_id
        unit = followed_by(unit, then, lambda posted: changed if posted is None else posted.message.msg_id)
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        posted = await chat.change(unit)
    if posted is not None and not (hits and deletes(hits)):
        await notify(chat, posted.draft, posted.message)


async def _screened(
    chat: ChatContext, bot_user_id: UserId, interaction_id: str, answer: InteractionAnswer
) -> Screened | None:
    """What rules of auto-moderation are asked about; None for what one user alone sees, and for what will be refused anyway."""
    if answer.ephemeral or answer.type not in {"message", "update"}:
        return None
    one = await chat.read(partial(queries.find_interaction, interaction_id=interaction_id))
    if one is None or one.bot_user_id != bot_user_id or one.kind in {MODAL, EPHEMERAL} or one.address.feed_id is None:
        return None
    content = Content(answer.body, None, None, (), (), None, None)
    changed = one.msg_id if answer.type == "update" else None
    sample = sample_of(content, answer.embeds or ())
    return Screened(bot_user_id, one.address.feed_id, sample, one.address.thread_id, changed)


def assert_open(one: StoredInteraction | None, interaction_id: str, now_ms: int) -> StoredInteraction:
    """The interaction, while it may be answered.

    Raises:
        Refusal: INTERACTION_NOT_FOUND, whose reason says whether it is unknown, answered or expired.
    """
    if one is None:
        raise _not_found("unknown", f"There is no interaction {interaction_id}.")
    if one.state != "open":
        raise _not_found("answered", "This interaction was answered already.")
    if one.expires_at <= now_ms:
        raise _not_found("expired", "This interaction has expired.")
    return one


def _respond(
    connection: Connection, *, chat: ChatContext, bot_user_id: UserId, interaction_id: str, answer: InteractionAnswer
) -> Change[_Posted | None]:
    now_ms = chat.clock.unix_ms()
    one = queries.lock_interaction(connection, interaction_id)
    if one is not None and one.kind in {MODAL, EPHEMERAL}:
        one = None
    if one is not None and one.bot_user_id != bot_user_id:
        raise refuse("FORBIDDEN", "This interaction was not addressed to you.")
    one = assert_open(one, interaction_id, now_ms)
    _validate(chat, answer)
    queries.set_answered(connection, one.id)
    match answer.type:
        case "ack":
            return Change(None)
        case "modal":
            _assert_views(chat, one)
            return Change(None, (_open_modal(connection, one, answer.modal, chat.ids.next(), now_ms),))
        case "update":
            _assert_views(chat, one)
            return Change(None, _update(connection, one, answer, now_ms))
        case "message":
            _assert_views(chat, one)
    if answer.ephemeral:
        return Change(None, (_ephemeral(connection, one, answer, MessageId(chat.ids.next())),))
    draft = NewMessage(one.bot_user_id, one.address, *_stored_content(chat, one, answer))
    posted = insert_message(connection, draft, chat.ids.next, now_ms // 1000)
    return Change(_Posted(draft, posted.value), posted.events)


def _stored_content(
    chat: ChatContext, one: StoredInteraction, answer: InteractionAnswer
) -> tuple[Content, Sequence[UserId], bool, Extras | None]:
    """Content, mentions, whether it begins a thread, and extras of a message that everyone there will see."""
    where, feed = one.address, None
    embeds = answer.embeds or []
    if where.feed_id is not None:
        permission = P.SEND_IN_THREADS if where.thread_id is not None else P.SEND_MESSAGES
        if not chat.community.may_in(one.bot_user_id, "feed", where.feed_id, permission):
            raise missing_permission(permission.name or "")
        if embeds and not chat.community.may_in(one.bot_user_id, "feed", where.feed_id, P.SEND_EMBEDS):
            raise missing_permission("SEND_EMBEDS")
        feed = chat.community.feeds.get(where.feed_id)
    names_thread = feed is not None and feed.type == "forum" and where.thread_id is None
    content = Content(answer.body, None, embeds[0] if embeds else None, (), (), None, None)
    return content, (), names_thread, _extras(embeds, answer)


def _ephemeral(connection: Connection, one: StoredInteraction, answer: InteractionAnswer, msg_id: MessageId) -> Event:
    where, embeds = one.address, answer.embeds or []
    extras = _extras(embeds, answer)
    if answer.components:
        stored = StoredInteraction(
            str(msg_id),
            EPHEMERAL,
            one.bot_user_id,
            one.user_id,
            where,
            msg_id,
            msgspec.json.encode(answer.components).decode(),
            "open",
            time_of(msg_id) + FORM_LIVES_MS,
        )
        queries.store_ephemeral(connection, stored)
    event = message_create(
        msg_id=msg_id,
        author_id=one.bot_user_id,
        body=answer.body,
        timestamp=time_of(msg_id),
        feed_id=where.feed_id,
        dm_id=where.dm_id,
        thread_id=where.thread_id,
        embed=embed_fields(embeds[0]) if embeds else None,
        extras={**(extra_fields(extras) if extras is not None else {}), "ephemeral": True},
    )
    return replace(event, audience=Users((one.user_id,)))


def _update(connection: Connection, one: StoredInteraction, answer: InteractionAnswer, now_ms: int) -> Sequence[Event]:
    if one.msg_id is None:
        raise refuse("VALIDATION_ERROR", "body.type: expected message, modal or ack, because no component was used")
    shown = queries.find_ephemeral(connection, one.msg_id, one.user_id, now_ms)
    if shown is None:
        return edit_in_transaction(
            connection,
            user_id=one.bot_user_id,
            address=one.address,
            msg_id=one.msg_id,
            body=answer.body,
            now_ms=now_ms,
            components=answer.components,
            embeds=answer.embeds,
        ).events
    fields: dict[str, object] = {"ephemeral": True}
    if answer.components is not None:
        queries.set_content(connection, shown.id, msgspec.json.encode(answer.components).decode())
        fields["components"] = msgspec.to_builtins(answer.components)
    if answer.embeds is not None:
        fields["embeds"] = [embed_fields(embed) for embed in answer.embeds]
    event = message_update(
        msg_id=one.msg_id,
        feed_id=one.address.feed_id,
        dm_id=one.address.dm_id,
        body=answer.body,
        edit_timestamp=now_ms,
        extras=fields,
    )
    return (replace(event, audience=Users((one.user_id,))),)


def _open_modal(connection: Connection, one: StoredInteraction, modal: Modal | None, number: int, now_ms: int) -> Event:
    if modal is None:
        raise refuse("VALIDATION_ERROR", "body.modal: expected a form for the type modal")
    stored = replace(
        one,
        id=f"modal_{number}",
        kind=MODAL,
        content=msgspec.json.encode(modal).decode(),
        state="open",
        expires_at=now_ms + FORM_LIVES_MS,
    )
    queries.insert_interaction(connection, stored)
    return interaction_modal(
        user_id=one.user_id,
        bot_id=one.bot_user_id,
        modal_id=stored.id,
        modal=msgspec.to_builtins(modal),
        feed_id=one.address.feed_id,
        dm_id=one.address.dm_id,
        expires_at=stored.expires_at // 1000,
    )


def _assert_views(chat: ChatContext, one: StoredInteraction) -> None:
    where = one.address
    if where.dm_id is not None:
        sees = chat.community.in_dm(one.bot_user_id, where.dm_id)
    else:
        sees = where.feed_id is not None and chat.community.may_in(one.bot_user_id, "feed", where.feed_id, P.VIEW_SPACE)
    if not sees:
        raise missing_permission("VIEW_SPACE")


def _validate(chat: ChatContext, answer: InteractionAnswer) -> None:
    body, embeds = answer.body, answer.embeds or []
    if body is not None:
        validate_text("body", body)
        if len(body) > chat.config.limit("message_body_max"):
            raise refuse(
                "MESSAGE_TOO_LARGE", f"A message has at most {chat.config.limit('message_body_max')} characters."
            )
    if embeds:
        validate_embeds(embeds)
    if answer.components:
        validate_components(answer.components)
    if answer.type == "message" and not (body and is_visible(body)) and not embeds:
        raise refuse("EMPTY_MESSAGE", "An answer of the type message needs a text or an embed.")
    if answer.type == "modal":
        _validate_modal(answer.modal)


def _validate_modal(modal: Modal | None) -> None:
    if modal is None:
        raise refuse("VALIDATION_ERROR", "body.modal: expected a form for the type modal")
    ids: Mapping[str, Any] = {field.custom_id: field for field in modal.fields}
    if len(ids) < len(modal.fields):
        raise refuse("VALIDATION_ERROR", "body.modal.fields: expected a custom_id of its own for each")
    for text in (modal.custom_id, modal.title):
        validate_text("modal", text)
    for field in modal.fields:
        for text in (field.custom_id, field.label, field.placeholder, field.value):
            validate_text("modal.fields", text)
        if field.min_length > field.max_length:
            raise refuse(
                "VALIDATION_ERROR", f"body.modal.fields: expected min_length <= max_length ({field.custom_id})"
            )


def _extras(embeds: Sequence[Embed], answer: InteractionAnswer) -> Extras | None:
    several = list(embeds) if len(embeds) > 1 else []
    if not several and not answer.components:
        return None
    return Extras(embeds=several, components=answer.components or [])


def _not_found(reason: str, message: str) -> Refusal:
    return refuse("INTERACTION_NOT_FOUND", message, reason=reason)
