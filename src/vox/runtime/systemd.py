"""systemd as the process that it started sees it: readiness, status, watchdog, and sockets that outlive a process.

Without `NOTIFY_SOCKET` in the environment every message goes nowhere, so callers need not ask who started them. The
descriptor store keeps a listening socket while one generation of a process follows another: the port never closes.
"""

import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from vox.runtime.logging import get_logger
from vox.runtime.service_environment import ServiceEnvironment, read_environment
from vox.runtime.tasks import periodic

PORT_NAME: Final = "vox-port"
"""Under this name a process keeps its own listening sockets in the descriptor store."""
REPORT_S: Final = 1.0
EXTEND_S: Final = 30
"""How much longer each report of a draining process lets it run, whatever `TimeoutStopSec` says."""
_USEC_PER_S: Final = 1_000_000

_log = get_logger(__name__)


class Systemd:
    """The connection to systemd; does nothing where the process was started by something else.

    Args:
        given: what the process was told.
    """

    def __init__(self, given: ServiceEnvironment) -> None:
        self._address = given.notify_address
        self._watchdog_s = given.watchdog_s
        self._sockets = [(name, _opened(descriptor)) for descriptor, name in given.descriptors]
        self.has_socket_unit = any(name != PORT_NAME and one is not None for name, one in self._sockets)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Systemd":
        """The service manager of this process."""
        return cls(read_environment(environment, os.getpid()))

    @property
    def is_present(self) -> bool:
        """Whether messages reach anything."""
        return bool(self._address)

    def take_sockets(self, host: str, port: int) -> list[socket.socket]:
        """The listening sockets that were handed over, and from now on the caller's.

        What a socket unit owns is taken as it is. What an earlier generation left is taken where it is still the
        configured address, and is otherwise closed and forgotten, so that a changed port is obeyed.
        """
        taken, self._sockets = self._sockets, []
        of_unit = [one for name, one in taken if name != PORT_NAME and one is not None]
        kept = [one for name, one in taken if name == PORT_NAME]
        usable = [one for one in kept if one is not None and not of_unit and _listens_at(one, host, port)]
        if len(usable) < len(kept):
            self.forget()
            self.keep(usable)
        for one in kept:
            if one is not None and one not in usable:
                one.close()
        return of_unit or usable

    def keep(self, sockets: Sequence[socket.socket]) -> None:
        """Leaves listening sockets with systemd for the next generation."""
        if sockets:
            self._send(f"FDSTORE=1\nFDNAME={PORT_NAME}", sockets)

    def forget(self) -> None:
        """Takes them back, so that the port closes with this process."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={PORT_NAME}")

    def tell(self, **fields: str | int) -> None:
        """Sends a message, for instance `READY=1`; one that cannot be delivered is dropped."""
        self._send("\n".join(f"{name}={value}" for name, value in fields.items()))

    @asynccontextmanager
    async def reporting(self, status: Callable[[], str], is_draining: Callable[[], bool]) -> AsyncGenerator[None]:
        """Says `READY` now, and while the block runs what `status` returns, that the event loop is alive, and when it drains.

        Args:
            status: one line for `systemctl status`.
            is_draining: whether the end has begun; then each report asks for time to finish.
        """
        if not self.is_present:
            yield
            return
        last = ""
        was_draining = False

        async def report() -> None:
            nonlocal last, was_draining
            fields: dict[str, str | int] = {"WATCHDOG": 1} if self._watchdog_s else {}
            if (line := status()) != last:
                last = fields["STATUS"] = line
            if is_draining():
                if not was_draining:
                    was_draining, fields["STOPPING"] = True, 1
                fields["EXTEND_TIMEOUT_USEC"] = EXTEND_S * _USEC_PER_S
            if fields:
                self.tell(**fields)

        last = status()
        self.tell(READY=1, STATUS=last)
        interval_s = min(REPORT_S, (self._watchdog_s or REPORT_S * 2) / 2)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(periodic(interval_s, report, "report to systemd"))
            yield

    def _send(self, message: str, sockets: Sequence[socket.socket] = ()) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as one:
                one.connect(address)
                if sockets:
                    socket.send_fds(one, [message.encode()], [each.fileno() for each in sockets])
                else:
                    one.send(message.encode())
        except OSError as error:  # it may be restarting; nothing that runs here depends on it
            _log.debug("systemd was not told", message=message, error=str(error))


def _opened(descriptor: int) -> socket.socket | None:
    try:
        one = socket.socket(fileno=descriptor)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            one.set_inheritable(False)
            one.setblocking(False)
            return one
    one.detach()
    return None


def _listens_at(one: socket.socket, host: str, port: int) -> bool:
    if one.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    address: tuple[str, int] = one.getsockname()[:2]
    hosts = {"": {"0.0.0.0", "::"}, "localhost": {"127.0.0.1"}}.get(host, {host})  # noqa: S104  compared, not bound
    return address[0] in hosts and port in {address[1], 0}
