"""HTTP and WebSocket serving: uvicorn without its signal handling, and our WebSocket path.

The server listens as soon as it is entered and until it is left, or until `stop_accepting`; what a draining part answers is
the application's business. Leaving it is the last step: it stops accepting, says 1001 to open sockets, closes idle connections, and after
`close_timeout_s` cuts what is left. It never hangs.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn
from starlette.types import ASGIApp

from vox.errors import DependencyError, UsageError
from vox.http.tls import RENEWAL_CHECK_S, TlsFiles
from vox.http.uvicorn_protocols import HttpProtocol, WebSocketProtocol
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic

T = TypeVar("T")

_BACKLOG = 2048
_log = get_logger(__name__)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a program's main coroutine on uvloop where it exists, on asyncio elsewhere."""
    try:
        import uvloop  # noqa: PLC0415  absent on Windows
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


class Server:
    """An ASGI application on one address, while the block runs.

    Args:
        app: the application; its lifespan runs inside the block.
        host: address or name; empty means all interfaces (IPv4 and, where there is one, IPv6).
        port: 0 picks a free one.
        tls_cert: PEM file with the certificate chain; needs tls_key.
        tls_key: PEM file with the private key.
        keep_alive_s: how long an idle connection is kept.
        close_timeout_s: how long leaving may take before connections are cut.
        trusted_proxies: addresses whose X-Forwarded headers are believed, comma-separated.
        reuse_port: share the port with other processes that ask for the same; the kernel spreads the connections.
        sockets: listening sockets to serve on instead of opening host and port, for instance those systemd handed over.
        private_sockets: further listening sockets, which `stop_accepting` leaves open.
        clock: by which the certificate must be valid.
        on_certificate: told until when the certificate is valid, at the start and whenever a renewed one is read.

    Raises:
        UsageError: on entering, when the address or the TLS files cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        tls_cert: Path | str | None = None,
        tls_key: Path | str | None = None,
        keep_alive_s: int = 60,
        close_timeout_s: float = 5.0,
        trusted_proxies: str = "127.0.0.1,::1",
        reuse_port: bool = False,
        sockets: Sequence[socket.socket] = (),
        private_sockets: Sequence[socket.socket] = (),
        clock: Clock | None = None,
        on_certificate: Callable[[datetime], None] | None = None,
    ) -> None:
        if bool(tls_cert) is not bool(tls_key):
            missing = "key" if tls_cert else "certificate"
            raise UsageError(
                f"TLS is not fully configured: the {missing} is missing", code="tls_incomplete", hint="set both files"
            )
        self._host = host
        self._asked_port = port
        self._port = port
        self._close_timeout_s = close_timeout_s
        self._reuse_port = reuse_port
        self._listening = [*sockets]
        self._private = [*private_sockets]
        self._clock = clock or SystemClock()
        self._tls = TlsFiles(Path(tls_cert), Path(tls_key)) if tls_cert and tls_key else None
        self._tls_changed_at = 0, 0
        self._on_certificate = on_certificate
        self._stack = AsyncExitStack()
        self._config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            loop="none",
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
            ssl_certfile=tls_cert or None,
            ssl_keyfile=tls_key or None,
            timeout_keep_alive=keep_alive_s,
            timeout_graceful_shutdown=close_timeout_s,  # pyright: ignore[reportArgumentType]  it only waits for it
        )
        self._server = _Uvicorn(self._config)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on; the real one where 0 was asked for."""
        return self._port

    @property
    def address(self) -> str:
        """Where it is reached from this machine, as `scheme://host:port`."""
        shown = "localhost" if self._host in {"", "0.0.0.0", "::"} else self._host  # noqa: S104  compared, not bound
        scheme = "https" if self._config.ssl_certfile else "http"
        return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{self._port}"

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            self._tls_changed_at = self._tls.changed_at()
            self._certificate_read(await asyncio.to_thread(self._tls.check, self._clock.wall()))
        try:
            self._config.load()
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(
                f"the TLS files cannot be used: {error.strerror or error}",
                code="tls_unreadable",
                hint=f"check {self._config.ssl_certfile} and {self._config.ssl_keyfile}",
            ) from error
        listening = self._listening = self._listening or await _listen(
            self._host, self._asked_port, reuse_port=self._reuse_port
        )
        if isinstance(address := listening[0].getsockname(), tuple):
            self._port = int(address[1])  # pyright: ignore[reportUnknownArgumentType]
        self._task = asyncio.create_task(
            self._server.serve(sockets=[*listening, *self._private]), name=f"http:{self._port}"
        )
        started = asyncio.create_task(self._server.up.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.close()
            raise
        finally:
            started.cancel()
        if not self._server.up.is_set():
            for one in listening:
                one.close()
            await self._task
        if self._tls is not None:
            await self._stack.enter_async_context(periodic(RENEWAL_CHECK_S, self._follow_renewal, "follow TLS renewal"))
        _log.info("listening", host=self._host or "*", port=self._port, tls=self._config.is_ssl)
        return self

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What it listens on; empty before it is entered and after `stop_accepting`."""
        return self._listening

    async def stop_accepting(self) -> None:
        """Closes the port and goes on serving the connections that stand, also those that were waiting to be accepted.

        Connections kept for a next request are closed: their clients then ask where new connections go.
        """
        waiting, self._listening = [one.dup() for one in self._listening], []
        for server in self._server.servers[: len(waiting)]:
            server.close()
        try:
            for one in waiting:
                await self._accept_waiting(one)
        finally:
            for one in waiting:
                one.close()
        for connection in tuple(self._server.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.end_after_request()
        _log.info("port closed", host=self._host or "*", port=self._port)

    async def _accept_waiting(self, listener: socket.socket) -> None:
        """Takes what the kernel has connected already, which would be reset with the socket."""
        accepted: list[socket.socket] = []
        with suppress(BlockingIOError):
            while len(accepted) < _BACKLOG:
                accepted.append(listener.accept()[0])
        listener.close()
        loop = asyncio.get_running_loop()
        for one in accepted:
            one.setblocking(False)
            with suppress(OSError):  # the client has left
                await loop.connect_accepted_socket(self._server.connection, one, ssl=self._config.ssl)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stops accepting, ends what is open, and returns within a second after close_timeout_s."""
        if self._task is None:
            return
        task, self._task = self._task, None
        await self._stack.aclose()
        self._server.should_exit = True
        await asyncio.wait({task}, timeout=self._close_timeout_s + 0.5)
        self._server.force_exit = True
        for connection in tuple(self._server.server_state.connections):
            connection.transport.abort()
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)
        if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("server ended with an error", error=str(failure))

    async def _follow_renewal(self) -> None:
        """Serves a renewed certificate to new connections.

        Raises:
            UsageError: it cannot be used, and the old one stays.
        """
        files, context = self._tls, self._config.ssl
        if files is None or context is None:
            return
        changed_at = await asyncio.to_thread(files.changed_at)
        if changed_at == self._tls_changed_at or not all(changed_at):
            return
        until = await asyncio.to_thread(files.check, self._clock.wall())
        files.load_into(context)
        self._tls_changed_at = changed_at
        self._certificate_read(until)

    def _certificate_read(self, until: datetime) -> None:
        _log.info("certificate", valid_until=until.isoformat())
        if self._on_certificate is not None:
            self._on_certificate(until)


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return HttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Installs no handlers, because the life cycle handles the signals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts; where uvicorn would end the process it raises."""
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise DependencyError(
                "the application failed to start", code="startup_failed", hint="see the log"
            ) from error
        self.up.set()


async def _listen(host: str, port: int, *, reuse_port: bool) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for family, address in await _addresses(host):
            actual_port = opened[0].getsockname()[1] if opened else port
            try:
                opened.append(_listener(family, address, actual_port, reuse_port=reuse_port))
            except OSError:
                if not opened or host:  # without IPv6, "all interfaces" means IPv4
                    raise
    except OSError as error:
        for one in opened:
            one.close()
        raise _cannot_listen(host, port, error) from error
    return opened


def _listener(family: int, address: str, port: int, *, reuse_port: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address, port))
        one.listen(_BACKLOG)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one


async def _addresses(host: str) -> Sequence[tuple[int, str]]:
    if not host:
        return [(socket.AF_INET, "0.0.0.0"), *([(socket.AF_INET6, "::")] if socket.has_ipv6 else [])]  # noqa: S104  asked for
    if host == "localhost":
        return [(socket.AF_INET, "127.0.0.1")]
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _cannot_listen(host: str, port: int, error: OSError) -> UsageError:
    where = f"{host or '*'}:{port}"
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"{where} is already in use", code="address_in_use", hint="stop the other program, or choose another port"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return UsageError(
            f"not allowed to listen on {where}", code="address_not_allowed", hint="choose a port above 1023"
        )
    return UsageError(
        f"cannot listen on {where}: {error.strerror or error}",
        code="address_unusable",
        hint="choose an address of this machine, or leave the host empty for all",
    )
