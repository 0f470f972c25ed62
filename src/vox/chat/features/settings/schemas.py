"""A user's settings as clients store them, and the part the server reads: when to notify."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id

MAX_BYTES: Final = 65_536
MAX_PLACES: Final = 2000

Level = Literal["all", "mentions", "nothing"]


class PlaceNotifications(msgspec.Struct, frozen=True):
    """What one place notifies of.

    Args:
        level: None where the user's general one counts.
        muted_until: Unix seconds until which the place is silent; 0 for not at all.
    """

    level: Level | None = None
    muted_until: Annotated[int, Meta(ge=0)] = 0


PlaceName = Annotated[str, Meta(pattern=r"^(feed|thread|dm):[0-9]{1,19}$")]


class Notifications(msgspec.Struct, frozen=True):
    """When a user is notified.

    Args:
        level: of places without one of their own: all messages, mentions and answers, or nothing; conversations count as mentions.
        push_text: whether a push carries the beginning of the message.
        places: by `feed:1`, `thread:2` or `dm:3`.
    """

    level: Level = "mentions"
    push_text: bool = False
    places: Annotated[dict[PlaceName, PlaceNotifications], Meta(max_length=MAX_PLACES)] = {}


class Document(msgspec.Struct, frozen=True):
    """What the server reads of a user's settings; everything else in them belongs to clients."""

    notifications: Notifications = Notifications()


class Settings(msgspec.Struct, frozen=True):
    """A user's settings and how often they were changed."""

    revision: Id
    settings: dict[str, Any]


class SettingsChange(msgspec.Struct, frozen=True):
    """New settings in place of those with a revision."""

    revision: Id
    settings: dict[str, Any]
