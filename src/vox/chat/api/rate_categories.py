"""The chat server's rate limits: a category for each path, with the numbers of the original."""

from typing import Final

from vox.http.rate_limits import RateCategory
from vox.protocols.chat_rate_categories import category_name

CATEGORIES: Final[dict[str, RateCategory]] = {
    name: RateCategory(name, burst, refill)
    for name, burst, refill in (
        ("auth", 5, 0.1),
        ("messages", 50, 1.0),
        ("channels", 20, 0.5),
        ("roles", 10, 0.2),
        ("members", 20, 0.5),
        ("invites", 10, 0.2),
        ("webhooks", 10, 0.2),
        ("emoji", 10, 0.2),
        ("moderation", 10, 0.2),
        ("voice", 30, 1.0),
        ("server", 10, 0.2),
        ("bots", 10, 0.2),
        ("e2ee", 30, 0.5),
        ("search", 10, 0.1),
        ("files", 20, 0.5),
        ("federation", 50, 1.0),
        ("interactions", 60, 10.0),
        ("federation_peers", 500, 50.0),
    )
}
"""The original's numbers, and those of interactions, which there counted as `server`: too few for a bot that answers many users; and
of `federation_peers`, requests that other servers sign, which have quotas of their own besides: the original's 50, and one more a second,
would hold up a server that has many users or was away."""

HISTORY: Final = RateCategory("history", 60, 4.0)
"""Pages of messages that were asked for with `include`: reading does not empty the bucket of sending."""
MEDIA: Final = RateCategory("media", 300, 30.0)
"""Files behind signed links, thumbnails and pictures from elsewhere; counted by address, because pictures bring no token."""
LOOKUP: Final = RateCategory("lookup", 60, 4.0)
"""Looking members up while a name is being typed, and reading all of them in large pages."""
VOICE_SERVERS: Final = RateCategory("voice_servers", 600, 60.0)
"""Media servers and agents, which tell of rooms; counted by address."""
OURS: Final = (HISTORY, MEDIA, LOOKUP, VOICE_SERVERS)
"""Categories that the original does not have."""

_OPTED_IN: Final = {"messages": (b"include=", HISTORY), "files": (b"signature=", MEDIA)}


def opted_in(category: RateCategory, query: bytes) -> RateCategory:
    """The category of a GET whose query asks for what the original does not have; all others keep their own.

    Args:
        category: the path's own.
        query: the raw query string.
    """
    named = _OPTED_IN.get(category.name)
    return named[1] if named is not None and named[0] in query else category


def category_of(path: str) -> RateCategory:
    """The category of a path, with its numbers."""
    return CATEGORIES[category_name(path)]
