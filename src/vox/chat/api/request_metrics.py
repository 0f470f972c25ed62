"""What the chat server counts of its requests: how many of each route, how they ended, and how long they took.

It runs for every request that is counted, so what a route needs is looked up once and kept.
"""

from typing import Final

from starlette.types import Scope

from vox.chat.api.request import Route
from vox.runtime.metrics import Counter, CounterChild, Histogram, HistogramChild, Metrics

REQUESTS: Final = Counter(
    "vox_chat_requests_total", "Requests by method and route and by class of status", ("route", "status")
)
SECONDS: Final = Histogram("vox_chat_request_seconds", "Time until a response was out, by method and route", ("route",))
UNMATCHED: Final = "unmatched"
"""The label of requests for which there is no route: their paths are anybody's choice."""


class RequestMetrics:
    """The counters of one application.

    Args:
        metrics: where they are shown.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seconds: dict[str, HistogramChild] = {}
        self._requests: dict[tuple[str, int], CounterChild] = {}

    def started(self, route: Route | None) -> None:
        """A request came in."""

    def finished(self, route: Route | None, scope: Scope, status: int, duration_s: float) -> None:
        """Counts a request; on the event loop."""
        del scope
        name = UNMATCHED if route is None else route.label
        seconds = self._seconds.get(name)
        if seconds is None:
            seconds = self._seconds[name] = self._metrics.histogram(SECONDS, name)
        seconds.observe(duration_s)
        key = (name, status // 100)
        requests = self._requests.get(key)
        if requests is None:
            requests = self._requests[key] = self._metrics.counter(REQUESTS, name, f"{status // 100}xx")
        requests.inc()
