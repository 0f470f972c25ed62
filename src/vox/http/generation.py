"""One generation of a server: the process that holds a port until the next one does, and the calls it took until they end.

Order matters when a generation ends. The port closes first, so that a proxy asks another worker; requests that are on
their way are still taken; only then does the drain begin, in which whoever is left on an open connection is refused.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from vox.http.server import Server
from vox.runtime.lifecycle import Lifecycle, State, run_until_stopped
from vox.runtime.systemd import ServiceManager

ON_THEIR_WAY_S: Final = 0.25
"""After the port has closed, requests on connections that were made before are taken for this long."""


class Generation:
    """Serves until told to stop, and leaves the port to whatever comes next.

    Args:
        server: entered already.
        lifecycle: of the part.
        manager: who started this process.
        closes_port: whether the port closes when the drain begins; otherwise the drain answers there until its end.
        owns_port: whether the port is this process's own, and not a socket unit's, which keeps it open anyway.
        status: one line for the service manager.
    """

    def __init__(
        self,
        server: Server,
        lifecycle: Lifecycle,
        manager: ServiceManager,
        status: Callable[[], str],
        *,
        closes_port: bool,
        owns_port: bool = True,
    ) -> None:
        self._server = server
        self._lifecycle = lifecycle
        self._manager = manager
        self._status = status
        self._closes_port = closes_port
        self._owns_port = owns_port
        self._ending: asyncio.Task[None] | None = None

    async def run(self) -> bool:
        """Serves until the drain is over; False when its deadline cut work short."""
        async with self._serving():
            return await run_until_stopped(self._lifecycle, drain=self._end if self._closes_port else None)

    @asynccontextmanager
    async def _serving(self) -> AsyncGenerator[None]:
        if self._closes_port and self._owns_port:
            self._manager.keep(self._server.sockets)
        unsubscribe = self._lifecycle.subscribe(self._follow)
        try:
            async with self._manager.reporting(self._status, lambda: self._lifecycle.is_draining):
                yield
        finally:
            unsubscribe()
            if self._ending is not None:
                await self._ending

    def _follow(self, state: State) -> None:
        """Closes the port also where something else than a signal began the drain."""
        if state is State.DRAINING and self._closes_port:
            self._end(False)

    def _end(self, is_replaced: bool) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._leave(is_replaced), name="leave the port")

    async def _leave(self, is_replaced: bool) -> None:
        if self._owns_port and not is_replaced:
            self._manager.forget()
        if self._owns_port or is_replaced:
            await self._server.stop_accepting()
            await asyncio.sleep(ON_THEIR_WAY_S)
        self._lifecycle.drain()
