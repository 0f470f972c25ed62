"""The way from an agent server to relays: the one of this process where it is that, else the internal socket behind the guard."""

from collections.abc import Callable, Coroutine
from ipaddress import ip_network
from random import Random
from typing import Any

from vox.agent.server import AgentServer
from vox.clients.relay_voices import RelayVoices
from vox.media.rooms.contract import FindRelay, RoomVoices
from vox.runtime.clock import Clock
from vox.security.outbound import OutboundGuard


class Relays:
    """Finds relays by their media URL.

    Args:
        local: gives the relay of this process; None where there is none.
        networks: private networks that relays and the chat server may be in.
        spawn: runs tasks of members.
        clock: of this process.
        random: spreads reconnections.
    """

    def __init__(
        self,
        local: FindRelay | None,
        networks: list[str],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        clock: Clock,
        random: Random,
    ) -> None:
        self._local = local
        self._spawn = spawn
        self._clock = clock
        self._random = random
        allowed = [ip_network(network, strict=False) for network in networks]
        schemes = frozenset({"ws", "wss", "http", "https"})
        self.guard = OutboundGuard(allowed_private=allowed, allowed_ports=None, allowed_schemes=schemes)

    def at(self, url: str) -> RoomVoices:
        """The relay with this media URL, which is asked for nothing before a member joins."""
        found = self._local(url) if self._local is not None else None
        if found is not None:
            return found
        return RelayVoices(url, spawn=self._spawn, clock=self._clock, random=self._random, check=self._check)

    async def _check(self, url: str) -> str:
        """Lets a URL pass whose host is at addresses that may be reached; TLS holds the name to what was checked.

        Raises:
            UsageError: it is refused.
            DependencyError: the name has no address.
        """
        target = await self.guard.resolve(url)
        if target.scheme != "ws":
            return url
        host = f"[{target.address}]" if ":" in target.address else target.address
        return f"ws://{host}:{target.port}{target.path}"


def make_relays(server: AgentServer) -> Relays:
    """The relays that an agent server reaches."""
    return Relays(server.local_relay, server.settings.media_networks, server.spawn, server.clock, server.chance)
