"""One outbox for each event loop that sockets live on, and how an event finds those of its sessions."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping

from vox.chat.gateway import metrics
from vox.chat.gateway.connection import Connection
from vox.chat.gateway.limits import GatewayLimits
from vox.chat.gateway.outbox import Outbox, OutgoingEvent
from vox.chat.gateway.session import Session
from vox.runtime.metrics import Metrics


class Outboxes:
    """Guarded by the hub's lock, as everything of the hub is.

    Args:
        connections: the sockets of sessions.
        lock: the hub's.
        bounds: the limits.
        counted: counts deliveries.
        on_backlog: is told of a session that reads too slowly, and how many bytes wait for it.
        sweep: runs once in a while on the loop of each outbox, and decides whether it runs again.
    """

    def __init__(
        self,
        connections: Mapping[Session, Connection],
        lock: threading.RLock,
        bounds: GatewayLimits,
        counted: Metrics,
        *,
        on_backlog: Callable[[Session, int], None],
        sweep: Callable[[Outbox], None],
    ) -> None:
        self.by_loop: dict[asyncio.AbstractEventLoop, Outbox] = {}
        self._connections = connections
        self._lock = lock
        self._bounds = bounds
        self._counted = counted
        self._on_backlog = on_backlog
        self._sweep = sweep

    def of(self, loop: asyncio.AbstractEventLoop) -> Outbox:
        """The outbox of a loop, made for its first socket."""
        return self.by_loop.get(loop) or self._new(loop)

    def deliver(self, item: OutgoingEvent, sessions: Iterable[Session]) -> None:
        """Hands an event to the outboxes of these sessions."""
        if len(self.by_loop) == 1:
            next(iter(self.by_loop.values())).add(item, sessions)
            return
        parts: dict[Outbox, list[Session]] = {}
        for session in sessions:
            connection = self._connections.get(session)
            if connection is not None and connection.outbox is not None:
                parts.setdefault(connection.outbox, []).append(session)
        for outbox, some in parts.items():
            outbox.add(item, some)

    def count(self, outbox: Outbox) -> None:
        """Adds what an outbox has delivered since the last time to the metrics."""
        self._counted.counter(metrics.DELIVERIES).inc(outbox.deliveries)
        self._counted.counter(metrics.DROPPED).inc(outbox.dropped)
        outbox.deliveries = outbox.dropped = 0

    def close(self, outbox: Outbox) -> None:
        """Forgets an outbox without sockets."""
        self.count(outbox)
        del self.by_loop[outbox.loop]

    def _new(self, loop: asyncio.AbstractEventLoop) -> Outbox:
        self.by_loop = {one: outbox for one, outbox in self.by_loop.items() if not one.is_closed()}
        outbox = Outbox(loop, self._lock, busy_bytes=self._bounds.busy_bytes, on_backlog=self._on_backlog)
        outbox.doors = asyncio.Semaphore(self._bounds.identifies)
        self.by_loop[loop] = outbox
        loop.call_later(self._bounds.sweep_s, self._sweep, outbox)
        return outbox
