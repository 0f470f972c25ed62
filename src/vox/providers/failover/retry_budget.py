"""How many requests may be repeated: a share of all requests, so that retries cannot double the load of a provider in trouble. Pure."""

FULL = 10.0
"""Repeats that an idle server may make at once."""


class RetryBudget:
    """A bucket that every request fills a little and every repeat takes one from.

    Args:
        ratio: repeats for each request, in the long run.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tokens = FULL if ratio > 0 else 0.0

    def requested(self) -> None:
        """A request is made for the first time."""
        self._tokens = min(FULL, self._tokens + self._ratio)

    def take(self) -> bool:
        """Whether one may be repeated now; it then counts as repeated."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
