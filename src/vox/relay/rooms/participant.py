"""One participant of a room: who they are, what they may do, and where their messages go; plain state."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from livekit.protocol import models, rtc

from vox.relay.rooms.messages import Outbox, Outgoing
from vox.relay.rooms.tracks import Subscription, Track
from vox.security.room_tokens import RoomClaims

KINDS: Final = {
    "standard": models.ParticipantInfo.STANDARD,
    "ingress": models.ParticipantInfo.INGRESS,
    "egress": models.ParticipantInfo.EGRESS,
    "sip": models.ParticipantInfo.SIP,
    "agent": models.ParticipantInfo.AGENT,
}


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """What a client says about itself when it joins.

    Args:
        is_single: whether it has one peer connection for both directions, in which it alone offers.
        auto_subscribe: whether it receives every track without asking.
        ice_servers: STUN and TURN servers for it.
        client: what it is.
        metadata: its own metadata, where its grants permit it.
        attributes: its own attributes, likewise.
    """

    is_single: bool = False
    auto_subscribe: bool = True
    ice_servers: Sequence[rtc.ICEServer] = ()
    client: models.ClientInfo = field(default_factory=models.ClientInfo)
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, eq=False)
class Kept:
    """A reliable data packet that listeners who resume may have missed; `to` is empty for everyone."""

    sequence: int
    to: frozenset[str]
    payload: bytes


@dataclass(slots=True, eq=False)
class Participant:
    """One participant.

    Args:
        sid: id at the relay, new with every full join.
        claims: what the token says.
        permission: what they may do now; the token's grants, until a server changes it.
        publisher: the peer connection that the client offers on; 0 for voices.
        subscriber: the one on which we offer; the same number where there is one for both; 0 for voices.
        outbox: where messages go; None while the signalling is lost.
        detached_at: when the signalling was lost; None while it is there.
        shared_with: who may receive their tracks, as they last said; None for everyone.
        offered_at: when our offer went out that still waits for its answer.
        offer_id: the number of our last offer.
        has_ends: whether subscriptions have ended that no offer has carried to the client yet.
        has_offered_ends: whether our offer that still waits carries such ends.
        held: subscriptions, by track SID, that begin once the client has seen the ends: else a section would change its track
            without ever having stopped, and the client would take the new track for the old one.
        sections: receiving sections of the client's last offer, by kind; where the client alone offers.
        requested: sections that we asked for since, by kind.
        placed: track by section, where the client alone offers.
        settled: tracks whose sending or ending the client's last offer has taken in, where it alone offers.
        token_at: when the client last got a fresh token.
        drops_next_resume: whether the next resume is to fail, for a client that tests itself.
        backlog: data packets that its channel has not taken yet, as label and payload.
    """

    sid: str
    claims: RoomClaims
    settings: JoinSettings
    permission: models.ParticipantPermission
    kind: "models.ParticipantInfo.Kind"
    joined_ms: int
    joined_at: float
    outbox: Outbox | None
    publisher: int = 0
    subscriber: int = 0
    name: str = ""
    metadata: str = ""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    state: "models.ParticipantInfo.State" = models.ParticipantInfo.JOINED
    detached_at: float | None = None
    tracks: dict[str, Track] = field(default_factory=dict[str, Track])
    pending: dict[str, Track] = field(default_factory=dict[str, Track])
    subscriptions: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    shared_with: rtc.SubscriptionPermission | None = None
    is_offer_due: bool = False
    is_offer_scheduled: bool = False
    offered_at: float | None = None
    offer_id: int = 0
    has_ends: bool = False
    has_offered_ends: bool = False
    held: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])
    sections: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})
    requested: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})
    placed: dict[str, int] = field(default_factory=dict[str, int])
    settled: set[int] = field(default_factory=set[int])
    quality: "models.ConnectionQuality" = models.ConnectionQuality.EXCELLENT
    token_at: float = 0.0
    drops_next_resume: bool = False
    last_sequence: int = 0
    replay: deque[Kept] = field(default_factory=deque[Kept])
    replay_bytes: int = 0
    backlog: deque[tuple[str, bytes]] = field(default_factory=deque[tuple[str, bytes]])
    backlog_bytes: int = 0
    disconnect_reason: "models.DisconnectReason" = models.DisconnectReason.UNKNOWN_REASON
    version: int = 1
    _info: models.ParticipantInfo | None = None

    @property
    def identity(self) -> str:
        """Unique in the room."""
        return self.claims.sub

    @property
    def is_voice(self) -> bool:
        """Whether they are in the room without a peer connection."""
        return not self.publisher

    @property
    def is_single(self) -> bool:
        """Whether the client alone offers."""
        return self.settings.is_single

    @property
    def primary(self) -> int:
        """The peer connection whose state is the participant's."""
        return self.subscriber if self.is_subscriber_primary else self.publisher

    @property
    def is_subscriber_primary(self) -> bool:
        """Whether the client waits for the peer connection on which we offer."""
        return not self.is_single and self.claims.video.may_subscribe()

    @property
    def is_here(self) -> bool:
        """Whether they have not left."""
        return self.state != models.ParticipantInfo.DISCONNECTED

    @property
    def is_active(self) -> bool:
        """Whether their media is connected."""
        return self.state == models.ParticipantInfo.ACTIVE

    @property
    def is_hidden(self) -> bool:
        """Whether others do not learn of them."""
        return self.permission.hidden

    @property
    def has_silent_place(self) -> bool:
        """Whether they do not count among a room's places: agents and recorders, which serve others."""
        return self.permission.hidden or self.kind in {models.ParticipantInfo.AGENT, models.ParticipantInfo.EGRESS}

    def send(self, message: Outgoing) -> None:
        """Sends, or drops while the signalling is lost; who resumes gets everything as it then is."""
        if self.outbox is not None:
            self.outbox.send(message)

    def tell(self, message: rtc.SignalResponse) -> None:
        """Sends a message that is for this participant only."""
        self.send(Outgoing(message))

    def changed(self) -> None:
        """Has to follow every change that others can see."""
        self.version += 1
        self._info = None

    @property
    def info(self) -> models.ParticipantInfo:
        """As others see them; not to be changed."""
        if self._info is None:
            self._info = models.ParticipantInfo(
                sid=self.sid,
                identity=self.identity,
                state=self.state,
                tracks=[track.info for track in self.tracks.values()],
                metadata=self.metadata,
                joined_at=self.joined_ms // 1000,
                joined_at_ms=self.joined_ms,
                name=self.name,
                version=self.version,
                permission=self.permission,
                is_publisher=bool(self.tracks),
                kind=self.kind,
                attributes=self.attributes,
                disconnect_reason=self.disconnect_reason,
                client_protocol=self.settings.client.client_protocol,
                capabilities=self.settings.client.capabilities,
            )
        return self._info


def snapshot(info: models.ParticipantInfo) -> models.ParticipantInfo:
    """A copy that later changes do not reach."""
    copy = models.ParticipantInfo()
    copy.CopyFrom(info)
    return copy
