"""A call from a browser or an app over `/ws`: the socket's listener and the call's way out in one object."""

import asyncio
from collections.abc import Callable

from vox.agent.call.session import Session
from vox.agent.config.resources import Resources
from vox.agent.handover.kept_call import KeptCall
from vox.agent.metrics import MALFORMED
from vox.agent.transports.ingress_limit import AUDIO_PER_S, EVENT_S, OPEN_S, IngressBudget
from vox.agent.transports.reconnection import LEAVE_S, LOST_CODES, teller
from vox.agent.transports.transcript_log import TranscriptLog, transcript_log
from vox.errors import PeerError
from vox.http.coalescing_socket import coalesced
from vox.http.websocket import Socket
from vox.protocols.agent_codecs import CLIENT_WAIT_S, FirstMessageCodec
from vox.protocols.agent_events import (
    AgentCodec,
    AgentError,
    AgentEvent,
    AgentReady,
    BotInterrupted,
    ClientAudio,
    ClientInput,
    ClientReady,
)
from vox.protocols.agent_json import JsonCodec
from vox.protocols.media_stream import Encoding, WireMessage
from vox.runtime.logging import get_logger

log = get_logger(__name__)

MAX_MALFORMED = 50


class WebSocketTransport:
    """One client connection; `start` is called once it is open, and gives the session.

    Args:
        resources: what all calls share.
        codec: the wire format that the client asked for, or finds out from its first message.
        sample_rate: of the agent's audio, in Hz.
        start: makes the session for this link and starts it.
        budget: what the client may send; one of its own where none is given.
        on_begun: called once, at the client's first input: audio, a text, a key.
        is_resumable: whether the client can come back to its call by another connection.
    """

    encoding: Encoding = "s16le"
    has_marks = False
    shows_progress = True

    def __init__(
        self,
        resources: Resources,
        codec: AgentCodec,
        sample_rate: int,
        start: Callable[["WebSocketTransport"], Session],
        *,
        budget: IngressBudget | None = None,
        on_begun: Callable[[], None] | None = None,
        is_resumable: bool = False,
    ) -> None:
        self._is_resumable = is_resumable
        self._is_ending = False
        self.sample_rate = sample_rate
        self._resources = resources
        self.client_wait_s = _client_wait_s(codec)
        self._codec = codec
        self._start = start
        self._socket: Socket | None = None
        self._session: Session | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._malformed = 0
        self._clock = resources.clock
        self._budget = budget or IngressBudget(resources.clock.now())
        self._on_begun = on_begun
        self._transcript: TranscriptLog | None = None

    # The socket's listener

    def opened(self, socket: Socket) -> None:
        """The upgrade is done: the call begins."""
        settings = self._resources.settings
        self._socket = coalesced(socket, settings.ws_write_coalesce_ms, settings.ws_write_coalesce_max_frames)
        if not self._budget.take(OPEN_S, self._clock.now()):
            self._flooded()
            return
        self._session = self._start(self)
        self._transcript = transcript_log(self._session, self._resources.settings)
        call_id = self._session.info.call_id
        if isinstance(self._codec, FirstMessageCodec):
            self._codec.call_id = call_id
            self._settling = asyncio.get_running_loop().call_later(self._codec.patience_s, self._settle)
        elif isinstance(self._codec, JsonCodec):  # the others ask for it in their handshake
            self.send_event(AgentReady(call_id=call_id))

    def received(self, message: WireMessage) -> None:
        """One message of the client."""
        session = self._session
        if session is None:
            return
        now = self._clock.now()
        if not self._budget.take_message(len(message), now):
            self._flooded()
            return
        session.heard_from(now)
        try:
            inputs = self._codec.receive(message)
        except PeerError as error:
            self._settle()
            self._reject(error)
            return
        if not self._budget.take(sum(map(_cost_s, inputs)), now):
            self._flooded()
            return
        if inputs and type(inputs[0]) is ClientReady:  # its answer comes before anything else
            session.receive(inputs.pop(0))
        self._settle()
        for one in inputs:
            if self._on_begun is not None:
                self._on_begun()
                self._on_begun = None
            session.receive(one)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone, and with it the call."""
        self._socket = None
        if self._settling is not None:
            self._settling.cancel()
        session = self._session
        if session is None:
            return
        is_lost = self._is_resumable and code in LOST_CODES and not self._is_ending
        if is_lost and session.keeper is not None:
            session.keeper.lose_line()
        session.hang_up("hung_up")

    async def welcome(self, call: KeptCall) -> None:
        """Gives the client a token for the case that it loses this connection."""
        await call.allow_return(teller(self.send_event))

    async def move(self, call: KeptCall, last_at: float) -> bool:
        """Has the client come to another process while it is still served here."""
        if not self._is_resumable or not await call.invite(teller(self.send_event), last_at):
            return False
        await asyncio.sleep(LEAVE_S)  # the client leaves by itself, once it is there
        self.close(1000, "handed over")
        return True

    def evict(self) -> None:
        """Gives the place to another call: the client has said nothing."""
        self.close(1013, "busy, and nothing was said")

    def pause_input(self) -> None:
        """Leaves what the other side sends on the line, because the call cannot take it yet."""
        if self._socket is not None:
            self._socket.pause_reading()

    def resume_input(self) -> None:
        """Reads on."""
        if self._socket is not None:
            self._socket.resume_reading()

    # The call's way out

    def send_audio(self, frame: bytes) -> None:
        """20 ms of the agent's voice."""
        if self._socket is not None:
            message = self._codec.audio(frame, self.sample_rate)
            if message is not None:
                self._socket.send(message)

    def send_mark(self, name: str) -> None:
        """Does nothing, because clients echo no marks."""

    def clear_audio(self) -> None:
        """Tells the client to drop the audio that it has not played yet."""
        self.send_event(BotInterrupted())

    def send_event(self, event: AgentEvent) -> None:
        """Sends the event in the client's protocol, and logs what was said where that is asked for."""
        if self._transcript is not None:
            self._transcript.see(event)
        if self._socket is not None:
            for message in self._codec.encode(event):
                self._socket.send(message)

    def send_digits(self, digits: str) -> bool:
        """The event alone tells a client; there is no line to play tones on."""
        return True

    def close(self, code: int, reason: str) -> None:
        """Ends the connection."""
        self._is_ending = True
        if self._socket is not None:
            self._socket.close(code, reason)

    def _settle(self) -> None:
        """Sends what waited for the client's format; does nothing a second time."""
        if self._settling is None or not isinstance(self._codec, FirstMessageCodec):
            return
        self._settling.cancel()
        self._settling = None
        self._codec.settle()
        if self._socket is not None:
            for message in self._codec.take_held():
                self._socket.send(message)

    def _flooded(self) -> None:
        self._resources.metrics.counter(MALFORMED, "ws").inc()
        log.warning("too much sent", transport="ws")
        self.close(1008, "more was sent than a call needs")

    def _reject(self, error: PeerError) -> None:
        self._resources.metrics.counter(MALFORMED, "ws").inc()
        self._malformed += 1
        if self._malformed == 1:
            log.warning("malformed message dropped", code=error.code, error=str(error))
        self.send_event(AgentError(str(error)))
        if self._malformed >= MAX_MALFORMED:
            self.close(1008, "too many malformed messages")


def _cost_s(heard: ClientInput) -> float:
    if type(heard) is ClientAudio:
        return len(heard.pcm) / (2 * heard.channels * heard.sample_rate * AUDIO_PER_S)
    return EVENT_S


def _client_wait_s(codec: AgentCodec) -> float:
    if isinstance(codec, FirstMessageCodec):
        return codec.patience_s
    return 0.0 if isinstance(codec, JsonCodec) else CLIENT_WAIT_S
