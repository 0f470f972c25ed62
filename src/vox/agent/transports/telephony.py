"""A phone call over a carrier's media stream: the socket's listener and the call's way out in one object.

The first messages tell which carrier it is; from the message that describes the call on there is a session.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, assert_never

from vox.agent.call.keeper import Keeper
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent, Resources
from vox.agent.handover.handovers import Taken
from vox.agent.handover.kept_call import KeptCall
from vox.agent.metrics import DROPPED_FIELDS, EARLY_AUDIO, MALFORMED
from vox.agent.transports.audio_gatherer import AudioGatherer
from vox.agent.transports.ingress_limit import EVENT_S, OPEN_S, IngressBudget
from vox.agent.transports.transcript_log import TranscriptLog, transcript_log
from vox.errors import PeerError, UsageError, VoxError
from vox.http.coalescing_socket import coalesced
from vox.http.websocket import Socket
from vox.media import g711
from vox.protocols.agent_events import AgentEvent
from vox.protocols.carriers.detect import MAX_OPENING_MESSAGES, codec_for, detect, is_early_audio
from vox.protocols.media_stream import (
    FIRST_STREAM,
    RESUME_PARAMETER,
    AudioCleared,
    DigitPressed,
    Encoding,
    MarkReached,
    ServerCodec,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    TransfersInStream,
    WireMessage,
)
from vox.runtime.clock import new_id
from vox.runtime.logging import get_logger

log = get_logger(__name__)

START_TIMEOUT_S = 10.0
END_TIMEOUT_S = 5.0
TRANSFER_GRACE_S = 5.0
"""A carrier that has put a call through ends our stream within this time, or we do."""
MAX_EARLY_AUDIO = 250
"""Audio messages before the start until the stream is refused: 5 s of them."""
MAX_MALFORMED = 50
"""Malformed messages in one call until it is closed; a few may be a carrier's new feature, many are an attack."""


class CallTransfers(Protocol):
    """Puts phone calls through over their carriers' APIs."""

    def are_possible(self, carrier: str) -> bool:
        """Whether that carrier can, with the credentials there are."""
        ...

    def remedy(self, carrier: str) -> str:
        """What the operator can do where it cannot."""
        ...

    async def transfer(self, carrier: str, call_id: str, to: str, caller_id: str) -> None:
        """Puts a call through; raises `VoxError` where that fails."""
        ...


class CarrierLine(Protocol):
    """What a stream needs whose call can go on with another one, perhaps in another process."""

    async def take(self, token: str) -> Taken | None:
        """The call that a token is for; None where it cannot be gone on with."""
        ...

    async def hang_up(self, carrier: str, call_id: str) -> None:
        """Ends the phone call over the carrier's API, where credentials allow it."""
        ...

    def can_move_stream(self, carrier: str) -> bool:
        """Whether the carrier connects the call to another stream when it is told to, rather than asking by itself."""
        ...

    async def move_stream(self, carrier: str, call_id: str, agent: str, token: str) -> None:
        """Has it do so; raises `VoxError` where that fails."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs what belongs to the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who takes a call, and what is known of the call besides what its stream says.

    Attributes:
        resume: the token of the call that goes on with this stream, where the stream itself does not bring it.
    """

    agent: Agent
    call_id: str = ""
    session_id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    bot_id: str = ""
    resume: str = field(default="", repr=False)


class LineCall(Protocol):
    """What a stream carries: the session of an agent, or what takes its place.

    Attributes:
        keeper: is told whenever the state of the call has changed; None where it does not matter.
    """

    @property
    def keeper(self) -> Keeper | None:
        """Keeps the call for another process; None where that is not possible."""
        ...

    def audio(self, pcm: bytes) -> None:
        """The caller's audio, s16le mono."""
        ...

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        ...

    def mark_reached(self, name: str) -> None:
        """The carrier has played up to a mark."""
        ...

    def heard_from(self, now: float) -> None:
        """The other side was alive at this time of the clock."""
        ...

    def hang_up(self, reason: str = "hung_up") -> None:
        """The call is over; idempotent."""
        ...


Divert = Callable[["TelephonyTransport", CallInfo, int], LineCall | None]
"""Takes a call away from its agent, with the rate of the caller's audio in Hz; None leaves it there."""
Prepare = Callable[[StreamStarted, Callable[[Chosen | None], None]], asyncio.Task[None]]
"""Finds out elsewhere who takes a call, in a task, and answers once; None refuses the call."""


class TelephonyTransport:
    """One carrier connection.

    Args:
        resources: what all calls share.
        choose: finds the agent for the name in the path and the called number; None refuses the call.
        on_session: starts the session's life, once there is one.
        budget: what the carrier may send; one of its own where none is given.
        on_begun: called once, at the call's first audio or event.
        transfers: puts calls through; None where this stream may belong to anyone.
        line: of a call that can go on with another stream; None where calls are not handed over.
        codec: of the carrier, where the address has told which it is.
        prepare: asked instead of `choose` where the answer takes time; the caller's audio waits.
        on_event: told what happens in the call.
        start_timeout_s: how long the carrier has to describe the call.
        divert: asked before an agent's session begins.
    """

    shows_progress = False
    client_wait_s = 0.0

    def __init__(
        self,
        resources: Resources,
        choose: Callable[[StreamStarted], Agent | None],
        on_session: Callable[[Session], None],
        *,
        budget: IngressBudget | None = None,
        on_begun: Callable[[], None] | None = None,
        transfers: CallTransfers | None = None,
        line: CarrierLine | None = None,
        codec: ServerCodec | None = None,
        prepare: Prepare | None = None,
        on_event: Callable[[AgentEvent], None] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        divert: Divert | None = None,
    ) -> None:
        self._line = line
        self.is_resumable = False
        self.is_handed_over = False
        self.fence = 1
        self._asks_again = False
        self._is_ending = False
        self._transfers = transfers
        self._prepare = prepare
        self._on_event = on_event
        self._preparing: asyncio.Task[None] | None = None
        self._waiting: deque[bytes] = deque(maxlen=MAX_EARLY_AUDIO)
        self._start_timeout_s = start_timeout_s
        self.is_transferred = False
        self._resources = resources
        self._choose = choose
        self._on_session = on_session
        self._divert = divert
        self._socket: Socket | None = None
        self._codec = codec
        self._opening: list[WireMessage] = []
        self._early_audio = 0
        self._gatherer: AudioGatherer | None = None
        self._transcript: TranscriptLog | None = None
        self._session: LineCall | None = None
        self._agent_name = ""
        self._malformed = 0
        self._clock = resources.clock
        self._budget = budget or IngressBudget(resources.clock.now())
        self._on_begun = on_begun
        self._start_timer: asyncio.TimerHandle | None = None
        self._encoding: Encoding = "mulaw"
        self.encoding: Encoding = "mulaw"
        self.sample_rate = 8000
        self.has_marks = False
        self.carrier = codec.carrier if codec is not None else ""
        self.call_id = ""
        self.is_stopped_by_carrier = False

    # The socket's listener

    def opened(self, socket: Socket) -> None:
        """The upgrade is done; the carrier has `start_timeout_s` to describe the call."""
        settings = self._resources.settings
        self._socket = coalesced(socket, settings.ws_write_coalesce_ms, settings.ws_write_coalesce_max_frames)
        loop = asyncio.get_running_loop()
        self._start_timer = loop.call_later(self._start_timeout_s, self.close, 1002, "no start message came")

    def received(self, message: WireMessage) -> None:
        """One message of the carrier."""
        now = self._clock.now()
        if not self._budget.take_message(len(message), now):
            self._flooded()
            return
        codec = self._codec
        if codec is None:
            self._open(message)
            return
        try:
            events = codec.receive(message)
        except PeerError as error:
            self._reject(error)
            return
        for event in events:
            if type(event) is StreamAudio:  # the hot path: 50 a second and call
                if self._session is not None:
                    if self._on_begun is not None:
                        self._begun()
                    self._session.audio(self._decoded(event.payload))
                elif self._preparing is not None:
                    self._waiting.append(event.payload)
            elif self._budget.take(OPEN_S if type(event) is StreamStarted else EVENT_S, now):
                self._handle(event)
            else:
                self._flooded()
                return
        replies = codec.replies()
        if replies and self._socket is not None:
            for reply in replies:
                self._socket.send(reply)
        if self._session is not None:
            self._session.heard_from(now)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone, and with it the call."""
        self._socket = None
        if self._start_timer is not None:
            self._start_timer.cancel()
        if self._preparing is not None:
            self._preparing.cancel()
        if self._gatherer is not None:
            self._gatherer.clear()
        self._count_dropped()
        session = self._session
        if session is None:
            return
        is_lost = self._asks_again and not (self.is_stopped_by_carrier or self._is_ending or self.is_handed_over)
        if is_lost and session.keeper is not None:
            self.is_handed_over = True
            session.keeper.lose_line()
        session.hang_up("hung_up")

    def evict(self) -> None:
        """Gives the place to another call: no start message came here, or nothing after it."""
        self.close(1013, "busy, and no start message came" if self._session is None else "busy, and no audio came")

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
        """20 ms towards the caller, which may wait for more where the carrier demands larger messages."""
        if self._gatherer is not None:
            self._gatherer.audio(frame)
        else:
            self._send_audio(frame)

    def send_mark(self, name: str) -> None:
        """A mark behind the audio so far."""
        if self._gatherer is not None:
            self._gatherer.mark(name)
        else:
            self._send_mark(name)

    def clear_audio(self) -> None:
        """Has the carrier throw away unplayed audio."""
        if self._gatherer is not None:
            self._gatherer.clear()
        self._send(self._codec.clear() if self._codec else None)

    def send_event(self, event: AgentEvent) -> None:
        """Logs what was said where that is asked for, and tells who listens here; carriers take no events."""
        if self._on_event is not None:
            self._on_event(event)
        if self._transcript is not None:
            self._transcript.see(event)

    def send_digits(self, digits: str) -> bool:
        """On the wire where the stream can carry them."""
        messages = self._codec.digits(digits) if self._codec else []
        for message in messages:
            self._send(message)
        return bool(messages)

    @property
    def can_transfer(self) -> bool:
        """Whether this call can be put through elsewhere."""
        if isinstance(self._codec, TransfersInStream):
            return bool(self.call_id)
        return self._transfers is not None and bool(self.call_id) and self._transfers.are_possible(self.carrier)

    async def transfer(self, to: str, *, caller_id: str = "") -> None:
        """Has the carrier put the caller through; it then ends the stream, or we do after a grace."""
        if isinstance(self._codec, TransfersInStream):
            self._send(self._codec.transfer(to))
        elif self._transfers is None:
            raise UsageError("this stream's call cannot be acted on", code="transfer_unavailable")
        else:
            await self._transfers.transfer(self.carrier, self.call_id, to, caller_id)
        self.is_transferred = True
        session, self._session = self._session, None
        if session is not None:
            session.hang_up("transferred")
        asyncio.get_running_loop().call_later(TRANSFER_GRACE_S, self.close, 1000, "transferred")

    @property
    def wants_hang_up(self) -> bool:
        """Whether the phone call goes on although the stream is over, and was not put through."""
        if isinstance(self._codec, TransfersInStream):  # what can be said in the stream has been
            return False
        is_over = self.is_stopped_by_carrier or self.is_transferred or self.is_handed_over
        return bool(self.call_id) and not is_over

    async def move(self, call: KeptCall, last_at: float) -> bool:
        """Hands the call over: the carrier connects it to another stream, when it is told to or once this one is closed."""
        session, line = self._session, self._line
        if not self.is_resumable or session is None or line is None or not await call.let_go(last_at):
            return False
        self.is_handed_over = True
        try:
            if not self._asks_again:
                await line.move_stream(self.carrier, self.call_id, self._agent_name, await call.ticket())
        except VoxError as error:
            log.warning("the call's stream was not moved", carrier=self.carrier, code=error.code, error=str(error))
            self.is_handed_over = False
            return False
        finally:
            self._close(1000, "handed over")
        return True

    def close(self, code: int, reason: str) -> None:
        """Ends the stream, and the call with it."""
        is_on = self._socket is not None and self._session is not None and not self.is_stopped_by_carrier
        if self._line is None or not self.is_resumable or not is_on or self.is_handed_over:
            self._close(code, reason)
        elif not self._is_ending:
            self._is_ending = True
            self._line.spawn(self._end(self._line, code, reason), "end a call")

    async def _end(self, line: CarrierLine, code: int, reason: str) -> None:
        """Ends the call before its stream: a carrier whose stream closes asks what to do, and must not be sent back."""
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                if self._session is not None and self._session.keeper is not None:
                    await self._session.keeper.finish()
                await line.hang_up(self.carrier, self.call_id)
        except TimeoutError:
            log.warning("call is ended by its stream alone", carrier=self.carrier)
        finally:
            self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        """Ends the stream, with the carrier's own word for it where there is one."""
        if self._codec is not None:
            self._send(self._codec.stop(reason))
        if self._socket is not None:
            self._socket.close(code, reason)

    # Helpers

    def _begun(self) -> None:
        if self._on_begun is not None:
            self._on_begun()
            self._on_begun = None

    def _send_audio(self, payload: bytes) -> None:
        if self._socket is not None and self._codec is not None:
            self._socket.send(self._codec.audio(payload))

    def _send_mark(self, name: str) -> None:
        self._send(self._codec.mark(name) if self._codec else None)

    def _send(self, message: WireMessage | None) -> None:
        if message is not None and self._socket is not None:
            self._socket.send(message)

    def _open(self, message: WireMessage) -> None:
        if self._early_audio < MAX_EARLY_AUDIO and is_early_audio(message):
            self._early_audio += 1  # nothing says yet how it is encoded
            self._resources.metrics.counter(EARLY_AUDIO).inc()
            return
        self._opening.append(message)
        name = detect(message)
        if name is None:
            if len(self._opening) >= MAX_OPENING_MESSAGES:
                self._resources.metrics.counter(MALFORMED, "telephony").inc()
                log.warning("unknown carrier")
                self.close(1008, "the opening messages are of no known carrier")
            return
        self.carrier = name
        self._codec = codec_for(name)()
        opening, self._opening = self._opening, []
        for earlier in opening:
            self.received(earlier)

    def _handle(self, event: StreamEvent) -> None:
        match event:
            case StreamStarted():
                self._start(event)
            case DigitPressed():
                if self._session is not None:
                    self._begun()
                    self._session.digit(event.digit)
            case MarkReached():
                if self._session is not None:
                    self._session.mark_reached(event.name)
            case StreamStopped():
                self.is_stopped_by_carrier = True
                self.close(1000, "stopped")
                if self._session is not None:
                    self._session.hang_up("hung_up")
            case StreamAudio() | AudioCleared():
                pass
            case _:
                assert_never(event)

    def _start(self, started: StreamStarted) -> None:
        if self._session is not None or self._preparing is not None:
            return
        if self._start_timer is not None:
            self._start_timer.cancel()
        if self._prepare is not None:
            self._preparing = self._prepare(started, partial(self._begin, started))
            return
        agent = self._choose(started)
        self._begin(started, Chosen(agent) if agent is not None else None)

    def _begin(self, started: StreamStarted, chosen: Chosen | None) -> None:
        codec, line, self._preparing = self._codec, self._line, None
        if codec is None or (self._prepare is not None and self._socket is None):
            return
        known = chosen.resume if chosen is not None else ""
        token = known or started.parameters.get(RESUME_PARAMETER, FIRST_STREAM) if line is not None else FIRST_STREAM
        if chosen is None and (token == FIRST_STREAM or self._prepare is not None):
            self._close(1008, "no such agent")
            return
        can_move = line is not None and line.can_move_stream(self.carrier)
        self._asks_again = line is not None and not can_move and RESUME_PARAMETER in started.parameters
        self.is_resumable = can_move or self._asks_again
        self.call_id = started.call_id
        if line is not None and token != FIRST_STREAM:
            self._preparing = line.spawn(self._resume(line, started, chosen, token), "take a call over")
        elif chosen is not None:
            info = CallInfo(
                call_id=chosen.call_id or new_id("call"),
                transport=started.carrier,
                caller=started.caller,
                callee=started.callee,
                variables={**_variables(started), **chosen.variables},
                session_id=chosen.session_id,
                carrier_call_id=started.call_id,
                bot_id=chosen.bot_id,
            )
            self._begin_session(started, codec, chosen.agent, info)

    async def _resume(self, line: CarrierLine, started: StreamStarted, chosen: Chosen | None, token: str) -> None:
        """Goes on with a call that another process had; a stream without a good token is closed.

        An agent that was made for this call, as a bot is, goes on with it; else the one of the same name does.
        """
        taken = await line.take(token)
        codec, self._preparing = self._codec, None
        agent = chosen.agent if chosen is not None and self._prepare is not None else None
        if taken is not None and agent is None:
            agent = self._resources.agent_for(taken.checkpoint.agent)
        if taken is None or agent is None or codec is None:
            self._close(1008, "this call cannot be gone on with")
        elif self._socket is not None:
            info = replace(taken.checkpoint.info, carrier_call_id=started.call_id)
            self._begin_session(started, codec, agent, info, taken)

    def _begin_session(
        self, started: StreamStarted, codec: ServerCodec, agent: Agent, info: CallInfo, taken: Taken | None = None
    ) -> None:
        self._encoding = started.encoding
        self.encoding = codec.reply_encoding
        self.sample_rate = codec.reply_sample_rate
        self.has_marks = codec.mark("0:0") is not None
        self._budget.expect_audio(started.sample_rate * (2 if started.encoding == "s16le" else 1))
        if codec.min_audio_bytes:
            self._gatherer = AudioGatherer(codec.min_audio_bytes, self._send_audio, self._send_mark)
        bytes_per_second = self.sample_rate * g711.sample_bytes(self.encoding)
        delay_s = self._gatherer.delay_s(bytes_per_second) if self._gatherer is not None else 0.0
        if self._divert is not None and taken is None:
            self._session = self._divert(self, info, started.sample_rate)
            if self._session is not None:
                self.is_resumable = self._asks_again = False
                return
        session = self._session = Session(
            self._resources,
            agent,
            self,
            info,
            input_rate=started.sample_rate,
            output_delay_s=delay_s,
            resume=taken.checkpoint if taken is not None else None,
        )
        if agent.profile.transfers and not self.can_transfer:
            remedy = self._transfers.remedy(self.carrier) if self._transfers is not None else "set the carrier's secret"
            log.warning("this call cannot be put through", carrier=self.carrier, remedy=remedy)
        self._agent_name = agent.name
        self._transcript = transcript_log(session, self._resources.settings)
        self.fence = taken.fence if taken is not None else 1
        self._on_session(session)
        while self._waiting:
            session.audio(self._decoded(self._waiting.popleft()))

    def _decoded(self, payload: bytes) -> bytes:
        return payload if self._encoding == "s16le" else g711.decode(payload, self._encoding)

    def _count_dropped(self) -> None:
        """Says once, at the end, which optional fields were left out and how often."""
        if self._codec is not None and (count := self._codec.dropped.count):
            self._resources.metrics.counter(DROPPED_FIELDS, self.carrier).inc(count)
            log.warning(
                "fields left out: not in the documented form",
                carrier=self.carrier,
                count=count,
                fields=", ".join(self._codec.dropped.names),
            )

    def _flooded(self) -> None:
        self._resources.metrics.counter(MALFORMED, self.carrier or "telephony").inc()
        log.warning("too much sent", carrier=self.carrier)
        self.close(1008, "more was sent than a call needs")

    def _reject(self, error: PeerError) -> None:
        self._resources.metrics.counter(MALFORMED, self.carrier).inc()
        self._malformed += 1
        if self._malformed == 1:
            log.warning("malformed message dropped", carrier=self.carrier, code=error.code, error=str(error))
        if self._malformed >= MAX_MALFORMED:
            self.close(1008, "too many malformed messages")


def _variables(started: StreamStarted) -> Mapping[str, str]:
    given = {name: value for name, value in started.parameters.items() if name != RESUME_PARAMETER}
    return {**given, "carrier_call_id": started.call_id, "carrier_stream_id": started.stream_id}
