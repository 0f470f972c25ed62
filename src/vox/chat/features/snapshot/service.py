"""The snapshot in `ready`: all that a client needs to show the community, in the frame that begins its session.

Most of it is the same for many users and is kept as bytes: roles and emoji for everyone, the layout with the rights by the roles that a
user holds. So thousands of clients that come back together cost a few encodings, and one read each for their own conversations and
marks. Structural changes throw the bytes away.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from vox.chat.api.json_ids import encode, encode_with_string_ids
from vox.chat.community import Community
from vox.chat.community.recent_messages import MOST_COUNTED, RecentMessages
from vox.chat.database.unit_of_work import Read
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.files import custom_images
from vox.chat.features.files.custom_images import EMOJI, STICKERS
from vox.chat.features.files.schemas import EmojiInfo, StickerInfo
from vox.chat.features.members.schemas import member_of
from vox.chat.features.roles.schemas import RoleInfo
from vox.chat.features.snapshot.queries import Personal, read_newest, read_personal
from vox.chat.features.snapshot.schemas import (
    Conversation,
    FeedPermissions,
    Followed,
    InVoice,
    Mark,
    Own,
    Rights,
    RoomPermissions,
    Shared,
)
from vox.chat.features.spaces.layout import visible_layout
from vox.stores.sql import Connection

MAX_EMOJI: Final = 1000
MAX_STICKERS: Final = 500
MAX_KEPT: Final = 256
"""Encoded rights that are kept, one for each set of roles and each way to write ids."""

_Images = tuple[list[EmojiInfo], list[StickerInfo]]


class Snapshots:
    """Makes snapshots of one community.

    Args:
        community: what all see, and who may see what.
        recent: the newest messages of the feeds.
        read: reads the database.
    """

    def __init__(self, community: Community, recent: RecentMessages, read: Read) -> None:
        self._community = community
        self._recent = recent
        self._read = read
        self._stamp = -1
        self._images: tuple[int, _Images] | None = None
        self._rights: dict[tuple[object, bool], bytes] = {}
        self._shared: dict[bool, bytes] = {}
        self._singular: frozenset[int] = frozenset()

    async def read(self, user_id: UserId) -> Personal:
        """Reads what memory does not hold: the user's own part, and, the first time, emoji and the newest messages.

        Raises:
            DependencyError: the database failed or is too busy.
        """
        stamp = self._community.structure_version
        if self._images is None or self._images[0] != stamp:
            self._images = stamp, await self._read(_read_images)
        missing = self._recent.missing(self._community.readable_feeds(user_id))
        if missing:
            self._recent.install(await self._read(partial(read_newest, feed_ids=missing)))
        return await self._read(partial(read_personal, user_id=user_id))

    def encoded(self, user_id: UserId, found: Any, *, string_ids: bool) -> bytes:
        """The snapshot as a JSON object, as of this moment.

        Args:
            user_id: whose.
            found: what `read` returned for this user.
            string_ids: whether ids and masks are texts.
        """
        self._refresh()
        personal: Personal = found
        write = encode_with_string_ids if string_ids else encode
        own = write(self._own(user_id, personal))
        parts = (
            self._shared_bytes(string_ids=string_ids),
            self._rights_bytes(user_id, string_ids=string_ids),
            own,
            b'{"settings":{"revision":%d,"settings":%b}}' % (personal.revision, personal.settings.encode()),
        )
        return b"{%b}" % b",".join(part[1:-1] for part in parts)

    def _refresh(self) -> None:
        stamp = self._community.structure_version
        if stamp == self._stamp:
            return
        self._rights, self._shared = {}, {}
        overrides = self._community.state.overrides.values()
        self._singular = frozenset(target[1] for masks in tuple(overrides) for target in masks if target[0] == "user")
        self._stamp = stamp

    def _shared_bytes(self, *, string_ids: bool) -> bytes:
        known = self._shared.get(string_ids)
        if known is None:
            emoji, stickers = self._images[1] if self._images is not None else ([], [])
            more = len(emoji) > MAX_EMOJI, len(stickers) > MAX_STICKERS
            emoji, stickers = emoji[:MAX_EMOJI], stickers[:MAX_STICKERS]
            roles = sorted(self._community.roles.values(), key=lambda role: role.id)
            shared = Shared(
                [RoleInfo(role.id, role.name, role.color, role.permissions, role.position) for role in roles],
                emoji,
                str(emoji[-1].emoji_id) if more[0] else None,
                stickers,
                str(stickers[-1].sticker_id) if more[1] else None,
            )
            known = self._shared[string_ids] = (encode_with_string_ids if string_ids else encode)(shared)
        return known

    def _rights_bytes(self, user_id: UserId, *, string_ids: bool) -> bytes:
        """What users with the same roles see; users with overrides of their own have their own bytes."""
        person = self._community.users.get(user_id)
        signature: object = user_id
        if person is not None and person.is_active and user_id not in self._singular:
            signature = person.role_ids
        key = signature, string_ids
        known = self._rights.get(key)
        if known is None:
            if len(self._rights) >= MAX_KEPT:
                self._rights.pop(next(iter(self._rights)))
            rights = self._rights_of(user_id)
            known = self._rights[key] = (encode_with_string_ids if string_ids else encode)(rights)
        return known

    def _rights_of(self, user_id: UserId) -> Rights:
        community = self._community
        layout = visible_layout(community, user_id)
        feeds = [
            FeedPermissions(one.feed_id, community.permissions_in(user_id, "feed", FeedId(one.feed_id)))
            for one in layout.feeds
        ]
        rooms = [
            RoomPermissions(room_id, community.permissions_in(user_id, "room", room_id))
            for room_id in sorted(community.visible_rooms(user_id))
        ]
        return Rights(layout, community.permissions(user_id), feeds, rooms)

    def _own(self, user_id: UserId, found: Personal) -> Own:
        community = self._community
        person = community.users.get(user_id)
        dms = [one for one in found.dms if community.in_dm(user_id, one.dm_id)]
        conversations = [
            Conversation(one.dm_id, sorted(community.dms.get(one.dm_id, ())), one.is_group, one.name, one.icon)
            for one in dms
        ]
        marks = self._feed_marks(user_id, found)
        for one in dms:
            mentions = sum(dm_id == one.dm_id and msg_id > one.mark for _, dm_id, msg_id in found.mentions)
            mark = one.mark or None
            marks.append(Mark(mark, one.newest, one.unread, min(mentions, MOST_COUNTED), dm_id=one.dm_id))
        me = None if person is None else member_of(person)
        followed = Followed(list(found.feeds), list(found.threads))
        rooms = community.visible_rooms(user_id) if found.voice else ()
        voice = [InVoice(room_id, *found.voice[room_id]) for room_id in sorted(found.voice) if room_id in rooms]
        return Own(me, conversations, found.has_more_dms, marks, followed, voice)

    def _feed_marks(self, user_id: UserId, found: Personal) -> list[Mark]:
        named: dict[FeedId, set[int]] = {}
        for feed_id, _, msg_id in found.mentions:
            if feed_id is not None and msg_id > found.marks.get(feed_id, 0):
                named.setdefault(feed_id, set()).add(msg_id)
        marks: list[Mark] = []
        for feed_id in sorted(self._community.readable_feeds(user_id)):
            mark = found.marks.get(feed_id)
            mentions = named.get(feed_id, set[int]()).union(self._recent.for_everyone(feed_id, mark or 0, user_id))
            newest, unread = self._recent.newest(feed_id), self._recent.unread(feed_id, mark or 0)
            marks.append(Mark(mark, newest, unread, min(len(mentions), MOST_COUNTED), feed_id=feed_id))
        return marks


def _read_images(connection: Connection) -> _Images:
    """One more of each than a snapshot shows, which tells that there are more."""
    emoji: Sequence[Any] = custom_images.images_after(connection, sort=EMOJI, after=0, limit=MAX_EMOJI + 1)
    stickers: Sequence[Any] = custom_images.images_after(connection, sort=STICKERS, after=0, limit=MAX_STICKERS + 1)
    return list(emoji), list(stickers)
