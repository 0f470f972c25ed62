"""Measures the gap that callers hear when their calls change hands: two agent processes, all calls of the first move to the second.

The first server is told to end while it speaks to every caller. Twilio-shaped calls come from the carrier simulator, browsers are WebSocket
clients that say `resumable=1`. Printed is how long each was without a stream, and without a voice. Run it on a quiet machine.
See README.md beside this file.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.e2e.agents import until
from tests.e2e.handover_fleet import Fleet, fleet, simulated, spoken_s
from tests.e2e.ws_client import WsClient, connected

from vox.clients.carrier_simulator.behaviour import Behaviour

LONG = " ".join(f"word{number}" for number in range(200)) + "."
CONFIG: dict[str, Any] = {
    "greeting": LONG,
    "recording": {"enable": False},
    "transcripts.enable": False,
    "drain_timeout_secs": 25,
    "handover_lead_secs": 24,
    "playout_lead_ms": 40,
}


class Browser(WsClient):
    """A client of `/ws` that notes when the agent's voice came."""

    def __init__(self) -> None:
        super().__init__()
        self.heard_at: list[float] = []

    def received(self, message: str | bytes) -> None:
        """One message of the agent."""
        if isinstance(message, str) and "TTSAudioRawFrame" in message:
            self.heard_at.append(time.monotonic())
        else:
            super().received(message)


def token_of(client: WsClient) -> str:
    """The token by which the client shall come now; empty where it was told none."""
    told = [frame["message"] for frame in client.frames("TransportMessageFrame")]
    return next((one["token"] for one in told if one["type"] == "reconnect"), "")


async def phones(servers: Fleet, calls: int) -> dict[str, list[float]]:
    """The gaps of phone calls, in seconds."""
    async with simulated(Behaviour(ring_s=0.1)) as carrier:
        first = await servers.start("one")
        placed = [
            carrier.call_in("twilio", url=servers.front.http, from_=f"+1555010{number:04}", to="+15550199199")
            for number in range(calls)
        ]
        await until(lambda: all(spoken_s(call) > 1 for call in placed))
        second = await servers.start("two")
        first.terminate()
        await second.logged("call taken over", times=calls)
        await first.process.wait()
        before = [spoken_s(call) for call in placed]
        await until(lambda: all(spoken_s(call) > heard + 1 for call, heard in zip(placed, before, strict=True)))
        gaps = [gap for call in placed if call.leg is not None for gap in call.leg.gaps()]
    silence = [gap.silence_s for gap in gaps if gap.silence_s is not None]
    return {"without_stream": [gap.without_stream_s for gap in gaps], "without_voice": silence}


async def browsers(servers: Fleet, calls: int) -> dict[str, list[float]]:
    """The gaps of WebSocket clients, in seconds; one that is still served when the next voice comes has none."""
    first = await servers.start("one")
    gaps = await _follow(servers, first.terminate, calls)
    await first.process.wait()
    return {"without_voice": gaps}


async def _follow(servers: Fleet, end: Any, calls: int) -> list[float]:
    ready = asyncio.Semaphore(0)
    go = asyncio.Event()

    async def one() -> float:
        async with connected(f"{servers.front.ws}?format=json&resumable=1", client=Browser()) as before:
            assert isinstance(before, Browser)
            await until(lambda: len(before.heard_at) > 50)
            ready.release()
            await go.wait()
            await until(lambda: bool(token_of(before)))
            url = f"{servers.front.ws}?format=json&resumable=1&resume={token_of(before)}"
            async with connected(url, client=Browser()) as after:
                assert isinstance(after, Browser)
                await until(lambda: len(after.heard_at) > 10)
                return max(0.0, after.heard_at[0] - before.heard_at[-1])

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one()) for _ in range(calls)]
        for _ in range(calls):
            await ready.acquire()
        await servers.start("two")
        end()
        go.set()
    return [task.result() for task in running]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds: median, 95th percentile, most."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    found = {"median": statistics.median(ordered), "p95": p95, "most": ordered[-1]}
    return {name: round(value * 1000, 1) for name, value in found.items()}


async def main(calls: int) -> None:
    """Runs both kinds, each with servers of its own."""
    kinds = {
        "twilio": (phones, {"runner_transport": "twilio", "verify_signatures": False}),
        "websocket": (browsers, {}),
    }
    for name, (measure, more) in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            async with fleet(Path(folder), **CONFIG, **more) as servers:
                gaps = await measure(servers, calls)
        print(json.dumps({"kind": name, "calls": calls, **{key: summary(one) for key, one in gaps.items()}}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=24)
    asyncio.run(main(parser.parse_args().calls))
