"""The two ways in, from the socket's side: openings, endings, malformed messages, and peers that send too much."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from tests.unit.agent.transports.sockets import FakeSocket, opening
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.transports.audio_gatherer import IDLE_S
from vox.agent.transports.ingress_limit import AUDIO_PER_S, BURST_S, BYTES_PER_S, IngressBudget, NetworkReserves
from vox.agent.transports.telephony import (
    MAX_EARLY_AUDIO,
    MAX_MALFORMED,
    START_TIMEOUT_S,
    TRANSFER_GRACE_S,
    TelephonyTransport,
)
from vox.agent.transports.websocket import WebSocketTransport
from vox.errors import UsageError
from vox.media import g711
from vox.protocols.agent_json import JsonCodec, encode_client_frame
from vox.protocols.carriers.detect import CARRIERS
from vox.protocols.media_stream import MarkReached, StreamAudio, StreamStarted, WireMessage

pytestmark = pytest.mark.usefixtures("virtual_loop")


class Phone:
    """One carrier connection and the calls that come of it."""

    def __init__(self) -> None:
        self.world = World()
        self.socket = FakeSocket()
        self.sessions: list[Session] = []
        self.started: StreamStarted | None = None
        self.knows_agent = True
        self.begun = 0
        self.link = TelephonyTransport(
            self.world.resources, self._choose, self.sessions.append, on_begun=self._count_beginning
        )
        self.link.opened(self.socket)

    def _choose(self, started: StreamStarted) -> Any:
        self.started = started
        return self.world.session.agent if self.knows_agent else None

    def _count_beginning(self) -> None:
        self.begun += 1

    def say(self, *messages: WireMessage) -> None:
        for message in messages:
            self.link.received(message)

    def hang_up(self) -> None:
        self.link.closed(1000, "")

    async def run(self) -> None:
        """The call's life, from now to its end."""
        await self.sessions[0].run()


@asynccontextmanager
async def phone() -> AsyncGenerator[Phone, None]:
    made = Phone()
    yield made
    made.hang_up()
    for session in made.sessions:
        await session.run()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_from_its_first_messages_a_carrier_is_known_and_its_first_audio_is_heard(carrier: str):
    codec, messages = opening(carrier)
    async with phone() as line:
        line.say(*messages, codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert line.link.carrier == carrier
        assert len(line.sessions) == 1
        assert line.world.detector.heard != b""
        assert line.socket.closed is None


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_carriers_stop_ends_the_call_and_is_not_answered_with_a_hang_up(carrier: str):
    codec, messages = opening(carrier)
    async with phone() as line:
        line.say(*messages)
        running = asyncio.create_task(line.run())
        await asyncio.sleep(0.1)
        stop = codec.close("bye")
        if stop is None:
            line.hang_up()
        else:
            line.say(stop)
            assert line.link.is_stopped_by_carrier
            assert line.socket.closed is not None
        await asyncio.wait_for(running, 1)
        line.sessions.clear()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_our_own_end_is_said_in_the_carriers_words_and_only_once(carrier: str):
    _, messages = opening(carrier)
    async with phone() as line:
        line.say(*messages)
        line.sessions[0].end(1000, "agent_ended")
        line.sessions[0].end(1001, "server_stopping")
        assert line.socket.closed == (1000, "agent_ended")


@pytest.mark.parametrize(
    "garbage",
    [
        ("", ""),
        (b"", b""),
        ("{", "[]"),
        ('{"event": "start"}', '{"event": "start"}'),
        ("x" * (1 << 20), "null"),
        ('{"a":' * 10_000, "1"),
        ('{"event": "connected"}', '{"event": "connected"}'),
        ("GET / HTTP/1.1", "Host: x"),
    ],
)
async def test_who_is_no_carrier_after_two_messages_is_closed(garbage: tuple[WireMessage, WireMessage]):
    async with phone() as line:
        line.say(garbage[0])
        assert line.socket.closed is None
        line.say(garbage[1])
        assert line.socket.closed == (1008, "the opening messages are of no known carrier")
        assert line.sessions == []


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("early", ['{"event": "media", "media": {"payload": "AAAA"}}', b"\x00\xff" * 160])
async def test_audio_before_the_start_is_left_out_and_not_the_end(carrier: str, early: WireMessage):
    codec, messages = opening(carrier)
    async with phone() as line:
        for message in messages:
            line.say(early, early, early, message)
        line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert line.link.carrier == carrier
        assert line.socket.closed is None
        assert line.world.detector.heard != b""
        assert f"vox_agent_early_audio_total {3.0 * len(messages)}" in line.world.metrics.render().decode()


async def test_audio_alone_is_no_call():
    async with phone() as line:
        line.say(*['{"event": "media", "media": {"payload": "AAAA"}}'] * (MAX_EARLY_AUDIO + 1))
        assert line.socket.closed is None
        line.say(b"\x00\xff" * 160)
        assert line.socket.closed == (1008, "the opening messages are of no known carrier")


async def test_fields_left_out_are_counted_once_the_call_is_over():
    codec, messages = opening("twilio")
    async with phone() as line:
        start = json.loads(str(messages[-1]))
        start["start"]["customParameters"] = None
        line.say(*messages[:-1], json.dumps(start), codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert len(line.sessions) == 1
        line.hang_up()
        assert 'vox_agent_dropped_fields_total{format="twilio"} 1.0' in line.world.metrics.render().decode()


async def test_to_exotel_the_frames_go_in_messages_of_its_size_with_marks_behind_them():
    codec, messages = opening("exotel")
    async with phone() as line:
        line.say(*messages)
        line.socket.sent.clear()
        for number in range(15):
            line.link.send_audio(bytes([number]) * 320)
        line.link.send_mark("0:4800")
        assert len(line.socket.sent) == 1
        await asyncio.sleep(IDLE_S + 0.01)
        heard = [event for message in line.socket.sent for event in codec.receive(message)]
        first, rest = b"".join(bytes([number]) * 320 for number in range(10)), range(10, 15)
        assert heard == [
            StreamAudio(first),
            StreamAudio(b"".join(bytes([number]) * 320 for number in rest) + bytes(1600)),
            MarkReached("0:4800"),
        ]


async def test_who_never_starts_is_closed_after_a_while():
    async with phone() as line:
        line.say('{"event": "connected", "protocol": "Call", "version": "1.0.0"}')
        await asyncio.sleep(START_TIMEOUT_S - 0.1)
        assert line.socket.closed is None
        await asyncio.sleep(0.2)
        assert line.socket.closed == (1002, "no start message came")


async def test_a_start_that_makes_no_sense_is_closed_after_a_while_too():
    async with phone() as line:
        start = {"event": "start", "start": {"streamSid": "MZ", "callSid": "CA", "mediaFormat": {"encoding": "mp3"}}}
        line.say(json.dumps(start))
        assert line.sessions == []
        await asyncio.sleep(START_TIMEOUT_S + 0.1)
        assert line.socket.closed == (1002, "no start message came")


async def test_the_start_timer_of_a_call_that_began_or_left_is_gone():
    _, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        await asyncio.sleep(START_TIMEOUT_S + 1)
        assert line.socket.closed is None
    async with phone() as gone:
        gone.hang_up()
        await asyncio.sleep(START_TIMEOUT_S + 1)
        assert gone.socket.closed is None


async def test_an_evicted_connection_is_told_that_it_is_busy():
    async with phone() as line:
        line.link.evict()
        assert line.socket.closed is not None
        assert line.socket.closed == (1013, "busy, and no start message came")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_begins_with_its_first_audio_and_until_then_makes_room_for_others(carrier: str):
    codec, messages = opening(carrier)
    async with phone() as line:
        line.say(*messages)
        assert line.begun == 0
        for _ in range(3):
            line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert line.begun == 1
    async with phone() as silent:
        silent.say(*messages)
        silent.link.evict()
        assert silent.socket.closed is not None
        assert silent.socket.closed[1] in {"busy, and no audio came", ""}


async def test_a_carrier_is_not_read_while_the_detector_is_behind_and_nothing_it_said_is_lost():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        detector = line.world.detector
        assert detector.on_behind is not None
        detector.is_behind = True
        assert detector.on_behind()
        frames = [bytes([number]) * 160 for number in range(1, 256)]
        line.say(*(codec.audio(frame, timestamp_ms=0) for frame in frames))
        assert line.socket.is_reading
        line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert (line.socket.is_reading, detector.heard) == (False, b"")
        detector.is_behind = False
        await asyncio.sleep(0.1)
        assert line.socket.is_reading
        assert detector.heard == b"".join(g711.decode(frame, "mulaw") for frame in [*frames, b"\xff" * 160])


async def test_a_call_for_an_agent_that_is_none_is_refused():
    _, messages = opening("twilio")
    async with phone() as line:
        line.knows_agent = False
        line.say(*messages)
        assert line.socket.closed == (1008, "no such agent")
        assert line.sessions == []


async def test_a_few_malformed_messages_are_dropped_and_many_end_the_call():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        for _ in range(MAX_MALFORMED - 1):
            line.say("{nonsense")
        assert line.socket.closed is None
        line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))
        assert line.world.detector.heard != b""
        line.say(b"\xff\xfe")
        assert line.socket.closed == (1008, "too many malformed messages")
        counted = f'vox_agent_malformed_messages_total{{format="twilio"}} {float(MAX_MALFORMED)}'
        assert counted in line.world.metrics.render().decode()


async def test_a_second_start_changes_nothing():
    _, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages, messages[-1])
        assert len(line.sessions) == 1


async def test_a_bug_in_a_codec_reaches_the_socket_which_ends_this_connection(monkeypatch: pytest.MonkeyPatch):
    _, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)

        def bug(_message: object) -> Any:
            raise RuntimeError("a bug")

        monkeypatch.setattr(line.link._codec, "receive", bug)
        with pytest.raises(RuntimeError):  # the socket closes with 1011 and tells the link
            line.say("x")
        running = asyncio.create_task(line.run())
        line.hang_up()
        await asyncio.wait_for(running, 5)
        line.sessions.clear()


async def test_who_sends_more_than_a_call_needs_is_closed():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        frame = codec.audio(b"\xff" * 40_000, timestamp_ms=0)
        sent = 0
        while line.socket.is_open:
            line.say(frame)
            sent += len(frame)
            assert sent < BURST_S * BYTES_PER_S
        assert line.socket.closed == (1008, "more was sent than a call needs")


class Client:
    def __init__(self, budget: IngressBudget | None = None) -> None:
        self.world = World(input_rate=0)
        self.socket = FakeSocket()
        self.sessions: list[Session] = []
        self.begun = 0
        self.link = WebSocketTransport(
            self.world.resources, JsonCodec(), 24_000, self._start, budget=budget, on_begun=self._count_beginning
        )
        self.link.opened(self.socket)

    def _start(self, link: WebSocketTransport) -> Session:
        session = Session(self.world.resources, self.world.session.agent, link, CallInfo("call_2", "ws"))
        self.sessions.append(session)
        return session

    def _count_beginning(self) -> None:
        self.begun += 1

    def told(self, kind: str) -> list[Any]:
        frames = [json.loads(message) for message in self.socket.sent]
        return [frame["data"] for frame in frames if frame["type"] == kind]


@asynccontextmanager
async def client() -> AsyncGenerator[Client, None]:
    made = Client()
    running = asyncio.create_task(made.sessions[0].run())
    await asyncio.sleep(0)
    yield made
    made.link.closed(1000, "")
    await running


async def test_a_client_is_told_that_the_agent_is_there_and_what_it_may_not():
    async with client() as browser:
        assert len(browser.told("StartFrame")) == 1
        browser.link.received(encode_client_frame("LLMSetToolsFrame", {"tools": []}))
        assert "allow_client_context" in browser.told("ErrorFrame")[0]["error"]


async def test_a_clients_malformed_messages_are_answered_and_many_end_the_call():
    async with client() as browser:
        for message in ("{", b"\xff\x00", "[]", '{"type": 5, "data": {}}', "x" * 2000):
            browser.link.received(message)
        assert len(browser.told("ErrorFrame")) == 5
        for _ in range(45):
            browser.link.received("{")
        assert browser.socket.closed == (1008, "too many malformed messages")


@pytest.mark.parametrize(
    "message",
    [
        "x" * (1 << 20),
        encode_client_frame("TranscriptionFrame", {"text": "hi"}),
        encode_client_frame("InputDTMFFrame", {"digit": "5"}),
        encode_client_frame("InterruptionFrame"),
    ],
)
async def test_a_client_that_floods_is_closed(message: str):
    async with client() as browser:
        for _ in range(100):
            browser.link.received(message)
        assert browser.socket.closed == (1008, "more was sent than a call needs")
        assert len(browser.world.mind.requests) <= 64


async def test_a_client_may_talk_type_and_press_as_quickly_as_people_do():
    async with client() as browser:
        for _ in range(600):
            browser.link.received(encode_client_frame("InputDTMFFrame", {"digit": "5"}))
            await asyncio.sleep(0.15)
        assert browser.socket.closed is None


async def test_keys_on_the_line_are_bounded_too():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        for _ in range(100):
            line.say(codec.digit("5"))
        assert line.socket.closed == (1008, "more was sent than a call needs")


async def test_after_the_socket_is_gone_nothing_is_sent():
    async with client() as browser:
        browser.link.closed(1006, "")
        before = len(browser.socket.sent)
        browser.link.send_audio(b"\0" * 960)
        browser.link.clear_audio()
        browser.link.close(1000, "")
        assert len(browser.socket.sent) == before


async def test_audio_is_paid_by_how_long_it_plays():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        seconds = 0
        while line.socket.is_open:
            for _ in range(50):
                line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))
            seconds += 1
            assert seconds <= BURST_S * AUDIO_PER_S
        assert seconds > 10, "what a network stall held back is no flood"


async def test_a_client_begins_with_its_first_input():
    async with client() as browser:
        browser.link.received(encode_client_frame("StartFrame"))
        assert browser.begun == 0
        for _ in range(2):
            browser.link.received(encode_client_frame("InputDTMFFrame", {"digit": "5"}))
        assert browser.begun == 1
        browser.link.evict()
        assert browser.socket.closed == (1013, "busy, and nothing was said")


async def test_a_flood_closes_the_door_to_its_own_network_only():
    clock = World().resources.clock
    reserves = NetworkReserves(clock)
    text = encode_client_frame("TranscriptionFrame", {"text": "hello"})
    heard = 0
    for _ in range(50):
        with reserves.connection("203.0.113.7") as budget:
            flood = Client(budget)
            for _ in range(100):
                flood.link.received(text)
            assert flood.socket.closed == (1008, "more was sent than a call needs")
            heard += flood.begun
            for session in flood.sessions:
                flood.link.closed(1008, "")
                await session.run()
    assert heard == 1
    with reserves.connection("203.0.113.8") as budget:
        calm = Client(budget)
        calm.link.received(text)
        assert (calm.begun, calm.socket.closed) == (1, None)
        calm.link.closed(1000, "")
        await calm.sessions[0].run()


class Exchange:
    """Puts calls through, or not."""

    def __init__(self, *, is_possible: bool = True) -> None:
        self.is_possible = is_possible
        self.transferred: list[tuple[str, str, str, str]] = []

    def are_possible(self, carrier: str) -> bool:
        return self.is_possible

    def remedy(self, carrier: str) -> str:
        return "set the key"

    async def transfer(self, carrier: str, call_id: str, to: str, caller_id: str) -> None:
        self.transferred.append((carrier, call_id, to, caller_id))


async def test_a_transferred_call_is_ended_here_and_not_hung_up_at_the_carrier():
    codec, messages = opening("twilio")
    async with phone() as line:
        line.link._transfers = exchange = Exchange()
        line.say(*messages)
        assert line.link.can_transfer
        running = asyncio.create_task(line.run())
        await asyncio.sleep(0.1)
        await line.link.transfer("+4930123456", caller_id="+15550100")
        await asyncio.wait_for(running, 1)
        assert exchange.transferred == [("twilio", "CA1", "+4930123456", "+15550100")]
        assert not line.link.wants_hang_up
        line.say(codec.audio(b"\xff" * 160, timestamp_ms=0))  # the carrier may go on for a moment
        assert line.socket.closed is None
        await asyncio.sleep(TRANSFER_GRACE_S + 0.1)
        assert line.socket.closed == (1000, "transferred")
        line.sessions.clear()


async def test_a_stream_that_anyone_may_have_opened_transfers_nothing():
    _, messages = opening("twilio")
    async with phone() as line:
        line.say(*messages)
        assert not line.link.can_transfer
        with pytest.raises(UsageError):
            await line.link.transfer("+4930123456")
        assert line.link.wants_hang_up
