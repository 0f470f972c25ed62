"""The ICE servers that a client is told: those of the configuration, else a public STUN server."""

from typing import Any, Final

from vox.agent.server import AgentServer
from vox.http.call import HttpCall

DEFAULT_STUN: Final = "stun:stun.l.google.com:19302"


def ice_servers(server: AgentServer, call: HttpCall) -> list[dict[str, Any]]:
    """The servers in the form of a browser's RTCIceServer.

    Args:
        server: its settings name them, each as a URL or as an object with `urls`, `username` and `credential`.
        call: the request that asks.
    """
    del call
    configured = server.settings.webrtc_ice_servers or [DEFAULT_STUN]
    return [{"urls": [one]} if isinstance(one, str) else dict(one) for one in configured]
