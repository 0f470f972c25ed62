"""Which pages of other origins may call: CORS headers for REST, and the check of a WebSocket's handshake.

Tokens travel in headers only, never in cookies, so a foreign page cannot act with a visitor's credentials; the check keeps
pages that are not named from using a token they were tricked into holding.
"""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

ALLOWED_HEADERS = b"authorization, content-type, x-vox-ids, range, if-none-match"
EXPOSED_HEADERS = (
    b"x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, retry-after, content-range, x-request-id"
)
METHODS = b"GET, POST, PUT, PATCH, DELETE"
ANY_ORIGIN = {"access-control-allow-origin": "*"}
"""On answers that any page may read: public lists, whose clients live on other origins."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Origins:
    """Which origins may call.

    Args:
        allowed: exact origins such as https://chat.example.com; `*` for any; empty turns the check off.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower().encode() for origin in allowed)
        self.is_on = bool(self._allowed)

    def is_preflight(self, scope: Scope) -> bool:
        """Whether a browser asks before the real request."""
        return scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None

    def headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """What the response must carry; nothing but Vary for an origin that was not named."""
        origin = _header(scope, b"origin")
        found = [(b"vary", b"origin")]
        if origin is None or not self._knows(origin):
            return found
        found += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED_HEADERS)]
        if self.is_preflight(scope):
            found += [
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", ALLOWED_HEADERS),
                (b"access-control-max-age", b"600"),
            ]
        return found

    def may_connect(self, scope: Scope, own: Collection[str] | None = None) -> bool:
        """Whether a socket may be opened; programs send no Origin and always may.

        Args:
            scope: of the upgrade.
            own: further names of this server, with their port where it is not the scheme's. Where they are given, pages that came from
                this server may connect besides those that are listed, and without a list no other page of the web may.
        """
        origin = _header(scope, b"origin")
        if origin is None or self._knows(origin):
            return True
        if own is None:
            return not self.is_on
        page = origin.decode("latin-1").lower()
        scheme, _, host = page.partition("://")
        if scheme in {"http", "https"}:
            here = (_header(scope, b"host") or b"").decode("latin-1").lower()
            return _bare(host, scheme) in {_bare(here, scheme), *(_bare(name.lower(), scheme) for name in own)}
        return not self.is_on and page != "null"  # a program that shows pages of its own, such as app:// or file://

    def _knows(self, origin: bytes) -> bool:
        return b"*" in self._allowed or origin.lower() in self._allowed


def is_origin_allowed(
    origin: str, host: str, allowed: Collection[str], *, own_names: Collection[str] | None = None
) -> bool:
    """Whether a page may open a socket or start a call: one of this server, of this machine, or one that is listed.

    A server without a key gives its `own_names`: a name can be pointed at 127.0.0.1 by anyone who owns it (DNS
    rebinding), so that `Host` proves nothing. Then a page is of this server where it was loaded by a bare address and
    from the same port, or by one of these names.

    Args:
        origin: the Origin header; empty for programs, which send none.
        host: the Host header.
        allowed: further origins; `*` allows any.
        own_names: the names of this server in lower case; None where a key decides, and `host` is believed.
    """
    if not origin or origin in allowed or "*" in allowed:
        return True
    page, page_port = _host_and_port(origin, "")
    here, here_port = _host_and_port(f"//{host}", origin)
    if not page:
        return False
    if page in _LOCAL:  # no other machine can serve it
        return True
    if own_names is None:
        return page == here
    return page == here and (page in own_names or (_is_address(page) and page_port == here_port))


def _bare(host: str, scheme: str) -> str:
    """A host without the port that its scheme has anyway."""
    return host.removesuffix(":443" if scheme == "https" else ":80")


def _host_and_port(url: str, scheme_of: str) -> tuple[str, int]:
    """Name and port; the port of the scheme where none is written. Nothing where it is no address."""
    try:
        parts = urlsplit(url)
        name, port, scheme = parts.hostname, parts.port, parts.scheme or urlsplit(scheme_of).scheme
    except ValueError:
        return "", 0
    return name or "", port or (443 if scheme == "https" else 80)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None
