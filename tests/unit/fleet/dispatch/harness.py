"""A dispatcher on virtual time with fake workers on it, connected in memory: each message takes as long as the test says."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tests.fakes.fleet_worker import FakeWorker
from tests.fakes.loop import VirtualClock, VirtualLoop
from vox.fleet.dispatch.contract import Placement
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.registry import Worker
from vox.protocols import fleet as wire
from vox.runtime.metrics import Metrics
from vox.stores.leases import Leases


def placement(call_id: str = "call_1", call_class: wire.CallClass = "outbound", **more) -> Placement:
    return Placement(call_id, call_class, "bot", **more)


class Listener:
    """Notes what it hears; `failing` lists what is refused once each."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.failing: list[str] = []

    async def on_registered(self, worker_id: str, calls: Sequence[wire.RunningCall]) -> None:
        self._note("registered", worker_id, sorted(call.call_id for call in calls))

    async def on_ended(self, call_id: str, outcome: str, result: Mapping[str, Any]) -> None:
        self._note("ended", call_id, outcome)

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        self._note("progress", call_id, event)

    async def on_lost(self, worker_id: str, call_ids: Sequence[str]) -> None:
        self._note("lost", worker_id, sorted(call_ids))

    def _note(self, kind: str, *what: Any) -> None:
        if kind in self.failing:
            self.failing.remove(kind)
            raise RuntimeError(f"{kind} cannot be recorded")
        self.heard.append((kind, *what))


class Link:
    """A connection in memory. `delay_s` None means that the worker reads and never answers."""

    def __init__(self, fleet: "Fleet", worker: FakeWorker, delay_s: float | None) -> None:
        self.fleet = fleet
        self.fake = worker
        self.delay_s = delay_s
        self.sent: list[wire.BridgeMessage] = []
        self.closed_for: str | None = None
        self.worker: Worker | None = None
        self.answers: list[wire.Accept | wire.Busy] = []

    def send(self, message: wire.BridgeMessage) -> None:
        self.sent.append(message)
        match message:
            case wire.Offer():
                answer = self.fake.reserve(message)
                self.answers.append(answer)
                if self.delay_s is not None:
                    asyncio.get_running_loop().call_later(self.delay_s, self.say, answer)
            case wire.Release(reservation_id):
                self.fake.release(reservation_id)
            case wire.Renew(reservation_id, ttl_s):
                self.fake.renew(reservation_id, ttl_s)
            case wire.Drain(deadline_s):
                self.fake.drain(deadline_s)
            case _:
                pass

    def close(self, refused: wire.Refused) -> None:
        self.closed_for = refused.code

    def say(self, message: wire.WorkerMessage) -> None:
        assert self.worker is not None
        self.fleet.dispatcher.receive(self.worker, self, message)

    def status(self) -> None:
        self.say(self.fake.status())

    def start(self, reservation_id: str) -> str:
        """The media of a call has come."""
        call = self.fake.start(reservation_id)
        self.say(wire.Progress(call.call_id, wire.STARTED, {"class": call.call_class, "since_ms": call.since_ms}))
        self.status()
        return call.call_id

    def disconnect(self, *, is_clean: bool = False) -> None:
        assert self.worker is not None
        self.fleet.dispatcher.disconnect(self.worker, self, is_clean=is_clean)


class SkippingClock(VirtualClock):
    """The loop's time, and what a test adds to it: to the process it is as if it had stood still."""

    skipped_s = 0.0

    def now(self) -> float:
        return super().now() + self.skipped_s

    def skip(self, seconds: float) -> None:
        self.skipped_s += seconds


class Fleet:
    """A dispatcher and what is connected to it."""

    def __init__(self, loop: VirtualLoop, leases: Leases | None = None) -> None:
        self.clock = SkippingClock(loop)
        self.listener = Listener()
        self.metrics = Metrics()
        self.dispatcher = FleetDispatcher(self.listener, self.clock, Random(7), self.metrics, leases=leases)

    def connect(
        self,
        worker: FakeWorker,
        *,
        owners: Sequence[str] | None = None,
        delay_s: float | None = 0.01,
        has_status: bool = True,
    ) -> Link:
        link = Link(self, worker, delay_s)
        found = self.dispatcher.connect(worker.registration(), link, owners)
        if isinstance(found, wire.Refused):
            link.closed_for = found.code
            return link
        link.worker = found
        if has_status:
            link.status()
        return link

    async def heartbeats(self, seconds: float, *links: Link) -> None:
        """Lets time pass with a status of these workers every two seconds."""
        end = self.clock.now() + seconds
        while (left := end - self.clock.now()) > 0:
            for link in links:
                link.status()
            await asyncio.sleep(min(left, wire.HEARTBEAT_S))

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Fleet"]:
        async with self.dispatcher.running():
            yield self
