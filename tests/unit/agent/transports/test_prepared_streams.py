"""Streams whose bot is asked for elsewhere, and those of the dialler."""

import asyncio
import json
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from tests.unit.agent.transports.sockets import FakeSocket, opening
from vox.agent.call.session import Session
from vox.agent.transports.telephony import START_TIMEOUT_S, TRANSFER_GRACE_S, Chosen, TelephonyTransport
from vox.media import g711
from vox.protocols.carriers import dialler
from vox.protocols.media_stream import StreamStarted

pytestmark = pytest.mark.usefixtures("virtual_loop")


class Waiting:
    """A phone whose bot is asked for elsewhere."""

    def __init__(self, codec: Any = None, **more: Any) -> None:
        self.world = World()
        self.socket = FakeSocket()
        self.sessions: list[Session] = []
        self.events: list[Any] = []
        self.known = asyncio.get_running_loop().create_future()
        self.link = TelephonyTransport(
            self.world.resources,
            lambda _: None,
            self.sessions.append,
            codec=codec,
            prepare=self._prepare,
            on_event=self.events.append,
            **more,
        )
        self.link.opened(self.socket)

    def _prepare(self, started: StreamStarted, answer: Any) -> asyncio.Task[None]:
        async def ask() -> None:
            answer(await self.known)

        return asyncio.create_task(ask())


async def test_what_the_caller_says_waits_until_the_bot_is_known():
    waiting = Waiting()
    codec, messages = opening("twilio")
    for message in messages:
        waiting.link.received(message)
    waiting.link.received(codec.audio(g711.encode(b"\x10\x00" * 160, "mulaw"), timestamp_ms=0))
    assert waiting.sessions == []
    agent = waiting.world.session.agent
    waiting.known.set_result(Chosen(agent, call_id="call_7", session_id="s-1", variables={"city": "Ulm"}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (session,) = waiting.sessions
    assert (session.info.call_id, session.info.session_id) == ("call_7", "s-1")
    assert session.info.variables["city"] == "Ulm"
    assert session.info.variables["carrier_stream_id"] == "MZ1"
    waiting.link.closed(1000, "")
    await session.run()


async def test_a_call_whose_bot_cannot_be_had_is_closed():
    waiting = Waiting()
    for message in opening("twilio")[1]:
        waiting.link.received(message)
    waiting.known.set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.socket.closed == (1008, "no such agent")
    assert not waiting.link.wants_hang_up, "it has proven nothing that would let it name a call"


async def test_a_caller_who_leaves_before_the_bot_is_known_ends_the_question():
    waiting = Waiting()
    for message in opening("twilio")[1]:
        waiting.link.received(message)
    await asyncio.sleep(0)
    waiting.link.closed(1006, "")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.known.cancelled()
    assert waiting.sessions == []


async def test_a_dialler_may_ring_for_as_long_as_it_was_given_and_is_asked_to_transfer_and_hang_up(virtual_loop):
    del virtual_loop
    waiting = Waiting(dialler.Server(), start_timeout_s=130.0)
    carrier = dialler.Carrier(is_answered_at_once=False)
    for message in carrier.open(call_id="c", stream_id="s", caller="1", callee="2", parameters={}):
        waiting.link.received(message)
    await asyncio.sleep(START_TIMEOUT_S * 2)
    assert waiting.socket.closed is None
    waiting.link.received(carrier.answer())
    waiting.known.set_result(Chosen(waiting.world.session.agent))
    await asyncio.sleep(0.001)
    assert waiting.link.can_transfer
    await waiting.link.transfer("+15550123")
    await asyncio.sleep(TRANSFER_GRACE_S * 2)
    sent = [json.loads(str(message))["event"] for message in waiting.socket.sent]
    assert "reverse-call-transfer" in sent
    assert waiting.socket.closed == (1000, "transferred")
    assert waiting.sessions[0].end_reason == "transferred"
    assert not waiting.link.wants_hang_up
    await waiting.sessions[0].run()


async def test_a_dialler_whose_call_is_never_answered_is_closed():
    waiting = Waiting(dialler.Server(), start_timeout_s=130.0)
    for message in dialler.Carrier(is_answered_at_once=False).open(
        call_id="c", stream_id="s", caller="1", callee="2", parameters={}
    ):
        waiting.link.received(message)
    await asyncio.sleep(131)
    assert waiting.socket.closed == (1002, "no start message came")


async def test_a_call_that_the_agent_ends_is_ended_in_the_diallers_stream_alone():
    waiting = Waiting(dialler.Server())
    for message in dialler.Carrier().open(call_id="c", stream_id="s", caller="1", callee="2", parameters={}):
        waiting.link.received(message)
    waiting.known.set_result(Chosen(waiting.world.session.agent))
    await asyncio.sleep(0.001)
    (session,) = waiting.sessions
    session.end(1000, "agent_ended")
    assert json.loads(str(waiting.socket.sent[-1]))["event"] == "reverse-hangup-call"
    assert not waiting.link.wants_hang_up, "there is no API of the dialler to ask"
    await session.run()
