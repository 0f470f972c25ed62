"""A client for bots and programs of the chat server: docs/how-to/write-a-bot.md."""

from vox.clients.chat.back_off import BackOff
from vox.clients.chat.client import Client
from vox.clients.chat.commands import Option
from vox.clients.chat.components import Button, Menu, MenuOption, Modal, TextInput, link_button
from vox.clients.chat.errors import (
    AuthenticationError,
    ForbiddenError,
    GatewayClosedError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    UnavailableError,
)
from vox.clients.chat.files import File
from vox.clients.chat.interactions import Interaction
from vox.clients.chat.messages import EVERYONE, Channel, Embed, EmbedField, Message, Sent
from vox.clients.chat.people import Member, Role, User
from vox.clients.chat.permissions import Permissions
from vox.clients.chat.rest import Patience
from vox.clients.chat.spaces import Conversation, Feed, Room, Thread

__all__ = [
    "EVERYONE",
    "AuthenticationError",
    "BackOff",
    "Button",
    "Channel",
    "Client",
    "Conversation",
    "Embed",
    "EmbedField",
    "Feed",
    "File",
    "ForbiddenError",
    "GatewayClosedError",
    "Interaction",
    "Member",
    "Menu",
    "MenuOption",
    "Message",
    "Modal",
    "NotFoundError",
    "Option",
    "Patience",
    "Permissions",
    "RateLimitedError",
    "RequestRefusedError",
    "Role",
    "Room",
    "Sent",
    "TextInput",
    "Thread",
    "UnavailableError",
    "User",
    "link_button",
]
