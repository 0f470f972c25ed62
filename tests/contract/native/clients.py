"""A room of the engine with aiortc in it: tones in, tones out."""

import asyncio
import fractions
import math
from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from tests.time_limits import WAIT_S, time_limit

vox_native = pytest.importorskip("vox_native", reason="needs the engine: make native, where cargo is")

RATE = 48_000
FRAME = 960

Event = tuple[Any, ...]


class Tone(MediaStreamTrack):
    """A sine, 20 ms by 20 ms."""

    kind = "audio"

    def __init__(self, hertz: int) -> None:
        super().__init__()
        self._hertz = hertz
        self._frames = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> av.AudioFrame:
        """The next frame, when it is due."""
        due = self._start + self._frames * 0.02
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(sine(self._hertz, self._frames * FRAME, FRAME, RATE))
        frame.sample_rate, frame.pts = RATE, self._frames * FRAME
        frame.time_base = fractions.Fraction(1, RATE)
        self._frames += 1
        return frame


class Client:
    """One aiortc connection on `both`: it sends a tone and has sections to hear on."""

    def __init__(self, engine: "Engine", peer: int, hertz: int, *, hears: int) -> None:
        self.peer = peer
        self.heard: list[MediaStreamTrack] = []
        self.received: list[bytes | str] = []
        self._engine = engine
        self.connection = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.connection.addTrack(Tone(hertz))
        for _ in range(hears):
            self.connection.addTransceiver("audio", direction="recvonly")
        self.channel: RTCDataChannel = self.connection.createDataChannel("_reliable")
        self.channel.on("message", self._receive)
        self._received = asyncio.Event()
        self.connection.on("track", self.heard.append)

    @property
    def mid(self) -> str:
        """The section of its tone."""
        return str(self.connection.getTransceivers()[0].mid)

    def _receive(self, message: bytes | str) -> None:
        self.received.append(message)
        self._received.set()

    async def has(self, message: bytes) -> None:
        """Wait for a message on its channel.

        Raises:
            TimeoutError: it did not come.
        """
        async with time_limit(WAIT_S):
            while message not in self.received:
                self._received.clear()
                await self._received.wait()

    async def negotiate(self) -> dict[str, Any]:
        """Offer what it has, and take the engine's answer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = self._engine.native.accept_offer(self.peer, self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return answer


class Engine:
    """The engine with its events in a list, and clients that end with it."""

    def __init__(self) -> None:
        self.native = vox_native.Engine(threads=1)
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self.clients: list[Client] = []
        asyncio.get_running_loop().add_reader(self.native.fileno(), self._take)

    def _take(self) -> None:
        self.events += self.native.events()
        self._news.set()

    def client(self, room: int, peer: int, hertz: int, *, hears: int = 1) -> Client:
        """A new member of a room."""
        self.native.open_peer(room, peer, "both")
        client = Client(self, peer, hertz, hears=hears)
        self.clients.append(client)
        return client

    async def event(self, holds: Callable[[Event], bool]) -> Event:
        """Wait for an event, which may have come already.

        Raises:
            TimeoutError: it did not come.
        """
        async with time_limit(WAIT_S):
            while True:
                for event in self.events:
                    if holds(event):
                        return event
                self._news.clear()
                await self._news.wait()

    async def more(self) -> None:
        """Wait until the engine has told something more."""
        self._news.clear()
        await self._news.wait()

    async def close(self) -> None:
        """End the clients, then the engine."""
        for client in self.clients:
            await client.connection.close()
        asyncio.get_running_loop().remove_reader(self.native.fileno())
        self.native.close()


@asynccontextmanager
async def engine() -> AsyncGenerator[Engine]:
    """An engine for one test."""
    opened = Engine()
    try:
        yield opened
    finally:
        await opened.close()


def sine(hertz: float, first: int, samples: int, rate: int) -> bytes:
    """A quarter of full scale, s16le."""
    step = 2 * math.pi * hertz / rate
    return array("h", (round(8_000 * math.sin(step * (first + i))) for i in range(samples))).tobytes()


def loudness(pcm: bytes, hertz: float, rate: int) -> float:
    """How much of a sine is in it, as its amplitude (Goertzel)."""
    samples = array("h", pcm)
    if not samples:
        return 0.0
    factor = 2 * math.cos(2 * math.pi * hertz / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    power = last * last + before * before - factor * last * before
    return 2 * math.sqrt(max(0.0, power)) / len(samples)


async def hear(track: MediaStreamTrack, frames: int = 50) -> bytes:
    """So many frames of a track, at 48 kHz, the left channel.

    Raises:
        TimeoutError: they did not come.
    """
    heard = bytearray()
    async with time_limit(WAIT_S):
        for _ in range(frames):
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            heard += array("h", bytes(frame.planes[0]))[: 2 * frame.samples : 2].tobytes()
    return bytes(heard)
