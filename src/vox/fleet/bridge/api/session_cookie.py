"""The cookie of the operator's pages, and which requests may use it. Pure.

The one thing to know: a browser sends its cookies also with requests that a page of another site has it send. So a request that
changes something has to say that it comes from the bridge's own pages, which a browser does by itself and no other page can forge.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

NAME: Final = "vox_bridge_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}


def session_token(cookies: str) -> str:
    """The session's token in a Cookie header; empty where there is none."""
    for pair in cookies.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == NAME:
            return value
    return ""


def is_from_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that one of this server's own pages has made the request.

    Args:
        headers: names in lower case.
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = _address(headers.get("origin", ""))
    return origin is not None and origin == _address(
        f"{headers['origin'].partition('://')[0]}://{headers.get('host', '')}"
    )


def set_cookie(token: str, max_age_s: int, *, is_secure: bool) -> str:
    """The Set-Cookie header that keeps a token, or with an empty one forgets it.

    Args:
        token: of the session.
        max_age_s: how long the browser keeps it.
        is_secure: whether the page was loaded over TLS, so that the browser sends the cookie over nothing else.
    """
    kept = max_age_s if token else 0
    return f"{NAME}={token}; Path=/; Max-Age={kept}; HttpOnly; SameSite=Strict" + ("; Secure" if is_secure else "")


def _address(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None
