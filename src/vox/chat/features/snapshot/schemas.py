"""What the snapshot in `ready` consists of."""

import msgspec
from msgspec import UNSET, UnsetType

from vox.chat.features.files.schemas import EmojiInfo, StickerInfo
from vox.chat.features.members.schemas import Member
from vox.chat.features.roles.schemas import RoleInfo
from vox.chat.features.spaces.schemas import Layout
from vox.chat.features.voice.schemas import VoiceGuest, VoiceMember


class FeedPermissions(msgspec.Struct, frozen=True):
    """What the user may do in a feed."""

    feed_id: int
    permissions: int


class RoomPermissions(msgspec.Struct, frozen=True):
    """What the user may do in a room."""

    room_id: int
    permissions: int


class Rights(msgspec.Struct, frozen=True):
    """What users of the same roles see and may do; encoded once for all of them."""

    layout: Layout
    permissions: int
    feed_permissions: list[FeedPermissions]
    room_permissions: list[RoomPermissions]


class Shared(msgspec.Struct, frozen=True):
    """What all members see alike; a cursor where there is more to be read over REST."""

    roles: list[RoleInfo]
    emoji: list[EmojiInfo]
    emoji_cursor: str | None
    stickers: list[StickerInfo]
    stickers_cursor: str | None


class Conversation(msgspec.Struct, frozen=True):
    """A conversation, the latest first."""

    dm_id: int
    participant_ids: list[int]
    is_group: bool
    name: str | None
    icon: str | None


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a place was read, its newest message, and how many unread messages and mentions it has, at most 100 each."""

    last_read_msg_id: int | None
    last_msg_id: int | None
    unread: int
    mentions: int
    feed_id: int | UnsetType = UNSET
    dm_id: int | UnsetType = UNSET


class Followed(msgspec.Struct, frozen=True):
    """Feeds and threads the user follows."""

    feed_ids: list[int]
    thread_ids: list[int]


class InVoice(msgspec.Struct, frozen=True):
    """Who is in a voice room."""

    room_id: int
    members: list[VoiceMember]
    guests: list[VoiceGuest]


class Own(msgspec.Struct, frozen=True):
    """The user's own part."""

    me: Member | None
    dms: list[Conversation]
    has_more_dms: bool
    marks: list[Mark]
    followed: Followed
    voice: list[InVoice]
