"""Counts requests under the documented metric names, as plain ASGI."""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vox.agent.metrics import (
    ACTIVE_CONNECTIONS,
    HTTP_ACTIVE,
    HTTP_ERRORS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    REQUEST_SECONDS,
    REQUESTS,
)
from vox.runtime.metrics import Metrics

ROUTES = {
    "/": "root",
    "/health": "health",
    "/ready": "ready",
    "/api/v1/health": "health",
    "/api/v1/ready": "ready",
    "/metrics": "metrics",
    "/talk": "page",
    "/ws": "ws",
    "/telephony/ws": "telephony_ws",
}


class CountRequests:
    """Wraps an application; routes have few names, so that a stranger cannot grow the registry."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts one HTTP request; WebSockets count themselves as live calls."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = route_name(scope["path"])
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "OPTIONS"} else "OTHER"
        status = 500
        began = time.perf_counter()
        gauges = (
            self._metrics.gauge(ACTIVE_CONNECTIONS, route),
            self._metrics.gauge(HTTP_ACTIVE, route, "http", "ingress", "", ""),
        )

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        for gauge in gauges:
            gauge.inc()
        try:
            await self._app(scope, receive, counted)
        finally:
            for gauge in gauges:
                gauge.dec()
            self._count(method, route, status, time.perf_counter() - began)

    def _count(self, method: str, route: str, status: int, seconds: float) -> None:
        metrics = self._metrics
        is_error = status >= HTTPStatus.BAD_REQUEST
        labels = (method, route, _phrase(status), "", "http", "ingress", "error" if is_error else "success", "")
        metrics.counter(HTTP_REQUESTS, *labels).inc()
        metrics.histogram(HTTP_SECONDS, *labels).observe(seconds)
        metrics.counter(REQUESTS, method, route, f"{status // 100}xx").inc()
        metrics.histogram(REQUEST_SECONDS, route).observe(seconds)
        if is_error:
            metrics.counter(HTTP_ERRORS, method, route, f"{status // 100}xx").inc()


def route_name(path: str) -> str:
    """The metric's name of a path."""
    if path in ROUTES:
        return ROUTES[path]
    if path.startswith("/page/"):
        return "page"
    return "telephony" if path.startswith("/telephony/") else "fallback"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
