"""Hours of load, joins and garbage against one relay: does its memory stay flat, and is no descriptor left? See README.md beside this file.

Three speakers and their listeners stay all the time and count what reaches them, while others join and leave, and while mutated
signalling messages and mutated packets come in.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any

from bench.relay import LOAD, SERVER_CORE, pin, told, used_by
from livekit.protocol import models, rtc
from tests.sdks.namespaces import Host, open_network
from tests.sdks.servers import UDP_PORT, Server, our_relay
from tests.sdks.tokens import KEY, SECRET, room_token
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SETTLE_S = 40
SPARE_SHARE, SPARE_BYTES = 0.1, 30_000_000
SDP = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS *\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\n"
    "a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
)


def good_messages() -> list[bytes]:
    """One signalling message of each kind that a client sends."""
    every = [
        rtc.SignalRequest(offer=rtc.SessionDescription(type="offer", sdp=SDP, id=1)),
        rtc.SignalRequest(answer=rtc.SessionDescription(type="answer", sdp=SDP, id=1)),
        rtc.SignalRequest(trickle=rtc.TrickleRequest(candidateInit='{"candidate":"candidate:1 1 udp 1 10.77.0.9 9 typ host"}')),
        rtc.SignalRequest(add_track=rtc.AddTrackRequest(cid="c", name="n", type=models.TrackType.AUDIO)),
        rtc.SignalRequest(mute=rtc.MuteTrackRequest(sid="TR_x", muted=True)),
        rtc.SignalRequest(subscription=rtc.UpdateSubscription(track_sids=["TR_x"], subscribe=True)),
        rtc.SignalRequest(track_setting=rtc.UpdateTrackSettings(track_sids=["TR_x"], width=640, height=360)),
        rtc.SignalRequest(update_metadata=rtc.UpdateParticipantMetadata(metadata="m", attributes={"a": "b"})),
        rtc.SignalRequest(subscription_permission=rtc.SubscriptionPermission(all_participants=True)),
        rtc.SignalRequest(sync_state=rtc.SyncState(answer=rtc.SessionDescription(type="answer", sdp=SDP))),
        rtc.SignalRequest(ping=5),
        rtc.SignalRequest(ping_req=rtc.Ping(timestamp=1)),
    ]  # fmt: skip
    return [one.SerializeToString() for one in every]


def good_packets() -> list[bytes]:
    """The kinds of packets that come to a media port: STUN, DTLS, RTP, RTCP."""
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    dtls = bytes.fromhex("16fefd000000000000000000320100002600000000000000") + bytes(40)
    rtp = bytes.fromhex("806f000100000001deadbeef") + bytes(100)
    rtcp = bytes.fromhex("80c80006deadbeef") + bytes(24)
    return [stun, dtls, rtp, rtcp]


def mutated(chance: Random, good: bytes) -> bytes:
    """The bytes with a few changed, cut off, doubled or put in."""
    data = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if data:
                data[place % len(data)] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randrange(1, 20)]
            case 2:
                data[place:place] = chance.randbytes(chance.randrange(1, 20))
            case _:
                data[place:place] = data[: chance.randrange(1, 60)]
    return bytes(data)


async def send_messages(host: Host, server: Server, number: int, seed: int) -> int:
    """Mutated signalling, on as many connections as it takes; how many connections that were."""
    chance, messages = Random(seed), good_messages()  # noqa: S311  a run can be repeated
    sent = connections = 0
    while sent < number:
        connections += 1
        token = room_token(f"fuzzer-{connections}", f"fuzz-{connections % 20}")
        link = await host.namespace.connect(server.address, 7880)
        address = f"{server.url}/rtc?access_token={token}&auto_subscribe=1&protocol=16"
        with contextlib.suppress(WebSocketException, OSError, TimeoutError):
            async with asyncio.timeout(30), connect(address, sock=link, compression=None) as connection:
                reading = asyncio.create_task(read_all(connection))
                try:
                    for _ in range(min(500, number - sent)):
                        await connection.send(mutated(chance, chance.choice(messages)))
                        sent += 1
                finally:
                    reading.cancel()
    return connections


async def read_all(connection: Any) -> None:
    """Takes what comes, so that the relay is not held up."""
    with contextlib.suppress(WebSocketException):
        async for _ in connection:
            pass


def send_packets(control: socket.socket, address: str, number: int, seed: int) -> None:
    """Mutated packets to the media port."""
    chance, packets = Random(seed), good_packets()  # noqa: S311  same
    for count in range(number):
        with contextlib.suppress(OSError):
            control.sendto(mutated(chance, chance.choice(packets)), (address, UDP_PORT))
        if count % 100 == 0:
            time.sleep(0.005)


def state(server: Server) -> str:
    """Memory, descriptors and threads of the relay."""
    resident = used_by(server.process.pid).resident / 1e6
    return f"{resident:.0f} MB, {listed(server, 'fd')} descriptors, {listed(server, 'task')} threads"


def listed(server: Server, folder: str) -> int:
    """How many entries the kernel lists of the relay's process: `fd` or `task`."""
    return len(list(Path(f"/proc/{server.process.pid}/{folder}").iterdir()))


@contextlib.asynccontextmanager
async def steady_load(
    host: Host, server: Server, listeners: int, seconds: float, churn: int
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Three speakers and so many listeners who stay, and others who come and go."""
    options = [f"-url={server.url}", f"-key={KEY}", f"-secret={SECRET}", f"-listeners={listeners}"]
    process = await asyncio.create_subprocess_exec(
        *host.namespace.command(str(LOAD), *options, f"-window={seconds}s", f"-churn={churn}"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def watch(server: Server, began: float, every_s: float) -> None:
    """Prints how the relay is, now and then."""
    while True:
        print(f"{time.monotonic() - began:7.0f} s: {state(server)}", flush=True)
        await asyncio.sleep(every_s)


async def main() -> int:
    """Everything at once, then a look at what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--listeners", type=int, default=100, help="who stay; with three speakers")
    parser.add_argument("--joins", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=1_000_000, help="mutated signalling messages")
    parser.add_argument("--packets", type=int, default=1_000_000, help="mutated packets to the media port")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relay-soak-"))
    async with open_network() as network:
        host = await network.host("soak")
        settings = {
            "media": {"threads": 1}, "logs": {"level": "error"}, "rooms": {"departure_timeout_s": 5, "empty_timeout_s": 5},
        }  # fmt: skip
        async with our_relay(folder, host, settings) as server:
            pin(server.process.pid, SERVER_CORE)
            began = time.monotonic()
            watching = asyncio.create_task(watch(server, began, max(1.0, arguments.hours * 60)))
            await rounds(host, server, arguments, share=0.02)
            print(f"warm: {state(server)}")
            resident, descriptors = (
                used_by(server.process.pid).resident,
                listed(server, "fd"),
            )
            results, connections = await rounds(host, server, arguments, share=1)
            watching.cancel()
            left = listed(server, "fd")
            grown = used_by(server.process.pid).resident - resident
            print(f"end: {state(server)}; {connections} fuzzing connections; those who stayed: {json.dumps(results)}")
            is_flat = grown <= max(SPARE_SHARE * resident, SPARE_BYTES)
            is_clean = left <= descriptors + 2
            print(
                f"memory {'flat' if is_flat else 'GROWN'} by {grown / 1e6:.1f} MB, descriptors {descriptors} to {left}"
            )
    shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_flat and is_clean and results["delivered"] >= 0.999 * results["expected"] else 1


async def rounds(
    host: Host, server: Server, arguments: argparse.Namespace, *, share: float
) -> tuple[dict[str, Any], int]:
    """A share of everything, then a pause until rooms have gone; what those who stayed counted, and connections of the fuzzer."""
    seconds = arguments.hours * 3600 * share
    joins, messages, packets = (
        int(number * share) for number in (arguments.joins, arguments.messages, arguments.packets)
    )
    async with steady_load(host, server, arguments.listeners, seconds, joins) as load:
        await told(load, "joined")
        assert load.stdin is not None
        load.stdin.write(b"go\n")
        with await host.namespace.open_socket(kind=socket.SOCK_DGRAM) as control:
            flooding = asyncio.to_thread(send_packets, control, host.address, packets, arguments.seed)
            connections, _ = await asyncio.gather(send_messages(host, server, messages, arguments.seed), flooding)
        await told(load, "ended", limit_s=seconds + 3600)
        results = await told(load, "results")
    await asyncio.sleep(SETTLE_S)
    return results, connections


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
