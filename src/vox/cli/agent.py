"""`vox agent`: the voice agent server."""

import argparse
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.agent.config.settings import AgentSettings

NO_FILE = (
    "there is no config.json here and no --config: the defaults hold; `vox agent --init` writes one that needs no keys"
)
IDLE = {
    "user_idle_timeout_secs": 20,
    "user_idle_prompt": "Are you still there?",
    "user_idle_max": 3,
    "user_idle_goodbye": "I have not heard from you, so I will hang up now. Goodbye.",
}
"""What an agent that needs no keys does about a caller who says nothing."""
STARTER = {
    "_comment": "An agent that needs no keys; every key is explained in docs/operations/settings.md",
    "host": "127.0.0.1",
    "port": 8080,
    "stt_provider": "offline",
    "llm_provider": "flow",
    "tts_provider": "offline",
    "turn_detection": "words",
    "turn_stop_secs": 0.6,
    **IDLE,
}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("agent", help="serve voice agents by browser and phone")
    parser.add_argument(
        "-config", "--config", type=Path, metavar="FILE", help="JSON or YAML; default: $VOXRAY_CONFIG, else config.json"
    )
    parser.add_argument("-port", "--port", type=int, help="bind port (0 picks a free one)")
    parser.add_argument("--host", help="bind address")
    parser.add_argument("-transport", "--transport", metavar="CARRIER", help="answer this carrier's webhook at /")
    parser.add_argument("-proxy", "--proxy", metavar="HOST", help="public host name for the carrier's stream address")
    parser.add_argument(
        "-dialin", "--dialin", action="store_true", default=None, help="with runner transport daily: take phone calls"
    )
    parser.add_argument(
        "--check-health", action="store_true", help="ask the running server of this configuration, and exit with 0 or 1"
    )
    parser.add_argument("-init", "--init", action="store_true", help="write a starter configuration and exit")


def run(args: argparse.Namespace) -> int:
    """Loads the configuration and serves until told to stop."""
    from vox.agent.config.settings import load
    from vox.http.server import run as run_loop
    from vox.runtime.logging import configure
    from vox.runtime.settings import is_true

    environment = dict(os.environ)
    if is_true(environment.get("VOXRAY_JSON_LOGS", "")):
        configure(json=True)  # what is wrong with the settings is a line of the log, too
    given = {
        "port": args.port,
        "host": args.host,
        "runner_transport": args.transport,
        "proxy_host": args.proxy,
        "dialin": args.dialin,
    }
    overrides = {key: value for key, value in given.items() if value is not None}
    named = args.config or (Path(environment["VOXRAY_CONFIG"]) if environment.get("VOXRAY_CONFIG") else None)
    default = Path("config.json")
    if args.init:
        return _write_starter(named or default)
    file = named or (default if default.exists() else None)
    loaded = load(file, environment, overrides)
    if args.check_health:
        return _check_health(loaded.settings)
    warnings = loaded.warnings if file is not None else (NO_FILE, *loaded.warnings)
    return run_loop(serve_agent(loaded.settings, environment, warnings=warnings))


def _check_health(settings: "AgentSettings") -> int:
    """Whether the server of these settings answers, wherever they put it: for the health check of a container."""
    from vox.cli.doctor import is_vox

    is_well = is_vox(settings.bind_host or "127.0.0.1", settings.bind_port, is_tls=settings.tls_enable)
    print(f"port {settings.bind_port}: {'healthy' if is_well else 'no answer'}")
    return 0 if is_well else 1


def _write_starter(file: Path) -> int:
    try:
        with file.open("x", encoding="utf-8") as output:
            output.write(json.dumps(STARTER, indent=2) + "\n")
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists already",
            code="config_exists",
            hint="choose another file with --config, or move this one away",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", code="config_unwritable", hint="choose another folder"
        ) from error
    print(f"Wrote {file}. Start it with: vox agent --config {shlex.quote(str(file))}")
    return 0


async def serve_agent(
    settings: "AgentSettings", environment: Mapping[str, str], *, warnings: Sequence[str] = ()
) -> int:
    """Serves until SIGTERM or SIGINT and the drain behind it; always 0, also where the drain's deadline cut calls."""
    from vox.agent.app import create_app
    from vox.agent.metrics import TLS_EXPIRES
    from vox.cli.handover import handover_store
    from vox.http.generation import Generation
    from vox.runtime.clock import SystemClock
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.lifecycle import Lifecycle
    from vox.runtime.logging import configure, get_logger

    configure(settings.log_level, settings.json_logs)
    log = get_logger(__name__)
    for warning in warnings:
        log.warning(warning)
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.drain_timeout_secs)
    store = handover_store(settings, clock)
    app = create_app(settings, environment=environment, lifecycle=lifecycle, clock=clock, checkpoints=store)
    agents = app.server
    options: dict[str, Any] = {"trusted_proxies": ",".join(settings.trusted_proxies)}
    if settings.tls_enable:
        expires = agents.metrics.gauge(TLS_EXPIRES)

        def note_expiry(until: datetime) -> None:
            expires.set(until.timestamp())

        options |= {
            "tls_cert": settings.tls_cert_file,
            "tls_key": settings.tls_key_file,
            "on_certificate": note_expiry,
        }
    generation = Generation(
        app,
        settings.bind_host,
        settings.bind_port,
        lifecycle,
        environment,
        status=agents.status,
        closes_port=settings.drain_closes_port,
        clock=clock,
        **options,
    )
    async with agents, generation:
        freeze_startup_objects()
        names = ", ".join(agents.resources.agents)
        await generation.run(partial(log.info, "agent ready", address=generation.server.address, agents=names))
        await agents.end_calls()
    return 0
