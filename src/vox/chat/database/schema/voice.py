"""Who is in which voice room, who may speak on stages, and where each room's media is.

Before changing: a row of `voice_states` means "belongs into this room"; whether its user's media is there, too, the media server
knows, and `voice_connections` remembers since when it is not.
"""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    numbered,
    one_of,
    refers_to,
    whole,
    words,
)

voice_states: Final = Table(
    "voice_states",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("room_id", "rooms.id"),
    flag("self_mute"),
    flag("self_deaf"),
    flag("video"),
    flag("streaming"),
    flag("server_mute"),
    flag("server_deaf"),
    whole("joined_at"),
    Index(None, "room_id"),
)

stage_speakers: Final = Table(
    "stage_speakers",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    whole("granted_at"),
    Index(None, "user_id"),
)

stage_invites: Final = Table(
    "stage_invites",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    whole("created_at"),
    Index(None, "user_id"),
)

voice_connections: Final = Table(
    "voice_connections",
    metadata,
    belongs_to("user_id", "voice_states.user_id", key=True),
    whole("absent_since", optional=True),
    flag("was_present"),
    whole("token_until", default=0),
)
"""`absent_since` is empty while the user's media is in the room; `token_until` is when the last media token ends."""

voice_marks: Final = Table(
    "voice_marks",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    flag("server_mute"),
    flag("server_deaf"),
)
"""Who is muted or deafened by moderators: leaving the room does not end it."""

voice_placements: Final = Table(
    "voice_placements",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    words("relay_id"),
    words("media_url"),
    whole("placed_at"),
    whole("checked_at", default=0),
    whole("failing_since", optional=True),
)
"""Where the media of a room is while anyone is in it; an empty `relay_id` is the server of the settings. `checked_at` has milliseconds."""

voice_guests: Final = Table(
    "voice_guests",
    metadata,
    numbered(),
    belongs_to("room_id", "rooms.id"),
    words("kind"),
    words("name"),
    words("agent"),
    refers_to("inviter_id", "users.id"),
    whole("created_at"),
    whole("joined_at", optional=True),
    whole("absent_since", optional=True),
    one_of("kind", "agent", "caller"),
    Index(None, "room_id"),
    Index(None, "inviter_id"),
    sqlite_autoincrement=True,
)
"""Agents and telephone callers in rooms; they are no users."""

voice_numbers: Final = Table(
    "voice_numbers",
    metadata,
    numbered(),
    words("number"),
    words("code"),
    belongs_to("room_id", "rooms.id"),
    refers_to("creator_id", "users.id"),
    whole("created_at"),
    UniqueConstraint("number", "code"),
    Index(None, "room_id"),
    Index(None, "creator_id"),
    sqlite_autoincrement=True,
)
"""Telephone numbers of rooms; an empty code lets callers in who enter none."""

voice_settings: Final = Table(
    "voice_settings",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    belongs_to("transcript_feed_id", "feeds.id"),
    Index(None, "transcript_feed_id"),
)
"""The feed that a room's transcripts are written to; a room without a row has none."""

voice_transcripts: Final = Table(
    "voice_transcripts",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    words("segment_id", key=True),
    whole("created_at"),
    Index(None, "created_at"),
)
"""What was written to a feed lately, so that nothing is written twice."""
