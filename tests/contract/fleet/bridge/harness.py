"""A bridge in the test's process with a played worker, simulated carriers, and a server that takes its webhooks."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from tests.fakes.carrier_customer import Customer, customer
from tests.time_limits import WAIT_S
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator
from vox.fleet.bridge.app import create_app
from vox.fleet.bridge.server import Bridge, Parts
from vox.fleet.bridge.settings import BridgeSettings
from vox.fleet.calls import queries
from vox.http.server import Server
from vox.protocols import fleet as wire
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import cancel_and_wait

ACCOUNTS = Accounts()
SECRET = "worker-secret-for-tests"
TO = "+15551234567"
FROM = "+15557654321"
FINAL = {
    "completed", "no_answer", "busy", "rejected", "voicemail", "screened", "failed", "canceled", "expired",
}  # fmt: skip


class PlayedWorker:
    """A worker on an in-memory link: takes offers while it has slots, and keeps what it is sent.

    Args:
        media: where the streams of its calls go.
        slots: how many calls it takes.

    Attributes:
        is_resumable: whether it says that its calls can go on with other streams.
    """

    def __init__(self, media: str, slots: int = 50) -> None:
        self.media = media
        self.slots = slots
        self.is_resumable = False
        self.offers: list[wire.Offer] = []
        self.released: list[str] = []
        self.commands: list[wire.BridgeMessage] = []
        self._bridge: Bridge | None = None
        self._worker: Any = None
        self._link = _Link(self)
        self._beat: asyncio.Task[None] | None = None

    def connect(self, bridge: Bridge, worker_id: str = "worker-1", calls: list[wire.RunningCall] | None = None) -> None:
        self._bridge = bridge
        register = wire.Register(worker_id, 1, url="http://127.0.0.1:8001", max_calls=self.slots, calls=calls or [])
        self._worker = bridge.dispatcher.connect(register, self._link, None)
        self._status()
        self._beat = asyncio.create_task(self._beats())

    async def close(self) -> None:
        if self._beat is not None:
            await cancel_and_wait(self._beat)

    def take(self, message: wire.BridgeMessage) -> None:
        match message:
            case wire.Offer():
                self.offers.append(message)
                number = len(self.offers)
                if number - len(self.released) > self.slots:
                    answer = wire.Busy(message.offer_id, 1.0)
                else:
                    answer = wire.Accept(
                        message.offer_id,
                        f"rsv_{number}",
                        f"tok{number}",
                        f"{self.media}/call",
                        is_resumable=self.is_resumable,
                    )
                asyncio.get_running_loop().call_soon(self.say, answer)
            case wire.Release(reservation_id):
                self.released.append(reservation_id)
            case wire.HangUp() | wire.Transfer() | wire.Inject() | wire.Watch():
                self.commands.append(message)
            case _:
                pass

    def say(self, message: wire.WorkerMessage) -> None:
        assert self._bridge is not None
        self._bridge.dispatcher.receive(self._worker, self._link, message)

    def close_link(self) -> None:
        assert self._bridge is not None
        self._bridge.dispatcher.disconnect(self._worker, self._link, is_clean=True)

    def _status(self) -> None:
        self.say(wire.Status(0, 0, self.slots, self.slots, "ready"))

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(wire.HEARTBEAT_S)
            self._status()


class _Link:
    """The worker's end of a connection, as the dispatcher knows it."""

    def __init__(self, worker: PlayedWorker) -> None:
        self._worker = worker

    def send(self, message: wire.BridgeMessage) -> None:
        self._worker.take(message)

    def close(self, refused: wire.Refused) -> None:
        del refused


class FastClock(SystemClock):
    """The machine's clocks, with a wall time that runs faster, for time-outs that are minutes."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began = super().wall()

    def wall(self) -> datetime:
        return self._began + (super().wall() - self._began) * self._speed


@dataclass
class World:
    """Everything a test of the bridge talks to."""

    bridge: Bridge
    simulator: CarrierSimulator
    worker: PlayedWorker
    shop: Customer
    http: httpx2.AsyncClient
    key: str

    async def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> httpx2.Response:
        named = {"authorization": f"Bearer {key or self.key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.post(f"{self.bridge.address}{path}", json=body, headers=named)

    async def get(self, path: str, *, key: str = "", **headers: str) -> httpx2.Response:
        named = {"authorization": f"Bearer {key or self.key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.get(f"{self.bridge.address}{path}", headers=named)

    async def place(self, **more: Any) -> str:
        """Submits a call; its id. A field that is None is left out."""
        body = {"to": TO, "from": FROM, "bot_id": "helper", **more}
        answer = await self.post("/v1/calls", {name: value for name, value in body.items() if value is not None})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    async def call(self, call_id: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/calls/{call_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, call_id: str, *statuses: str) -> dict[str, Any]:
        """Waits until a call is in one of these statuses, or in a final one where none is given."""
        expected = set(statuses) or FINAL
        async with asyncio.timeout(WAIT_S):
            while True:
                shown = await self.call(call_id)
                if shown["status"] in expected:
                    return shown
                assert shown["status"] not in FINAL, shown
                await asyncio.sleep(0.02)

    async def check_now(self) -> None:
        """Has the bridge ask the carriers about every live call at once, instead of when their time has come."""
        now = self.bridge.clock.unix_ms()
        await self.bridge.database.write(lambda connection: queries.check_all_live(connection, now))

    async def shown_in_metrics(self, text: str) -> None:
        """Waits until the bridge's metrics have a text."""
        async with asyncio.timeout(WAIT_S):
            while text.encode() not in self.bridge.metrics.render():  # noqa: ASYNC110  metrics have no event
                await asyncio.sleep(0.02)

    def dialled(self) -> list[Any]:
        """Every call that reached the simulated carriers."""
        return list(self.simulator.calls)


def settings_for(database_url: str, **more: Any) -> BridgeSettings:
    """Settings of a bridge in tests: webhooks to this machine, no limits of carriers."""
    names = ("twilio", "telnyx", "plivo", "exotel")
    carriers = {name: {"calls_per_second": 1000.0} for name in names}
    return BridgeSettings.model_validate(
        {
            "storage": {"url": database_url},
            "worker_secret": SECRET,
            "webhooks": {"allowed_private": ["127.0.0.0/8"], "secret": "webhook-secret"},
            "carriers": carriers,
            **more,
        }
    )


def environment_for(simulator: CarrierSimulator) -> dict[str, str]:
    """Where the carriers are, and the accounts there."""
    return {
        "TWILIO_API_BASE": simulator.url,
        "TWILIO_ACCOUNT_SID": ACCOUNTS.twilio_account_sid,
        "TWILIO_AUTH_TOKEN": ACCOUNTS.twilio_auth_token,
        "TELNYX_API_BASE": simulator.url,
        "TELNYX_API_KEY": ACCOUNTS.telnyx_api_key,
        "TELNYX_PUBLIC_KEY": simulator.telnyx.key.public_key,
        "TELNYX_CONNECTION_ID": "connection-1",
        "PLIVO_API_BASE": simulator.url,
        "PLIVO_AUTH_ID": ACCOUNTS.plivo_auth_id,
        "PLIVO_AUTH_TOKEN": ACCOUNTS.plivo_auth_token,
        "EXOTEL_API_BASE": simulator.url,
        "EXOTEL_ACCOUNT_SID": ACCOUNTS.exotel_account_sid,
        "EXOTEL_API_KEY": ACCOUNTS.exotel_api_key,
        "EXOTEL_API_TOKEN": ACCOUNTS.exotel_api_token,
    }


@asynccontextmanager
async def running_bridge(
    database_url: str, environment: Mapping[str, str], *, speed: float = 1.0, **settings: Any
) -> AsyncGenerator[Bridge]:
    """A bridge that listens on a free port while the block runs."""
    clock = FastClock(speed)
    async with httpx2.AsyncClient() as http:
        parts = Parts(clock, Metrics(), Lifecycle(clock, 5.0), Random(7), http, environment)
        bridge = Bridge(settings_for(database_url, **settings), parts)
        async with bridge, Server(create_app(bridge), "127.0.0.1", 0, close_timeout_s=1.0) as server:
            bridge.address = server.address
            yield bridge


@asynccontextmanager
async def world(
    folder: Path,
    behaviour: Behaviour | None = None,
    *,
    numbers: Mapping[str, Behaviour] | None = None,
    carrier: str = "twilio",
    slots: int = 50,
    speed: float = 1.0,
    **settings: Any,
) -> AsyncGenerator[World]:
    """A bridge on SQLite with a bot `helper`, a worker, carriers that ring 50 times as fast, and a customer's server.

    `speed` is how much faster than real time the bridge's wall clock goes.
    """
    rules = [Rule(number, one) for number, one in (numbers or {}).items()]
    scenario = Scenario(rules=[*rules, *([Rule("*", behaviour)] if behaviour is not None else [])])
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(CarrierSimulator(scenario, speed=50, accounts=ACCOUNTS))
        shop = await stack.enter_async_context(customer(carrier))
        bridge = await stack.enter_async_context(
            running_bridge(f"sqlite:///{folder / 'bridge.db'}", environment_for(simulator), speed=speed, **settings)
        )
        http = await stack.enter_async_context(httpx2.AsyncClient())
        worker = PlayedWorker(shop.media, slots)
        worker.connect(bridge)
        stack.push_async_callback(worker.close)
        assert bridge.first_key is not None
        one = World(bridge, simulator, worker, shop, http, bridge.first_key.text)
        made = await one.post("/v1/bots", {"id": "helper", "config": {"prompt": "Help.", "api_key": "sk-1"}})
        assert made.status_code == 201, made.text
        yield one


def webhooks_at(shop: Customer, name: str = "events") -> list[dict[str, Any]]:
    """The events that have come to `/status/NAME` of the customer's server, in order."""
    return [json.loads(one.hook.body) for one in shop.received if one.path == f"/status/{name}"]
