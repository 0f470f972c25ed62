"""Keeps requests below the server's rate limits, by the headers of its answers; pure.

The server counts by category, and its headers do not name the category: it follows from the path, as documented. A full wait
until `X-RateLimit-Reset` would be far too long (that is when the whole bucket is full again), so the time of one token is
derived from the three headers together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

API: Final = "/api/v1/"

_CATEGORY_OF: Final[dict[str, str]] = {
    "feeds": "channels",
    "rooms": "channels",
    "categories": "channels",
    "threads": "channels",
    "stickers": "emoji",
    "keys": "e2ee",
    "interactions": "interactions",
    "outgoing-webhooks": "webhooks",
    "dms": "messages",
    "reports": "moderation",
    "admin": "moderation",
    "users": "members",
} | {
    name: name
    for name in (
        "auth", "roles", "members", "invites", "webhooks", "emoji", "moderation", "voice", "server", "bots", "files",
        "federation",
    )
}  # fmt: skip


def category_of(path: str) -> str:
    """The category that a path counts in."""
    if "/messages" in path or (path.startswith(f"{API}webhooks/") and "/execute" in path):
        return "messages"
    if "/search" in path:
        return "search"
    return _CATEGORY_OF.get(path.removeprefix(API).partition("/")[0], "server")


@dataclass(slots=True)
class _Bucket:
    """What is known of one category: `tokens` at the time `at`, below zero where requests wait for theirs already."""

    limit: int = 1
    tokens: float = 1.0
    at: float = 0.0
    interval_s: float = 0.0
    blocked_until: float = 0.0
    in_flight: int = 0


class RateLimits:
    """The categories of one account. All times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def reserve(self, category: str, now: float) -> float:
        """Takes a token for one request and returns how many seconds the request has to wait; `answered` or `ended` follows."""
        bucket = self._buckets.setdefault(category, _Bucket(at=now))
        bucket.in_flight += 1
        wait_s = max(0.0, bucket.blocked_until - now)
        if bucket.interval_s > 0:
            since = max(0.0, now - bucket.at)
            bucket.tokens = min(float(bucket.limit), bucket.tokens + since / bucket.interval_s) - 1
            bucket.at = max(bucket.at, now)
            wait_s = max(wait_s, -bucket.tokens * bucket.interval_s)
        return wait_s

    def ended(self, category: str) -> None:
        """A request ended without an answer."""
        self._buckets[category].in_flight -= 1

    def answered(self, category: str, headers: Mapping[str, str], now: float, unix_s: float) -> None:
        """Takes over what an answer says; `unix_s` is this machine's time, where the answer has no date of its own."""
        bucket = self._buckets[category]
        bucket.in_flight -= 1
        limit, remaining, reset = (_number(headers.get(name)) for name in _HEADERS)
        if limit is None or remaining is None or reset is None or limit < 1:
            return
        full_in_s = max(0.0, reset - _server_time(headers, unix_s))
        bucket.limit = limit
        bucket.interval_s = full_in_s / max(1, limit - remaining)
        bucket.tokens = float(remaining - bucket.in_flight)
        bucket.at = now

    def refused(self, category: str, retry_after_s: float, now: float) -> None:
        """Holds back every request of the category for this time: the server said 429."""
        bucket = self._buckets[category]
        bucket.in_flight -= 1
        bucket.tokens = min(bucket.tokens, 0.0)
        bucket.blocked_until = max(bucket.blocked_until, now + retry_after_s)


_HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_DIGITS: Final = 16


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def _server_time(headers: Mapping[str, str], unix_s: float) -> float:
    """The server's clock, which the reset is told by; this machine's may differ by minutes."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return unix_s
