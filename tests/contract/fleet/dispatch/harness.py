"""A dispatcher behind a real server, and fake workers that register with it over real sockets."""

import re
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tests.fakes.fleet_worker import FakeWorker
from tests.unit.fleet.dispatch.harness import Listener
from vox.errors import DependencyError
from vox.fleet.dispatch.bridge_socket import TokenOwner, WorkerEndpoint
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.worker.registration import BridgeRegistration
from vox.http.server import Server
from vox.protocols.fleet import CONNECT_PATH
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Metrics
from vox.stores.leases import Leases

FLEET_TOKEN = "fleet-secret"


class Tokens:
    """The tokens of workers; `FLEET_TOKEN` is every worker's."""

    def __init__(self, owners: Mapping[str, Collection[str] | None]) -> None:
        self.owners = dict(owners)
        self.is_away = False

    async def owner_of(self, token: str) -> TokenOwner | None:
        if self.is_away:
            raise DependencyError("The database does not answer.", code="database_failed")
        return TokenOwner(self.owners[token]) if token in self.owners else None


class Bridge:
    """A bridge that only dispatches. It may be stopped and started again on the same port."""

    def __init__(
        self, owners: Mapping[str, Collection[str] | None] | None = None, *, leases: Leases | None = None, **endpoint
    ) -> None:
        self._endpoint = endpoint
        self._leases = leases
        self.tokens = Tokens({FLEET_TOKEN: None} if owners is None else owners)
        self.port = 0
        self.listener = Listener()
        self.metrics = Metrics()
        self.dispatcher = self._dispatcher()

    @property
    def timed_out(self) -> int:
        """Offers that no worker has answered in time: none, unless the machine stood still for a second."""
        found = re.search(
            r'^vox_fleet_offers_total{result="timed_out"} (\d+)', self.metrics.render().decode(), re.MULTILINE
        )
        return int(found[1]) if found else 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Bridge"]:
        self.listener, self.metrics = Listener(), Metrics()
        self.dispatcher = self._dispatcher()
        endpoint = WorkerEndpoint(self.dispatcher, self.tokens, **self._endpoint)

        async def connect(websocket: WebSocket) -> None:
            await endpoint(websocket)

        app = Starlette(routes=[WebSocketRoute(CONNECT_PATH, connect)])
        async with self.dispatcher.running(), Server(app, "127.0.0.1", self.port, close_timeout_s=1.0) as server:
            self.port = server.port
            yield self

    def _dispatcher(self) -> FleetDispatcher:
        return FleetDispatcher(self.listener, SystemClock(), Random(5), self.metrics, leases=self._leases)


class Peer:
    """A fake worker and its registration."""

    def __init__(self, worker: FakeWorker, urls: list[str], token: str = FLEET_TOKEN, **more) -> None:
        self.worker = worker
        self.metrics = Metrics()
        self.registration = BridgeRegistration(urls, token, worker, Random(worker.worker_id), self.metrics, **more)

    def start(self, reservation_id: str) -> str:
        """The media of a reserved call has come."""
        call = self.worker.start(reservation_id)
        self.registration.started(call)
        return call.call_id

    def end(self, call_id: str, outcome: str = "completed") -> None:
        """A call has ended."""
        del self.worker.running[call_id]
        self.registration.ended(call_id, outcome, {"seconds": 1})


@asynccontextmanager
async def peers(bridge: Bridge, *workers: FakeWorker) -> AsyncGenerator[list[Peer]]:
    """Workers that stay registered while the block runs."""
    async with AsyncExitStack() as stack:
        found = [Peer(worker, [bridge.url]) for worker in workers]
        for peer in found:
            await stack.enter_async_context(peer.registration.running())
        yield found
