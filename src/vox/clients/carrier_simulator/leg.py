"""The callee's end of an answered call: audio in real time both ways, over one media stream after the other.

The callee talks and listens from the answer to the end, also while no stream is open, as a person on the line does. So what the
tracks hold is what was heard, and the time without a stream at a hand-over is measured where it hurts.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vox.clients.carrier_simulator.behaviour import StreamEnd
from vox.clients.carrier_simulator.call_events import CalleeHungUp, CallEvent, StreamEnded, StreamOpened
from vox.clients.carrier_simulator.documents import Stream
from vox.clients.carrier_simulator.requests import OutgoingRequest
from vox.clients.phone import Connect
from vox.clients.script import Step
from vox.clients.simulated_call import TICK_S, CallReport, SimulatedCall
from vox.errors import VoxError
from vox.http.picows_socket import PicowsSocket
from vox.http.sockets import ABNORMAL
from vox.http.websocket import Socket, UpgradeRefusedError
from vox.protocols.media_stream import CarrierCodec, WireMessage
from vox.runtime.clock import Clock

CONNECT_TIMEOUT_S = 10.0
MAX_STREAMS = 200


@dataclass(slots=True)
class StreamRecord:
    """One media stream of a call; times are seconds since the answer.

    Attributes:
        asked_s: when the carrier began to connect.
        opened_s: when its first message went out; None where it never opened.
        first_audio_s: when the agent's first audio arrived on it.
        closed_s: when it was gone.
        last_audible_s: when the agent was last audible before it closed.
        end: how it ended; None while it is open.
        detail: the close code, or what the refusal was.
    """

    stream_id: str
    url: str
    asked_s: float
    opened_s: float | None = None
    first_audio_s: float | None = None
    closed_s: float | None = None
    last_audible_s: float | None = None
    end: StreamEnd | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StreamGap:
    """The time between one media stream and the next of a call, in seconds.

    Attributes:
        without_stream_s: from the end of the one to the first message of the next.
        until_audio_s: from the end of the one to the first audio of the next; None where none came.
        silence_s: for how long the agent was inaudible around it; None where it was silent before or after for good.
    """

    without_stream_s: float
    until_audio_s: float | None
    silence_s: float | None


class CalleeLeg:
    """One callee.

    Args:
        make_line: a fresh codec of the carrier for each stream.
        script: what the callee does; its end hangs up.
        call_id: as the carrier names the call.
        caller: the caller's number, for carriers whose stream names it.
        callee: the callee's number.
        clock: the time.
        connect: opens a WebSocket.
        report: takes what happens.
        max_call_s: after which the callee hangs up.
        max_track_s: how much of both sides' audio is kept.
        keeps_buffer: whether unplayed audio survives the end of its stream.
        cut_after_s: the first stream's connection is aborted after that long.
    """

    def __init__(
        self,
        make_line: Callable[[Stream], CarrierCodec],
        script: Iterable[Step],
        *,
        call_id: str,
        caller: str,
        callee: str,
        clock: Clock,
        connect: Connect,
        report: Callable[[CallEvent], None],
        max_call_s: float,
        max_track_s: float,
        keeps_buffer: bool = False,
        cut_after_s: float | None = None,
    ) -> None:
        self.streams: list[StreamRecord] = []
        self._make_line = make_line
        self._clock = clock
        self._connect = connect
        self._report = report
        self._keeps_buffer = keeps_buffer
        self._cut_after_s = cut_after_s
        self._call = SimulatedCall(
            make_line(Stream("")),
            script,
            call_id=call_id,
            stream_id="",
            caller=caller,
            callee=callee,
            max_call_s=max_call_s,
            max_track_s=max_track_s,
        )
        self._began = clock.now()
        self._connection: _Connection | None = None
        self._audible_after: list[float | None] = []  # for each stream, when the agent was first audible on it
        self._call.open(self._began)

    async def run(self) -> None:
        """Keeps the callee's time until it hangs up or the task is cancelled."""
        ticks = 0
        while not self._call.is_over:
            if (delay_s := self._began + ticks * TICK_S - self._clock.now()) > 0:
                await asyncio.sleep(delay_s)
            self._send(self._call.tick(self._clock.now()))
            self._note_audible()
            self._cut_if_due()
            ticks += 1
        self._report(CalleeHungUp())

    async def attach(self, stream: Stream, request: OutgoingRequest, stream_id: str, number: int) -> None:
        """Opens a media stream with this upgrade request; how that went is reported under its number."""
        record = StreamRecord(stream_id, request.url, self._elapsed())
        if len(self.streams) < MAX_STREAMS:
            self.streams.append(record)
            self._audible_after.append(None)
        connection = _Connection(self, record, stream, number)
        self._connection = connection
        try:
            headers = [*request.headers.items()]
            await self._connect(request.url, connection, headers=headers, connect_timeout_s=CONNECT_TIMEOUT_S)
        except VoxError as error:
            detail = str(error.status) if isinstance(error, UpgradeRefusedError) else str(error)
            self.ended(connection, StreamEnd.REFUSED, detail)
        except asyncio.CancelledError:
            connection.close("canceled")
            raise

    def detach(self, reason: str) -> None:
        """Ends the media stream from the carrier's side: its stop message, then the socket."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        record = connection.record
        record.end, record.closed_s, record.last_audible_s = StreamEnd.STOPPED, self._elapsed(), self._call.heard_at_s
        connection.close(reason)

    def cut(self) -> None:
        """Loses the media stream's TCP connection, without a close frame."""
        if self._connection is not None:
            self._connection.abort()

    def forget_audio(self) -> None:
        """Lets go of what was heard."""
        self._call.forget_tracks()

    def report(self) -> CallReport:
        """What both sides said so far."""
        return self._call.report()

    def gaps(self) -> list[StreamGap]:
        """The gaps between the streams that opened, in order."""
        opened = [
            (one, audible) for one, audible in zip(self.streams, self._audible_after, strict=True) if one.opened_s
        ]
        found: list[StreamGap] = []
        for (before, _), (after, audible_s) in pairwise(opened):
            if before.closed_s is None or after.opened_s is None:
                continue
            heard_s = before.last_audible_s
            silence_s = audible_s - heard_s if audible_s is not None and heard_s is not None else None
            until_audio_s = None if after.first_audio_s is None else after.first_audio_s - before.closed_s
            found.append(StreamGap(after.opened_s - before.closed_s, until_audio_s, silence_s))
        return found

    def farewell(self, reason: str) -> list[WireMessage]:
        """What the carrier says before it closes a stream."""
        return [] if self._call.is_over else self._call.farewell(reason)  # a callee who hung up has said it already

    def began(self, connection: "_Connection", stream: Stream) -> list[WireMessage]:
        """The upgrade was accepted."""
        connection.record.opened_s = self._elapsed()
        self._report(StreamOpened(connection.number))
        return self._call.reconnect(
            self._make_line(stream),
            stream_id=connection.record.stream_id,
            parameters=stream.parameters,
            keeps_queue=self._keeps_buffer,
        )

    def heard(self, connection: "_Connection", message: WireMessage) -> list[WireMessage]:
        """A message of the agent's."""
        if connection is not self._connection:
            return []
        answers = self._call.receive(message, self._clock.now())
        if connection.record.first_audio_s is None and self._call.queued_s:
            connection.record.first_audio_s = self._elapsed()
        return answers

    def ended(self, connection: "_Connection", how: StreamEnd, detail: str) -> None:
        """The socket is gone, or never came."""
        if connection is not self._connection:
            return
        self._connection = None
        record = connection.record
        record.end, record.detail, record.closed_s = how, detail, self._elapsed()
        record.last_audible_s = self._call.heard_at_s
        self._report(StreamEnded(how, detail, connection.number))

    def _note_audible(self) -> None:
        connection, heard_s = self._connection, self._call.heard_at_s
        if connection is None or heard_s is None or not self._audible_after or self._audible_after[-1] is not None:
            return
        opened_s = self.streams[-1].opened_s
        if opened_s is not None and heard_s >= opened_s:
            self._audible_after[-1] = heard_s - TICK_S

    def _cut_if_due(self) -> None:
        connection = self._connection
        if self._cut_after_s is None or connection is None or connection.record.opened_s is None:
            return
        if self._elapsed() - connection.record.opened_s >= self._cut_after_s:
            self._cut_after_s = None
            connection.abort()

    def _send(self, messages: Sequence[WireMessage]) -> None:
        if self._connection is not None:
            self._connection.send(messages)

    def _elapsed(self) -> float:
        return self._clock.now() - self._began


class _Connection:
    """The socket of one stream, and what it brings to the leg."""

    def __init__(self, leg: CalleeLeg, record: StreamRecord, stream: Stream, number: int) -> None:
        self.record = record
        self.number = number
        self._leg = leg
        self._stream = stream
        self._socket: Socket | None = None
        self._is_closed = False

    def send(self, messages: Sequence[WireMessage]) -> None:
        socket = self._socket
        if socket is not None and socket.is_open:
            for message in messages:
                socket.send(message)

    def close(self, reason: str) -> None:
        self._is_closed = True
        if self._socket is not None:
            self.send(self._leg.farewell(reason))
            self._socket.close(1000, reason)

    def abort(self) -> None:
        """Loses the TCP connection without a close frame."""
        if isinstance(self._socket, PicowsSocket):
            self._socket.abort()

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        if self._is_closed:
            socket.close(1000, "canceled")
            return
        self.send(self._leg.began(self, self._stream))

    def received(self, message: WireMessage) -> None:
        try:
            self.send(self._leg.heard(self, message))
        except VoxError as error:
            self._leg.ended(self, StreamEnd.CLOSED, str(error))
            self.close("protocol error")

    def closed(self, code: int, reason: str) -> None:
        how = StreamEnd.LOST if code == ABNORMAL else StreamEnd.CLOSED
        self._leg.ended(self, how, f"{code} {reason}".strip())
