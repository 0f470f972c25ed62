"""What the simulator sends: callbacks, requests for documents, media streams. Only to this machine, unless it is allowed more.

The addresses come from whichever program orders a call, often from a configuration that was written for the real carrier, so a
simulator that sent anywhere could reach a production server by accident.
"""

import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from vox.clients.carrier_simulator.requests import OutgoingRequest
from vox.errors import DependencyError, UsageError
from vox.http.websocket import Socket, SocketListener, open_socket
from vox.security.addresses import Network
from vox.security.outbound import FetchResult, OutboundGuard, SystemResolver
from vox.security.urls import parse_url

TIMEOUT_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 256 * 1024
LOOPBACK_NETWORKS: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
_IN_FLIGHT: Final = 512


class Outgoing:
    """Sends requests and opens sockets to allowed networks.

    Args:
        networks: where the simulator may send to, besides this machine.
        tls: how certificates are checked; None for what the system trusts.
    """

    def __init__(self, networks: Sequence[Network] = (), *, tls: ssl.SSLContext | None = None) -> None:
        self._networks = (*LOOPBACK_NETWORKS, *networks)
        self._tls = tls
        self._system = SystemResolver()
        self._guard = OutboundGuard(
            allowed_private=self._networks,
            allowed_ports=None,
            allowed_schemes=_SCHEMES,
            resolver=self._resolve,
            ssl_context=tls,
            max_in_flight=_IN_FLIGHT,
        )

    async def send(self, request: OutgoingRequest) -> FetchResult:
        """Sends a request and reads the answer.

        Raises:
            UsageError: `simulator_address_refused`, `url_refused`.
            DependencyError: no complete answer came in time.
        """
        self._check(request.url)
        return await self._guard.fetch(
            request.method,
            request.url,
            headers=request.headers,
            body=request.body,
            deadline_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER_BYTES,
            max_redirects=5,
        )

    async def connect(
        self, url: str, listener: SocketListener, *, headers: Sequence[tuple[str, str]], connect_timeout_s: float
    ) -> Socket:
        """Opens a WebSocket.

        Raises:
            UsageError: `simulator_address_refused`, `url_refused`.
            DependencyError: refused, or no connection in time.
        """
        self._check(url)
        try:
            async with asyncio.timeout(connect_timeout_s):
                await self._guard.resolve(url)
        except TimeoutError:
            raise DependencyError("The host's name was not resolved in time.", code="connect_timed_out") from None
        return await open_socket(url, listener, headers=headers, connect_timeout_s=connect_timeout_s, tls=self._tls)

    def _check(self, url: str) -> None:
        """Refuses literal addresses outside; names are judged by what they resolve to."""
        parsed = parse_url(url, allowed_schemes=_SCHEMES)
        if parsed.address is not None and not self._is_allowed(str(parsed.address)):
            raise _refused(parsed.host)

    async def _resolve(self, host: str, port: int) -> list[str]:
        found = await self._system(host, port)
        if not all(self._is_allowed(address) for address in found):
            raise _refused(host)
        return found

    def _is_allowed(self, address: str) -> bool:
        one = ip_address(address.partition("%")[0])
        return any(one in network for network in self._networks)


def _refused(host: str) -> UsageError:
    return UsageError(
        f"The simulator does not send to {host}",
        code="simulator_address_refused",
        hint="it sends to this machine only; allow a network with --allow-network",
    )
