"""The settings of WebRTC calls: ICE servers with their credentials, ports, and the address behind a NAT."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from vox.media.webrtc.contract import IceServer

DEFAULT_STUN: Final = "stun:stun.l.google.com:19302"
MIN_PORTS: Final = 16
_URL: Final = re.compile(r"(?:stun|stuns|turn|turns):[A-Za-z0-9.\-_\[\]:]+(?:\?transport=(?:udp|tcp))?")
_PORTS: Final = re.compile(r"(\d{1,5})-(\d{1,5})")


class IceServerSetting(BaseModel):
    """One entry of `webrtc_ice_servers`: a URL, or an object as browsers take it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    urls: tuple[str, ...] = Field(description="stun:, turn: or turns: addresses; a single one may stand as text")
    username: str = Field(default="", description="For turn: and turns:; empty: by webrtc_turn_secret")
    credential: SecretStr = Field(default=SecretStr(""), description="The password for username")

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: object) -> object:
        return {"urls": [value]} if isinstance(value, str) else value

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one address")
        for url in value:
            if not _URL.fullmatch(url):
                raise ValueError(f"write {url[:80]!r} as stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT")
        return value

    @property
    def is_relay(self) -> bool:
        """Whether it is a TURN server, which needs credentials."""
        return any(url.startswith("turn") for url in self.urls)


def port_range(text: str) -> range | None:
    """The ports of `webrtc_udp_ports`; None for any.

    Raises:
        ValueError: it is not of the form 40000-40999, or too short.
    """
    if not text:
        return None
    found = _PORTS.fullmatch(text.replace(" ", ""))
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1024 <= first <= last <= 65_535:  # noqa: PLR2004  the ports that need no privilege
        raise ValueError("write the ports as in 40000-40999, between 1024 and 65535")
    if last - first + 1 < MIN_PORTS:
        raise ValueError(f"give at least {MIN_PORTS} ports: a call takes one for each network interface")
    return range(first, last + 1)


def ice_servers(
    configured: Iterable[IceServerSetting] | None, *, turn_secret: str, ttl_s: int, unix_s: int, name: str
) -> tuple[IceServer, ...]:
    """The servers with the credentials for one client.

    A TURN server without a username gets those of its shared secret, as coturn's `use-auth-secret` expects them: they expire, so
    that a page which leaks them gives no relay away for long.

    Args:
        configured: the entries; None where the setting is absent, for a public STUN server.
        turn_secret: shared with the TURN servers; empty for none.
        ttl_s: how long the credentials hold.
        unix_s: the present time.
        name: whose they are, for the TURN server's log.
    """
    if configured is None:
        return (IceServer((DEFAULT_STUN,)),)
    return tuple(
        IceServer(one.urls, *time_limited(turn_secret, unix_s + ttl_s, name))
        if one.is_relay and not one.username and turn_secret
        else IceServer(one.urls, one.username, one.credential.get_secret_value())
        for one in configured
    )


def time_limited(secret: str, expires_at: int, name: str) -> tuple[str, str]:
    """Username and credential of a TURN server with a shared secret ("A REST API for access to TURN services")."""
    username = f"{expires_at}:{name}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1)
    return username, base64.b64encode(digest.digest()).decode()


def as_browser_object(server: IceServer) -> dict[str, Any]:
    """A server as a browser's RTCIceServer."""
    found: dict[str, Any] = {"urls": list(server.urls)}
    if server.username:
        found |= {"username": server.username, "credential": server.credential}
    return found
