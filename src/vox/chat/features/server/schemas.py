"""Requests and responses of the community settings."""

from typing import Literal

from msgspec import Struct


class GatewayInfo(Struct):
    """The addresses of the gateway and the voice server."""

    url: str
    media_url: str
    protocol_version: int = 1
    min_version: int = 1
    max_version: int = 1


class ServerInfo(Struct):
    """The community as a whole."""

    name: str
    icon: str | None
    description: str | None
    member_count: int


class ServerChange(Struct):
    """What to change of the community."""

    name: str | None = None
    icon: str | None = None
    description: str | None = None


class LimitsChange(Struct):
    """Limits by name."""

    limits: dict[str, int]


class GifsInfo(Struct):
    """The settings of the GIF provider; the key itself is never shown."""

    provider: str
    api_key_set: bool
    content_filter: str
    locale: str | None


class GifsChange(Struct):
    """What to change of the GIF provider."""

    provider: Literal["klipy"] | None = None
    api_key: str | None = None
    content_filter: Literal["off", "low", "medium", "high"] | None = None
    locale: str | None = None
