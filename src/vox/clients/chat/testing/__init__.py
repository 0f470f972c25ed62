"""A chat server for the tests of bots: docs/how-to/write-a-bot.md."""

from vox.clients.chat.testing.community import FakeInteraction, FakeMessage, FakeUser
from vox.clients.chat.testing.server import Call, FakeChatServer

__all__ = ["Call", "FakeChatServer", "FakeInteraction", "FakeMessage", "FakeUser"]
