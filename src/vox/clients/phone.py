"""A telephone in software: places a call to any server that speaks a carrier's stream, and follows a script.

The call itself is `simulated_call.SimulatedCall`; this file gives it a socket and real time. Frames go out at absolute
deadlines, so a late wake-up is followed by its missing frames and the tracks keep their length.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vox.clients.carrier_lines import ProtobufLine, open_line
from vox.clients.line_echo import LineEcho
from vox.clients.script import Step
from vox.clients.simulated_call import TICK_S, CallReport, SimulatedCall
from vox.errors import VoxError
from vox.http.websocket import Socket, SocketListener, open_socket
from vox.protocols.media_stream import CarrierCodec, WireMessage
from vox.runtime.clock import Clock, new_id

_NORMAL_CLOSURE = 1000
_GOODBYE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call went: its report, and how its socket ended; `failure` is set where the codec could not go on.

    `agent_texts` is what the agent said, where the protocol carries it.
    """

    report: CallReport
    close_code: int
    close_reason: str
    failure: VoxError | None = None
    agent_texts: Sequence[str] = ()


class Connect(Protocol):
    """How a call reaches its server: `open_socket`, or a test's."""

    async def __call__(
        self, url: str, listener: SocketListener, *, headers: Sequence[tuple[str, str]], connect_timeout_s: float
    ) -> Socket:
        """Connects a listener."""
        ...


async def place_call(
    url: str,
    script: Iterable[Step],
    clock: Clock,
    *,
    line: str | CarrierCodec = "twilio",
    headers: Sequence[tuple[str, str]] = (),
    parameters: dict[str, str] | None = None,
    caller: str = "+15550100",
    callee: str = "+15550199",
    connect_timeout_s: float = 10.0,
    connect: Connect = open_socket,
    started: Callable[[SimulatedCall], None] | None = None,
    echo: LineEcho | None = None,
) -> CallOutcome:
    """Places one call and returns when it is over; raises what `open_socket` raises where the server refuses it.

    A script may be a generator, which then decides each step when the one before it is over; `started` is given the call before it
    begins, so that such a script can know what was heard. `echo` is that of the line.
    """
    codec = open_line(line) if isinstance(line, str) else line
    call = SimulatedCall(
        codec,
        script,
        call_id=new_id("call"),
        stream_id=new_id("stream"),
        caller=caller,
        callee=callee,
        parameters=parameters,
        echo=echo,
    )
    if started is not None:
        started(call)
    connection = _Connection(call, clock)
    socket = await connect(url, connection, headers=headers, connect_timeout_s=connect_timeout_s)
    try:
        await _keep_time(call, socket, clock, connection)
    finally:
        socket.close(_NORMAL_CLOSURE, "caller hung up")
    with contextlib.suppress(TimeoutError):  # a server that does not close is gone for us all the same
        async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
            await connection.is_closed.wait()
    texts = tuple(codec.texts) if isinstance(codec, ProtobufLine) else ()
    return CallOutcome(call.report(), connection.close_code, connection.close_reason, connection.failure, texts)


async def _keep_time(call: SimulatedCall, socket: Socket, clock: Clock, connection: "_Connection") -> None:
    began = clock.now()
    ticks = 0
    while not call.is_over and socket.is_open and connection.failure is None:
        if (delay_s := began + ticks * TICK_S - clock.now()) > 0:
            await asyncio.sleep(delay_s)
        _send(socket, call.tick(clock.now()))
        ticks += 1


def _send(socket: Socket, messages: Sequence[WireMessage]) -> None:
    if socket.is_open:
        for message in messages:
            socket.send(message)


class _Connection:
    """Hands what the socket brings to the call."""

    def __init__(self, call: SimulatedCall, clock: Clock) -> None:
        self.close_code = 0
        self.close_reason = ""
        self.failure: VoxError | None = None
        self.is_closed = asyncio.Event()
        self._call = call
        self._clock = clock
        self._socket: Socket | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        _send(socket, self._call.open(self._clock.now()))

    def received(self, message: WireMessage) -> None:
        if self._socket is None:
            return
        try:
            _send(self._socket, self._call.receive(message, self._clock.now()))
        except VoxError as error:
            self.failure = error

    def closed(self, code: int, reason: str) -> None:
        self.close_code, self.close_reason = code, reason
        self.is_closed.set()
