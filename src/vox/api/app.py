"""The documented address of the chat server for ASGI servers: `uvicorn vox.api.app:create_app --factory`."""

from vox.chat.app import create_app

__all__ = ["create_app"]
