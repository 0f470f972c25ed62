"""Calls that the bridge has placed and that outlive their worker: the carrier asks the bridge, and another worker goes on."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.fleet.bridge.harness import SECRET, World, world
from tests.e2e.agents import until
from tests.e2e.handover_fleet import spoken_s
from tests.e2e.workers import RunningWorker, call_worker
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour, EndCall, Listen

SENTENCE = " ".join(f"word{number}" for number in range(12)) + "."
"""Five seconds with the fake voice."""
PATIENT = Behaviour(callee=(Listen(silence_s=2.5), EndCall()))


@dataclass(slots=True)
class Fleet:
    """A bridge, and workers that share a store of calls."""

    bridge: World
    folder: Path
    key: str
    stack: contextlib.AsyncExitStack
    workers: dict[str, RunningWorker] = field(default_factory=dict[str, RunningWorker])

    async def start(self, name: str, **config: Any) -> RunningWorker:
        """Starts a worker and waits until the bridge knows it."""
        shared = {"handover_store": str(self.folder / "calls.db"), "handover_lead_secs": 6, "playout_lead_ms": 0}
        self.workers[name] = await self.stack.enter_async_context(
            call_worker(
                self.folder / name,
                {**shared, **config},
                VOXBRIDGE_URL=self.bridge.bridge.address,
                VOX_WORKER_TOKEN=self.key,
                VOX_WORKER_ID=name,
                VOXCORE_SECRET=SECRET,
                MAX_CONCURRENT_CALLS="4",
                VOX_DRAIN_DEADLINE_SECS="6",
            )
        )
        await until(lambda: any(one.worker_id == name for one in self.bridge.bridge.dispatcher.fleet().workers))
        return self.workers[name]

    async def talking(self, carrier: str) -> tuple[str, Any]:
        """A call in the middle of the bot's first sentence: its id at the bridge, and the carrier's side of it."""
        call_id = await self.bridge.place(bot_id="talker", provider=carrier)
        await until(lambda: any(spoken_s(call) > 1.0 for call in self.bridge.dialled()))
        (call,) = self.bridge.dialled()
        return call_id, call

    async def finished(self, call_id: str) -> dict[str, Any]:
        """The call once it is over and its result has come."""
        shown = await self.bridge.until(call_id)
        async with time_limit():
            while not shown["results"]:
                await asyncio.sleep(0.05)
                shown = await self.bridge.call(call_id)
        return shown


@contextlib.asynccontextmanager
async def fleet(folder: Path) -> AsyncGenerator[Fleet]:
    async with world(folder, PATIENT, slots=0) as bridge, contextlib.AsyncExitStack() as stack:
        await bridge.worker.close()
        bridge.worker.close_link()
        made = await bridge.post("/v1/keys", {"name": "workers", "scopes": ["worker"]})
        await bridge.post("/v1/bots", {"id": "talker", "config": {"opening_message": SENTENCE}})
        yield Fleet(bridge, folder, made.json()["key"], stack)


def drain(worker: RunningWorker) -> None:
    worker.terminate()


def kill(worker: RunningWorker) -> None:
    worker.process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(("carrier", "end"), [("twilio", drain), ("twilio", kill), ("plivo", drain)])
async def test_an_outbound_call_outlives_its_worker_and_is_dialled_once(
    tmp_path: Path, carrier: str, end: Callable[[RunningWorker], None]
):
    async with fleet(tmp_path) as servers:
        await servers.start("one")
        await servers.start("two")
        call_id, call = await servers.talking(carrier)
        first = servers.workers.pop((await servers.bridge.call(call_id))["worker_id"])
        ((name, second),) = servers.workers.items()
        end(first)
        await second.logged("call taken over")
        async with time_limit():
            await first.process.wait()
        shown = await servers.finished(call_id)
        assert (shown["status"], shown["worker_id"]) == ("completed", name), shown
        assert [one["transcript"] for one in shown["results"]] == [[{"role": "bot", "content": SENTENCE}]], shown
        assert len(servers.bridge.dialled()) == 1
        assert len(call.leg.streams) == 2


async def test_a_call_whose_state_is_not_kept_ends_and_is_not_asked_for_again_and_again(tmp_path: Path):
    async with fleet(tmp_path) as servers:
        first = await servers.start("one")
        call_id, call = await servers.talking("twilio")
        await servers.start("two", handover_store=str(tmp_path / "another.db"))
        kill(first)
        async with time_limit():
            await call.is_finished.wait()
        shown = await servers.bridge.until(call_id)
        assert shown["status"] in {"completed", "failed"}, shown
        assert len(servers.bridge.dialled()) == 1
        assert len(call.leg.streams) <= 4, "the worker's refusal comes behind the carrier's next question"
