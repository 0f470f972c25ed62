"""Runs a scenario in writing: the caller types over `/ws?rtvi=1`, the agent answers as text. No audio, no waiting for speech."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from vox.clients.evals.model_caller import CallerRole
from vox.clients.evals.record import CallRecord, Line, TurnRecord
from vox.clients.evals.rtvi_line import CLIENT_READY, read_envelope
from vox.clients.evals.rtvi_observer import BEFORE_ALL_S, RtviObserver
from vox.clients.evals.scenario import Scenario, ScriptedTurn
from vox.clients.evals.station import Station, client_url
from vox.errors import DependencyError
from vox.http.sockets import Socket
from vox.protocols.media_stream import WireMessage
from vox.protocols.rtvi import client_message

SETTLE_S: Final = 0.3
"""An answer is complete when the agent is at rest for so long: between two of its messages it does not say that more follows."""
READY_TIMEOUT_S: Final = 20.0
_GOODBYE_TIMEOUT_S: Final = 5.0
_NORMAL_CLOSURES: Final = (1000, 1001)


async def run_typed(scenario: Scenario, station: Station) -> CallRecord:
    """Holds the conversation and returns what happened; raises what connecting raises."""
    client = _Client(station)
    socket = await station.connect(
        client_url(station.url, scenario, rtvi="1"), client, headers=station.headers, connect_timeout_s=10.0
    )
    record = CallRecord()
    try:
        await _converse(scenario, station, client, record)
        record.ended_by = "caller" if client.is_open else "agent"
    finally:
        record.duration_s = client.elapsed_s()
        socket.close(1000, "caller hung up")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
                await client.closing.wait()
    if record.ended_by == "agent" and client.close_code not in _NORMAL_CLOSURES:
        record.failure = client.ending
    client.observer.fill(record)
    record.share_out()
    return record


async def _converse(scenario: Scenario, station: Station, client: "_Client", record: CallRecord) -> None:
    if not await client.comes(lambda: client.observer.is_ready, READY_TIMEOUT_S):
        raise DependencyError("the agent did not begin the conversation", code="call_broken", hint=client.ending)
    greeting = TurnRecord("", 0.0)
    record.turns.append(greeting)
    if await client.comes(lambda: client.observer.has_words, scenario.greeting_s):
        greeting.response_s = client.observer.reacted_at_s
        if _hears_greeting_out(scenario):
            await client.rests()
    if scenario.caller is None:
        for turn in scenario.turns:
            if not client.is_open:
                return
            await _take_turn(scenario, turn, client, record)
        return
    role = CallerRole(scenario.caller, await station.open_caller(scenario.caller.model))
    while client.is_open:
        since_s = record.turns[-1].began_s if len(record.turns) > 1 else BEFORE_ALL_S
        line = await role.next_line(client.observer.words_since(since_s))
        if line.text and client.is_open:
            await _take_turn(scenario, ScriptedTurn(say=line.text), client, record)
        if line.is_last:
            return


def _hears_greeting_out(scenario: Scenario) -> bool:
    """Whether the caller lets the agent finish its greeting, which takes as long as it is spoken, rather than type into it."""
    return scenario.caller is not None or scenario.greeting != type(scenario.greeting)()


async def _take_turn(scenario: Scenario, turn: ScriptedTurn, client: "_Client", record: CallRecord) -> None:
    began_s = client.elapsed_s()
    taken = TurnRecord(turn.label, began_s)
    record.turns.append(taken)
    record.lines.append(Line(began_s, "caller", turn.label))
    client.observer.expect_answer()
    if turn.wait_s is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(turn.wait_s):
                await client.closing.wait()
    elif turn.press is not None:
        client.send(client_message("dtmf", {"buttons": list(turn.press)}))
    else:
        options = {"run_immediately": True, "audio_response": False}
        client.send(client_message("send-text", {"content": turn.say, "options": options}))
    if turn.wait_s is not None or await client.comes(
        lambda: client.observer.reacted_at_s is not None, scenario.answer_timeout_s
    ):
        await client.rests()
    if client.observer.reacted_at_s is not None:
        taken.response_s = client.observer.reacted_at_s - began_s


class _Client:
    """The connection: hands messages to the observer, and lets a turn wait for them."""

    def __init__(self, station: Station) -> None:
        self.observer = RtviObserver()
        self.closing = asyncio.Event()
        self.close_code = 0
        self.close_reason = ""
        self._clock = station.clock
        self._began = station.clock.now()
        self._socket: Socket | None = None
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the server has not ended the call."""
        return not self.closing.is_set()

    @property
    def ending(self) -> str:
        """How the connection ended; that it is open, where it did not."""
        if self.is_open:
            return "the connection is open, but nothing comes"
        return f"the server closed the connection with {self.close_code} {self.close_reason}".rstrip()

    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return self._clock.now() - self._began

    def opened(self, socket: Socket) -> None:
        """Begins the conversation."""
        self._socket = socket
        self._began = self._clock.now()
        socket.send(CLIENT_READY)

    def received(self, message: WireMessage) -> None:
        """One message of the agent."""
        if envelope := read_envelope(message):
            self.observer.receive(envelope, self.elapsed_s())
        self._changed.set()

    def closed(self, code: int, reason: str) -> None:
        """The call is over."""
        self.close_code, self.close_reason = code, reason
        self.closing.set()
        self._changed.set()

    def send(self, message: str) -> None:
        """Sends a message, unless the call is over."""
        if self._socket is not None and self._socket.is_open:
            self._socket.send(message)

    async def comes(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether a condition holds within that time, and before the end of the call."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition() and self.is_open:
                    await self._next_change()
        return condition()

    async def rests(self) -> None:
        """Waits until the agent has nothing under way, and sends nothing for a moment."""
        while self.is_open:
            try:
                async with asyncio.timeout(None if self.observer.is_busy else SETTLE_S):
                    await self._next_change()
            except TimeoutError:
                return

    async def _next_change(self) -> None:
        self._changed.clear()
        if self.is_open:
            await self._changed.wait()
