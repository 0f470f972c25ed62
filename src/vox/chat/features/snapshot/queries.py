"""The SQL of the snapshot: one user's conversations, marks, mentions, what the user follows, settings; and who is in which voice room."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vox.chat.community.recent_messages import KEPT, MOST_COUNTED, Loaded
from vox.chat.events.ids import DmId, FeedId, MessageId, RoomId, ThreadId, UserId
from vox.chat.features.voice.schemas import VoiceGuest, VoiceMember
from vox.stores.sql import Connection
from vox.stores.statements import Statement

MAX_DMS: Final = 200
MAX_MENTIONS: Final = 500
"""The newest mentions of a user that are looked at; each place counts up to MOST_COUNTED of them."""
MAX_FOLLOWED: Final = 1000
MAX_IN_VOICE: Final = 5000
"""Members and guests of all voice rooms that are looked at, each."""

_DMS: Final = Statement(
    "SELECT p.dm_id, d.is_group, d.name, d.icon, coalesce(r.last_read_msg_id, 0),"
    " (SELECT max(m.id) FROM messages m WHERE m.dm_id = p.dm_id) AS newest,"
    " (SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.dm_id = p.dm_id"
    " AND m.id > coalesce(r.last_read_msg_id, 0) LIMIT :most) u)"
    " FROM dm_participants p JOIN dms d ON d.id = p.dm_id"
    " LEFT JOIN dm_read_state r ON r.dm_id = p.dm_id AND r.user_id = p.user_id"
    " WHERE p.user_id = :user_id ORDER BY 6 DESC NULLS LAST, p.dm_id DESC LIMIT :limit"
)
_MARKS: Final = Statement("SELECT feed_id, last_read_msg_id FROM feed_read_state WHERE user_id = :user_id")
_MENTIONS: Final = Statement(
    "SELECT feed_id, dm_id, msg_id FROM message_mentions WHERE user_id = :user_id ORDER BY msg_id DESC LIMIT :limit"
)
_FEEDS: Final = Statement("SELECT feed_id FROM feed_subscribers WHERE user_id = :user_id ORDER BY feed_id LIMIT :limit")
_THREADS: Final = Statement(
    "SELECT thread_id FROM thread_subscribers WHERE user_id = :user_id ORDER BY thread_id DESC LIMIT :limit"
)
_IN_VOICE: Final = Statement(
    "SELECT room_id, user_id, self_mute, self_deaf, video, streaming, server_mute, server_deaf, joined_at"
    " FROM voice_states ORDER BY room_id, joined_at, user_id LIMIT :limit"
)
_GUESTS: Final = Statement(
    "SELECT room_id, id, kind, name, inviter_id, joined_at FROM voice_guests ORDER BY room_id, id LIMIT :limit"
)
_SETTINGS: Final = Statement("SELECT revision, document FROM user_settings WHERE user_id = :user_id")


_NEWEST: Final = Statement(
    "SELECT id FROM messages WHERE feed_id = :feed_id AND thread_id IS NULL ORDER BY id DESC LIMIT :limit"
)
_FOR_EVERYONE: Final = Statement(
    "SELECT e.msg_id, m.author_id FROM everyone_mentions e JOIN messages m ON m.id = e.msg_id"
    " WHERE e.feed_id = :feed_id ORDER BY e.msg_id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as its participant has it; `mark` is 0 where nothing was read."""

    dm_id: DmId
    is_group: bool
    name: str | None
    icon: str | None
    mark: int
    newest: MessageId | None
    unread: int


@dataclass(slots=True)
class Personal:
    """One user's part."""

    dms: list[Conversation] = field(default_factory=list[Conversation])
    has_more_dms: bool = False
    marks: dict[FeedId, MessageId] = field(default_factory=dict[FeedId, MessageId])
    mentions: list[tuple[FeedId | None, DmId | None, MessageId]] = field(
        default_factory=list[tuple[FeedId | None, DmId | None, MessageId]]
    )
    feeds: list[FeedId] = field(default_factory=list[FeedId])
    threads: list[ThreadId] = field(default_factory=list[ThreadId])
    revision: int = 0
    settings: str = "{}"
    voice: dict[RoomId, tuple[list[VoiceMember], list[VoiceGuest]]] = field(
        default_factory=dict[RoomId, tuple[list[VoiceMember], list[VoiceGuest]]]
    )
    """Who is in which room, whether the user may view it or not."""


def read_personal(connection: Connection, user_id: UserId) -> Personal:
    """Reads a user's part; bounded, whatever the user has gathered."""
    values = {"user_id": user_id}
    found = Personal()
    rows = _DMS.rows(connection, {**values, "limit": MAX_DMS + 1, "most": MOST_COUNTED})
    found.has_more_dms = len(rows) > MAX_DMS
    found.dms = [Conversation(row[0], bool(row[1]), *row[2:]) for row in rows[:MAX_DMS]]
    found.marks = {row[0]: row[1] for row in _MARKS.rows(connection, values)}
    found.mentions = [(row[0], row[1], row[2]) for row in _MENTIONS.rows(connection, {**values, "limit": MAX_MENTIONS})]
    found.feeds = [row[0] for row in _FEEDS.rows(connection, {**values, "limit": MAX_FOLLOWED})]
    found.threads = [row[0] for row in _THREADS.rows(connection, {**values, "limit": MAX_FOLLOWED})]
    stored: Sequence[str | int] | None = _SETTINGS.row(connection, values)
    if stored is not None:
        found.revision, found.settings = int(stored[0]), str(stored[1])
    for room_id, person_id, mute, deaf, video, streaming, server_mute, server_deaf, joined_at in _IN_VOICE.rows(
        connection, {"limit": MAX_IN_VOICE}
    ):
        states = bool(mute), bool(deaf), bool(video), bool(streaming), bool(server_mute), bool(server_deaf)
        found.voice.setdefault(room_id, ([], []))[0].append(VoiceMember(person_id, *states, joined_at))
    for room_id, id_, kind, name, inviter_id, joined_at in _GUESTS.rows(connection, {"limit": MAX_IN_VOICE}):
        _, guests = found.voice.setdefault(room_id, ([], []))
        guests.append(VoiceGuest(id_, kind, f"{kind}-{id_}", name, inviter_id, joined_at))
    return found


def read_newest(connection: Connection, feed_ids: Sequence[FeedId]) -> dict[FeedId, Loaded]:
    """Reads the newest messages of some feeds from the database."""
    found: dict[FeedId, Loaded] = {}
    for feed_id in feed_ids:
        ids = [row[0] for row in _NEWEST.rows(connection, {"feed_id": feed_id, "limit": KEPT})]
        rows = _FOR_EVERYONE.rows(connection, {"feed_id": feed_id, "limit": MOST_COUNTED})
        found[feed_id] = ids[::-1], [(row[0], row[1]) for row in reversed(rows)]
    return found
