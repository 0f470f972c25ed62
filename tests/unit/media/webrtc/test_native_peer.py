"""The peer on the native engine, against an engine that is played."""

import asyncio
import os
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.media.webrtc.offers import AUDIO, offer
from vox.errors import DependencyError, PeerError
from vox.media.webrtc import native_peer
from vox.media.webrtc.contract import PeerOptions, PeerState, RemoteCandidate
from vox.media.webrtc.native_engine import EventFeed
from vox.media.webrtc.native_peer import MAX_CHANNELS, NativePeer
from vox.media.webrtc.sdp import MAX_MESSAGE_BYTES

OFFER = offer(AUDIO, bundle="0")
SECTION = ("c=IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:" + "y" * 24, "a=setup:passive")
ANSWER = "\r\n".join(
    ["v=0", "o=- 1 2 IN IP4 0.0.0.0", "s=-", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", *SECTION, "a=mid:0", ""]
)


class PlayedEngine:
    """Notes what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.waiting: list[tuple[Any, ...]] = []
        self.refuses: Exception | None = None
        self.full: list[int] = []
        self.pcm = b""
        self.fd = os.eventfd(0)

    def __getattr__(self, name: str) -> Any:
        def noted(*args: Any, **_: Any) -> Any:
            self.calls.append((name, *args))
            if self.refuses is not None:
                raise self.refuses
            return {"accept_offer": {"sdp": ANSWER}, "tap_read": self.pcm, "peer_stats": (7, 9)}.get(name)

        return noted

    def fileno(self) -> int:
        return self.fd

    def events(self) -> list[tuple[Any, ...]]:
        os.eventfd_read(self.fd)
        found, self.waiting = self.waiting, []
        return found

    def send_data(self, peers: list[int], label: str, payload: bytes, *, binary: bool) -> list[int]:
        self.calls.append(("send_data", label, payload, binary))
        return self.full or []

    async def tell(self, *events: tuple[Any, ...]) -> None:
        self.waiting += events
        os.eventfd_write(self.fd, 1)
        for _ in range(3):
            await asyncio.sleep(0)

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class Ears:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def audio(self, pcm: bytes) -> None:
        self.told.append(pcm)

    def text(self, message: str) -> None:
        self.told.append(message)

    def channel_opened(self) -> None:
        self.told.append("opened")

    def state_changed(self, state: PeerState) -> None:
        self.told.append(state)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> PlayedEngine:
    played = PlayedEngine()
    feed = EventFeed(cast("Any", played))
    monkeypatch.setattr(native_peer, "feed_of", lambda _: feed)
    return played


@pytest.fixture
def peer(engine: PlayedEngine) -> tuple[NativePeer, Ears]:
    ears = Ears()
    return NativePeer(PeerOptions(), ears, FakeClock()), ears


PEER, TAP = 2, 4


async def test_a_call_is_a_room_with_a_tap_and_a_voice(engine: PlayedEngine, peer: tuple[NativePeer, Ears]):
    await peer[0].accept(OFFER)
    assert engine.names() == [
        "open_room",
        "open_peer",
        "publish",
        "open_tap",
        "open_voice",
        "subscribe",
        "accept_offer",
    ]
    await peer[0].accept(OFFER)
    assert engine.names()[7:] == ["accept_offer"], "a later offer makes nothing anew"
    reduced = engine.calls[-1][2]
    assert "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level" in reduced


async def test_what_the_engine_tells_reaches_the_listener(engine: PlayedEngine, peer: tuple[NativePeer, Ears]):
    made, ears = peer
    await made.accept(OFFER)
    engine.pcm = b"ab"
    await engine.tell(
        ("connected", PEER),
        ("connected", PEER),
        ("channel", PEER, "chat"),
        ("data", PEER, "chat", b"hello", False),
        ("taps", [99, TAP]),
        ("quality", PEER, 0.0, 1, 1),
        ("flowing", PEER),
        ("disconnected", PEER),
        ("connected", PEER),
        ("closed", PEER, "closed"),
    )
    assert ears.told == ["connected", "opened", "hello", b"ab", "lost", "connected", "left"]
    assert (made.bytes_received, made.bytes_sent) == (7, 9)


async def test_a_client_that_is_unreachable_for_good_is_lost_and_may_come_back(
    engine: PlayedEngine, peer: tuple[NativePeer, Ears]
):
    made, ears = peer
    await made.accept(OFFER)
    await engine.tell(("connected", PEER), ("closed", PEER, "unreachable"))
    assert ears.told == ["connected", "lost"]


async def test_the_agent_speaks_once_connected_and_a_barge_in_drops_the_rest(
    engine: PlayedEngine, peer: tuple[NativePeer, Ears]
):
    made, _ = peer
    await made.accept(OFFER)
    made.send_audio(b"early")
    assert "voice_write" not in engine.names()
    await engine.tell(("connected", PEER))
    made.send_audio(b"words")
    made.clear_audio()
    assert engine.calls[-2:] == [("voice_write", 5, b"words", 24_000), ("voice_flush", 5)]
    engine.refuses = BufferError("30 s wait")
    made.send_audio(b"more")


async def test_texts_go_to_the_first_channel_and_a_client_that_does_not_read_is_left(
    engine: PlayedEngine, peer: tuple[NativePeer, Ears]
):
    made, ears = peer
    await made.accept(OFFER)
    assert not made.send_text("nobody")
    await engine.tell(("connected", PEER), ("channel", PEER, "chat"), ("channel", PEER, "second"))
    assert made.send_text("hi")
    assert engine.calls[-1] == ("send_data", "chat", b"hi", False)
    engine.full = [PEER]
    assert not made.send_text("hi")
    assert ears.told == ["connected", "opened", "left"]


@pytest.mark.parametrize(
    "events",
    [
        [("data", PEER, "chat", b"x" * (MAX_MESSAGE_BYTES + 1), False)],
        [("channel", PEER, f"channel {number}") for number in range(MAX_CHANNELS + 1)],
    ],
)
async def test_too_much_ends_the_connection(
    engine: PlayedEngine, peer: tuple[NativePeer, Ears], events: list[tuple[Any, ...]]
):
    made, ears = peer
    await made.accept(OFFER)
    await engine.tell(("connected", PEER), *events)
    assert ears.told[-1] == "left"


async def test_refusals_of_the_engine_are_errors_of_the_contract(engine: PlayedEngine, peer: tuple[NativePeer, Ears]):
    made, _ = peer
    await made.accept(OFFER)
    engine.refuses = ValueError("no")
    with pytest.raises(PeerError) as refused:
        await made.accept(OFFER)
    assert refused.value.code == "offer_invalid"
    engine.refuses = OSError("late")
    with pytest.raises(DependencyError) as unavailable:
        await made.accept(OFFER)
    assert unavailable.value.code == "media_unavailable"


async def test_after_the_end_nothing_is_told_and_nothing_is_read(engine: PlayedEngine, peer: tuple[NativePeer, Ears]):
    made, ears = peer
    await made.accept(OFFER)
    await engine.tell(("connected", PEER))
    await made.close()
    await made.close()
    assert engine.names()[-2:] == ["close_peer", "close_room"]
    assert not asyncio.get_running_loop().remove_reader(engine.fd), "nobody reads on"
    made.send_audio(b"late")
    made.clear_audio()
    await made.add_candidates([RemoteCandidate("candidate:1 1 udp 1 192.0.2.1 5000 typ host")])
    with pytest.raises(PeerError):
        await made.accept(OFFER)
    assert engine.names()[-2:] == ["close_peer", "close_room"]
    assert ears.told == ["connected"]


async def test_useful_candidates_are_passed_on(engine: PlayedEngine, peer: tuple[NativePeer, Ears]):
    made, _ = peer
    await made.add_candidates([RemoteCandidate("")])
    await made.accept(OFFER)
    useful = "candidate:1 1 udp 1 192.0.2.1 5000 typ host"
    await made.add_candidates([RemoteCandidate(f"a={useful}"), RemoteCandidate("candidate:odd"), RemoteCandidate("")])
    assert engine.calls[-1] == ("add_candidate", PEER, useful)
