"""TURN servers for clients behind firewalls: credentials that expire, made from a secret that the TURN server knows too.

The scheme is the one that coturn calls `use-auth-secret`: the user name says until when it holds, the password is its HMAC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from livekit.protocol.rtc import ICEServer

from vox.security.digests import hmac_base64


@dataclass(frozen=True, slots=True)
class IceServers:
    """What clients are told of.

    Args:
        turn_urls: TURN servers.
        turn_secret: shared with them.
        ttl_s: how long credentials hold, in seconds.
        stun_urls: STUN servers.
    """

    turn_urls: Sequence[str] = ()
    turn_secret: str = field(default="", repr=False)
    ttl_s: int = 14_400
    stun_urls: Sequence[str] = ()

    def for_client(self, name: str, now_s: int) -> list[ICEServer]:
        """The servers with credentials for one client.

        Args:
            name: of the client, for the TURN server's log; without a colon.
            now_s: the present time in Unix seconds.
        """
        servers = [ICEServer(urls=list(self.stun_urls))] if self.stun_urls else []
        if self.turn_urls:
            username, credential = time_limited(self.turn_secret, now_s + self.ttl_s, name)
            servers.append(ICEServer(urls=list(self.turn_urls), username=username, credential=credential))
        return servers


def time_limited(secret: str, expires_at: int, name: str) -> tuple[str, str]:
    """User name and password of a TURN server with a shared secret ("A REST API for access to TURN services")."""
    username = f"{expires_at}:{name.replace(':', '_')}"
    return username, hmac_base64(secret, username, "sha1")
