"""The relay as an ASGI application."""

from typing import Final

from starlette.types import Scope

from vox.http.cors import Origins
from vox.http.dispatch import Dispatcher
from vox.http.lifespan import opened
from vox.http.openapi import ApiDescription, ApiDocument, documentation_routes
from vox.http.probes import ReadinessProbe
from vox.http.routing import Router
from vox.relay.metrics import REQUEST_SECONDS, REQUESTS
from vox.relay.policy import PUBLIC, Access, RelayCall, RelayPolicy, RelayRoute
from vox.relay.server import Relay
from vox.relay.service import dispatch, room_service
from vox.relay.service.authentication import Authenticator
from vox.relay.service.probes import Probed, probe_routes
from vox.relay.service.twirp import twirp_routes
from vox.relay.signalling.routes import Signalling
from vox.relay.voices.sockets import VoiceSockets
from vox.runtime.health import Checks
from vox.runtime.metrics import Metrics

RelayApp = Dispatcher[Access, RelayCall]

_TEXT: Final = {"type": "string"}
API: Final = ApiDescription(
    title="Vox relay",
    description="Rooms in which people, agents and callers talk. Clients speak LiveKit's protocol at /rtc; servers use these remote calls.",
    error={
        "type": "object",
        "properties": {"code": _TEXT, "msg": _TEXT, "meta": {"type": "object", "additionalProperties": _TEXT}},
        "required": ["code", "msg"],
    },
    security_schemes={"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    tag=lambda route: route.group,
)


def create_app(relay: Relay) -> RelayApp:
    """The application of a relay; the ASGI lifespan opens and closes it, unless it is open already."""
    checks = Checks()
    checks.add("engine", relay.check_engine)
    probed = Probed(
        relay.lifecycle,
        ReadinessProbe(relay.lifecycle, checks),
        relay.metrics,
        relay.measure,
        relay.answer_challenge,
    )
    authenticate = Authenticator(relay.keys, relay.clock)
    rooms = room_service.RoomService(relay.rooms)
    dispatches = dispatch.DispatchService(relay.dispatches, relay.rooms)
    tables = [
        probe_routes(probed),
        twirp_routes(room_service.SERVICE, rooms.methods, authenticate),
        twirp_routes(dispatch.SERVICE, dispatches.methods, authenticate),
        Signalling(relay.rooms, relay.admission, relay.ice_servers_for).table(),
        VoiceSockets(relay.rooms, relay.admission).table(),
    ]
    document = ApiDocument(API, [route for table in tables for route in table])
    return Dispatcher(
        Router(*tables, documentation_routes(lambda: document, PUBLIC, label="docs")),
        RelayPolicy(),
        relay.clock,
        lifespan=lambda: opened(relay),
        observer=_Counts(relay.metrics),
        origins=Origins(["*"]),
        headers=[(b"x-content-type-options", b"nosniff")],
    )


class _Counts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, route: RelayRoute | None) -> None:
        """A request came in."""

    def finished(self, route: RelayRoute | None, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        del scope
        label = "other" if route is None else route.label
        self._metrics.counter(REQUESTS, label, str(status)).inc()
        self._metrics.histogram(REQUEST_SECONDS, label).observe(duration_s)
