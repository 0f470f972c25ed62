"""A call over WebRTC: audio as RTP, and RTVI with the client's signalling messages on the data channel.

The connection below may be replaced while the call goes on (`attach`): a client that lost its network comes back with a new
one. What the one before still tells is then ignored.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from vox.agent.call.session import Session
from vox.agent.config.resources import Resources
from vox.agent.handover.kept_call import KeptCall
from vox.agent.metrics import MALFORMED
from vox.agent.transports.ingress_limit import AUDIO_PER_S, EVENT_S, OPEN_S, IngressBudget
from vox.agent.transports.reconnection import LEAVE_S, teller
from vox.agent.transports.transcript_log import TranscriptLog, transcript_log
from vox.errors import PeerError
from vox.media.webrtc.contract import INPUT_RATE, OUTPUT_RATE, Peer, PeerState
from vox.media.webrtc.sdp import MAX_MESSAGE_BYTES
from vox.protocols.agent_codecs import CLIENT_WAIT_S
from vox.protocols.agent_events import AgentError, AgentEvent, BotInterrupted, ClientAudio, ClientInput, ClientReady
from vox.protocols.json_edge import read_object, write_object
from vox.protocols.media_stream import Encoding
from vox.protocols.rtvi import Rtvi
from vox.runtime.logging import get_logger

log = get_logger(__name__)

MAX_HELD: Final = 64
"""Messages kept until the data channel is open; older ones are dropped."""
MAX_MALFORMED: Final = 50
PING: Final = "ping"
STALE_S: Final = 3.0
"""A client that sent pings and then, for so long, neither a ping nor audio is gone: it pings once a second."""
PAUSE_S: Final = 0.5
"""Without a packet for so long, the microphone is off: the turn must end although no silence arrives."""
_RENEGOTIATE: Final = '{"type":"signalling","message":{"type":"renegotiate"}}'
_SILENCE: Final = bytes(2 * INPUT_RATE)


class WebRtcTransport:
    """One call's way in and out.

    Args:
        resources: what all calls share.
        budget: what the client may send.
        on_begun: called once, at the client's first audio, text or key.
        on_change: called when the connection changes, or the call is closed.
    """

    encoding: Encoding = "s16le"
    sample_rate = OUTPUT_RATE
    has_marks = False
    shows_progress = True

    def __init__(
        self,
        resources: Resources,
        budget: IngressBudget,
        *,
        on_begun: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self.client_wait_s = 0.0
        self.is_closed = False
        self.state: PeerState = "connecting"
        self.is_microphone_on = True
        self._resources = resources
        self._clock = resources.clock
        self._budget = budget
        self._on_begun: Callable[[], None] | None = on_begun
        self._on_change = on_change
        self._rtvi = Rtvi(allow_context=resources.settings.allow_client_context)
        self._peer: Peer | None = None
        self._listener: _Listener | None = None
        self._session: Session | None = None
        self._held: deque[str] = deque(maxlen=MAX_HELD)
        self._is_open = False
        self._ping_at: float | None = None
        self._is_paused = True
        self._malformed = 0
        self._transcript: TranscriptLog | None = None

    # The connection below

    def listener(self) -> "_Listener":
        """What a new peer is to tell; nothing it tells counts before `attach`, and nothing after another was attached."""
        return _Listener(self)

    def attach(self, peer: Peer, listener: "_Listener") -> Peer | None:
        """Goes on over this peer; returns the one before, which is to be closed."""
        before, self._peer = self._peer, peer
        self._listener = listener
        self._is_open = listener.has_channel
        self._ping_at = None
        self.client_wait_s = CLIENT_WAIT_S if peer.has_channel else 0.0
        self.state = listener.state
        if self._is_open:
            self._send_held()
        self._on_change()
        return before

    def is_attached(self, listener: "_Listener") -> bool:
        """Whether this is the listener of the present peer."""
        return listener is self._listener and not self.is_closed

    @property
    def peer(self) -> Peer | None:
        """The present connection."""
        return self._peer

    def open(self, session: Session) -> None:
        """The call begins."""
        self._session = session
        self._transcript = transcript_log(session, self._resources.settings)
        if not self._budget.take(OPEN_S, self._clock.now()):
            self._flooded()

    @property
    def is_stale(self) -> bool:
        """Whether the client has stopped showing that it is there."""
        if self._ping_at is None or self._peer is None:
            return False
        return self._clock.now() - max(self._ping_at, self._peer.last_packet_at) > STALE_S

    def end_pause(self) -> None:
        """Gives the call a second of silence where the client has stopped sending audio; called about once a second."""
        peer, session = self._peer, self._session
        if peer is None or session is None or self._is_paused:
            return
        if self._clock.now() - peer.last_packet_at > PAUSE_S:
            self._is_paused = True
            session.audio(_SILENCE)

    def renegotiate(self) -> None:
        """Asks the client for another offer."""
        self._send(_RENEGOTIATE)

    def heard_audio(self, pcm: bytes) -> None:
        """The caller's audio."""
        session, now = self._session, self._clock.now()
        if not self._budget.take(len(pcm) / (2 * INPUT_RATE * AUDIO_PER_S), now):
            self._flooded()
        elif session is not None:
            self._is_paused = False
            self._begin()
            session.heard_from(now)
            session.audio(pcm)

    def heard_text(self, message: str) -> None:
        """A message on the data channel."""
        session, now = self._session, self._clock.now()
        if not self._budget.take_message(len(message), now):
            self._flooded()
            return
        if session is not None:
            session.heard_from(now)
        if message.startswith(PING):
            self._ping_at = now
            return
        try:
            read = read_object(message, max_bytes=MAX_MESSAGE_BYTES)
            if read.get("type") == "signalling":
                self._signalled(read.get("message"))
                return
            inputs = self._rtvi.receive(read)
        except PeerError as error:
            self._reject(error)
            return
        if not self._budget.take(sum(map(_cost_s, inputs)), now):
            self._flooded()
            return
        for one in inputs:
            if type(one) is not ClientReady:
                self._begin()
            if session is not None:
                session.receive(one)

    def changed(self, state: PeerState) -> None:
        """The connection changed."""
        self.state = state
        self._on_change()

    def channel_opened(self) -> None:
        """What waited for the data channel leaves."""
        self._is_open = True
        self._send_held()

    async def welcome(self, call: KeptCall) -> None:
        """Gives the client a token for the case that it loses this server."""
        await call.allow_return(teller(self.send_event))

    async def move(self, call: KeptCall, last_at: float) -> bool:
        """Has the client come to another process while it is still served here."""
        if not await call.invite(teller(self.send_event), last_at):
            return False
        await asyncio.sleep(LEAVE_S)  # the client leaves by itself, once it is there
        self.close(1000, "handed over")
        return True

    def evict(self) -> None:
        """Gives the place to another call: the client has said nothing."""
        self.close(1013, "busy, and nothing was said")

    # The call's way out

    def send_audio(self, frame: bytes) -> None:
        """20 ms of the agent's voice; while the client is away, it is lost."""
        if self._peer is not None:
            self._peer.send_audio(frame)

    def send_mark(self, name: str) -> None:
        """Does nothing, because clients echo no marks."""

    def clear_audio(self) -> None:
        """Tells the client; what its jitter buffer holds, a few frames, is played."""
        if self._peer is not None:
            self._peer.clear_audio()
        self.send_event(BotInterrupted())

    def send_event(self, event: AgentEvent) -> None:
        """Sends the event as RTVI, and logs what was said where that is asked for."""
        if self._transcript is not None:
            self._transcript.see(event)
        if self.client_wait_s:
            for message in self._rtvi.encode(event):
                self._send(message.decode())

    def send_digits(self, digits: str) -> bool:
        """The event alone tells a client; there is no line to play tones on."""
        return True

    def close(self, code: int, reason: str) -> None:
        """Says good-bye; the connection is closed by the call's owner."""
        if not self.is_closed:
            self.is_closed = True
            log.debug("WebRTC call closed", code=code, reason=reason)
            left = {"type": "peerLeft", "code": code, "reason": reason}
            self._send(write_object({"type": "signalling", "message": left}).decode())
            self._on_change()

    async def shut(self) -> None:
        """Ends the connection."""
        self.is_closed = True
        if self._peer is not None:
            await self._peer.close()

    def _send(self, message: str) -> None:
        if not self._is_open:
            self._held.append(message)
        elif self._peer is not None:
            self._peer.send_text(message)

    def _send_held(self) -> None:
        held = list(self._held)
        self._held.clear()
        for message in held:
            self._send(message)

    def _begin(self) -> None:
        if self._on_begun is not None:
            self._on_begun()
            self._on_begun = None

    def _signalled(self, message: Any) -> None:
        """A client says which of its tracks are on; the first is the microphone."""
        try:
            status = msgspec.convert(message, _TrackStatus)
        except msgspec.ValidationError:
            return
        if status.type == "trackStatus" and status.receiver_index == 0:
            self.is_microphone_on = status.enabled

    def _flooded(self) -> None:
        self._resources.metrics.counter(MALFORMED, "webrtc").inc()
        log.warning("too much sent", transport="webrtc")
        self.close(1008, "more was sent than a call needs")

    def _reject(self, error: PeerError) -> None:
        self._resources.metrics.counter(MALFORMED, "webrtc").inc()
        self._malformed += 1
        if self._malformed == 1:
            log.warning("malformed message dropped", code=error.code, error=str(error))
        self.send_event(AgentError(str(error)))
        if self._malformed >= MAX_MALFORMED:
            self.close(1008, "too many malformed messages")


class _Listener:
    """Implements `PeerListener` for one of the peers that a call may have in turn."""

    def __init__(self, transport: WebRtcTransport) -> None:
        self._transport = transport
        self.state: PeerState = "connecting"
        self.has_channel = False

    def audio(self, pcm: bytes) -> None:
        if self._is_current():
            self._transport.heard_audio(pcm)

    def text(self, message: str) -> None:
        if self._is_current():
            self._transport.heard_text(message)

    def channel_opened(self) -> None:
        self.has_channel = True
        if self._is_current():
            self._transport.channel_opened()

    def state_changed(self, state: PeerState) -> None:
        self.state = state
        if self._is_current():
            self._transport.changed(state)

    def _is_current(self) -> bool:
        return self._transport.is_attached(self)


class _TrackStatus(msgspec.Struct):
    type: str
    receiver_index: int = -1
    enabled: bool = True


def _cost_s(heard: ClientInput) -> float:
    if type(heard) is ClientAudio:
        return len(heard.pcm) / (2 * heard.channels * heard.sample_rate * AUDIO_PER_S)
    return EVENT_S
