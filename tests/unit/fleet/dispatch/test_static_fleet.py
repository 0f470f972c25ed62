"""Servers of `voxcore_fleet` over HTTP, without sockets and on virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.fleet_worker import FakeWorker
from tests.unit.fleet.dispatch.harness import Fleet, placement
from vox.errors import DependencyError, UsageError
from vox.fleet.dispatch.contract import Busy, HangUp, Placed
from vox.fleet.dispatch.static_fleet import StaticFleet
from vox.protocols.fleet import Accept, Offer

SECRET = "shared-secret"


class Server:
    """One or more workers behind one URL, asked in turn."""

    def __init__(self, *workers: FakeWorker) -> None:
        self.workers = list(workers)
        self.turn = 0
        self.is_up = True
        self.has_reservations = True
        self.answer_s = 0.0
        self.report_more: dict[str, object] = {}
        self.secrets: set[str] = set()
        self.renewed: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/health/fleet", self.health),
                Route("/v1/reservations", self.reserve, methods=["POST"]),
                Route("/v1/reservations/{id}", self.change, methods=["PUT", "DELETE"]),
            ]
        )

    async def health(self, request: Request) -> Response:
        if not self.is_up:
            return Response(status_code=502)
        calls = sum(len(worker.running) for worker in self.workers)
        reserved = sum(len(worker.reserved) for worker in self.workers)
        limit = sum(worker.limit for worker in self.workers)
        body = {"fleet_calls": calls, "fleet_max": limit, "fleet_available": limit - calls - reserved}
        workers = [{"port": 8001 + n, "reserved": len(w.reserved)} for n, w in enumerate(self.workers)]
        return JSONResponse({**body, "workers": workers, **self.report_more})

    async def reserve(self, request: Request) -> Response:
        if not self.has_reservations:
            return Response(status_code=404)
        self.secrets.add(request.headers.get("x-voxcore-secret", ""))
        body = await request.json()
        await asyncio.sleep(self.answer_s)
        self.turn += 1
        worker = self.workers[self.turn % len(self.workers)]
        found = worker.reserve(
            Offer("o", body["call_id"], body["class"], body["bot_id"], body["ttl_s"], body["metadata"])
        )
        if not isinstance(found, Accept):
            return JSONResponse({"error": {"code": "AT_CAPACITY"}}, 503, {"retry-after": "4"})
        granted = {"reservation_id": found.reservation_id, "token": found.token, "stream_url": found.stream_url}
        return JSONResponse(granted, 201)

    async def change(self, request: Request) -> Response:
        reservation_id = request.path_params["id"]
        if request.method == "PUT":
            self.renewed.append(reservation_id)
            return JSONResponse({})
        for worker in self.workers:
            worker.release(reservation_id)
        return Response(status_code=204)


class Hosts:
    """Many servers behind one client, found by their host names."""

    def __init__(self, **servers: Server) -> None:
        self.transports = {name: httpx2.ASGITransport(one.app) for name, one in servers.items()}

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        transport = self.transports.get(request.url.host)
        if transport is None:
            raise httpx2.ConnectError("no such host")
        return await transport.handle_async_request(request)


@asynccontextmanager
async def static(fleet: Fleet, urls: list[str], **servers: Server) -> AsyncGenerator[StaticFleet]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(Hosts(**servers))) as http:
        found = StaticFleet(fleet.dispatcher, http, SECRET, fleet.metrics)
        await found.use(urls)
        async with found.running():
            await asyncio.sleep(0.1)
            yield found


@pytest.fixture
async def fleet(virtual_loop):
    async with Fleet(virtual_loop).running() as running:
        yield running


async def test_a_server_in_the_list_gets_calls_and_the_shared_secret(fleet):
    server = Server(FakeWorker("w-1", limit=2))
    async with static(fleet, ["http://a:8001"], a=server):
        found = await fleet.dispatcher.place(placement("call_1", metadata={"name": "Ada"}))
        assert isinstance(found, Placed)
        assert found.stream_url == "ws://w-1/stream"
        assert server.secrets == {SECRET}
        [offer] = server.workers[0].offers
        assert (offer.call_id, offer.call_class, offer.bot_id, offer.metadata) == (
            "call_1",
            "outbound",
            "bot",
            {"name": "Ada"},
        )
        [view] = fleet.dispatcher.fleet().workers
        assert (view.is_static, view.url, view.max_calls) == (True, "http://a:8001", 2)


async def test_a_full_worker_behind_a_url_is_asked_past(fleet):
    full = FakeWorker("w-1", limit=0)
    async with static(fleet, ["http://a"], a=Server(full, FakeWorker("w-2", limit=1))):
        assert isinstance(await fleet.dispatcher.place(placement("call_1")), Placed)
        found = await fleet.dispatcher.place(placement("call_2"))
        assert isinstance(found, Busy)
        assert found.reason == "AT_CAPACITY"


async def test_a_burst_takes_every_slot_and_no_more(fleet):
    servers = {name: Server(FakeWorker(f"{name}-1", limit=5), FakeWorker(f"{name}-2", limit=5)) for name in "ab"}
    async with static(fleet, ["http://a", "http://b"], **servers):
        found = await asyncio.gather(*(fleet.dispatcher.place(placement(f"call_{n}")) for n in range(60)))
        assert sum(isinstance(one, Placed) for one in found) == 20
        for server in servers.values():
            assert [worker.most for worker in server.workers] == [5, 5]


async def test_a_slot_is_renewed_and_given_back_over_http(fleet):
    server = Server(FakeWorker("w-1"))
    async with static(fleet, ["http://a"], a=server):
        found = await fleet.dispatcher.place(placement("call_1", ttl_s=25.0))
        assert isinstance(found, Placed)
        await asyncio.sleep(22)
        assert server.renewed == [found.reservation_id] * 2
        await fleet.dispatcher.release(found)
        await asyncio.sleep(0.1)
        assert server.workers[0].reserved == {}


async def test_a_slot_that_is_reserved_too_late_is_given_back(fleet):
    slow, quick = Server(FakeWorker("w-1")), Server(FakeWorker("w-2"))
    slow.answer_s = 1.5
    async with static(fleet, ["http://slow"], slow=slow, quick=quick) as servers:
        asked = asyncio.create_task(fleet.dispatcher.place(placement("call_1")))
        await asyncio.sleep(0)
        await servers.use(["http://slow", "http://quick"])
        found = await asked
        assert isinstance(found, Placed)
        assert found.stream_url == "ws://w-2/stream"
        await asyncio.sleep(2)
        assert slow.workers[0].reserved == {}
        assert len(quick.workers[0].reserved) == 1


async def test_a_server_that_stops_answering_is_stale_and_one_that_answers_again_is_not(fleet):
    server = Server(FakeWorker("w-1"))
    async with static(fleet, ["http://a"], a=server):
        await asyncio.sleep(7)
        assert fleet.dispatcher.fleet().is_known
        server.is_up = False
        await asyncio.sleep(9)
        status = fleet.dispatcher.fleet()
        assert ([one.is_stale for one in status.workers], status.is_known) == ([True], False)
        assert isinstance(await fleet.dispatcher.place(placement()), Busy)
        server.is_up = True
        await asyncio.sleep(3)
        assert [one.is_stale for one in fleet.dispatcher.fleet().workers] == [False]
        assert isinstance(await fleet.dispatcher.place(placement()), Placed)


async def test_a_server_that_was_never_there_is_not_a_worker(fleet):
    async with static(fleet, ["http://nowhere"]):
        await asyncio.sleep(5)
        assert fleet.dispatcher.fleet().workers == ()
        assert 'vox_fleet_static_polls_total{result="failed"}' in fleet.metrics.render().decode()


async def test_the_list_may_change_while_calls_run(fleet):
    async with static(fleet, ["http://a"], a=Server(FakeWorker("w-1")), b=Server(FakeWorker("w-2"))) as servers:
        await servers.use(["http://b"])
        await asyncio.sleep(0.1)
        assert [one.url for one in fleet.dispatcher.fleet().workers] == ["http://b"]
        with pytest.raises(UsageError):
            await servers.use(["http://b", "b"])
        assert [one.url for one in fleet.dispatcher.fleet().workers] == ["http://b"]


async def test_a_server_whose_workers_register_is_counted_once(fleet):
    server = Server(FakeWorker("w-1", limit=4))
    async with static(fleet, ["http://a:8001"], a=server):
        assert fleet.dispatcher.fleet().max_calls == 4
        link = fleet.connect(FakeWorker("w-1", limit=4, url="http://a:8001"))
        await fleet.heartbeats(3, link)
        status = fleet.dispatcher.fleet()
        assert (status.max_calls, [one.worker_id for one in status.workers]) == (4, ["w-1"])


async def test_a_worker_that_reports_the_bridges_own_numbers_is_not_counted(fleet):
    server = Server(FakeWorker("w-1"))
    server.report_more = {"source": "bridge"}
    async with static(fleet, ["http://a"], a=server):
        assert fleet.dispatcher.fleet().workers == ()


async def test_a_server_without_reservations_is_busy(fleet):
    server = Server(FakeWorker("w-1"))
    server.has_reservations = False
    async with static(fleet, ["http://a"], a=server):
        assert isinstance(await fleet.dispatcher.place(placement()), Busy)
        assert fleet.clock.now() < 1001


async def test_a_call_at_a_polled_server_cannot_be_commanded_and_the_remedy_is_named(fleet):
    async with static(fleet, ["http://a"], a=Server(FakeWorker("w-1"))):
        await fleet.dispatcher.place(placement("call_1"))
        with pytest.raises(DependencyError, match="VOX_WORKER_TOKEN") as raised:
            await fleet.dispatcher.command("call_1", HangUp())
        assert raised.value.code == "worker_unreachable"
