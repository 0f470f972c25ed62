"""Requests and responses of files, emoji, stickers, GIFs and link previews.

Field names and their order are those of the original server.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id, Limit
from vox.chat.events.ids import FileId

MAX_GIF_QUERY = 200

GifLimit = Annotated[int, Meta(ge=1, le=50)]


class FileInfo(msgspec.Struct, frozen=True):
    """An uploaded file; `created_at` in Unix seconds. Width and height are null, as they were in the original."""

    file_id: FileId
    name: str
    size: int
    mime: str
    url: str
    uploader_id: int | None
    created_at: int
    width: int | None = None
    height: int | None = None


class LinkQuery(msgspec.Struct, frozen=True):
    """A signed link's parameters; all or none."""

    expires: int | None = None
    user: int | None = None
    signature: str | None = None


class Link(msgspec.Struct, frozen=True):
    """Where a file is read without a header, until `expires_at` in Unix seconds; for a picture its size and its thumbnail, too."""

    url: str
    expires_at: int
    width: int | None = None
    height: int | None = None
    thumbnail_url: str | None = None


class EmojiInfo(msgspec.Struct, frozen=True):
    """A custom emoji."""

    emoji_id: int
    name: str
    creator_id: int | None
    image: str


class StickerInfo(msgspec.Struct, frozen=True):
    """A sticker."""

    sticker_id: int
    name: str
    creator_id: int | None
    image: str


class EmojiPage(msgspec.Struct, frozen=True):
    """A page of emoji by id."""

    items: list[EmojiInfo]
    cursor: str | None


class StickerPage(msgspec.Struct, frozen=True):
    """A page of stickers by id."""

    items: list[StickerInfo]
    cursor: str | None


class ImagePageQuery(msgspec.Struct, frozen=True):
    """A page of a cursor list; without a limit as long as it may be."""

    limit: Limit = 100
    after: Id = 0


class Rename(msgspec.Struct, frozen=True):
    """Another name; null or absent means no change."""

    name: str | None = None


class GifSearchQuery(msgspec.Struct, frozen=True):
    """The words to search for."""

    q: Annotated[str, Meta(min_length=1, max_length=MAX_GIF_QUERY)]
    limit: GifLimit = 20


class TrendingQuery(msgspec.Struct, frozen=True):
    """The length of the list."""

    limit: GifLimit = 20


class GifFormat(msgspec.Struct, frozen=True):
    """One size and format of a GIF, in pixels."""

    url: str
    width: int
    height: int


class Gif(msgspec.Struct, frozen=True):
    """A GIF in the sizes there are: tinygif, smallgif, gif, hdgif, each also with `_mp4`."""

    id: str
    title: str
    media_formats: dict[str, GifFormat]


class GifPage(msgspec.Struct, frozen=True):
    """GIFs, and the name of the next page where there is one."""

    results: list[Gif]
    next: str | None


class EmbedRequest(msgspec.Struct, frozen=True):
    """The address of a page."""

    url: str
