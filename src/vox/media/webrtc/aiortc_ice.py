"""Where a peer's UDP sockets are and how it finds its ways to the other side, on top of aioice.

aioice binds any port of every interface but loopback, waits five seconds for a STUN server that does not answer, and cannot
restart. Here a connection gathers within what the operator allows, remembers for a while that a server did not answer, and
`IcePath` puts a new connection in the place of the old one while DTLS and everything above go on.
"""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from aioice import Candidate, Connection, ConnectionClosed, TransportPolicy, ice, turn
from aioice.candidate import candidate_foundation, candidate_priority
from aiortc.rtcconfiguration import RTCIceServer
from aiortc.rtcicetransport import connection_kwargs

from vox.errors import DependencyError
from vox.media.webrtc.contract import IceServer, PeerOptions, PeerState
from vox.media.webrtc.sdp import is_useful_candidate
from vox.runtime.clock import Clock

STUN_TIMEOUT_S: Final = 1.0
"""A client waits for the answer meanwhile."""
TURN_TIMEOUT_S: Final = 3.0
UNREACHABLE_S: Final = 60.0
"""For so long a server that did not answer is not asked again."""
CONSENT_INTERVAL_S: Final = 2
CONSENT_FAILURES: Final = 4
"""Checks of the path without an answer until it is lost, about ten seconds (RFC 7675 allows 30, which is aioice's own)."""
MAX_SERVERS: Final = 100
LOOPBACK: Final = "127.0.0.1"

ice.CONSENT_INTERVAL = CONSENT_INTERVAL_S
ice.CONSENT_FAILURES = CONSENT_FAILURES

_Gathered = tuple[Candidate, "ice.StunProtocol | None"]


class UnreachableServers:
    """STUN and TURN servers that did not answer lately."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, int], float] = {}

    def add(self, server: tuple[str, int], now: float) -> None:
        """A server did not answer."""
        self._until[server] = now + UNREACHABLE_S
        while len(self._until) > MAX_SERVERS:
            del self._until[next(iter(self._until))]

    def is_known(self, server: tuple[str, int], now: float) -> bool:
        """Whether a server is not worth a try."""
        return self._until.get(server, 0.0) > now


unreachable_servers: Final = UnreachableServers()
"""Of this process: every call would wait for the same server."""


def aiortc_servers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """The servers as aiortc takes them; what it cannot use is left out."""
    return [
        RTCIceServer(urls=list(urls), username=one.username or None, credential=one.credential or None)
        for one in servers
        if (urls := [url for url in one.urls if not url.startswith("stuns:")])
    ]


class MediaProtocol(ice.StunProtocol):
    """A UDP socket whose media goes past aioice and the loop of DTLS: a queue and a task's turn for every 20 ms of every call.

    Args:
        receiver: whose socket it is.
        on_media: takes one SRTP packet.
    """

    def __init__(self, receiver: Connection, on_media: Callable[[bytes], None]) -> None:
        super().__init__(receiver)
        self._on_media = on_media

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Tells media from STUN, DTLS and RTCP by its first two bytes (RFC 7983, RFC 5761 section 4)."""
        if isinstance(data, bytes) and len(data) > 1 and 128 <= data[0] < 192 and not 192 <= data[1] < 224:  # noqa: PLR2004
            self._on_media(data)
        else:
            super().datagram_received(data, addr)


class Gatherer:
    """Gathers the local candidates of one connection; installed in place of `Connection.get_component_candidates`.

    Args:
        connection: whose candidates.
        options: where it may listen, and which servers it may ask.
        clock: for what servers did not answer.
        on_media: takes each SRTP packet.

    Raises:
        DependencyError: `media_unavailable`, from its call.
    """

    def __init__(
        self, connection: Connection, options: PeerOptions, clock: Clock, on_media: Callable[[bytes], None]
    ) -> None:
        self._connection = connection
        self._options = options
        self._clock = clock
        self._on_media = on_media

    def install(self) -> None:
        """Has the connection gather this way."""
        cast("Any", self._connection).get_component_candidates = self._gather

    async def _gather(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:  # noqa: ASYNC109  aioice's signature
        del timeout
        options, connection = self._options, self._connection
        if options.addresses:
            addresses = list(options.addresses)
        if options.is_loopback and LOOPBACK not in addresses:
            addresses = [*addresses, LOOPBACK]
        if options.is_relay_only:
            addresses = []
        opened: list[Any] = cast("Any", connection)._protocols  # noqa: SLF001  aioice has no other way in; closes them
        protocols: list[ice.StunProtocol] = []
        for address in addresses:
            if (one := await self._listen(component, address)) is not None:
                protocols.append(one)
                opened.append(one)
        if addresses and not protocols:
            raise DependencyError(
                "no UDP port is free for a WebRTC connection",
                code="media_unavailable",
                hint="widen webrtc_udp_ports",
                retryable=True,
            )
        candidates = [one.local_candidate for one in protocols]
        if options.public_address:
            candidates += [
                _public(one, options.public_address)
                for one in candidates
                if ":" not in one.host and one.host != LOOPBACK
            ]
        return candidates + await self._ask_servers(component, protocols)

    async def _listen(self, component: int, address: str) -> "ice.StunProtocol | None":
        loop = asyncio.get_running_loop()
        for port in _ports(self._options.ports):
            try:
                transport, protocol = await loop.create_datagram_endpoint(self._protocol, local_addr=(address, port))
            except OSError:
                continue
            protocol.local_candidate = _host(component, transport)
            return protocol
        return None

    def _protocol(self) -> MediaProtocol:
        return MediaProtocol(self._connection, self._on_media)

    async def _ask_servers(self, component: int, protocols: Sequence["ice.StunProtocol"]) -> list[Candidate]:
        connection, now = self._connection, self._clock.now()
        questions: list[tuple[tuple[str, int], float, Awaitable[_Gathered]]] = []
        stun, relay = connection.stun_server, connection.turn_server
        if stun and not self._options.public_address and not unreachable_servers.is_known(stun, now):
            questions += [
                (stun, STUN_TIMEOUT_S, ice.server_reflexive_candidate(one, stun))
                for one in protocols
                if ":" not in one.local_candidate.host and one.local_candidate.host != LOOPBACK
            ]
        if relay and not unreachable_servers.is_known(relay, now):
            allocation = ice.relayed_candidate(
                component=component,
                hide_related_address=self._options.is_relay_only,
                protocol_factory=self._protocol,
                turn_server=relay,
                turn_username=connection.turn_username,
                turn_password=connection.turn_password,
                turn_ssl=connection.turn_ssl,
                turn_transport=connection.turn_transport,
            )
            questions.append((relay, TURN_TIMEOUT_S, allocation))
        answers = await asyncio.gather(*(self._ask(*one) for one in questions))
        return [candidate for candidate in answers if candidate is not None]

    async def _ask(self, server: tuple[str, int], timeout_s: float, question: Awaitable[_Gathered]) -> Candidate | None:
        try:
            async with asyncio.timeout(timeout_s):
                candidate, protocol = await question
        except (TimeoutError, OSError, ice.stun.TransactionError, KeyError):
            unreachable_servers.add(server, self._clock.now())
            return None
        if protocol is not None:
            cast("Any", self._connection)._protocols.append(protocol)  # noqa: SLF001
        return candidate


class IcePath:
    """The way of a peer's datagrams: one ICE connection, until a restart puts another in its place.

    Args:
        transport: aiortc's, whose datagrams go this way from now on.
        options: for the connections of restarts.
        clock: for them, too.
        on_media: takes each SRTP packet.
        tell: called when the connection of a restart stands, and when it is lost; of the first one aiortc tells.
    """

    def __init__(
        self,
        transport: Any,
        options: PeerOptions,
        clock: Clock,
        *,
        on_media: Callable[[bytes], None],
        tell: Callable[[PeerState], None],
    ) -> None:
        self._transport = transport
        self._connection: Connection = transport._connection  # noqa: SLF001  aiortc hands it out nowhere else
        self._options = options
        self._clock = clock
        self._on_media = on_media
        self._tell = tell
        self._is_closed = False
        self._coming: Connection | None = None
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self.restarts = 0
        transport._recv = self._receive  # noqa: SLF001  what DTLS reads from; aiortc has no way to change it
        transport._send = self._send  # noqa: SLF001

    async def restart(self, username: str, password: str, candidates: Sequence[str]) -> list[str]:
        """Begins a second connection beside the first, which carries on until the second one stands.

        One that a restart before it began, and that does not stand yet, is given up.

        Returns:
            The lines that describe it, for the answer.
        """
        kwargs = connection_kwargs(aiortc_servers(self._options.ice_servers))
        policy = TransportPolicy.RELAY if self._options.is_relay_only else TransportPolicy.ALL
        connection = Connection(ice_controlling=False, transport_policy=policy, **kwargs)
        Gatherer(connection, self._options, self._clock, self._on_media).install()
        try:
            await connection.gather_candidates()
            if self._is_closed:
                raise ConnectionError("the connection was closed meanwhile")  # noqa: TRY301  closed with what was opened for it
            connection.remote_username, connection.remote_password = username, password
            for one in candidates:
                await connection.add_remote_candidate(Candidate.from_sdp(one.removeprefix("candidate:")))
        except BaseException:
            await connection.close()
            raise
        self.restarts += 1
        if self._coming is not None:
            self._tasks[self._coming].cancel()
        self._coming = connection
        task = self._tasks[connection] = asyncio.create_task(self._take_over(connection), name="ICE restart")
        task.add_done_callback(lambda _: self._tasks.pop(connection, None))
        described = [f"a=candidate:{one.to_sdp()}" for one in connection.local_candidates]
        return [
            *described,
            "a=end-of-candidates",
            f"a=ice-ufrag:{connection.local_username}",
            f"a=ice-pwd:{connection.local_password}",
        ]

    async def add_candidates(self, candidates: Sequence[str]) -> None:
        """Adds addresses of the other side: to the connection that is being made, if there is one, for they belong to the last offer."""
        connection = self._coming or self._connection
        for one in candidates:
            if is_useful_candidate(one):
                with suppress(ValueError):
                    await connection.add_remote_candidate(Candidate.from_sdp(one.removeprefix("candidate:")))

    async def close(self) -> None:
        """Ends the connections of restarts; the first one is aiortc's."""
        self._is_closed = True
        tasks, coming = set(self._tasks.values()), self._coming
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        if coming is not None:
            await coming.close()
        if self.restarts:
            await self._connection.close()

    async def _take_over(self, connection: Connection) -> None:
        try:
            await connection.connect()
        except (ConnectionError, asyncio.CancelledError):
            await connection.close()
            return
        finally:
            if self._coming is connection:
                self._coming = None
        before, self._connection = self._connection, connection
        await before.close()
        self._tell("connected")
        while True:
            event = await connection.get_event()
            if event is None or isinstance(event, ConnectionClosed):
                if connection is self._connection:
                    self._tell("lost")
                return

    async def _receive(self) -> bytes:
        while True:
            connection = self._connection
            try:
                return await connection.recv()
            except ConnectionError:
                if connection is self._connection:
                    raise

    async def _send(self, data: bytes) -> None:
        await self._connection.send(data)


def _ports(ports: range | None) -> Sequence[int]:
    """In turn from a random one on, so that a call rarely meets the packets of the one before."""
    if ports is None:
        return (0,)
    first = secrets.randbelow(len(ports))
    return (*ports[first:], *ports[:first])


def _host(component: int, transport: asyncio.DatagramTransport) -> Candidate:
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE)
    host, port = transport.get_extra_info("sockname")[:2]
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


def _public(host: Candidate, address: str) -> Candidate:
    """The same socket as the other side of a NAT sees it."""
    return Candidate(
        foundation=candidate_foundation("srflx", "udp", host.host),
        component=host.component,
        transport="udp",
        priority=candidate_priority(host.component, "srflx"),
        host=address,
        port=host.port,
        type="srflx",
        related_address=host.host,
        related_port=host.port,
    )
