"""Real workers and a dispatcher: a burst over all of them, a call from its slot to its end, a worker that is killed."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from tests.contract.fleet.dispatch.harness import FLEET_TOKEN, Bridge, Peer
from tests.e2e.agents import until
from tests.e2e.postgres import postgres_server
from tests.e2e.workers import RunningWorker, call_worker
from tests.fakes.fleet_worker import FakeWorker
from tests.free_ports import free_port
from tests.time_limits import time_limit
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Wait
from vox.fleet.dispatch.contract import Busy, Placed, Placement
from vox.fleet.dispatch.static_fleet import StaticFleet
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Metrics
from vox.stores.leases import SqlLeases
from vox.stores.sql import SqlDatabase

SLOTS, KEPT = 15, 3  # a fifth is kept for inbound calls
SECRET = "shared"


def placement(call_id: str) -> Placement:
    return Placement(call_id, "outbound", "")


async def workers(stack: AsyncExitStack, folder: Path, count: int, **variables: str) -> list[RunningWorker]:
    """Workers on ports that are known before they start, because they register with their addresses."""

    async def start(number: int) -> RunningWorker:
        port = free_port()
        at = {"VOX_WORKER_ID": f"w-{number}", "MAX_CONCURRENT_CALLS": str(SLOTS), **variables}
        return await stack.enter_async_context(call_worker(folder / f"w-{number}", None, port=port, **at))

    return [await start(number) for number in range(count)]


async def test_two_hundred_dispatches_at_once_over_four_workers_and_one_that_is_killed(tmp_path: Path):
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(Bridge().serving())
        at = {"VOXBRIDGE_URL": bridge.url, "VOX_WORKER_TOKEN": FLEET_TOKEN, "VOX_WORKER_REGION": "eu-west"}
        started = await workers(stack, tmp_path, 4, **at)
        async with time_limit():
            await until(lambda: bridge.dispatcher.fleet().available == 4 * SLOTS)
        found = await asyncio.gather(*(bridge.dispatcher.place(placement(f"call_{n}")) for n in range(200)))
        accepted = [one for one in found if isinstance(one, Placed)]
        assert 4 * (SLOTS - KEPT) - bridge.timed_out <= len(accepted)
        assert max(Counter(one.worker_id for one in accepted).values()) <= SLOTS - KEPT
        refused = [one for one in found if isinstance(one, Busy)]
        assert len(refused) == 200 - len(accepted)
        assert {one.reason for one in refused} <= {"AT_CAPACITY", "NO_ANSWER"}
        for worker in started:
            health = await worker.health()
            assert health["reserved"] <= SLOTS - KEPT

        one = accepted[0]
        phone = await place_call(
            one.stream_url, [Wait(0.3), HangUp()], SystemClock(), line="twilio", parameters={"token": one.token}
        )
        assert phone.close_code == 1000
        call_id = f"call_{found.index(one)}"
        async with time_limit():
            await until(lambda: any(event[:2] == ("ended", call_id) for event in bridge.listener.heard))
        assert ("progress", call_id, "started") in bridge.listener.heard

        doomed, *_ = (worker for worker, name in zip(started, range(4), strict=True) if one.worker_id != f"w-{name}")
        name = f"w-{started.index(doomed)}"
        its_calls = sorted(
            f"call_{n}" for n, slot in enumerate(found) if isinstance(slot, Placed) and slot.worker_id == name
        )
        doomed.process.kill()
        async with time_limit():
            await until(lambda: ("lost", name, its_calls) in bridge.listener.heard)
        again = await bridge.dispatcher.place(placement("call_again"))
        assert isinstance(again, Placed)
        assert again.worker_id != name


async def test_workers_in_a_list_are_reached_over_http_with_the_shared_secret(tmp_path: Path):
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(Bridge().serving())
        started = await workers(stack, tmp_path, 2, VOXCORE_SECRET=SECRET)
        http = await stack.enter_async_context(httpx2.AsyncClient())
        static = StaticFleet(bridge.dispatcher, http, SECRET, Metrics())
        await static.use([worker.http for worker in started])
        await stack.enter_async_context(static.running())
        async with time_limit():
            await until(lambda: bridge.dispatcher.fleet().available == 2 * SLOTS)
        one = await bridge.dispatcher.place(placement("call_1"))
        other = await bridge.dispatcher.place(placement("call_2"))
        assert isinstance(one, Placed)
        assert isinstance(other, Placed)
        parameters = {"token": one.token}
        phone = await place_call(
            one.stream_url, [Wait(0.3), HangUp()], SystemClock(), line="twilio", parameters=parameters
        )
        assert phone.close_code == 1000
        await bridge.dispatcher.release(other)

        async def reserved() -> int:
            return sum([(await worker.health())["reserved"] for worker in started])

        async with time_limit():
            while await reserved():  # noqa: ASYNC110  both sides are real
                await asyncio.sleep(0.05)


async def test_two_bridges_on_postgresql_lose_a_worker_together_and_not_while_the_database_is_away():
    async with AsyncExitStack() as stack:
        server = stack.enter_context(postgres_server())
        bridges: list[Bridge] = []
        for _ in range(2):
            database = await stack.enter_async_context(SqlDatabase(server.url))
            leases = SqlLeases(database, SystemClock())
            await leases.create()
            bridges.append(await stack.enter_async_context(Bridge(leases=leases).serving()))
        first, second = bridges
        worker = FakeWorker("w-1")
        to_first, to_second = Peer(worker, [first.url]), Peer(worker, [second.url])
        leave_first = await stack.enter_async_context(AsyncExitStack())
        leave_second = await stack.enter_async_context(AsyncExitStack())
        await leave_first.enter_async_context(to_first.registration.running())
        await leave_second.enter_async_context(to_second.registration.running())
        await until(lambda: all(bridge.dispatcher.fleet().available for bridge in bridges))
        found = await first.dispatcher.place(placement("call_1"))
        assert isinstance(found, Placed)
        call = worker.start(found.reservation_id)
        for peer in (to_first, to_second):
            peer.registration.started(call)
        await until(lambda: all(bridge.dispatcher.fleet().active for bridge in bridges))

        await leave_first.aclose()
        await until(lambda: first.dispatcher.fleet().workers[0].is_stale)
        assert isinstance(await second.dispatcher.place(placement("call_2")), Placed)
        server.stop()
        await leave_second.aclose()
        await until(lambda: second.dispatcher.fleet().workers[0].is_stale)
        assert losses(*bridges) == []
        server.start()
        await until(lambda: bool(losses(*bridges)))
        assert [calls for _, _, calls in losses(*bridges)] in (
            [["call_1"]],
            [["call_1", "call_2"]],
        ), "one of them says so, once"


def losses(*bridges: Bridge) -> list[tuple[str, str, list[str]]]:
    return [event for bridge in bridges for event in bridge.listener.heard if event[0] == "lost"]
