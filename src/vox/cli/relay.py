"""`vox relay`: carries the media of voice rooms, for clients that speak LiveKit's protocol."""

import argparse
import os
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vox.relay.settings import RelaySettings


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("relay", help="carry voice rooms: people, agents and callers")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="JSON or YAML; default: $VOX_RELAY_CONFIG, else relay.json"
    )
    parser.add_argument("--port", type=int, help="bind port for signalling (7880; 0 picks a free one)")
    parser.add_argument("--host", help="bind address")
    parser.add_argument("--udp-port", type=int, help="first UDP port for media (7882; 0 picks free ones)")
    parser.add_argument("--tcp-port", type=int, help="TCP port for media (7881; 0 picks a free one, -1 none)")
    parser.add_argument(
        "--dev", action="store_true", default=None, help="try it out: the key devkey with the secret `secret`"
    )
    parser.add_argument("--check-health", action="store_true", help="exit 0 if the relay of these settings answers")


def run(args: argparse.Namespace) -> int:
    """Serves until stopped, or asks whether it is well."""
    from vox.http.server import run as run_loop
    from vox.relay.settings import load

    environment = dict(os.environ)
    given = {
        "listen.port": args.port,
        "listen.host": args.host,
        "media.udp_port": args.udp_port,
        "media.tcp_port": args.tcp_port,
        "dev": args.dev,
    }
    named = args.config or (Path(found) if (found := environment.get("VOX_RELAY_CONFIG")) else None)
    usual = Path("relay.json")
    loaded = load(
        named or (usual if usual.exists() else None),
        environment,
        {key: value for key, value in given.items() if value is not None},
    )
    if args.check_health:
        return _check_health(loaded.settings)
    return run_loop(serve_relay(loaded.settings, warnings=loaded.warnings))


async def serve_relay(settings: "RelaySettings", *, warnings: Sequence[str] = ()) -> int:
    """Serves until SIGTERM or SIGINT and the drain behind it; always 0, also where the drain's deadline cut participants."""
    import secrets
    from random import Random

    from vox.http.server import Server
    from vox.relay.app import create_app
    from vox.relay.opening import open_engine
    from vox.relay.server import Parts, Relay
    from vox.runtime.clock import SystemClock
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped
    from vox.runtime.logging import configure, get_logger
    from vox.runtime.metrics import Metrics

    configure(settings.logs.level, settings.logs.json_lines)
    log = get_logger(__name__)
    for warning in warnings:
        log.warning(warning)
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.listen.drain_timeout_ms / 1000)
    chance = Random(secrets.randbits(256))  # noqa: S311  jitter; what must not be guessed comes from secrets
    engine = open_engine(settings.media, settings.media_host)
    try:
        relay = Relay(settings, Parts(clock, Metrics(process=True), lifecycle, chance, engine))
        listen = settings.listen
        async with (
            relay,
            Server(
                create_app(relay), settings.bind_host, listen.port, clock=clock, **server_options(settings, relay)
            ) as server,
            relay.enrolled(),
        ):
            relay.address = server.address
            freeze_startup_objects()
            ready = partial(
                log.info, "relay ready", address=server.address, udp=engine.udp_ports(), tcp=engine.tcp_ports()
            )
            await run_until_stopped(lifecycle, ready)
    finally:
        engine.close()
    return 0


def server_options(settings: "RelaySettings", relay: Any) -> dict[str, Any]:
    """What the HTTP server is told beside its address: proxies, and certificate and key where they are set.

    Args:
        settings: of the relay.
        relay: its gauge follows the certificate.
    """
    from vox.relay.metrics import TLS_EXPIRES

    listen = settings.listen
    options: dict[str, Any] = {"trusted_proxies": ",".join(listen.trusted_proxies)}
    if listen.tls_cert_file:
        expires = relay.metrics.gauge(TLS_EXPIRES)

        def note_expiry(until: datetime) -> None:
            expires.set(until.timestamp())

        options |= {"tls_cert": listen.tls_cert_file, "tls_key": listen.tls_key_file, "on_certificate": note_expiry}
    return options


def _check_health(settings: "RelaySettings") -> int:
    """Whether the relay of these settings answers, wherever they put it: for the health check of a container."""
    from vox.cli.relay_doctor import is_relay

    listen = settings.listen
    is_well = is_relay(settings.bind_host or "127.0.0.1", listen.port, is_tls=bool(listen.tls_cert_file))
    print(f"port {listen.port}: {'healthy' if is_well else 'no answer'}")
    return 0 if is_well else 1
