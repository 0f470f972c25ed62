"""The gateway: sockets, sessions, and which events reach them."""

from vox.chat.gateway.bounds import Bounds
from vox.chat.gateway.hub import Hub, serve

__all__ = ["Bounds", "Hub", "serve"]
