"""Counts requests under the documented metric names; the observer of `vox.http.edge.HttpEdge`."""

from http import HTTPStatus

from starlette.types import Scope

from vox.agent.metrics import (
    ACTIVE_CONNECTIONS,
    HTTP_ACTIVE,
    HTTP_ERRORS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    REQUEST_SECONDS,
    REQUESTS,
)
from vox.runtime.metrics import GaugeChild, Metrics

ROUTES = {
    "/": "root",
    "/health": "health",
    "/ready": "ready",
    "/api/v1/health": "health",
    "/api/v1/ready": "ready",
    "/metrics": "metrics",
    "/ws": "ws",
    "/telephony/ws": "telephony_ws",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCounts:
    """Routes and methods have few names, so that a stranger cannot grow the registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, scope: Scope) -> None:
        """A request came in."""
        for gauge in connection_gauges(self._metrics, route_name(scope["path"])):
            gauge.inc()

    def finished(self, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        metrics, route = self._metrics, route_name(scope["path"])
        for gauge in connection_gauges(metrics, route):
            gauge.dec()
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        status_class = f"{status // 100}xx"
        is_error = status >= HTTPStatus.BAD_REQUEST
        labels = (method, route, _phrase(status), "", "http", "ingress", "error" if is_error else "success", "")
        metrics.counter(HTTP_REQUESTS, *labels).inc()
        metrics.histogram(HTTP_SECONDS, *labels).observe(duration_s)
        metrics.counter(REQUESTS, method, route, status_class).inc()
        metrics.histogram(REQUEST_SECONDS, route).observe(duration_s)
        if is_error:
            metrics.counter(HTTP_ERRORS, method, route, status_class).inc()


def count_upgrade(metrics: Metrics, route: str, status: int) -> None:
    """An upgrade to a WebSocket was accepted (101) or refused. Its duration is that of a call, so no histogram gets it."""
    is_error = status >= HTTPStatus.BAD_REQUEST
    labels = ("GET", route, _phrase(status), "", "http", "ingress", "error" if is_error else "success", "")
    metrics.counter(HTTP_REQUESTS, *labels).inc()
    metrics.counter(REQUESTS, "GET", route, f"{status // 100}xx").inc()
    if is_error:
        metrics.counter(HTTP_ERRORS, "GET", route, f"{status // 100}xx").inc()


def connection_gauges(metrics: Metrics, route: str) -> tuple[GaugeChild, GaugeChild]:
    """What counts the requests in flight and the live calls of a route, under both names."""
    return metrics.gauge(ACTIVE_CONNECTIONS, route), metrics.gauge(HTTP_ACTIVE, route, "http", "ingress", "", "")


def route_name(path: str) -> str:
    """The metric's name of a path."""
    if path in ROUTES:
        return ROUTES[path]
    if path.startswith("/page/"):
        return "page"
    if path.startswith("/telephony/ws/"):
        return "telephony_ws"
    return "telephony" if path.startswith("/telephony/") else "fallback"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
