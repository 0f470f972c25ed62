"""The gateway: sockets, sessions, and which events reach them."""

from vox.chat.gateway.hub import Hub
from vox.chat.gateway.limits import GatewayLimits

__all__ = ["GatewayLimits", "Hub"]
