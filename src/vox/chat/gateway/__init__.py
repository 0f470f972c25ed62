"""The gateway: sockets, sessions, and which events reach them."""

from typing import TYPE_CHECKING

from starlette.websockets import WebSocket

from vox.chat.gateway.bounds import Bounds
from vox.chat.gateway.hub import Hub

if TYPE_CHECKING:
    from vox.chat.server import Chat

__all__ = ["Bounds", "Hub", "serve"]


async def serve(chat: "Chat", websocket: WebSocket) -> None:
    """Serves one gateway socket to its end."""
    await chat.hub.serve(websocket)
