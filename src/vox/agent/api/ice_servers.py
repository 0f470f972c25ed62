"""The ICE servers of one client: what it is told, and what this server's own connection to it asks."""

from typing import Any

from vox.agent.config.doors import LOOPBACK_ADDRESS
from vox.agent.config.webrtc import as_browser_object, port_range
from vox.agent.config.webrtc import ice_servers as with_credentials
from vox.agent.server import AgentServer
from vox.http.call import HttpCall
from vox.media.webrtc.contract import IceServer, PeerOptions
from vox.runtime.clock import new_id

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  compared with, not listened on
_LOOPBACK = frozenset({"localhost", LOOPBACK_ADDRESS, "::1"})


def ice_servers(server: AgentServer, call: HttpCall) -> list[dict[str, Any]]:
    """The servers for a client, in the form of a browser's RTCIceServer, with credentials of its own.

    Args:
        server: its settings name them.
        call: the request that asks.
    """
    del call
    return [as_browser_object(one) for one in _servers(server)]


def peer_options(server: AgentServer) -> PeerOptions:
    """How this server reaches the client of one call.

    A server that only this machine reaches asks no STUN server for its public address.
    """
    settings = server.settings
    host = settings.bind_host
    is_loopback = host in _LOOPBACK or host.startswith("127.")
    servers = () if is_loopback and settings.webrtc_ice_servers is None else _servers(server)
    return PeerOptions(
        ice_servers=servers,
        addresses=() if is_loopback or host in _ANY else (host,),
        ports=port_range(settings.webrtc_udp_ports),
        public_address=settings.webrtc_public_address,
        is_loopback=is_loopback,
    )


def _servers(server: AgentServer) -> tuple[IceServer, ...]:
    settings = server.settings
    return with_credentials(
        settings.webrtc_ice_servers,
        turn_secret=settings.webrtc_turn_secret.get_secret_value(),
        ttl_s=settings.webrtc_turn_ttl_secs,
        unix_s=server.clock.unix_s(),
        name=new_id("vox"),
    )
