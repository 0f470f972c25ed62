"""Requests and responses of messages, reactions, search and read marks.

Field names and their order are those of the original server. Lengths that an administrator can change are checked in
`api/validation`, because they are only known at run time; the bounds here belong to the wire format itself.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vox.chat.api.fields import Id, Limit
from vox.chat.events.ids import FileId, MessageId
from vox.chat.features.messages.components import Component, Components
from vox.chat.storage.proxied_links import ProxiedPicture

MAX_ATTACHMENTS = 32
MAX_MENTIONS = 1000
"""A list in one message is bounded, because each entry costs a row and a notification; the original had no bound."""
MAX_NONCE = 64

Nonce = Annotated[str, Meta(min_length=1, max_length=MAX_NONCE)]
AttachmentId = Annotated[FileId, Meta(min_length=1, max_length=128)]


class Attachment(msgspec.Struct, frozen=True):
    """A file as its message shows it."""

    file_id: FileId
    name: str
    size: int
    mime: str
    url: str
    uploader_id: int | None = None
    created_at: int | None = None
    width: int | None = None
    height: int | None = None


class EmbedField(msgspec.Struct, frozen=True):
    """A name and a value in an embed."""

    name: str
    value: str
    inline: bool = False


class Embed(msgspec.Struct, frozen=True):
    """A card below a message; it comes from the message's author, so clients must not trust it."""

    title: str | None = None
    description: str | None = None
    url: str | None = None
    site_name: str | None = None
    image: str | None = None
    image_width: int | None = None
    image_height: int | None = None
    video: str | None = None
    video_width: int | None = None
    video_height: int | None = None
    audio: str | None = None
    type: str | None = None
    locale: str | None = None
    color: int | None = None
    fields: list[EmbedField] | None = None
    thumbnail: str | None = None


class SendMessage(msgspec.Struct, frozen=True):
    """A message to be sent; 0 among the mentions means everyone, `embed` is an Embed as JSON text, `components` are for bots.

    `thread_name` names the thread that the message starts in a forum, in place of its first line.
    """

    body: str | None = None
    opaque_blob: str | None = None
    reply_to: Id | None = None
    attachments: Annotated[list[AttachmentId], Meta(max_length=MAX_ATTACHMENTS)] | None = None
    mentions: Annotated[list[Id], Meta(max_length=MAX_MENTIONS)] | None = None
    embed: str | None = None
    nonce: Nonce | None = None
    thread_name: str | None = None
    components: Components | None = None


class Extras(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have besides; stored together.

    Args:
        embeds: all cards, where there are several.
        components: buttons and menus.
        webhook_name: of the webhook that posted it, at that time.
        webhook_avatar: likewise.
    """

    embeds: list[Embed] = []
    components: list[Component] = []
    webhook_name: str | None = None
    webhook_avatar: str | None = None


class Sent(msgspec.Struct, frozen=True):
    """The response to a sent message; where it called a command, it has an `interaction_id`, and `msg_id` is 0."""

    msg_id: MessageId
    timestamp: int
    interaction_id: str | None
    mentions: list[int]


class EditMessage(msgspec.Struct, frozen=True):
    """The new text of a message; a bot may give it other components."""

    body: str
    components: Components | None = None


class Edited(msgspec.Struct, frozen=True):
    """When an edit took effect, in Unix milliseconds."""

    msg_id: MessageId
    edit_timestamp: int


class Message(msgspec.Struct, frozen=True):
    """A message as readers get it; what stands behind `webhook_id` is left out where a message has none of it."""

    msg_id: MessageId
    feed_id: int | None
    dm_id: int | None
    thread_id: int | None
    author_id: int | None
    body: str | None
    opaque_blob: str | None
    timestamp: int
    reply_to: MessageId | None
    attachments: list[Attachment]
    embed: Embed | None
    edit_timestamp: int | None
    federated: bool
    author_address: str | None
    pinned_at: int | None
    webhook_id: int | None
    embeds: list[Embed] | UnsetType = UNSET
    components: list[Component] | UnsetType = UNSET
    webhook_name: str | UnsetType = UNSET
    webhook_avatar: str | UnsetType = UNSET


class Author(msgspec.Struct, frozen=True):
    """A user who wrote some of the messages, also one who has left; the fields are those of a member."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None
    nickname: str | None
    role_ids: list[int]


class ReactionCount(msgspec.Struct, frozen=True):
    """How many users reacted with one emoji, and whether the caller did."""

    emoji: str
    count: int
    me: bool


class MessageReactions(msgspec.Struct, frozen=True):
    """The reactions of one message, by emoji."""

    msg_id: MessageId
    reactions: list[ReactionCount]


class FileLink(msgspec.Struct, frozen=True):
    """Where a file is read without a header until `expires_at`, and the picture's size in pixels where it is one."""

    file_id: FileId
    url: str
    expires_at: int
    width: int | None
    height: int | None
    thumbnail_url: str | None


class History(msgspec.Struct):
    """Messages, newest first, and what `include` asked for."""

    messages: list[Message]
    authors: list[Author] | UnsetType = UNSET
    reactions: list[MessageReactions] | UnsetType = UNSET
    replies: list[Message] | UnsetType = UNSET
    links: list[FileLink] | UnsetType = UNSET
    proxied: list[ProxiedPicture] | UnsetType = UNSET


class SearchResults(msgspec.Struct, frozen=True):
    """The found messages, newest first."""

    results: list[Message]


class HistoryQuery(msgspec.Struct, frozen=True):
    """Which part of a history: below `before`, above `after`, or on both sides of `around`; `include` names what comes along."""

    limit: Limit = 50
    before: Id | None = None
    after: Id | None = None
    around: Id | None = None
    include: str | None = None


class SearchQuery(msgspec.Struct, frozen=True):
    """The text to search for, and where."""

    query: Annotated[str, Meta(min_length=1, max_length=1000)]
    feed_id: Id | None = None
    dm_id: Id | None = None
    author_id: Id | None = None
    before: Id | None = None
    after: Id | None = None
    has_file: bool | None = None
    has_embed: bool | None = None
    pinned: bool | None = None
    thread_id: Id | None = None
    limit: Limit = 25


class BulkDelete(msgspec.Struct, frozen=True):
    """Messages to delete at once."""

    msg_ids: Annotated[list[Id], Meta(max_length=10_000)]


class ReactionQuery(msgspec.Struct, frozen=True):
    """How many users of each emoji, above which id; `emoji` continues the list of one emoji."""

    limit: Limit = 1000
    after: Id = 0
    emoji: str | None = None


class Reaction(msgspec.Struct, frozen=True):
    """The users who reacted with one emoji."""

    emoji: str
    user_ids: list[int]


class ReactionList(msgspec.Struct, frozen=True):
    """All reactions of a message."""

    reactions: list[Reaction]


class MarkRead(msgspec.Struct, frozen=True):
    """The last message that was read; `unread` where the mark may also go back, because the user says so."""

    up_to_msg_id: Id
    unread: bool = False


class ReadState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the caller has read one feed or one conversation."""

    last_read_msg_id: MessageId
    feed_id: int | UnsetType = UNSET
    dm_id: int | UnsetType = UNSET
