"""Tracks and who receives them; plain state, which `publishing` and `subscriptions` change."""

from dataclasses import dataclass, field
from typing import Final

from livekit.protocol import models

_PREFIXES: Final = {
    models.TrackSource.CAMERA: "TR_VC",
    models.TrackSource.MICROPHONE: "TR_AM",
    models.TrackSource.SCREEN_SHARE: "TR_VS",
    models.TrackSource.SCREEN_SHARE_AUDIO: "TR_AS",
}


@dataclass(slots=True, eq=False)
class Subscription:
    """One listener's side of one track.

    Args:
        track: what is received.
        listener: SID of the participant who receives.
        is_asked_for: whether the listener, or auto-subscription, asks for it.
        is_allowed: whether the publisher and the listener's own grants permit it.
        is_active: whether the engine knows it.
        is_disabled: whether the listener holds it back for the time being.
    """

    track: "Track"
    listener: str
    is_asked_for: bool = False
    is_allowed: bool = True
    is_active: bool = False
    is_disabled: bool = False
    quality: "models.VideoQuality" = models.VideoQuality.HIGH
    fps: int = 0


@dataclass(slots=True, eq=False)
class Track:
    """A track that a participant has announced or published.

    Args:
        handle: its number in the engine.
        owner: SID of the participant who publishes it.
        identity: of that participant.
        info: as others see it.
        cids: the client's own names of it, one for each codec.
        announced_at: on the clock.
        mid: its section in the publisher's peer connection; empty for voices.
        is_live: whether the engine knows it, and others may subscribe.
        subscriptions: by the listener's SID.
        best_quality: the most that any listener asks for, as the publisher last heard; None before.
    """

    handle: int
    owner: str
    identity: str
    info: models.TrackInfo
    cids: frozenset[str]
    announced_at: float
    mid: str = ""
    is_live: bool = False
    subscriptions: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    best_quality: "models.VideoQuality | None" = None

    @property
    def sid(self) -> str:
        """Its id at the relay."""
        return self.info.sid

    @property
    def kind(self) -> str:
        """As the engine calls it."""
        return "audio" if self.info.type == models.TrackType.AUDIO else "video"


def sid_prefix(source: "models.TrackSource", kind: "models.TrackType") -> str:
    """What the ids of such tracks begin with."""
    return _PREFIXES.get(source, "TR_A" if kind == models.TrackType.AUDIO else "TR_V")
