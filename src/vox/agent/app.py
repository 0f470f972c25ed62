"""The agent server as an ASGI application: `vox agent` serves it, and so does plain `uvicorn --factory`."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vox.agent.api.openapi import API
from vox.agent.api.policy import PUBLIC, Access, AgentPolicy
from vox.agent.api.request_metrics import RequestCounts
from vox.agent.api.routes import make_routes
from vox.agent.config.settings import AgentSettings, load
from vox.agent.handover.contract import CheckpointStore
from vox.agent.server import AgentServer
from vox.http.call import HttpCall
from vox.http.dispatch import Dispatcher
from vox.http.lifespan import opened
from vox.http.openapi import ApiDocument, documentation_routes
from vox.http.probes import ReadinessProbe
from vox.http.routing import Router, RouteTable
from vox.media.rooms.contract import FindRelay
from vox.providers.models.background import BackgroundInstallation
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.health import Checks
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import configure, get_logger, take_over_uvicorn
from vox.runtime.metrics import Metrics, NullMetrics

log = get_logger(__name__)


class AgentApp(Dispatcher[Access, HttpCall]):
    """The application; `server` is what it serves.

    The ASGI lifespan opens and closes the server, unless it is open already.
    """

    def __init__(self, server: AgentServer, more: Sequence[RouteTable[Access]] = ()) -> None:
        self.server = server
        checks = Checks()
        checks.add("voice_activity", server.resources.check_voice_activity)
        checks.add("providers", server.resources.check_providers)
        if server.resources.transcripts is not None:
            checks.add("transcript_database", server.resources.transcripts.check)
        if server.resources.recordings is not None:
            checks.add("recording_store", server.resources.recordings.check)
        if server.settings.session_store == "redis":
            checks.add("redis", server.session_store.check)
        if server.handovers is not None:
            checks.add("handover_store", server.handovers.check)
        tables = with_routes(make_routes(server, ReadinessProbe(server.lifecycle, checks)), more)
        document = ApiDocument(API, [route for table in tables for route in table])
        documentation = documentation_routes(
            lambda: document,
            PUBLIC,
            page_paths=("/docs", "/swagger/", "/swagger/index.html"),
            swagger_path="/swagger/doc.json",
            label="documentation",
        )
        super().__init__(
            Router(*tables, documentation, falls_back=False),
            AgentPolicy(server.metrics, server.settings),
            server.clock,
            lifespan=lambda: opened(server),
            observer=RequestCounts(server.metrics),
            redirects_slashes=True,
        )


def create_app(
    settings: AgentSettings | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
    clock: Clock | None = None,
    installation: BackgroundInstallation | None = None,
    checkpoints: CheckpointStore | None = None,
    local_relay: FindRelay | None = None,
    extend: Callable[[AgentServer], Sequence[RouteTable[Access]]] | None = None,
) -> AgentApp:
    """The application of an agent server.

    Args:
        settings: read from `VOXRAY_CONFIG` (else config.json, if there is one) and the environment where not given.
        environment: the process environment unless given.
        lifecycle: who else tells it to drain; its own unless given.
        clock: the machine's unless given.
        installation: of models, while the server runs.
        checkpoints: keeps calls so that other processes can go on with them; opened and closed with the server.
        local_relay: gives the relay of this process for its media URL; asked at each join, so the relay may start later.
        extend: is given the server before its routes are made, and answers with routes that are added, or take the place of its own.
    """
    environment = os.environ if environment is None else environment
    clock = clock or SystemClock()
    if settings is None:
        settings = _settings_of(environment)
    lifecycle = lifecycle or Lifecycle(clock, settings.drain_timeout_secs)
    metrics = NullMetrics() if settings.metrics_enabled is False else Metrics(process=True)
    server = AgentServer(settings, clock, metrics, environment, lifecycle, installation, checkpoints)
    server.local_relay = local_relay
    return AgentApp(server, extend(server) if extend is not None else ())


def with_routes(own: Sequence[RouteTable[Access]], more: Sequence[RouteTable[Access]]) -> list[RouteTable[Access]]:
    """The server's routes and those of `more`, which win where both have a path."""
    names = {route.name for table in more for route in table}
    return [*(table.without(names) for table in own), *more]


def _settings_of(environment: Mapping[str, str]) -> AgentSettings:
    named = environment.get("VOXRAY_CONFIG", "")
    path = Path(named or "config.json")
    loaded = load(path if named or path.exists() else None, environment)
    configure(loaded.settings.log_level, loaded.settings.json_logs)
    take_over_uvicorn()
    for warning in loaded.warnings:
        log.warning(warning)
    return loaded.settings
