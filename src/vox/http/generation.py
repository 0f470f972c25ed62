"""One generation of a server: the process that holds a port until the next one does, and the calls it took until they end.

Order matters when a generation ends. It promises nothing more and waits for what it has promised; then the port closes, so
that a proxy asks another server; requests that are on their way are still taken; only then does the drain begin, in which
what is left on an open connection is refused.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from starlette.types import ASGIApp

from vox.errors import UsageError
from vox.http.server import Server
from vox.runtime.lifecycle import Lifecycle, State, run_until_stopped
from vox.runtime.logging import get_logger
from vox.runtime.systemd import Systemd
from vox.runtime.tasks import cancel_and_wait

ON_THEIR_WAY_S: Final = 0.25
"""After the port has closed, requests on connections that were made before are taken for this long."""
PROMISED_S: Final = 45.0
"""How long the port stays for what was told to come: a phone rings that long."""
_POLL_S: Final = 0.1
_BACKLOG: Final = 16

_log = get_logger(__name__)


class Generation:
    """A server that leaves its port to whatever comes next. Enter it, then `run`.

    Under systemd it reports its state, takes sockets that were handed over, and with a runtime directory also answers on a
    socket there, named by its process: the only way to ask it how it is when another generation has the port.

    Args:
        app: the application.
        host: bind address.
        port: bind port; 0 picks a free one.
        lifecycle: of the part.
        environment: what systemd said.
        status: one line for the service manager.
        closes_port: whether the port closes when the drain begins; otherwise the drain answers there until its end.
        leaving: called when the end is near, and at SIGUSR2: nothing more is to be promised.
        promised: how many requests were told to come to this port and have not come yet; they are waited for.
        options: of the server.

    Raises:
        UsageError: on entering, when the address, the TLS files or the runtime directory cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        lifecycle: Lifecycle,
        environment: Mapping[str, str],
        *,
        status: Callable[[], str],
        closes_port: bool,
        leaving: Callable[[], None] = lambda: None,
        promised: Callable[[], int] = lambda: 0,
        **options: Any,
    ) -> None:
        self._app = app
        self._address = host, port
        self._lifecycle = lifecycle
        self._manager = Systemd.from_environment(environment)
        self._folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        self._status = status
        self._closes_port = closes_port
        self._owns_port = not self._manager.has_socket_unit
        self._leaving = leaving
        self._promised = promised
        self._options = options
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def server(self) -> Server:
        """The server, once the generation is entered."""
        if self._server is None:
            raise UsageError("the generation is not entered", code="not_entered", hint="use async with")
        return self._server

    async def __aenter__(self) -> Self:
        host, port = self._address
        is_handed_over = self._closes_port and self._manager.is_present
        async with AsyncExitStack() as stack:
            private = []
            if is_handed_over and self._folder:
                private = [stack.enter_context(private_socket(Path(self._folder), os.getpid()))]
            server = Server(
                self._app,
                host,
                port,
                sockets=self._manager.take_sockets(host, port),
                private_sockets=private,
                reuse_port=is_handed_over,
                **self._options,
            )
            self._server = await stack.enter_async_context(server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def run(self, announce: Callable[[], None] | None = None) -> bool:
        """Serves until told to stop and until the drain behind it is over; False when its deadline cut work short.

        Args:
            announce: says that the server is ready, once signals are handled.
        """
        if self._closes_port and self._owns_port:
            self._manager.keep(self.server.sockets)
        unsubscribe = self._lifecycle.subscribe(self._follow)
        try:
            async with self._manager.reporting(self._status, self._is_ending):
                if not self._closes_port:
                    return await run_until_stopped(self._lifecycle, announce)
                return await run_until_stopped(self._lifecycle, announce, drain=self._end, SIGUSR2=self._leaving)
        finally:
            unsubscribe()
            if self._ending is not None:
                await cancel_and_wait(self._ending)

    def _is_ending(self) -> bool:
        return self._ending is not None or self._lifecycle.is_draining

    def _follow(self, state: State) -> None:
        """Closes the port also where something else than a signal began the drain."""
        if state is State.DRAINING and self._closes_port:
            self._end(False)

    def _end(self, is_replaced: bool) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._leave(is_replaced), name="leave the port")

    async def _leave(self, is_replaced: bool) -> None:
        _log.info("leaving the port", is_replaced=is_replaced, promised=self._promised())
        self._leaving()
        with suppress(TimeoutError):
            async with asyncio.timeout(PROMISED_S):
                while self._promised():  # noqa: ASYNC110  a count, not an event
                    await asyncio.sleep(_POLL_S)
        if self._owns_port and not is_replaced:
            self._manager.forget()
        if self._owns_port or is_replaced:
            await self.server.stop_accepting()
            await asyncio.sleep(ON_THEIR_WAY_S)
        self._lifecycle.drain()


@contextmanager
def private_socket(folder: Path, pid: int) -> Generator[socket.socket]:
    """A listening socket in the file system that is named by a process; those of processes that are gone are removed.

    Raises:
        UsageError: the folder cannot be used (runtime_directory_unusable).
    """
    path = folder / f"{pid}.sock"
    for other in folder.glob("*.sock"):
        if not Path(f"/proc/{other.stem}").exists() or other == path:
            other.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.bind(str(path))
            path.chmod(0o600)
            one.listen(_BACKLOG)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be used: {error.strerror or error}",
                code="runtime_directory_unusable",
                hint="check RuntimeDirectory= of the unit",
            ) from error
        one.setblocking(False)
        try:
            yield one
        finally:
            path.unlink(missing_ok=True)
