"""Which rate limit of the chat server a path counts in: its headers do not name it, so clients go by the same rule. Pure."""

from typing import Final

_API: Final = "/api/v1/"

_BY_PREFIX: Final[dict[str, str]] = {
    "auth": "auth",
    "feeds": "channels",
    "rooms": "channels",
    "categories": "channels",
    "threads": "channels",
    "roles": "roles",
    "members": "members",
    "invites": "invites",
    "webhooks": "webhooks",
    "emoji": "emoji",
    "stickers": "emoji",
    "moderation": "moderation",
    "voice": "voice",
    "server": "server",
    "bots": "bots",
    "interactions": "interactions",
    "outgoing-webhooks": "webhooks",
    "keys": "e2ee",
    "dms": "messages",
    "files": "files",
    "federation": "federation",
    "reports": "moderation",
    "admin": "moderation",
    "users": "members",
}


def category_name(path: str) -> str:
    """The category of a path, in the original's order of questions."""
    if "/messages" in path or (path.startswith(f"{_API}webhooks/") and "/execute" in path):
        return "messages"
    if "/search" in path:
        return "search"
    return _BY_PREFIX.get(path.removeprefix(_API).partition("/")[0], "server")
