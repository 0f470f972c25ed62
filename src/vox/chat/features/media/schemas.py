"""Requests and responses of thumbnails, pictures from elsewhere, avatars and the community's icon."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vox.chat.storage.proxied_links import LONGEST_URL, ProxiedPicture

MAX_SOURCES = 100

Source = Annotated[str, Meta(min_length=1, max_length=LONGEST_URL)]


class ThumbnailQuery(msgspec.Struct, frozen=True):
    """The longest side that is wanted, and a signed link's parameters: all or none."""

    size: Annotated[int, Meta(ge=1, le=4096)] = 320
    expires: int | None = None
    user: int | None = None
    signature: str | None = None


class PictureQuery(msgspec.Struct, frozen=True):
    """The parameters of a signed address of a picture from elsewhere."""

    source: str
    expires: int
    user: int
    signature: str


class LinksRequest(msgspec.Struct, frozen=True):
    """Where the pictures are."""

    sources: Annotated[list[Source], Meta(max_length=MAX_SOURCES)] = []


class MediaLinks(msgspec.Struct, frozen=True):
    """Signed addresses.

    Args:
        links: for the sources, until `expires_at`.
        expires_at: Unix seconds.
        images: a query for the addresses of emoji, stickers, avatars and icons, all of them alike.
        images_expire_at: until when that query works, in Unix seconds.
    """

    links: list[ProxiedPicture]
    expires_at: int
    images: str
    images_expire_at: int
