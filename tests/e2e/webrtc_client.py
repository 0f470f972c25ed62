"""A WebRTC client for tests, on aiortc: a microphone that plays recordings, ears, and the data channel of Pipecat's clients."""

import asyncio
import contextlib
import fractions
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import av
import httpx2
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.time_limits import WAIT_S, time_limit
from vox.protocols.rtvi import client_message

RATE = 48_000
FRAME = 960


class Microphone(MediaStreamTrack):
    """Plays what is put into it, and silence in between, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[bytes] = deque()
        self._sent = 0
        self._began = 0.0

    def play(self, pcm: bytes) -> None:
        """s16le mono at 48 kHz."""
        self._queue.extend(pcm[at : at + 2 * FRAME].ljust(2 * FRAME, b"\0") for at in range(0, len(pcm), 2 * FRAME))

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent / RATE - loop.time()))
        frame: Any = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(self._queue.popleft() if self._queue else bytes(2 * FRAME))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, fractions.Fraction(1, RATE)
        self._sent += FRAME
        return frame


@dataclass(slots=True)
class WebRtcClient:
    """One client; what it was told is in `messages`, what it heard in `heard` (s16le mono at 48 kHz)."""

    http: httpx2.AsyncClient
    offer_url: str
    ice_servers: list[RTCIceServer] = field(default_factory=list[RTCIceServer])
    has_channel: bool = True
    is_relay_only: bool = False
    pc: Any = None
    microphone: Microphone | None = None
    pc_id: str = ""
    answer: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    heard: bytearray = field(default_factory=bytearray)
    packets: int = 0
    pings: bool = True
    _channel: Any = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _looked: int = 0

    async def make_offer(self) -> str:
        """An offer of audio alone, as SDP."""
        self.pc = self._make_connection()
        self.pc.addTransceiver("audio", "recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    def add_microphone(self) -> None:
        """Turns the microphone on; the next offer says so."""
        self.microphone = Microphone()
        self.pc.getTransceivers()[0].direction = "sendrecv"
        self.pc.getTransceivers()[0].sender.replaceTrack(self.microphone)

    async def heard_something(self) -> None:
        """Waits for the agent's voice."""
        async with time_limit():
            while not self.packets:
                self._news.clear()
                await self._news.wait()

    async def hears_no_more(self) -> None:
        """Waits until what was still on its way, or in this client's buffer, has been heard."""
        async with time_limit():
            heard = -1
            while heard != len(self.heard):
                heard = len(self.heard)
                await asyncio.sleep(0.2)

    async def connect(self, **fields: Any) -> dict[str, Any]:
        """Offers a new connection and waits until it stands; returns the body of the answer."""
        self.pc = self._make_connection()
        self.pc.on("track", self._track_came)
        if self.microphone is not None:
            self.pc.addTrack(self.microphone)
        else:
            self.pc.addTransceiver("audio", "recvonly")
        if self.has_channel:
            self.pc.addTransceiver("video")
            self._channel = self.pc.createDataChannel("chat")
            self._channel.on("message", self._message_came)
            self._channel.on("open", self._opened)
        connected = asyncio.Event()
        self.pc.on("connectionstatechange", lambda: connected.set() if self.pc.connectionState == "connected" else None)
        body = await self.offer(**fields)
        async with time_limit():
            await connected.wait()
        return body

    async def offer(self, **fields: Any) -> dict[str, Any]:
        """Sends the present offer, with these fields beside Pipecat's, and takes the answer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        request = {"sdp": self.pc.localDescription.sdp, "type": "offer", "pc_id": self.pc_id or None, **fields}
        reply = await self.http.post(self.offer_url, json=request)
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        self.pc_id, self.answer = body["pc_id"], body["sdp"]
        await self.pc.setRemoteDescription(RTCSessionDescription(body["sdp"], "answer"))
        return body

    def send(self, kind: str, data: Any = None, *, id_: str = "") -> None:
        self._channel.send(client_message(kind, data, id_=id_))

    def send_raw(self, message: str) -> None:
        self._channel.send(message)

    async def told(self, kind: str, is_it: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next message of that type which was not looked at yet."""
        async with time_limit():
            while True:
                for at in range(self._looked, len(self.messages)):
                    message = self.messages[at]
                    if message.get("type") == kind and is_it(message.get("data") or {}):
                        self._looked = at + 1
                        return message
                self._news.clear()
                await self._news.wait()

    async def vanish(self) -> None:
        """Leaves without a word: no packet leaves any more."""
        await self._stop_tasks()
        for transceiver in self.pc.getTransceivers():
            ice = transceiver.receiver.transport.transport
            for protocol in list(ice._connection._protocols):
                protocol.transport.abort()

    async def close(self) -> None:
        await self._stop_tasks()
        if self.pc is not None:
            await self.pc.close()

    @property
    def local_candidates(self) -> list[Any]:
        """Of the connection's first transport."""
        return self.pc.getTransceivers()[0].receiver.transport.transport.iceGatherer.getLocalCandidates()

    def _make_connection(self) -> Any:
        policy = RTCIceTransportPolicy.RELAY if self.is_relay_only else RTCIceTransportPolicy.ALL
        return RTCPeerConnection(RTCConfiguration(iceServers=self.ice_servers, iceTransportPolicy=policy))

    def _opened(self) -> None:
        self.send("client-ready", {"version": "2.1.0", "about": {"library": "tests"}}, id_="ready-1")
        self._spawn(self._ping())

    async def _ping(self) -> None:
        while True:
            if self.pings and self._channel.readyState == "open":
                self._channel.send("ping: 1")
            await asyncio.sleep(1)

    def _track_came(self, track: Any) -> None:
        if track.kind == "audio":
            self._spawn(self._listen(track))

    async def _listen(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                stereo = memoryview(bytes(frame.planes[0])[: 4 * frame.samples]).cast("h")
                self.heard += stereo[::2].tobytes()
                self.packets += 1
                self._news.set()

    def _message_came(self, message: str) -> None:
        self.messages.append(json.loads(message))
        self._news.set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def webrtc_client(
    offer_url: str, *, microphone: bool = True, headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncGenerator[WebRtcClient, None]:
    """A client that has not connected yet."""
    async with httpx2.AsyncClient(timeout=WAIT_S, headers=dict(headers or {})) as http:
        client = WebRtcClient(http, offer_url, microphone=Microphone() if microphone else None, **options)
        try:
            yield client
        finally:
            await client.close()
