"""How the parts of `vox up` reach each other for voice rooms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vox.media.rooms.contract import RoomVoices
    from vox.security.room_tokens import RoomKey

LOOPBACK_NETWORKS: Final = ["127.0.0.0/8", "::1/128"]


@dataclass(slots=True)
class Wiring:
    """How the parts of this process reach each other for voice rooms.

    Args:
        key: that relay, chat and agent share.
        relay: the relay's address (http).
        chat: the chat server's; empty where none runs.
        agent: the agent server's; empty where none runs.
        is_local: whether all of them are on loopback.
        voices: the relay's door for members of this process, while it runs.
    """

    key: "RoomKey"
    relay: str
    chat: str
    agent: str
    is_local: bool
    voices: "RoomVoices | None" = field(default=None)

    @property
    def url(self) -> str:
        """Where clients reach the relay."""
        return self.relay.replace("http", "ws", 1)

    def find_relay(self, url: str) -> "RoomVoices | None":
        """The relay of this process for its media URL, while it runs; None for another one's."""
        return self.voices if not url or _plain(url) == _plain(self.relay) else None

    def for_agent(self) -> dict[str, Any]:
        """Settings of the agent."""
        secret = self.key.secret
        found: dict[str, Any] = {"media_key": self.key.key, "media_secret": secret}
        if self.is_local:
            found["media_networks"] = LOOPBACK_NETWORKS
        return found | ({"rooms_chat_url": self.chat} if self.chat else {})

    def for_chat(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Settings of the chat server that its environment does not say."""
        found = {
            "agent_url": ("VOX_AGENT_URL", self.agent if self.is_local else ""),
            "media_url": ("VOX_MEDIA_URL", self.url),
            "media_key": ("VOX_MEDIA_KEY", self.key.key),
            "media_secret": ("VOX_MEDIA_SECRET", self.key.secret),
            "media_agent_url": ("VOX_MEDIA_AGENT_URL", self.agent),
            "media_callback_url": ("VOX_MEDIA_CALLBACK_URL", self.chat),
        }
        return {name: value for name, (variable, value) in found.items() if value and not environment.get(variable)}


def _plain(url: str) -> str:
    """An address without what does not tell relays apart."""
    scheme, _, rest = url.partition("://")
    secure = "s" if scheme in {"wss", "https"} else ""
    return f"{secure}//{rest.rstrip('/').replace('localhost', '127.0.0.1').lower()}"
