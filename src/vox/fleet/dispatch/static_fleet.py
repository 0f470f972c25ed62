"""The servers of `voxcore_fleet`: base URLs in the settings, asked for their numbers and for slots over HTTP.

The one thing to know: a server is one entry, however many workers answer behind its URL, and to the dispatcher it is a worker like any
other: what is polled becomes a `status`, what a reservation answers becomes `accept` or `busy`, and silence ends its lease. A server
whose workers are registered by themselves is left out, so that nothing is counted twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx2
import msgspec

from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.metrics import STATIC_POLLS
from vox.fleet.dispatch.registry import Worker
from vox.fleet.dispatch.static_servers import (
    Report,
    checked_urls,
    is_registered_otherwise,
    read_granted,
    read_report,
    server_id,
    status_of,
    worker_origin,
)
from vox.protocols import fleet as wire
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import cancel_and_wait, supervised

SECRET_HEADER: Final = "x-voxcore-secret"  # noqa: S105  the name of a header
POLL_S: Final = wire.HEARTBEAT_S
REQUEST_TIMEOUT_S: Final = 3.0
"""Longer than an offer is waited for, so that a slot that is reserved late is known and given back."""
MAX_ANSWER_BYTES: Final = 1 << 20
MAX_REQUESTS: Final = 1_000
"""Requests to one server at once; what comes on top is answered busy."""
ATTEMPTS: Final = 4
"""Behind one URL may stand several workers, of which the one that answers may be the only full one."""
NO_RESERVATIONS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)

_log = get_logger(__name__)


class StaticFleet:
    """Keeps the servers of a list in the dispatcher while `running`.

    Args:
        dispatcher: what the servers are connected to.
        http: the client to ask with; redirects are not followed.
        secret: sent as X-VoxCore-Secret.
        metrics: counts polls.
    """

    def __init__(self, dispatcher: FleetDispatcher, http: httpx2.AsyncClient, secret: str, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._http = http
        self._secret = secret
        self._metrics = metrics
        self._urls: tuple[str, ...] = ()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_running = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Asks the servers while the block runs."""
        self._is_running = True
        await self.use(self._urls)
        try:
            yield
        finally:
            self._is_running = False
            tasks, self._tasks = list(self._tasks.values()), {}
            await cancel_and_wait(*tasks)

    async def use(self, urls: Iterable[str]) -> None:
        """Replaces the list, at any time.

        Raises:
            UsageError: `invalid_fleet_url`, an entry is not an HTTP address; the list stays as it was.
        """
        self._urls = checked_urls(urls)
        if not self._is_running:
            return
        gone = [self._tasks.pop(url) for url in list(self._tasks) if url not in self._urls]
        for url in self._urls:
            if url not in self._tasks:
                server = _Server(url, self._dispatcher, self._http, self._secret, self._metrics)
                self._tasks[url] = asyncio.create_task(_keep_running(server, f"fleet {url}"))
        await cancel_and_wait(*gone)


async def _keep_running(server: "_Server", name: str) -> None:
    async with supervised(server.run, name):
        await asyncio.Event().wait()


class _Server:
    """One entry of the list; implements `WorkerLink`."""

    def __init__(
        self, url: str, dispatcher: FleetDispatcher, http: httpx2.AsyncClient, secret: str, metrics: Metrics
    ) -> None:
        self._url = url
        self._dispatcher = dispatcher
        self._http = http
        self._headers = {SECRET_HEADER: secret} if secret else {}
        self._metrics = metrics
        self._worker: Worker | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._origins: dict[str, str] = {}
        self._accepted = 0
        self._failure = ""

    async def run(self) -> None:
        """Polls until cancelled."""
        try:
            while True:
                await self._poll()
                await asyncio.sleep(POLL_S)
        finally:
            await cancel_and_wait(*self._requests)
            self._leave()

    def send(self, message: wire.BridgeMessage) -> None:
        match message:
            case wire.Offer():
                if len(self._requests) < MAX_REQUESTS:
                    self._begin(self._reserve(message))
                else:
                    self._answer(wire.Busy(message.offer_id))
            case wire.Release(reservation_id):
                self._begin(self._change("DELETE", reservation_id))
            case wire.Renew(reservation_id):
                self._begin(self._change("PUT", reservation_id))
            case _:
                pass  # a server that is only polled hears of nothing else

    def close(self, refused: wire.Refused) -> None:
        del refused
        self._worker = None

    def _begin(self, request: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _poll(self) -> None:
        accepted = self._accepted
        report = await self._report()
        self._metrics.counter(STATIC_POLLS, "ok" if report is not None else "failed").inc()
        if report is None:
            return
        if is_registered_otherwise(self._url, report, self._dispatcher.registry):
            self._leave()
            return
        if self._worker is None:
            register = wire.Register(server_id(self._url), 1, url=self._url, max_calls=report.fleet_max)
            found = self._dispatcher.connect(register, self, None, is_static=True)
            self._worker = found if isinstance(found, Worker) else None
        if accepted == self._accepted:
            self._answer(status_of(report))
        elif self._worker is not None:  # the numbers are from before a slot that was reserved meanwhile
            self._dispatcher.registry.heard(self._worker, self._dispatcher.now())

    async def _report(self) -> Report | None:
        try:
            # A worker that has a bridge reports the bridge's numbers, which come from here; `scope` asks for its own.
            answer = await self._request("GET", f"{self._url}/health/fleet?scope=server")
            report = read_report(answer.content) if answer.status_code == HTTPStatus.OK else None
            failure = "" if report is not None else f"HTTP {answer.status_code}"
        except (httpx2.HTTPError, TimeoutError, msgspec.MsgspecError) as error:
            report, failure = None, f"{type(error).__name__}: {error}"
        if failure and failure != self._failure:
            _log.warning("a server of voxcore_fleet does not answer", url=self._url, reason=failure)
        self._failure = failure
        return report

    async def _reserve(self, offer: wire.Offer) -> None:
        body: dict[str, Any] = {
            "call_id": offer.call_id,
            "class": offer.call_class,
            "ttl_s": offer.ttl_s,
            "bot_id": offer.bot_id,
            "metadata": offer.metadata,
        }
        refused = wire.Busy(offer.offer_id)
        for _ in range(ATTEMPTS):
            try:
                answer = await self._request("POST", f"{self._url}/v1/reservations", body)
            except httpx2.ConnectError:
                break
            except (httpx2.HTTPError, TimeoutError):
                return  # it may have reserved a slot; the offer runs out of time by itself
            if answer.status_code == HTTPStatus.CREATED:
                self._granted(offer, answer.content)
                return
            after = answer.headers.get("retry-after", "")
            refused = wire.Busy(offer.offer_id, float(after) if after.isdigit() else 0.0)
            if answer.status_code in NO_RESERVATIONS:
                _log.warning("a server of voxcore_fleet has no reservations", url=self._url, status=answer.status_code)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
        self._answer(refused)

    def _granted(self, offer: wire.Offer, content: bytes) -> None:
        try:
            granted = read_granted(content)
        except msgspec.MsgspecError:
            _log.warning("a server of voxcore_fleet answered a reservation with something else", url=self._url)
            self._answer(wire.Busy(offer.offer_id))
            return
        self._accepted += 1
        if self._worker is not None:
            self._origins = {one: origin for one, origin in self._origins.items() if one in self._worker.reservations}
        self._origins[granted.reservation_id] = worker_origin(self._url, granted.stream_url)
        if self._worker is None:
            self._begin(self._change("DELETE", granted.reservation_id))
        self._answer(wire.Accept(offer.offer_id, granted.reservation_id, granted.token, granted.stream_url))

    async def _change(self, method: str, reservation_id: str) -> None:
        """Renews a reservation or gives it back, at the worker that has it."""
        forget = self._origins.pop if method == "DELETE" else self._origins.get
        origin = forget(reservation_id, self._url)
        try:
            await self._request(method, f"{origin}/v1/reservations/{reservation_id}")
        except (httpx2.HTTPError, TimeoutError) as error:
            _log.warning("a reservation was not changed; it ends by itself", url=self._url, reason=str(error))

    async def _request(self, method: str, url: str, body: object = None) -> httpx2.Response:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            content = None if body is None else msgspec.json.encode(body)
            headers = self._headers | ({"content-type": "application/json"} if content else {})
            answer = await self._http.request(method, url, content=content, headers=headers, follow_redirects=False)
        if len(answer.content) > MAX_ANSWER_BYTES:
            raise httpx2.DecodingError("the answer is too long")
        return answer

    def _answer(self, message: wire.WorkerMessage) -> None:
        if self._worker is not None:
            self._dispatcher.receive(self._worker, self, message)

    def _leave(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._dispatcher.disconnect(worker, self, is_clean=True)
