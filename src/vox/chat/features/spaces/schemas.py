"""What callers send to and get from spaces, as msgspec structs.

Field names and their order are the original's. Lengths that an administrator can change are checked in `wording`, because
they are only known at run time; what stands here are bounds of the wire itself.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_ID = (1 << 63) - 1
MAX_ATTACHMENTS = 32
MAX_MENTIONS = 1000
"""A list in one message is bounded, because each entry costs a row and a notification; the original had no bound."""
MAX_NONCE = 64

Id = Annotated[int, Meta(ge=0, le=MAX_ID)]
Position = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Mask = Annotated[int, Meta(ge=0, le=MAX_ID)]
Nonce = Annotated[str, Meta(min_length=1, max_length=MAX_NONCE)]
FileId = Annotated[str, Meta(min_length=1, max_length=128)]

FeedType = Literal["text", "forum", "announcement"]
RoomType = Literal["voice", "stage"]


class Override(msgspec.Struct, frozen=True):
    """What one role or user may or may not do in one space, beside the community's roles."""

    target_type: str
    target_id: Id
    allow: Mask
    deny: Mask


class FeedInfo(msgspec.Struct, frozen=True):
    """A feed as everybody who may view it sees it."""

    feed_id: int
    name: str
    type: str
    topic: str | None
    category_id: int | None
    position: int
    permission_overrides: list[Override]


class RoomInfo(msgspec.Struct, frozen=True):
    """A room as everybody who may view it sees it."""

    room_id: int
    name: str
    type: str
    category_id: int | None
    position: int
    permission_overrides: list[Override]


class CategoryInfo(msgspec.Struct, frozen=True):
    """A heading over feeds and rooms."""

    category_id: int
    name: str
    position: int


class ThreadInfo(msgspec.Struct, frozen=True):
    """A conversation beside its feed."""

    thread_id: int
    parent_feed_id: int
    parent_msg_id: int | None
    name: str
    archived: bool
    locked: bool


class Layout(msgspec.Struct, frozen=True):
    """Everything that stands in the side bar."""

    categories: list[CategoryInfo]
    feeds: list[FeedInfo]
    rooms: list[RoomInfo]


class CategoryList(msgspec.Struct, frozen=True):
    """All categories, in order."""

    items: list[CategoryInfo]


class ThreadPage(msgspec.Struct, frozen=True):
    """A page of threads."""

    items: list[ThreadInfo]
    cursor: str | None


class CreateFeed(msgspec.Struct, frozen=True):
    """A new feed."""

    name: str
    type: FeedType
    category_id: Id | None = None
    permission_overrides: Annotated[list[Override], Meta(max_length=500)] | None = None


class UpdateFeed(msgspec.Struct, frozen=True):
    """Changes of a feed; what is absent or null stays."""

    name: str | None = None
    topic: str | None = None
    category_id: Id | None = None
    position: Position | None = None


class CreateRoom(msgspec.Struct, frozen=True):
    """A new room."""

    name: str
    type: RoomType
    category_id: Id | None = None
    permission_overrides: Annotated[list[Override], Meta(max_length=500)] | None = None


class UpdateRoom(msgspec.Struct, frozen=True):
    """Changes of a room; what is absent or null stays."""

    name: str | None = None
    category_id: Id | None = None
    position: Position | None = None


class CreateCategory(msgspec.Struct, frozen=True):
    """A new category."""

    name: str
    position: Position


class UpdateCategory(msgspec.Struct, frozen=True):
    """Changes of a category; what is absent or null stays."""

    name: str | None = None
    position: Position | None = None


class CreateThread(msgspec.Struct, frozen=True):
    """A new thread beside a message."""

    parent_msg_id: Id
    name: str


class UpdateThread(msgspec.Struct, frozen=True):
    """Changes of a thread; what is absent or null stays."""

    name: str | None = None
    archived: bool | None = None
    locked: bool | None = None


class Attachment(msgspec.Struct, frozen=True):
    """A file as its message shows it."""

    file_id: str
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
    """A card below a message; it comes from its author, so nothing in it is to be trusted."""

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
    """A message to be sent; 0 among the mentions means everyone, `embed` is an Embed as JSON text."""

    body: str | None = None
    opaque_blob: str | None = None
    reply_to: Id | None = None
    attachments: Annotated[list[FileId], Meta(max_length=MAX_ATTACHMENTS)] | None = None
    mentions: Annotated[list[Id], Meta(max_length=MAX_MENTIONS)] | None = None
    embed: str | None = None
    nonce: Nonce | None = None


class Sent(msgspec.Struct, frozen=True):
    """What the sender gets back; `interaction_id` is null because no command took the message."""

    msg_id: int
    timestamp: int
    interaction_id: str | None
    mentions: list[int]


class EditMessage(msgspec.Struct, frozen=True):
    """The new text of a message."""

    body: str


class Edited(msgspec.Struct, frozen=True):
    """When an edit took effect, in Unix milliseconds."""

    msg_id: int
    edit_timestamp: int


class Message(msgspec.Struct, frozen=True):
    """A message as readers get it."""

    msg_id: int
    feed_id: int | None
    dm_id: int | None
    thread_id: int | None
    author_id: int | None
    body: str | None
    opaque_blob: str | None
    timestamp: int
    reply_to: int | None
    attachments: list[Attachment]
    embed: Embed | None
    edit_timestamp: int | None
    federated: bool
    author_address: str | None
    pinned_at: int | None
    webhook_id: int | None


class History(msgspec.Struct, frozen=True):
    """Messages, newest first."""

    messages: list[Message]


class SearchResults(msgspec.Struct, frozen=True):
    """Messages that were found, newest first."""

    results: list[Message]


class HistoryQuery(msgspec.Struct, frozen=True):
    """Which part of a history: below `before`, above `after`, or on both sides of `around`."""

    limit: Limit = 50
    before: Id | None = None
    after: Id | None = None
    around: Id | None = None


class SearchQuery(msgspec.Struct, frozen=True):
    """What to look for, and where."""

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
    """How many people of each emoji, above which id; and of which emoji alone, to go on with it."""

    limit: Limit = 1000
    after: Id = 0
    emoji: str | None = None


class Reaction(msgspec.Struct, frozen=True):
    """Who reacted with one emoji."""

    emoji: str
    user_ids: list[int]


class ReactionList(msgspec.Struct, frozen=True):
    """All reactions of a message."""

    reactions: list[Reaction]


class PageQuery(msgspec.Struct, frozen=True):
    """A page of a cursor list."""

    limit: Limit = 50
    after: Id | None = None


class DmPageQuery(msgspec.Struct, frozen=True):
    """A page of conversations."""

    limit: Limit = 100
    after: Id | None = None


class OpenDm(msgspec.Struct, frozen=True):
    """One recipient for a conversation of two, or several for a group."""

    recipient_id: Id | None = None
    recipient_ids: list[Id] | None = None
    name: str | None = None


class UpdateDm(msgspec.Struct, frozen=True):
    """Changes of a conversation; what is absent or null stays."""

    name: str | None = None
    icon: str | None = None


class DmInfo(msgspec.Struct, frozen=True):
    """A conversation as its participants see it."""

    dm_id: int
    participant_ids: list[int]
    is_group: bool
    name: str | None
    icon: str | None


class DmPage(msgspec.Struct, frozen=True):
    """A page of conversations."""

    items: list[DmInfo]
    cursor: str | None


class MarkRead(msgspec.Struct, frozen=True):
    """The last message that was read."""

    up_to_msg_id: Id


class SyncRequest(msgspec.Struct, frozen=True):
    """What happened since a moment (Unix ms), in some categories; `after` is the cursor of the page before."""

    since_timestamp: Annotated[int, Meta(ge=0, le=(1 << 41) - 1)]
    categories: Annotated[list[str], Meta(max_length=64)]
    limit: Limit = 500
    after: Id | None = None


class SyncEvent(msgspec.Struct, frozen=True):
    """Something that happened, as the gateway told it."""

    type: str
    payload: Any
    timestamp: int


class ReadState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Up to where the caller has read one feed or one conversation."""

    last_read_msg_id: int
    feed_id: int | UnsetType = UNSET
    dm_id: int | UnsetType = UNSET


class SyncPage(msgspec.Struct, frozen=True):
    """What happened, oldest first; ask again with `cursor` until it is null."""

    events: list[SyncEvent]
    server_timestamp: int
    cursor: int | None
    read_states: list[ReadState]
