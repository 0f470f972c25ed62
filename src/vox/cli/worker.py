"""`vox worker`: an agent server that carries calls of a fleet, with exact capacity."""

import argparse
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vox.agent.config.settings import AgentSettings
    from vox.fleet.worker.settings import WorkerOptions

ENV_FILE: Final = ".env"
FLUSH_S: Final = 10.0


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("worker", help="carry calls of a fleet, with exact capacity")
    parser.add_argument(
        "-config",
        "--config",
        type=Path,
        metavar="FILE",
        help="of its agents; default: $VOXRAY_CONFIG, else config.json",
    )
    parser.add_argument(
        "-port", "--port", type=int, help="bind port (0 picks a free one); default: $VOXCORE_PORT, else 8001"
    )
    parser.add_argument("--host", help="bind address")
    parser.add_argument(
        "--env-file", type=Path, default=Path(ENV_FILE), metavar="FILE", help="variables; default: .env here"
    )


def run(args: argparse.Namespace) -> int:
    """Loads `.env` and the configurations, and serves until told to stop."""
    from vox.agent.config.settings import load as load_agents
    from vox.cli.agent import NO_FILE
    from vox.fleet.worker.settings import load as load_worker
    from vox.http.server import run as run_loop
    from vox.runtime.env_file import with_env_file
    from vox.runtime.logging import configure
    from vox.runtime.settings import is_true

    environment = with_env_file(os.environ, args.env_file)
    if is_true(environment.get("VOXRAY_JSON_LOGS", "")):
        configure(json=True)
    worker = load_worker(environment, {"port": args.port})
    named = args.config or (Path(environment["VOXRAY_CONFIG"]) if environment.get("VOXRAY_CONFIG") else None)
    default = Path("config.json")
    file = named or (default if default.exists() else None)
    overrides: dict[str, Any] = {
        "port": worker.settings.port,
        "runner_port": 0,
        "max_concurrent_calls": worker.settings.max_concurrent_calls,
        "drain_timeout_secs": worker.settings.drain_deadline_secs,
        **({"host": args.host} if args.host is not None else {}),
    }
    agents = load_agents(file, environment, overrides)
    warnings = [*worker.warnings, *([] if file is not None else [NO_FILE]), *agents.warnings]
    return run_loop(serve_worker(worker.settings, agents.settings, environment, warnings=warnings))


async def serve_worker(
    settings: "WorkerOptions",
    agent_settings: "AgentSettings",
    environment: Mapping[str, str],
    *,
    warnings: Sequence[str] = (),
) -> int:
    """Serves until a drain is over; always 0, also where its deadline cut calls."""
    from vox.cli.worker_parts import WorkerProcess
    from vox.http.generation import Generation
    from vox.runtime.clock import SystemClock
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.lifecycle import Lifecycle
    from vox.runtime.logging import configure, get_logger

    configure(agent_settings.log_level, agent_settings.json_logs)
    log = get_logger(__name__)
    for warning in warnings:
        log.warning(warning)
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.drain_deadline_secs)
    parts = WorkerProcess(
        settings,
        agent_settings,
        environment,
        lifecycle,
        clock,
        random=Random(secrets.randbits(256)),  # noqa: S311  spreads reconnections; tokens come from secrets
        host_name=socket.gethostname(),
        version=version("vox-server"),
    )
    tls: dict[str, Any] = {}
    if agent_settings.tls_enable:
        tls = {"tls_cert": agent_settings.tls_cert_file, "tls_key": agent_settings.tls_key_file}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(parts)
        generation = Generation(
            parts.app,
            agent_settings.bind_host,
            settings.port,
            lifecycle,
            environment,
            status=parts.agents.status,
            closes_port=True,
            leaving=parts.worker.leave,
            promised=lambda: parts.worker.slots.pending,
            clock=clock,
            **tls,
        )
        server = (await stack.enter_async_context(generation)).server
        parts.listening(agent_settings.bind_host, server.port, is_tls=agent_settings.tls_enable)
        freeze_startup_objects()
        ready = partial(
            log.info,
            "worker ready",
            address=server.address,
            worker=parts.worker.worker_id,
            slots=settings.max_concurrent_calls,
            bridge=settings.bridge_url or "none",
        )
        await generation.run(ready)
        await parts.agents.end_calls()
        await parts.flush(FLUSH_S)
    return 0
