"""When two URLs are one relay: the same host, port and path, however they are written.

The key is what a relay may have only one of; what callers are shown is the URL as it was registered.
"""

from dataclasses import replace

from vox.directory.relays.relay import SCHEMES
from vox.errors import UsageError
from vox.security.urls import normalized_url, parse_url


def url_key(url: str) -> str:
    """The one way to write a relay's URL; wss and https are one service, and so are ws and http.

    A slash at the end of the path makes no difference. What is no URL stays as it is: a database that others wrote must still open.
    """
    try:
        parts = normalized_url(parse_url(url, allowed_schemes=SCHEMES))
    except UsageError:
        return url
    path, mark, query = parts.path.partition("?")
    return str(replace(parts, scheme=SCHEMES[parts.scheme], path=f"{path.rstrip('/')}/{mark}{query}"))
