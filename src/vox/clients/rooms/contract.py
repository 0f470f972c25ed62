"""What a media server tells of its rooms and takes for them, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Source = Literal["unknown", "camera", "microphone", "screen_share", "screen_share_audio"]
Kind = Literal["standard", "ingress", "egress", "sip", "agent", "connector"]

SOURCES: Final[tuple[Source, ...]] = ("unknown", "camera", "microphone", "screen_share", "screen_share_audio")
"""By their numbers on the wire."""
KINDS: Final[tuple[Kind, ...]] = ("standard", "ingress", "egress", "sip", "agent")
"""By their numbers on the wire, as far as they count up."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What a participant may do in the room it is in.

    Attributes:
        sources: what may be published; empty with `can_publish` means everything.
    """

    can_subscribe: bool = True
    can_publish: bool = True
    can_publish_data: bool = True
    sources: frozenset[str] = frozenset()
    hidden: bool = False
    can_update_metadata: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """Something that a participant publishes."""

    sid: str
    source: Source = "unknown"
    is_muted: bool = False


@dataclass(frozen=True, slots=True)
class Participant:
    """Who is in a room of the media server."""

    identity: str
    sid: str = ""
    name: str = ""
    kind: Kind = "standard"
    is_joining: bool = False
    joined_at: int = 0
    permission: Permission | None = None
    tracks: tuple[Track, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    def track(self, source: Source) -> Track | None:
        """The track of that source."""
        return next((one for one in self.tracks if one.source == source), None)


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room that exists at the media server."""

    name: str
    sid: str = ""
    participants: int = 0
