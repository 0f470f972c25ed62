"""How many WebRTC calls one core carries: our drivers beside bare aiortc, on the same work in one run.

Bare aiortc is what its documentation shows: a track that is encoded all the time, and received frames taken from a track. Ours are
the two drivers of `vox.media.webrtc`, on aiortc and on the native engine, with the agent speaking for `SPEAKS_S` of every `ROUND_S`, paced by the
ticker that the agent has; two more rows never pause, which shows what the audio path alone is worth. Both receive a microphone that never pauses. No detector, recogniser or model runs on either
side. Callers are on another core and send packets that were encoded before.

    .venv/bin/python bench/webrtc.py            # prints a table; writes results/webrtc.md
    .venv/bin/python bench/webrtc.py --quick    # a few calls each, to see that it works
"""

import argparse
import asyncio
import contextlib
import fractions
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from vox.http.server import run as run_loop
from vox.media.ticker import Ticker
from vox.media.webrtc.contract import OUTPUT_RATE, Peer, PeerOptions, PeerState, driver
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import NullMetrics

ROUND_S, SPEAKS_S = 8.0, 3.5
LEAD_FRAMES = 3
FRAME = 960
SERVER_CORE, CALLER_CORE = 0, 1
RESULTS = Path(__file__).parent / "results" / "webrtc.md"
OPTIONS = PeerOptions(addresses=("127.0.0.1",), is_loopback=True)


def tone(rate: int, seconds: float) -> bytes:
    """Something that Opus has work with: a gliding tone with noise."""
    at = np.arange(round(rate * seconds)) / rate
    voice = np.sin(2 * np.pi * (180 + 40 * np.sin(3 * at)) * at) * (1 + np.sin(7 * at)) * 5000
    noise = np.random.default_rng(1).normal(0, 300, len(at))
    return (voice + noise).astype(np.int16).tobytes()


class Silent:
    """A listener that throws away what it hears, and counts it."""

    def __init__(self) -> None:
        self.frames = 0

    def audio(self, pcm: bytes) -> None:
        """Counts the caller's audio."""
        self.frames += len(pcm)

    def text(self, message: str) -> None:
        """Nothing."""

    def channel_opened(self) -> None:
        """Nothing."""

    def state_changed(self, state: PeerState) -> None:
        """Nothing."""


class Spoken(MediaStreamTrack):
    """The peer's voice: frames in real time, encoded by aiortc."""

    kind = "audio"

    def __init__(self, pcm: bytes) -> None:
        super().__init__()
        self._pcm = pcm
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> Any:
        """The next frame, when it is due."""
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._sent / 48_000 - time.monotonic()))
        frame: Any = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        at = (self._sent * 2) % (len(self._pcm) - 2 * FRAME)
        frame.planes[0].update(self._pcm[at : at + 2 * FRAME])
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._sent, fractions.Fraction(1, 48_000)
        self._sent += FRAME
        return frame


class Encoded(MediaStreamTrack):
    """A caller's voice: packets that were encoded once, sent in real time."""

    kind = "audio"

    def __init__(self, packets: list[bytes]) -> None:
        super().__init__()
        self._packets = packets
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> Any:
        """The next packet, when it is due."""
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._sent * 0.02 - time.monotonic()))
        packet: Any = av.Packet(self._packets[self._sent % len(self._packets)])
        packet.pts, packet.time_base = self._sent * FRAME, fractions.Fraction(1, 48_000)
        self._sent += 1
        return packet


def encoded(pcm: bytes) -> list[bytes]:
    from vox.media.webrtc.opus import OpusEncoder  # noqa: PLC0415  the script alone goes past the contract

    encoder = OpusEncoder(48_000)
    return [encoder.encode(pcm[at : at + 2 * FRAME]) for at in range(0, len(pcm) - 2 * FRAME, 2 * FRAME)]


class Pacer:
    """Sends the agent's voice as the agent does: a frame every 20 ms and three ahead, each call in a place of its own."""

    def __init__(self, voice: bytes, period_s: float) -> None:
        size = OUTPUT_RATE // 50 * 2
        self._frames = [voice[at : at + size] for at in range(0, len(voice) - size, size)]
        self._period_s = period_s
        self._ticker = Ticker(SystemClock(), metrics=NullMetrics(), period_s=0.02)

    def speak(self, peer: Peer, number: int) -> None:
        """Begins to speak to a peer, again and again."""
        began = time.monotonic() + number * 0.37 % ROUND_S
        position = 0

        def tick(now: float) -> None:
            nonlocal began, position
            while position < len(self._frames) and now >= began + (position - LEAD_FRAMES) * 0.02:
                peer.send_audio(self._frames[position])
                position += 1
            if now >= began + self._period_s:
                began, position = began + self._period_s, 0

        self._ticker.add(tick)


async def serve(kind: str) -> None:
    """Answers offers, one JSON line each, and says how much CPU time it has used; its port is its first line."""
    os.sched_setaffinity(0, {SERVER_CORE})
    tasks: set[asyncio.Task[None]] = set()
    peers: list[Any] = []
    voice24, voice48 = tone(OUTPUT_RATE, SPEAKS_S), tone(48_000, SPEAKS_S)

    def spawn(work: Any) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    name, _, manner = kind.partition("-")
    pacer = Pacer(voice24, SPEAKS_S if manner == "always" else ROUND_S)

    async def listen(track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()

    async def answer(sdp: str) -> str:
        if name != "bare":
            peer = driver("native" if name == "native" else "aiortc")(OPTIONS, Silent(), SystemClock())
            peers.append(peer)
            answered = await peer.accept(sdp)
            pacer.speak(peer, len(peers))
            return answered
        pc: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(pc)
        pc.on("track", lambda track: spawn(listen(track)))
        pc.addTrack(Spoken(voice48))
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription.sdp

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked = json.loads(line)
            reply = {"sdp": await answer(asked["sdp"])} if "sdp" in asked else {"cpu": time.process_time()}
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.asynccontextmanager
async def running(kind: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server process of that kind, and the line to it."""
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--serve", kind, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        yield reader, writer
        writer.close()
    finally:
        process.kill()
        await process.wait()


async def measure(kind: str, calls: int, seconds: float) -> tuple[float, float]:
    """Share of a core that one call costs, and packets a second that a caller heard."""
    packets = encoded(tone(48_000, 5.0))
    async with running(kind) as (reader, writer):

        async def ask(question: dict[str, Any]) -> dict[str, Any]:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            return json.loads(await reader.readline())

        pcs: list[Any] = []
        for _ in range(calls):
            pc: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            pc.addTrack(Encoded(packets))
            pcs.append(pc)
            await pc.setLocalDescription(await pc.createOffer())
            answered = await ask({"sdp": pc.localDescription.sdp})
            await pc.setRemoteDescription(RTCSessionDescription(answered["sdp"], "answer"))
        while not all(pc.connectionState == "connected" for pc in pcs):  # noqa: ASYNC110  the library has no wait for all
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        heard = await received(pcs)
        cpu, began = (await ask({}))["cpu"], time.monotonic()
        await asyncio.sleep(seconds)
        used, took = (await ask({}))["cpu"] - cpu, time.monotonic() - began
        rate = (await received(pcs) - heard) / took / calls
        await asyncio.gather(*(pc.close() for pc in pcs))
        return used / took / calls, rate


async def received(pcs: list[Any]) -> int:
    """Packets of all callers so far."""
    total = 0
    for pc in pcs:
        for report in (await pc.getStats()).values():
            total += report.packetsReceived if report.type == "inbound-rtp" else 0
    return total


async def run(*, calls: int, seconds: float, rounds: int, write: bool) -> None:
    """Measures every kind in turn, several times, and prints the medians."""
    names = {
        "bare": "bare aiortc",
        "aiortc-always": "Vox on aiortc, speaking all the time",
        "native-always": "Vox on the native engine, speaking all the time",
        "aiortc": f"Vox on aiortc, speaking {SPEAKS_S} of {ROUND_S:g} s",
        "native": f"Vox on the native engine, speaking {SPEAKS_S} of {ROUND_S:g} s",
    }
    kinds = [kind for kind in names if not kind.startswith("native") or find_spec("vox_native") is not None]
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(await measure(kind, calls, seconds))
    costs = {kind: sorted(cost for cost, _ in found[kind])[rounds // 2] for kind in kinds}
    lines = [
        "| | CPU of a call | calls on 85 % of a core | ratio | packets a second to a caller |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        cost, rate = costs[kind], found[kind][0][1]
        lines.append(
            f"| {names[kind]} | {cost:.2%} | {math.floor(0.85 / cost)} | {costs['bare'] / cost:.2f} | {rate:.0f} |"
        )
    head = f"{calls} calls, {seconds:g} s, median of {rounds}; {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
    table = "\n".join(["# WebRTC calls on one core", "", head, "", *lines, ""])
    print(table)
    if write:
        await asyncio.to_thread(RESULTS.write_text, table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How many WebRTC calls one core carries, beside bare aiortc")
    parser.add_argument("--quick", action="store_true", help="few calls for a few seconds; writes nothing")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=16.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_loop(serve(given.serve))
        return
    os.sched_setaffinity(0, {CALLER_CORE})
    if given.quick:
        asyncio.run(run(calls=4, seconds=8.0, rounds=1, write=False))
    else:
        asyncio.run(run(calls=given.calls, seconds=given.seconds, rounds=given.rounds, write=True))


if __name__ == "__main__":
    main()
