"""The worker's end of its connection to a bridge: registers, reports, answers offers, and comes back when the connection is lost.

The one thing to know: an offer is answered in the step in which it is read, and every status is made in the step in which it is sent.
So a status that arrives behind an acceptance always counts its slot, which is what the bridge's own count relies on.

With several bridges, each has a connection of its own and hears of all calls; the end of a call is kept until one of them has recorded it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any, Final, Protocol, assert_never

import msgspec

from vox.errors import PeerError, VoxError
from vox.http.websocket import Socket, open_socket
from vox.protocols import fleet as wire
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Gauge, Metrics
from vox.runtime.tasks import supervised

CONNECT_DEADLINE_S: Final = 5.0
REGISTER_DEADLINE_S: Final = 10.0
FIRST_RETRY_S: Final = 0.25
LAST_RETRY_S: Final = 5.0
REFUSED_RETRY_S: Final = 30.0
"""A refusal is mended by a person, at this worker or at the other one that has its name."""
RESEND_S: Final = 5.0
LEAVE_DEADLINE_S: Final = 5.0
"""How long a worker that stops waits for its last calls to be recorded."""
MAX_UNRECORDED: Final = 1_000
"""Ends of calls kept for the bridge; results themselves are stored and delivered elsewhere."""
MAX_BACKLOG_BYTES: Final = 4 << 20
BRIDGES: Final = Gauge("vox_worker_bridges_connected", "Bridges that this worker is registered with at the moment")

_log = get_logger(__name__)


class RegisteredWorker(Protocol):
    """What a connection to the bridge needs of its worker. Every method returns at once."""

    def registration(self) -> wire.Register:
        """Who this is, and the calls that run."""
        ...

    def status(self) -> wire.Status:
        """The numbers of this moment."""
        ...

    def reserve(self, offer: wire.Offer) -> wire.Accept | wire.Busy:
        """Reserves a slot for an offered call, or says when there may be one."""
        ...

    def renew(self, reservation_id: str, ttl_s: float) -> None:
        """Keeps a reservation; one that is unknown is left alone."""
        ...

    def release(self, reservation_id: str) -> None:
        """Gives a reservation up; one that is unknown or has media is left alone."""
        ...

    def drain(self, deadline_s: float) -> None:
        """Takes no further calls; those that run have `deadline_s`. A drain that has begun already stays as it is."""
        ...

    def hang_up(self, call_id: str) -> None:
        """Ends a call, if it runs here."""
        ...

    def transfer(self, call_id: str, to: str) -> None:
        """Hands a call over, if it runs here."""
        ...

    def inject(self, call_id: str, text: str) -> None:
        """Gives the agent a text, if the call runs here."""
        ...

    def watch(self, call_id: str, ttl_s: float, after_ms: int) -> None:
        """Tells of what is said in a call for a while, if it runs here."""
        ...


class BridgeRegistration:
    """Keeps a worker registered with its bridges while `running`.

    Args:
        urls: of the bridges.
        token: the worker's, or the secret of the fleet.
        worker: answers for the calls.
        random: spreads the attempts of many workers to come back.
        metrics: counts connections.
        resend_s: how long to wait for an acknowledgement before the end of a call is sent again.
    """

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        worker: RegisteredWorker,
        random: Random,
        metrics: Metrics,
        *,
        resend_s: float = RESEND_S,
    ) -> None:
        self._worker = worker
        self._token = token
        self._random = random
        self._metrics = metrics
        self._resend_s = resend_s
        self._urls = list(dict.fromkeys(urls))
        self._connections: set[_Connection] = set()
        self._unrecorded: dict[str, wire.Ended] = {}
        self._all_recorded = asyncio.Event()
        self._all_recorded.set()

    @property
    def connected(self) -> int:
        """Bridges that this worker is registered with."""
        return len(self._connections)

    @property
    def unrecorded(self) -> int:
        """Calls whose end no bridge has recorded yet."""
        return len(self._unrecorded)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Stays connected while the block runs. Behind it, waits a little until the last ends of calls are recorded, and leaves."""
        async with AsyncExitStack() as stack:
            for url in self._urls:
                await stack.enter_async_context(supervised(lambda url=url: self._stay(url), f"bridge {url}"))
            yield
            if self._connections and not self._all_recorded.is_set():
                try:
                    async with asyncio.timeout(LEAVE_DEADLINE_S):
                        await self._all_recorded.wait()
                except TimeoutError:
                    _log.warning("the bridge has not recorded the last calls", calls=len(self._unrecorded))

    def changed(self) -> None:
        """The numbers are others; a status follows soon."""
        for connection in self._connections:
            connection.changed()

    def started(self, call: wire.RunningCall) -> None:
        """A call has its media."""
        data = {"class": call.call_class, "since_ms": call.since_ms}
        self.progress(call.call_id, wire.STARTED, data)
        self.changed()

    def progress(self, call_id: str, event: str, data: Mapping[str, Any] | None = None) -> None:
        """Something happened in a call."""
        self._send(wire.Progress(call_id, event, dict(data or {})))

    def ended(self, call_id: str, outcome: str, result: Mapping[str, Any] | None = None) -> None:
        """A call has ended; repeated until a bridge has recorded it."""
        message = wire.Ended(call_id, outcome, dict(result or {}))
        try:
            wire.write(message)
        except PeerError:
            message = wire.Ended(call_id, outcome)  # the result itself is delivered by HTTP
        while len(self._unrecorded) >= MAX_UNRECORDED:
            del self._unrecorded[next(iter(self._unrecorded))]
        self._unrecorded[call_id] = message
        self._all_recorded.clear()
        self._send(message)
        self.changed()

    def _send(self, message: wire.WorkerMessage) -> None:
        for connection in self._connections:
            connection.send(message)

    def _recorded(self, call_id: str) -> None:
        self._unrecorded.pop(call_id, None)
        if not self._unrecorded:
            self._all_recorded.set()

    async def _stay(self, url: str) -> None:
        """Connects, and connects again, for as long as the task lives."""
        attempt, last_failure, loop = 0, "", asyncio.get_running_loop()
        while True:
            began = loop.time()
            connection = _Connection(self._worker, self._recorded, self.changed)
            failure, retry_s = "", 0.0
            try:
                await self._connect(url, connection)
            except VoxError as error:
                failure = str(error)
            if connection.refused is not None and connection.refused.code != wire.LEASE_EXPIRED:
                failure, retry_s = connection.refused.message, REFUSED_RETRY_S
            elif not failure and not connection.was_registered:
                failure = "the bridge closed the connection"
            attempt = 0 if connection.was_registered and loop.time() - began >= wire.LEASE_S else attempt + 1
            if failure and failure != last_failure:
                _log.warning("not registered with the bridge", bridge=url, reason=failure)
            elif connection.was_registered:
                _log.info("connection to the bridge lost", bridge=url)
            last_failure = failure
            await asyncio.sleep(retry_s or retry_delay(attempt, self._random))

    async def _connect(self, url: str, connection: "_Connection") -> None:
        """One connection from its opening to its end."""
        socket = await open_socket(
            url.replace("http", "ws", 1).rstrip("/") + wire.CONNECT_PATH,
            connection,
            headers=[("Authorization", f"Bearer {self._token}")],
            connect_timeout_s=CONNECT_DEADLINE_S,
            max_message_bytes=wire.MAX_MESSAGE_BYTES,
            max_backlog_bytes=MAX_BACKLOG_BYTES,
            ping_interval_s=wire.HEARTBEAT_S,
            ping_timeout_s=wire.LEASE_S - wire.HEARTBEAT_S,
        )
        try:
            register = msgspec.structs.replace(self._worker.registration(), unrecorded=len(self._unrecorded))
            connection.send(register)
            async with asyncio.timeout(REGISTER_DEADLINE_S):
                await connection.is_answered.wait()
            if connection.was_registered:
                self._joined(connection)
                await self._report(connection)
        except TimeoutError:
            raise PeerError("the bridge did not answer `register` in time", code="register_timed_out") from None
        finally:
            self._connections.discard(connection)
            self._metrics.gauge(BRIDGES).set(len(self._connections))
            socket.close(1000)

    def _joined(self, connection: "_Connection") -> None:
        self._connections.add(connection)
        self._metrics.gauge(BRIDGES).set(len(self._connections))
        for message in self._unrecorded.values():
            connection.send(message)

    async def _report(self, connection: "_Connection") -> None:
        """Sends the status on every change and at each heartbeat, and unrecorded ends again, until the socket is closed."""
        loop = asyncio.get_running_loop()
        resend_at = loop.time() + self._resend_s
        while connection.is_open:
            connection.send(self._worker.status())
            if loop.time() >= resend_at:
                resend_at = loop.time() + self._resend_s
                for message in list(self._unrecorded.values()):
                    connection.send(message)
            await asyncio.sleep(wire.MIN_STATUS_INTERVAL_S)
            await connection.wait_for_change(connection.heartbeat_s - wire.MIN_STATUS_INTERVAL_S)


class _Connection:
    """One socket; implements `SocketListener`."""

    def __init__(
        self, worker: RegisteredWorker, recorded: Callable[[str], None], every_bridge: Callable[[], None]
    ) -> None:
        self.refused: wire.Refused | None = None
        self.was_registered = False
        self.is_answered = asyncio.Event()
        self.heartbeat_s = wire.HEARTBEAT_S
        self._worker = worker
        self._recorded = recorded
        self._every_bridge = every_bridge
        self._socket: Socket | None = None
        self._has_changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._socket is not None and self._socket.is_open

    def opened(self, socket: Socket) -> None:
        self._socket = socket

    def received(self, message: str | bytes) -> None:
        read = wire.read_bridge(message)
        match read:
            case None:
                pass
            case wire.Registered():
                self.heartbeat_s = min(max(read.heartbeat_s, 2 * wire.MIN_STATUS_INTERVAL_S), wire.HEARTBEAT_S)
                self.was_registered = True
                self.is_answered.set()
            case wire.Refused():
                self.refused = read
                self.is_answered.set()
            case wire.Offer():
                self.send(self._worker.reserve(read))
                self._every_bridge()
            case wire.Renew(reservation_id, ttl_s):
                self._worker.renew(reservation_id, ttl_s)
            case wire.Release(reservation_id):
                self._worker.release(reservation_id)
                self._every_bridge()
            case wire.Drain(deadline_s):
                self._worker.drain(deadline_s)
                self._every_bridge()
            case wire.HangUp(call_id):
                self._worker.hang_up(call_id)
            case wire.Transfer(call_id, to):
                self._worker.transfer(call_id, to)
            case wire.Inject(call_id, text):
                self._worker.inject(call_id, text)
            case wire.Watch(call_id, ttl_s, after_ms):
                self._worker.watch(call_id, ttl_s, after_ms)
            case wire.EndedReceived(call_id):
                self._recorded(call_id)
            case _:
                assert_never(read)

    def closed(self, code: int, reason: str) -> None:
        del code, reason
        self._socket = None
        self.is_answered.set()
        self._has_changed.set()

    def send(self, message: wire.WorkerMessage) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(wire.write(message))
        except PeerError as error:  # data that an agent puts into an event may be of any size
            _log.warning("a message for the bridge was not sent", code=error.code, error=str(error))

    def changed(self) -> None:
        self._has_changed.set()

    async def wait_for_change(self, timeout_s: float) -> None:
        """Returns at the next change, at the end of the socket, or when a heartbeat is due."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._has_changed.wait()
        except TimeoutError:
            pass
        self._has_changed.clear()


def retry_delay(attempt: int, random: Random) -> float:
    """Seconds before the next connection: doubling, with half of it left to chance so that a fleet does not come back at once.

    Args:
        attempt: how many have failed in a row; 0 after a connection that was registered for a lease.
        random: the chance.
    """
    longest = min(FIRST_RETRY_S * 2 ** min(attempt, 10), LAST_RETRY_S)
    return longest * (0.5 + 0.5 * random.random())
