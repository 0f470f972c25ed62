"""The content of a message, checked before anything is stored. Pure.

An embed is decoded here: the original stored it first and failed with 500 afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vox.chat.api.validation import Limits, validate_address, validate_text
from vox.chat.errors import refuse
from vox.chat.events.ids import FileId, MessageId
from vox.chat.features.messages.schemas import Embed, Extras, SendMessage
from vox.text.names import is_visible

MAX_EMBED_CHARS: Final = 16_384
MAX_BLOB_CHARS: Final = 65_536
"""An encrypted body: the length of its text is not known here, so the limit is a generous constant."""
EVERYONE_MENTION: Final = 0

_decode_extras = msgspec.json.Decoder(Extras).decode
_decode_embed = msgspec.json.Decoder(Embed).decode


@dataclass(frozen=True, slots=True)
class Content:
    """A checked message.

    Args:
        body: its text, verbatim.
        opaque_blob: its encrypted text, in conversations only.
        embed: its card; None where there is none or the sender may not send one.
        attachments: file ids, each once.
        mentions: user ids, each once; 0 is everyone.
        reply_to: the message it replies to; never checked, because a reply outlives that message.
        nonce: the name that the sender gave it, to recognise a repeated request.
    """

    body: str | None
    opaque_blob: str | None
    embed: Embed | None
    attachments: Sequence[FileId]
    mentions: Sequence[int]
    reply_to: MessageId | None
    nonce: str | None


def content_of(
    message: SendMessage,
    limits: Limits,
    *,
    may_embed: bool = True,
    may_mention_everyone: bool = True,
    takes_blob: bool = False,
) -> Content:
    """The parts of a message that are to be stored.

    Args:
        message: as it was sent.
        limits: gives the present value of a limit.
        may_embed: whether the sender's embed counts; else it is dropped.
        may_mention_everyone: whether a mention of 0 counts; else it is dropped.
        takes_blob: whether an opaque blob counts; else it is dropped.

    Raises:
        Refusal: EMPTY_MESSAGE, MESSAGE_TOO_LARGE, or VALIDATION_ERROR for a malformed embed.
    """
    body = message.body
    blob = message.opaque_blob if takes_blob else None
    embed = embed_of(message.embed) if may_embed and message.embed is not None else None
    attachments = list(dict.fromkeys(message.attachments or ()))
    if not (body and is_visible(body)) and not attachments and embed is None and not blob:
        raise refuse("EMPTY_MESSAGE", "A message needs a text, an attachment or an embed.")
    if (body is not None and len(body) > limits("message_body_max")) or (
        blob is not None and len(blob) > MAX_BLOB_CHARS
    ):
        raise refuse("MESSAGE_TOO_LARGE", f"A message has at most {limits('message_body_max')} characters.")
    for field, text in (("body", body), ("opaque_blob", blob), ("nonce", message.nonce)):
        validate_text(field, text)
    for file_id in attachments:
        validate_text("attachments", file_id)
    mentions = list(dict.fromkeys(message.mentions or ()))
    if not may_mention_everyone and EVERYONE_MENTION in mentions:
        mentions.remove(EVERYONE_MENTION)
    reply_to = None if message.reply_to is None else MessageId(message.reply_to)
    return Content(body, blob, embed, attachments, mentions, reply_to, message.nonce)


def embed_of(text: str) -> Embed:
    """An embed from the JSON text that callers send.

    Raises:
        Refusal: VALIDATION_ERROR where it is not the JSON of an embed or has an address that is none, MESSAGE_TOO_LARGE where it is too long.
    """
    if len(text) > MAX_EMBED_CHARS:
        raise refuse("MESSAGE_TOO_LARGE", f"An embed has at most {MAX_EMBED_CHARS} characters.")
    try:
        embed = _decode_embed(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refuse("VALIDATION_ERROR", f"body.embed: {error}") from None
    validate_embed("embed", embed)
    return embed


def validate_embed(place: str, embed: Embed) -> None:
    """Refuses an embed with an address that is none.

    Raises:
        Refusal: VALIDATION_ERROR, naming the field.
    """
    for field in ("url", "image", "video", "audio", "thumbnail"):
        validate_address(f"{place}.{field}", getattr(embed, field))


def validate_embeds(embeds: Sequence[Embed]) -> None:
    """Refuses embeds that came as JSON of their own; see `embed_of`.

    Raises:
        Refusal: VALIDATION_ERROR or MESSAGE_TOO_LARGE.
    """
    text = msgspec.json.encode(embeds)
    if len(text) > MAX_EMBED_CHARS:
        raise refuse("MESSAGE_TOO_LARGE", f"Embeds have at most {MAX_EMBED_CHARS} bytes together.")
    if b"\\u0000" in text:
        raise refuse("VALIDATION_ERROR", "body.embeds: expected no NUL characters")
    for index, embed in enumerate(embeds):
        validate_embed(f"embeds[{index}]", embed)


def stored_embed(embed: Embed) -> str:
    """An embed as JSON for the database: only the fields that are set."""
    return msgspec.json.encode(embed_fields(embed)).decode()


def embed_fields(embed: Embed) -> dict[str, object]:
    """The fields of an embed that are set, as events carry them."""
    values: dict[str, object] = msgspec.to_builtins(embed)
    return {name: value for name, value in values.items() if value is not None}


def read_embed(text: str | None) -> Embed | None:
    """A stored embed; the first of a list, which webhooks of the original stored."""
    if text is None:
        return None
    try:
        return _decode_embed(text)
    except msgspec.ValidationError:
        try:
            return next(iter(msgspec.json.decode(text, type=list[Embed])), None)
        except msgspec.DecodeError:
            return None
    except msgspec.DecodeError:
        return None


def read_extras(text: str | None, embed: str | None) -> Extras | None:
    """What a message has besides, from its columns `extras` and `embed`; None where it is like most.

    The embeds of webhooks of the original are a list in the column `embed`.
    """
    if text is not None:
        try:
            return _decode_extras(text)
        except msgspec.DecodeError:
            return None
    if embed is None or not embed.startswith("["):
        return None
    try:
        embeds = msgspec.json.decode(embed, type=list[Embed])
    except msgspec.DecodeError:
        return None
    return Extras(embeds=embeds) if len(embeds) > 1 else None


def stored_extras(extras: Extras) -> str:
    """What a message has besides, as JSON for the database."""
    return msgspec.json.encode(extras).decode()


def extra_fields(extras: Extras) -> dict[str, object]:
    """What a message has besides, as events carry it."""
    fields: dict[str, object] = {}
    if extras.embeds:
        fields["embeds"] = [embed_fields(embed) for embed in extras.embeds]
    if extras.components:
        fields["components"] = msgspec.to_builtins(extras.components)
    if extras.webhook_name is not None:
        fields["webhook_name"] = extras.webhook_name
    if extras.webhook_avatar is not None:
        fields["webhook_avatar"] = extras.webhook_avatar
    return fields
