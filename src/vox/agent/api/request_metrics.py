"""Counts requests under the documented metric names, by the label that each route declares."""

from http import HTTPStatus
from typing import Any

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
from vox.http.routing import Route
from vox.runtime.metrics import GaugeChild, Metrics

FALLBACK = "fallback"
"""The label of requests without a route: their paths are the client's choice."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCounts:
    """Implements `vox.http.dispatch.RequestObserver`; labels and methods are a closed set, so that no client can grow the registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, route: Route[Any] | None) -> None:
        """A request came in."""
        for gauge in connection_gauges(self._metrics, _label(route)):
            gauge.inc()

    def finished(self, route: Route[Any] | None, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        metrics, label = self._metrics, _label(route)
        for gauge in connection_gauges(metrics, label):
            gauge.dec()
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        status_class = f"{status // 100}xx"
        is_error = status >= HTTPStatus.BAD_REQUEST
        labels = (method, label, _phrase(status), "", "http", "ingress", "error" if is_error else "success", "")
        metrics.counter(HTTP_REQUESTS, *labels).inc()
        metrics.histogram(HTTP_SECONDS, *labels).observe(duration_s)
        metrics.counter(REQUESTS, method, label, status_class).inc()
        metrics.histogram(REQUEST_SECONDS, label).observe(duration_s)
        if is_error:
            metrics.counter(HTTP_ERRORS, method, label, status_class).inc()


def count_upgrade(metrics: Metrics, route: str, status: int) -> None:
    """An upgrade to a WebSocket was accepted (101) or refused. Its duration is that of a call, so no histogram gets it."""
    is_error = status >= HTTPStatus.BAD_REQUEST
    labels = ("GET", route, _phrase(status), "", "http", "ingress", "error" if is_error else "success", "")
    metrics.counter(HTTP_REQUESTS, *labels).inc()
    metrics.counter(REQUESTS, "GET", route, f"{status // 100}xx").inc()
    if is_error:
        metrics.counter(HTTP_ERRORS, "GET", route, f"{status // 100}xx").inc()


def connection_gauges(metrics: Metrics, route: str) -> tuple[GaugeChild, GaugeChild]:
    """The gauges of requests in flight and live calls of a route, under both names."""
    return metrics.gauge(ACTIVE_CONNECTIONS, route), metrics.gauge(HTTP_ACTIVE, route, "http", "ingress", "", "")


def _label(route: Route[Any] | None) -> str:
    return FALLBACK if route is None else route.label


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
