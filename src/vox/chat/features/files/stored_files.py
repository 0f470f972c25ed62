"""A stored file as an object: where it was uploaded to, what shows it, and who may read or delete it."""

from dataclasses import dataclass
from typing import Final, Literal

from vox.chat.community import Community
from vox.chat.events.ids import DmId, FeedId, FileId, UserId
from vox.chat.events.permissions import P

Purpose = Literal["attachment", "emoji", "sticker", "icon"]

PUBLIC_PREFIX: Final = "public-"
"""Prefix of the storage keys of emoji and stickers, which the policy of a bucket may make public."""


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where a file was uploaded to: a feed, a conversation, or neither."""

    feed_id: FeedId | None = None
    dm_id: DmId | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that can be read.

    Args:
        id: random, not to be guessed.
        name: for showing.
        size: in bytes.
        mime: its type.
        url: its address in messages and emoji.
        uploader_id: the user who uploaded it; None where the account is gone.
        feed_id: the feed it was uploaded to; None where it was no feed, or the feed is gone.
        dm_id: the same for conversations.
        purpose: attachment, emoji, sticker or icon.
        width: in pixels where it is a picture that was decoded.
        height: the same.
        is_custom_image: whether it is an emoji, a sticker or the icon.
        shown_in: the places of the messages that show it.
    """

    id: FileId
    name: str
    size: int
    mime: str
    url: str
    uploader_id: UserId | None
    feed_id: FeedId | None
    dm_id: DmId | None
    purpose: str
    width: int | None
    height: int | None
    is_custom_image: bool
    shown_in: tuple[FileLocation, ...]

    @property
    def key(self) -> str:
        """Its key in the storage."""
        return storage_key(self.id, self.purpose)


def storage_key(file_id: FileId, purpose: str) -> str:
    """The key of a file in the storage."""
    return PUBLIC_PREFIX + file_id if purpose in {"emoji", "sticker"} else file_id


def may_read(community: Community, user_id: UserId, file: StoredFile) -> bool:
    """Whether a user may read a file.

    Emoji and stickers are for every member; a file that messages show is for those who can see one of them; any other file only
    for its uploader.
    """
    person = community.users.get(user_id)
    if person is None or not person.is_active:
        return False
    if file.is_custom_image:
        return True
    if not file.shown_in:
        return file.uploader_id == user_id
    return any(_sees(community, user_id, place) for place in file.shown_in)


def may_delete(community: Community, user_id: UserId, file: StoredFile) -> bool:
    """Whether a user may delete a file: its uploader, and moderators of the place it was uploaded to."""
    if file.is_custom_image:
        return False
    if file.uploader_id == user_id:
        return True
    if file.feed_id is not None:
        return community.may_in(user_id, "feed", file.feed_id, P.MANAGE_MESSAGES)
    if file.dm_id is not None and not community.in_dm(user_id, file.dm_id):
        return False
    return community.may(user_id, P.MANAGE_MESSAGES)


def _sees(community: Community, user_id: UserId, place: FileLocation) -> bool:
    if place.feed_id is not None:
        return community.may_in(user_id, "feed", place.feed_id, P.VIEW_SPACE)
    return place.dm_id is not None and community.in_dm(user_id, place.dm_id)
