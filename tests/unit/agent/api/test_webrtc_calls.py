"""The life of WebRTC calls on virtual time, over connections that the test plays."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes.loop import VirtualClock
from tests.unit.agent.call_harness import Detector, Ear, Mind, Voice
from vox.agent.admission import UNBOUND, Source
from vox.agent.api.pages import Refusal
from vox.agent.api.webrtc_calls import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    LEFT_GRACE_S,
    Caller,
    WebRtcCall,
    WebRtcCalls,
)
from vox.agent.config.resources import Agent
from vox.agent.config.settings import AgentSettings
from vox.agent.server import AgentServer
from vox.agent.transports.webrtc import MAX_MALFORMED, STALE_S
from vox.errors import DependencyError, PeerError
from vox.media.webrtc.contract import INPUT_RATE, PeerListener, PeerOptions, RemoteCandidate
from vox.protocols.rtvi import client_message
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics

pytestmark = pytest.mark.usefixtures("virtual_loop")

GRACE_S = 10.0
FRAME = bytes(2 * INPUT_RATE // 50)


@dataclass(slots=True, eq=False)
class PlayedPeer:
    """A connection under the test's hand."""

    listener: PeerListener
    clock: Clock
    has_channel: bool = True
    bytes_sent: int = 0
    bytes_received: int = 0
    last_packet_at: float = 0.0
    offers: list[str] = field(default_factory=list[str])
    texts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    candidates: list[RemoteCandidate] = field(default_factory=list[RemoteCandidate])
    frames: int = 0
    is_closed: bool = False

    async def accept(self, offer: str) -> str:
        self.offers.append(offer)
        if offer == "malformed":
            raise PeerError("no", code="offer_invalid")
        if offer == "no ports":
            raise DependencyError("no ports", code="media_unavailable")
        if offer == "hangs":
            await asyncio.Event().wait()
        if offer == "slow":
            await asyncio.sleep(2)
        return f"answer to {offer}"

    async def add_candidates(self, candidates: Sequence[RemoteCandidate]) -> None:
        self.candidates += candidates

    def send_audio(self, pcm: bytes) -> None:
        self.frames += 1

    def clear_audio(self) -> None:
        pass

    def send_text(self, text: str) -> bool:
        self.texts.append(json.loads(text))
        return True

    async def close(self) -> None:
        self.is_closed = True

    def connect(self) -> None:
        self.listener.state_changed("connected")
        self.listener.channel_opened()

    def speak(self, seconds: float = 0.02) -> None:
        self.last_packet_at = self.clock.now()
        for _ in range(round(seconds * 50)):
            self.listener.audio(FRAME)

    def say(self, kind: str, **data: Any) -> None:
        self.listener.text(client_message(kind, data))

    @property
    def types(self) -> list[str]:
        return [text["type"] for text in self.texts]


class Desk:
    """A server and its WebRTC calls; `peers` are those that were made."""

    def __init__(self, **config: Any) -> None:
        clock = self.clock = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]
        settings = AgentSettings.model_validate({"transport": "both", "webrtc_reconnect_secs": GRACE_S, **config})
        self.server = AgentServer(settings, clock, Metrics(), {}, Lifecycle(clock, 30))
        self.server.resources.voice_activity = Detector()  # type: ignore[assignment]
        self.server.lifecycle.ready()
        self.peers: list[PlayedPeer] = []
        self.calls = WebRtcCalls(self.server, self._make)
        self.agent = Agent("desk", settings.profiles()["default"], Ear(), Mind(), Voice(), "Hello.", "")

    def _make(self, options: PeerOptions, listener: PeerListener, clock: Clock) -> PlayedPeer:
        self.peers.append(PlayedPeer(listener, clock))
        return self.peers[-1]

    async def call(self, source: Source = UNBOUND) -> WebRtcCall:
        call, _ = await self.calls.take(Caller(self.agent, {}, source), "offer")
        return call

    async def connected(self) -> WebRtcCall:
        call = await self.call()
        self.peers[-1].connect()
        await asyncio.sleep(0.1)
        return call

    def count(self, line: str) -> float:
        shown = self.server.metrics.render().decode().splitlines()
        return next((float(each.split()[-1]) for each in shown if each.startswith(line)), 0.0)


@asynccontextmanager
async def desk(**config: Any) -> AsyncGenerator[Desk]:
    made = Desk(**config)
    yield made
    await made.server.end_calls()


async def test_a_call_begins_when_its_client_is_connected():
    async with desk() as at:
        call = await at.call()
        await asyncio.sleep(5)
        assert not at.server.sessions
        at.peers[0].connect()
        await asyncio.sleep(0.1)
        (session,) = at.server.sessions
        assert session.info == call.info
        assert at.count("webrtc_peer_connections_active") == 1
        assert at.count('voxray_http_active_connections{route="webrtc"}') == 1


async def test_a_call_that_cannot_begin_is_told_and_gives_its_place_back(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no recogniser")

    monkeypatch.setattr(Ear, "open_stream", fails)
    async with desk() as at:
        await at.connected()
        assert at.peers[0].texts[-1]["message"]["code"] == 1011
        await asyncio.sleep(1)
        assert at.peers[0].is_closed
        assert (at.server.admission.calls, at.server.lifecycle.holds) == (0, 0)


async def test_a_client_that_never_connects_gives_its_place_back():
    async with desk() as at:
        call = await at.call()
        assert at.server.admission.calls == 1
        await asyncio.sleep(CONNECT_TIMEOUT_S + 2)
        assert at.calls.find(call.pc_id) is None
        assert at.server.admission.calls == 0
        assert at.server.lifecycle.holds == 0
        assert at.peers[0].is_closed
        assert at.count('webrtc_connection_failures_total{reason="timeout"') == 1


@pytest.mark.parametrize(("offer", "status"), [("malformed", 422), ("no ports", 503), ("hangs", 503)])
async def test_an_offer_that_cannot_be_answered_leaves_nothing_behind(offer: str, status: int):
    async with desk() as at:
        before = at.clock.now()
        with pytest.raises(Refusal) as refused:
            await at.calls.take(Caller(at.agent, {}, UNBOUND), offer)
        assert refused.value.status == status
        assert at.clock.now() - before <= ANSWER_TIMEOUT_S
        await asyncio.sleep(0.1)
        assert at.peers[0].is_closed
        assert (at.server.admission.calls, at.server.lifecycle.holds) == (0, 0)


async def test_a_full_server_says_when_to_come_back():
    async with desk(max_concurrent_calls=1) as at:
        await at.connected()
        with pytest.raises(Refusal) as refused:
            await at.call()
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})
        assert len(at.peers) == 1, "no connection is made for it"


async def test_a_silent_connection_makes_room():
    async with desk(max_concurrent_calls=1) as at:
        first = await at.connected()
        await asyncio.sleep(11)
        await at.call()
        await asyncio.sleep(1)
        assert first.transport.is_closed
        assert at.peers[0].texts[-1]["message"]["code"] == 1013


async def test_one_that_was_heard_keeps_its_place():
    async with desk(max_concurrent_calls=1) as at:
        await at.connected()
        at.peers[0].speak()
        await asyncio.sleep(11)
        with pytest.raises(Refusal):
            await at.call()


@pytest.mark.parametrize(("state", "grace_s"), [("lost", GRACE_S), ("left", LEFT_GRACE_S)])
async def test_a_client_that_is_gone_is_waited_for(state: Any, grace_s: float):
    async with desk() as at:
        call = await at.connected()
        at.peers[0].listener.state_changed(state)
        await asyncio.sleep(grace_s - 0.5)
        assert at.calls.find(call.pc_id) is call
        await asyncio.sleep(2)
        assert at.calls.find(call.pc_id) is None
        assert not at.server.sessions
        assert at.count("webrtc_connection_failures_total") == (1 if state == "lost" else 0)


async def test_a_client_that_comes_back_keeps_its_call():
    async with desk() as at:
        call = await at.connected()
        (session,) = at.server.sessions
        at.peers[0].listener.state_changed("lost")
        await asyncio.sleep(5)
        assert await call.answer("new", is_restart=True) == "answer to new"
        at.peers[1].connect()
        await asyncio.sleep(2 * GRACE_S)
        assert at.server.sessions == {session}
        assert at.peers[0].is_closed
        assert not at.peers[1].is_closed
        at.peers[0].say("disconnect-bot")
        await asyncio.sleep(1)
        assert at.server.sessions == {session}, "the connection that was replaced has no say"
        assert at.count("webrtc_reconnection_attempts_total") == 1


async def test_a_new_connection_that_does_not_stand_ends_the_call():
    async with desk() as at:
        call = await at.connected()
        await call.answer("new", is_restart=True)
        await asyncio.sleep(CONNECT_TIMEOUT_S + 2)
        assert at.calls.find(call.pc_id) is None


async def test_a_client_that_is_coming_back_is_not_given_up_meanwhile():
    async with desk() as at:
        call = await at.connected()
        (session,) = at.server.sessions
        at.peers[0].listener.state_changed("lost")
        await asyncio.sleep(GRACE_S - 0.5)
        assert await call.answer("slow", is_restart=True) == "answer to slow"
        at.peers[1].connect()
        await asyncio.sleep(2 * GRACE_S)
        assert at.server.sessions == {session}


@pytest.mark.parametrize("is_restart", [True, False])
async def test_an_offer_whose_call_ends_meanwhile_leaves_no_connection(is_restart: bool):
    async with desk() as at:
        call = await at.connected()
        first = asyncio.create_task(call.answer("slow", is_restart=True))
        second = asyncio.create_task(call.answer("slow", is_restart=is_restart))
        await asyncio.sleep(1)
        at.peers[0].say("disconnect-bot")
        for offer in (first, second):
            with pytest.raises(Refusal) as refused:
                await offer
            assert refused.value.status == 503
        await asyncio.sleep(1)
        assert [peer.is_closed for peer in at.peers] == [True, True]
        assert at.server.admission.calls == 0


async def test_a_server_that_ends_does_not_wait_for_clients_that_have_not_connected():
    async with desk() as at:
        await at.call()
        began = at.clock.now()
        await at.server.end_calls()
        assert at.clock.now() - began < 1
        assert at.peers[0].is_closed
        assert at.peers[0].texts == [], "there is no channel to say it on"


async def test_only_connections_that_stand_are_counted_as_active():
    async with desk() as at:
        await at.call()
        await asyncio.sleep(0.1)
        assert at.count("webrtc_peer_connections_active") == 0
        at.peers[0].connect()
        await asyncio.sleep(0.1)
        assert at.count("webrtc_peer_connections_active") == 1
        at.peers[0].listener.state_changed("lost")
        await asyncio.sleep(0.1)
        assert at.count("webrtc_peer_connections_active") == 0
        await asyncio.sleep(2 * GRACE_S)
        assert at.count("webrtc_peer_connections_active") == 0


async def test_an_offer_to_a_lost_connection_makes_a_new_one():
    async with desk() as at:
        call = await at.connected()
        await call.answer("again", is_restart=False)
        assert at.peers[0].offers == ["offer", "again"]
        at.peers[0].listener.state_changed("lost")
        await call.answer("third", is_restart=False)
        assert at.peers[1].offers == ["third"]


async def test_an_offer_that_is_refused_leaves_the_call_as_it_is():
    async with desk() as at:
        call = await at.connected()
        with pytest.raises(Refusal):
            await call.answer("malformed", is_restart=True)
        assert call.transport.peer is at.peers[0]
        assert not at.peers[0].is_closed


async def test_pings_that_stop_mean_a_client_that_is_gone():
    async with desk() as at:
        call = await at.connected()
        for _ in range(30):
            at.peers[0].listener.text("ping: 1")
            await asyncio.sleep(1)
        await asyncio.sleep(STALE_S + GRACE_S - 1.5)
        assert at.calls.find(call.pc_id) is call
        await asyncio.sleep(4)
        assert at.calls.find(call.pc_id) is None


async def test_audio_stands_in_for_pings():
    async with desk() as at:
        call = await at.connected()
        at.peers[0].listener.text("ping: 1")
        for _ in range(30):
            at.peers[0].speak()
            await asyncio.sleep(1)
        assert at.calls.find(call.pc_id) is call


async def test_a_client_that_sends_no_pings_is_not_asked_for_any():
    async with desk() as at:
        call = await at.connected()
        await asyncio.sleep(60)
        assert at.calls.find(call.pc_id) is call


async def test_a_microphone_that_is_turned_off_ends_the_turn():
    async with desk() as at:
        await at.connected()
        (session,) = at.server.sessions
        heard: list[int] = []
        session.audio = lambda pcm: heard.append(len(pcm))  # type: ignore[method-assign]
        at.peers[0].speak(0.2)
        await asyncio.sleep(3)
        assert heard == [len(FRAME)] * 10 + [2 * INPUT_RATE], "a second of silence follows, once"


async def test_what_is_sent_before_the_channel_is_open_waits_for_it():
    async with desk() as at:
        await at.call()
        at.peers[0].listener.state_changed("connected")
        await asyncio.sleep(0.1)
        at.peers[0].say("client-ready", version="2.1.0")
        assert at.peers[0].texts == []
        at.peers[0].listener.channel_opened()
        assert "bot-ready" in at.peers[0].types


async def test_a_client_is_greeted_and_says_good_bye():
    async with desk() as at:
        call = await at.connected()
        peer = at.peers[0]
        peer.say("client-ready", version="2.1.0")
        await asyncio.sleep(3)
        assert peer.frames > 10
        peer.say("disconnect-bot")
        await asyncio.sleep(1)
        assert peer.texts[-1] == {
            "type": "signalling",
            "message": {"type": "peerLeft", "code": 1000, "reason": "client_left"},
        }
        assert peer.is_closed
        assert at.calls.find(call.pc_id) is None


async def test_signalling_says_whether_the_microphone_is_on():
    async with desk() as at:
        call = await at.connected()
        peer = at.peers[0]
        status = {"type": "trackStatus", "receiver_index": 0, "enabled": False}
        peer.listener.text(json.dumps({"type": "signalling", "message": {**status, "receiver_index": 1}}))
        assert call.transport.is_microphone_on
        peer.listener.text(json.dumps({"type": "signalling", "message": status}))
        assert not call.transport.is_microphone_on
        for odd in (None, 5, {"type": 5}, {"type": "other"}):
            peer.listener.text(json.dumps({"type": "signalling", "message": odd}))
        call.transport.renegotiate()
        assert peer.texts[-1]["message"] == {"type": "renegotiate"}


async def test_malformed_messages_are_dropped_and_then_too_many():
    async with desk() as at:
        call = await at.connected()
        for _ in range(MAX_MALFORMED - 1):
            at.peers[0].listener.text("{")
            await asyncio.sleep(0.05)
        assert not call.transport.is_closed
        assert "error" in at.peers[0].types
        at.peers[0].listener.text("{")
        assert call.transport.is_closed


@pytest.mark.parametrize("what", ["audio", "texts", "pings"])
async def test_a_flood_ends_its_call(what: str):
    async with desk() as at:
        call = await at.connected()
        peer = at.peers[0]
        for _ in range(5000):
            if what == "audio":
                peer.speak(1.0)
            elif what == "texts":
                peer.say("send-text", content="x")
            else:
                peer.listener.text("ping" + "x" * 5000)
            if call.transport.is_closed:
                break
        assert call.transport.is_closed
        assert at.peers[0].texts[-1]["message"]["code"] == 1008


async def test_candidates_reach_the_connection():
    async with desk() as at:
        call = await at.call()
        await call.add_candidates([RemoteCandidate("candidate:1")])
        assert at.peers[0].candidates == [RemoteCandidate("candidate:1")]


async def test_bytes_are_counted_over_all_connections_of_a_call():
    async with desk() as at:
        call = await at.connected()
        at.peers[0].bytes_sent, at.peers[0].bytes_received = 1000, 2000
        await asyncio.sleep(1.5)
        at.peers[0].bytes_sent = 1500
        await call.answer("new", is_restart=True)
        at.peers[1].bytes_sent = 100
        at.peers[1].connect()
        await asyncio.sleep(1.5)
        assert at.count("webrtc_bytes_received_total") == 2000
        assert at.count("webrtc_bytes_sent_total") == 1600
