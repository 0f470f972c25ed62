"""The WebRTC driver alone, against a client in the same process: addresses, timestamps, packet loss, and what is left behind."""

import asyncio
import gc
import itertools
import os
import random
import re
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aioice import Candidate, Connection
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcsctptransport import SCTP_DATA_FIRST_FRAG, DataChunk

from tests.e2e.webrtc_client import Microphone
from tests.require import require
from tests.time_limits import time_limit
from tests.unit.media.speech import sine
from vox.errors import DependencyError, PeerError
from vox.media.levels import rms
from vox.media.webrtc import aiortc_ice
from vox.media.webrtc.contract import (
    INPUT_RATE,
    OUTPUT_RATE,
    IceServer,
    Peer,
    PeerListener,
    PeerOptions,
    PeerState,
    RemoteCandidate,
    driver,
)
from vox.runtime.clock import SystemClock

pytestmark = pytest.mark.usefixtures("webrtc_driver")
LOCAL = PeerOptions(addresses=("127.0.0.1",), is_loopback=True)


class Ears:
    """What a peer tells."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.texts: list[str] = []
        self.states: list[PeerState] = []
        self.is_open = False
        self.news = asyncio.Event()

    def audio(self, pcm: bytes) -> None:
        self.pcm += pcm
        self.news.set()

    def text(self, message: str) -> None:
        self.texts.append(message)
        self.news.set()

    def channel_opened(self) -> None:
        self.is_open = True
        self.news.set()

    def state_changed(self, state: PeerState) -> None:
        self.states.append(state)
        self.news.set()

    async def until(self, condition: Any) -> None:
        async with time_limit():
            while not condition():
                self.news.clear()
                await self.news.wait()


only_aiortc = pytest.mark.parametrize("webrtc_driver", ["aiortc"], indirect=True)


def make_peer(options: PeerOptions, listener: PeerListener) -> Peer:
    name: Any = os.environ["VOXRAY_WEBRTC_DRIVER"]
    return driver(name)(options, listener, SystemClock())


@asynccontextmanager
async def connected(options: PeerOptions = LOCAL) -> AsyncGenerator[tuple[Peer, Ears, Any, Any]]:
    """A peer, what it told, the client's connection and its microphone."""
    ears, microphone = Ears(), Microphone()
    peer = make_peer(options, ears)
    pc: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTrack(microphone)
    pc.createDataChannel("chat")
    try:
        await pc.setLocalDescription(await pc.createOffer())
        await pc.setRemoteDescription(RTCSessionDescription(await peer.accept(pc.localDescription.sdp), "answer"))
        await ears.until(lambda: "connected" in ears.states)
        await ears.until(lambda: ears.is_open)
        yield peer, ears, pc, microphone
    finally:
        await pc.close()
        await peer.close()


async def offer() -> str:
    pc: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio", "recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    sdp: str = pc.localDescription.sdp
    await pc.close()
    return sdp


async def answer(options: PeerOptions) -> list[str]:
    """The candidates of an answer."""
    peer = make_peer(options, Ears())
    try:
        lines = (await peer.accept(await offer())).split("\r\n")
    finally:
        await peer.close()
    return [line for line in lines if line.startswith("a=candidate:")]


async def test_only_the_allowed_addresses_and_ports_are_offered():
    ports = range(41_000, 41_100)
    (candidate,) = await answer(PeerOptions(addresses=("127.0.0.1",), ports=ports))
    assert candidate.split()[4] == "127.0.0.1"
    assert int(candidate.split()[5]) in ports


async def test_a_public_address_stands_beside_the_local_one_with_the_same_port():
    local = next((one for one in own_addresses() if one != "127.0.0.1"), "")
    require(bool(local), "a network interface beside loopback", "run it on a machine with a network")
    host, public = await answer(PeerOptions(addresses=(local,), public_address="203.0.113.9"))
    assert public.split()[4:7] == ["203.0.113.9", host.split()[5], "typ"]


async def test_without_a_free_port_the_offer_is_refused_with_the_setting():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(DependencyError, match="webrtc_udp_ports") as refused:
            await answer(PeerOptions(addresses=("127.0.0.1",), ports=range(port, port + 1)))
        assert refused.value.code == "media_unavailable"


@only_aiortc
async def test_a_stun_server_that_is_away_is_asked_once():
    local = next((one for one in own_addresses() if one != "127.0.0.1"), "")
    require(bool(local), "a network interface beside loopback", "run it on a machine with a network")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((local, 0))
        silent.setblocking(False)
        options = PeerOptions((IceServer((f"stun:{local}:{silent.getsockname()[1]}",)),), addresses=(local,))
        assert len(await answer(options)) == 1
        asked = received(silent)
        assert asked
        assert len(await answer(options)) == 1
        assert received(silent) == 0


def received(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            sock.recv(2000)
        except BlockingIOError:
            return count
        count += 1


def own_addresses() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # nothing is sent; it tells the address that would be used
        except OSError:
            return []
        return [sock.getsockname()[0]]


async def test_time_goes_on_while_nothing_is_sent():
    async with connected() as (peer, _, pc, _):
        frames = asyncio.Queue[Any]()

        async def listen() -> None:
            track = pc.getTransceivers()[0].receiver.track
            while True:
                frames.put_nowait(await track.recv())

        listening = asyncio.create_task(listen())
        loop, pcm = asyncio.get_running_loop(), sine(OUTPUT_RATE, 0.02)
        began = loop.time()
        for _ in range(20):
            peer.send_audio(pcm)
        await asyncio.sleep(1.0)
        pause_s = loop.time() - began
        for _ in range(20):
            peer.send_audio(pcm)
        async with time_limit():
            stamps = [(await frames.get()).pts for _ in range(36)]  # the client's buffer keeps the last four
        listening.cancel()
        gaps = [later - earlier for earlier, later in itertools.pairwise(stamps)]
        assert gaps.count(960) == 34
        assert max(gaps) == pytest.approx(pause_s * 48_000 - 19 * 960, abs=4800)


async def test_lost_and_late_packets_leave_the_audio_as_long_as_it_was():
    async with connected() as (_, ears, pc, microphone):
        sender = pc.getSenders()[0].transport
        send, held, chance = sender._send_rtp, list[bytes](), random.Random(3)

        async def lossy(data: bytes) -> None:
            roll = chance.random()
            if roll < 0.05:
                return
            if roll < 0.1:
                held.append(data)
                return
            await send(data)
            while held:
                await send(held.pop())

        await ears.until(lambda: len(ears.pcm) > 3200)
        sender._send_rtp = lossy
        ears.pcm.clear()
        began = asyncio.get_running_loop().time()
        microphone.play(sine(48_000, 2.0))
        await ears.until(lambda: len(ears.pcm) > 2 * 2 * INPUT_RATE)
        took_s = asyncio.get_running_loop().time() - began
        assert len(ears.pcm) / 2 / INPUT_RATE == pytest.approx(took_s, abs=0.5)
        assert rms(bytes(ears.pcm)) > 0.05


async def test_later_candidates_are_taken_and_odd_ones_harmless():
    async with connected() as (peer, _, _, _):
        odd = [
            "",
            "candidate:",
            "candidate:1 1 udp 1 name.local 5 typ host",
            "\x00",
            "candidate:1 1 udp 1 127.0.0.1 9 typ host",
        ]
        await peer.add_candidates([RemoteCandidate(one, "0", 0) for one in odd] * 30)
        with pytest.raises(PeerError):
            await peer.accept("v=0")
        assert peer.send_text("still here")


def restart_of(offer: str, connection: Connection) -> str:
    """The offer of a client that begins ICE anew, with this connection, and tells its addresses later."""
    lines = [line for line in offer.split("\r\n") if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    text = "\r\n".join(lines)
    text = re.sub("a=ice-ufrag:.*", f"a=ice-ufrag:{connection.local_username}", text)
    return re.sub("a=ice-pwd:.*", f"a=ice-pwd:{connection.local_password}", text)


async def test_candidates_that_follow_a_restart_belong_to_the_new_connection(webrtc_driver: str):
    async with connected() as (peer, _, pc, _):
        moved = Connection(ice_controlling=True, use_ipv6=False)
        await moved.gather_candidates()
        try:
            lines = (await peer.accept(restart_of(pc.localDescription.sdp, moved))).split("\r\n")
            moved.remote_username = next(line.partition(":")[2] for line in lines if line.startswith("a=ice-ufrag:"))
            moved.remote_password = next(line.partition(":")[2] for line in lines if line.startswith("a=ice-pwd:"))
            if webrtc_driver == "native":  # it waits for checks; the other finds a client that knows no address
                for line in lines:
                    if line.startswith("a=candidate:"):
                        await moved.add_remote_candidate(Candidate.from_sdp(line.removeprefix("a=candidate:")))
            connecting = asyncio.create_task(moved.connect())
            told = [RemoteCandidate(f"candidate:{one.to_sdp()}", "0", 0) for one in moved.local_candidates]
            await peer.add_candidates(told)
            async with time_limit():
                await connecting
        finally:
            await moved.close()


@only_aiortc
async def test_restarts_that_no_client_follows_do_not_pile_up_sockets():
    async with connected() as (peer, _, pc, _):
        before, tasks = open_sockets(), len(asyncio.all_tasks())
        for _ in range(5):
            await peer.accept(restart_of(pc.localDescription.sdp, Connection(ice_controlling=True)))
        async with time_limit():
            while open_sockets() > before + 1 or len(asyncio.all_tasks()) > tasks + 1:  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.05)
        await peer.close()
        assert open_sockets() < before


@only_aiortc
async def test_a_restart_that_is_given_up_while_it_asks_a_relay_leaves_no_socket(monkeypatch: pytest.MonkeyPatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        relay = IceServer((f"turn:127.0.0.1:{silent.getsockname()[1]}",), "user", "secret")
        async with connected(PeerOptions((relay,), addresses=("127.0.0.1",), is_loopback=True)) as (peer, _, pc, _):
            monkeypatch.setattr(aiortc_ice, "unreachable_servers", aiortc_ice.UnreachableServers())
            before = open_sockets()
            restart = asyncio.create_task(
                peer.accept(restart_of(pc.localDescription.sdp, Connection(ice_controlling=True)))
            )
            async with time_limit():
                while open_sockets() == before:  # noqa: ASYNC110  nothing tells
                    await asyncio.sleep(0.01)
                restart.cancel()
                while open_sockets() > before:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


def open_sockets() -> int:
    return sum(map(_is_socket, Path("/proc/self/fd").iterdir()))


def _is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except OSError:  # that of the listing itself
        return False


@only_aiortc  # whose association is bounded by us; the engine has its own bounds
@pytest.mark.parametrize("kind", ["fragments", "gaps", "streams"])
async def test_a_client_that_sends_parts_of_messages_without_end_is_dropped(kind: str):
    async with connected() as (_, ears, pc, _):
        sctp = pc.sctp
        for number in range(2000):
            if ears.states[-1] == "left":
                break
            chunk = DataChunk(flags=SCTP_DATA_FIRST_FRAG if kind == "fragments" else 3)
            chunk.tsn = sctp._local_tsn
            sctp._local_tsn = (chunk.tsn + (2 if kind == "gaps" else 1)) % (1 << 32)
            chunk.stream_id = number if kind == "streams" else 1
            chunk.protocol = 51 if kind == "fragments" else 1_000
            chunk.user_data = b"x"
            await sctp._send_chunk(chunk)
            await asyncio.sleep(0)
        await ears.until(lambda: ears.states[-1] == "left")


async def test_a_closed_connection_is_told_and_leaves_no_thread_and_no_task():
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    for _ in range(3):
        async with connected() as (peer, ears, pc, _):
            await pc.close()
            await ears.until(lambda: ears.states[-1] == "left")
            assert not peer.send_text("a text behind the end")
    gc.collect()
    async with time_limit():
        while len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110  tasks of the library, which has no event for their end
            await asyncio.sleep(0.05)
    assert threading.active_count() <= threads + 1, "no decoder's thread; one of the event loop's own may be new"
