"""The bridge as an ASGI application."""

from typing import Final

from starlette.types import Scope

from vox.fleet.bridge.api.accounts import account_routes
from vox.fleet.bridge.api.calls import call_routes
from vox.fleet.bridge.api.campaigns import campaign_routes
from vox.fleet.bridge.api.carriers import carrier_routes
from vox.fleet.bridge.api.do_not_call import do_not_call_routes
from vox.fleet.bridge.api.fleet import fleet_routes
from vox.fleet.bridge.api.live_calls import live_call_routes
from vox.fleet.bridge.api.pages import page_routes
from vox.fleet.bridge.api.policy import PUBLIC, Access, BridgeCall, BridgePolicy, BridgeRoute
from vox.fleet.bridge.api.probes import probe_routes
from vox.fleet.bridge.metrics import REQUEST_SECONDS, REQUESTS
from vox.fleet.bridge.server import Bridge
from vox.http.dispatch import Dispatcher
from vox.http.lifespan import opened
from vox.http.openapi import ApiDescription, ApiDocument, documentation_routes
from vox.http.probes import ReadinessProbe
from vox.http.routing import Router
from vox.runtime.health import Checks
from vox.runtime.metrics import Metrics

BridgeApp = Dispatcher[Access, BridgeCall]

_TEXT: Final = {"type": "string"}
API: Final = ApiDescription(
    title="Vox bridge",
    description="Places outbound calls on a fleet of call workers.",
    error={
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {"code": _TEXT, "message": _TEXT, "hint": _TEXT},
                "required": ["code", "message"],
            }
        },
        "required": ["error"],
    },
    security_schemes={
        "key": {"type": "http", "scheme": "bearer"},
        "worker": {"type": "apiKey", "in": "header", "name": "X-VoxCore-Secret"},
    },
    tag=lambda route: route.group,
)


def create_app(bridge: Bridge) -> BridgeApp:
    """The application of a bridge; the ASGI lifespan opens and closes it, unless it is open already."""
    checks = Checks()
    checks.add("database", bridge.check_database)
    tables = [
        probe_routes(bridge, ReadinessProbe(bridge.lifecycle, checks)),
        call_routes(bridge),
        account_routes(bridge),
        campaign_routes(bridge),
        do_not_call_routes(bridge),
        fleet_routes(bridge),
        carrier_routes(bridge),
        live_call_routes(bridge),
        page_routes(bridge),
    ]
    document = ApiDocument(API, [route for table in tables for route in table])
    return Dispatcher(
        Router(*tables, documentation_routes(lambda: document, PUBLIC, label="docs")),
        BridgePolicy(bridge),
        bridge.clock,
        lifespan=lambda: opened(bridge),
        observer=_Counts(bridge.metrics),
        headers=[(b"x-content-type-options", b"nosniff")],
    )


class _Counts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, route: BridgeRoute | None) -> None:
        """A request came in."""

    def finished(self, route: BridgeRoute | None, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        del scope
        label = "other" if route is None else route.label
        self._metrics.counter(REQUESTS, label, str(status)).inc()
        self._metrics.histogram(REQUEST_SECONDS, label).observe(duration_s)
