"""The agent server as an ASGI application: `vox agent` serves it, and so does plain `uvicorn --factory`."""

import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from vox.agent.api.http_metrics import RequestCounts
from vox.agent.api.routes import http_error, make_routes
from vox.agent.config.settings import AgentSettings, load
from vox.agent.server import AgentServer
from vox.http.edge import HttpEdge
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.health import Checks
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import configure, get_logger
from vox.runtime.metrics import Metrics, NullMetrics

log = get_logger(__name__)


def create_app(
    settings: AgentSettings | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The application; `app.state.server` is its `AgentServer`.

    The ASGI lifespan opens and closes it, unless it is open already.

    Args:
        settings: read from `VOXRAY_CONFIG` (else config.json, if there is one) and the environment where not given.
        environment: the process environment unless given.
        lifecycle: who else tells it to drain; its own unless given.
        clock: the machine's unless given.
    """
    environment = os.environ if environment is None else environment
    clock = clock or SystemClock()
    if settings is None:
        settings = _settings_of(environment)
    lifecycle = lifecycle or Lifecycle(clock, settings.drain_timeout_secs)
    metrics = NullMetrics() if settings.metrics_enabled is False else Metrics()
    server = AgentServer(settings, clock, metrics, environment, lifecycle)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        if server.is_open:  # whoever made it also closes it
            yield
            return
        async with server:
            yield

    edge = Middleware(HttpEdge, clock, observer=RequestCounts(metrics))
    routes = make_routes(server, Checks())
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[edge], exception_handlers={HTTPException: http_error})
    app.state.server = server
    return app


def _settings_of(environment: Mapping[str, str]) -> AgentSettings:
    named = environment.get("VOXRAY_CONFIG", "")
    path = Path(named or "config.json")
    loaded = load(path if named or path.exists() else None, environment)
    configure(loaded.settings.log_level, loaded.settings.json_logs)
    _take_over_logs()
    for warning in loaded.warnings:
        log.warning(warning)
    return loaded.settings


def _take_over_logs() -> None:
    """Plain uvicorn writes lines of its own, with the query and the key in it; through our formatter they lose that."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
