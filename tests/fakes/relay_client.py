"""Clients of a played relay: a session without a socket, whose messages are kept, and the descriptions that browsers would write."""

from collections.abc import Callable, Mapping
from typing import Any

from livekit.protocol import models, rtc

from tests.fakes.clock import FakeClock
from tests.fakes.media_engine import Peer, PlayedEngine
from vox.relay.rooms.limits import RoomLimits
from vox.relay.rooms.registry import Rooms
from vox.relay.signalling.join_request import Arrival, arrival_v0
from vox.relay.signalling.session import Session
from vox.security.room_tokens import RoomClaims, VideoGrant


class KeptSocket:
    """Implements `vox.http.sockets.Socket`."""

    def __init__(self) -> None:
        self.messages: list[rtc.SignalResponse] = []
        self.closed_with: tuple[int, str] | None = None
        self.backlog_bytes = 0
        self.write_frames = None

    @property
    def is_open(self) -> bool:
        return self.closed_with is None

    def send(self, message: str | bytes) -> None:
        if self.closed_with is None:
            assert isinstance(message, bytes)
            self.messages.append(rtc.SignalResponse.FromString(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.closed_with is None:
            self.closed_with = (code, reason)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class PlayedRelay:
    """Rooms on a played engine, a still clock and numbers for ids."""

    def __init__(self, *, sign: Callable[[RoomClaims], str] | None = None, **limits: Any) -> None:
        self.engine = PlayedEngine()
        self.clock = FakeClock()
        self.refused: list[str] = []
        self.events: list[Any] = []
        self._later: list[Callable[[], None]] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._ids = 0
        self.rooms = Rooms(
            self.engine,
            self.clock,
            RoomLimits(**limits),
            sign=sign,
            refused=self.refused.append,
            make_id=self._make_id,
            soon=self._put_off,
            later=self._put_off_until,
        )
        self.rooms.observe(self.events.append)

    def join(
        self,
        identity: str,
        room: str = "room",
        *,
        arrival: Arrival | None = None,
        is_connected: bool = True,
        grant: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> "PlayedClient":
        """A client who joins, and whose media connects."""
        video = VideoGrant(room_join=True, room=room, **(grant or {}))
        client = PlayedClient(self, RoomClaims(iss="key", sub=identity, video=video, **claims), arrival)
        if is_connected and client.is_in:
            client.connect()
        return client

    def settle(self) -> None:
        """Runs what was put off, and what the engine tells."""
        while self._later or self.engine.waiting:
            later, self._later = self._later, []
            for work in later:
                work()
            for event in self.engine.events():
                self.rooms.take(event)

    def pass_time(self, seconds: float) -> None:
        """Lets time go by, with a look at everything each second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            due = [work for at, work in self._timers if at <= self.clock.now()]
            self._timers = [one for one in self._timers if one[0] > self.clock.now()]
            for work in due:
                work()
            self.rooms.beat()
            self.settle()

    def _put_off(self, work: Callable[[], None]) -> None:
        self._later.append(work)

    def _put_off_until(self, seconds: float, work: Callable[[], None]) -> None:
        self._timers.append((self.clock.now() + seconds, work))

    def _make_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}_{self._ids}"


class PlayedClient:
    """One client, and what it was sent."""

    def __init__(self, relay: PlayedRelay, claims: RoomClaims, arrival: Arrival | None = None) -> None:
        self.relay = relay
        self.claims = claims
        self.sections: list[str] = []
        self.requests = 0
        self._open(arrival or arrival_v0({"sdk": "js", "protocol": "17"}, ()))

    def _open(self, arrival: Arrival) -> None:
        self.socket = KeptSocket()
        self.session = Session(self.relay.rooms, self.claims, arrival)
        self.session.opened(self.socket)
        self.relay.settle()

    @property
    def is_in(self) -> bool:
        return any(one.WhichOneof("message") == "join" for one in self.socket.messages)

    @property
    def is_here(self) -> bool:
        """Whether the relay still has this very session."""
        return self.socket.is_open and self.session.is_open

    @property
    def sid(self) -> str:
        return self.first("join").participant.sid

    @property
    def peer(self) -> Peer:
        """The peer connection on which it receives."""
        return self.relay.engine.peers[self.participant.subscriber]

    @property
    def participant(self):
        return self.relay.rooms.find(self.claims.video.room, self.claims.sub)[1]

    def connect(self) -> None:
        """Its media connects."""
        self.relay.engine.happens("connected", self.participant.primary)
        self.relay.settle()

    def resume(self, *, sid: str | None = None, arrival: Arrival | None = None) -> None:
        """Loses its socket and comes back on another."""
        sid = self.sid if sid is None else sid
        self.session.closed(1006, "")
        self._open(arrival or arrival_v0({"reconnect": "1", "sid": sid}, ()))

    def ask(self, **request: Any) -> None:
        """Sends one request."""
        self.raw(rtc.SignalRequest(**request).SerializeToString())

    def raw(self, message: str | bytes) -> None:
        """Sends anything."""
        self.session.received(message)
        self.relay.settle()

    def all(self, kind: str) -> list[Any]:
        """The messages of one kind, oldest first."""
        return [getattr(one, kind) for one in self.socket.messages if one.WhichOneof("message") == kind]

    def first(self, kind: str) -> Any:
        return self.all(kind)[0]

    def last(self, kind: str) -> Any:
        return self.all(kind)[-1]

    @property
    def kinds(self) -> list[str]:
        return [str(one.WhichOneof("message")) for one in self.socket.messages]

    def forget(self) -> None:
        """Forgets what it was sent, but for the first message."""
        del self.socket.messages[1:]

    def sees(self, identity: str) -> Any:
        """What it was last sent of a participant; None where it was sent nothing."""
        latest: models.ParticipantInfo | None = None
        for message in self.socket.messages:
            infos = [*message.update.participants, *message.join.other_participants]
            for info in infos:
                if info.identity == identity:
                    latest = info
        return latest

    def publish(
        self,
        cid: str = "mic",
        kind: "models.TrackType" = models.TrackType.AUDIO,
        source: "models.TrackSource" = models.TrackSource.MICROPHONE,
        **more: Any,
    ) -> str:
        """Announces a track, sends it in an offer, and returns its SID."""
        self.ask(add_track=rtc.AddTrackRequest(cid=cid, type=kind, source=source, **more))
        sid = self.last("track_published").track.sid
        self.sections.append(section("audio" if kind == models.TrackType.AUDIO else "video", len(self.sections), cid))
        self.offer()
        return sid

    def offer(self) -> None:
        """Offers its sections as they are."""
        self.ask(offer=rtc.SessionDescription(type="offer", sdp=sdp(*self.sections), id=7))

    def answer(self) -> None:
        """Answers the relay's last offer."""
        offer = self.last("offer")
        self.ask(answer=rtc.SessionDescription(type="answer", sdp=offer.sdp, id=offer.id))

    def answer_all(self) -> None:
        """Answers offers until there are none."""
        while not self.participant.is_single and self.peer.is_offering:
            self.answer()

    def receives(self) -> set[str]:
        """The SIDs of the tracks that it is sent."""
        return {name for _, name in self.peer.subscriptions.values()}

    def data(self, packet: models.DataPacket, *, label: str = "_reliable") -> None:
        """Sends a data packet."""
        payload = packet.SerializeToString()
        self.relay.engine.happens("data", self.participant.publisher, label, payload, True)
        self.relay.settle()

    def packets(self) -> list[models.DataPacket]:
        """The data packets it was sent."""
        return [models.DataPacket.FromString(payload) for _, payload in self.peer.received]


def section(kind: str, mid: int | str, cid: str = "", direction: str = "sendonly") -> str:
    """A section as browsers write it."""
    codec, payload = ("opus/48000/2", 111) if kind == "audio" else ("VP8/90000", 96)
    lines = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload}", f"a=mid:{mid}", f"a={direction}", f"a=rtpmap:{payload} {codec}"]
    return "\r\n".join([*lines, *([f"a=msid:- {cid}"] if cid else [])])


def sdp(*sections: str) -> str:
    """A session description of these sections and a data channel."""
    head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0"
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data"
    return "\r\n".join([head, *sections, data, ""])
