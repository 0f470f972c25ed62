"""`vox bridge`: places outbound calls on the fleet of call workers."""

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vox.cli import bridge_campaigns

if TYPE_CHECKING:
    from vox.fleet.bridge.settings import BridgeSettings


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("bridge", help="place outbound calls on the fleet of call workers")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="JSON or YAML; default: $VOX_BRIDGE_CONFIG, else bridge.json"
    )
    parser.add_argument("--port", type=int, help="bind port (0 picks a free one)")
    parser.add_argument("--host", help="bind address")
    parser.add_argument("--database", metavar="URL", help="sqlite:///PATH or postgresql://…")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="instead of serving")
    actions.add_parser("migrate", help="update the database's tables and exit")
    keys = actions.add_parser("key", help="create, list and revoke API keys")
    key_actions = keys.add_subparsers(dest="key_action", metavar="ACTION", required=True)
    creating = key_actions.add_parser("create", help="print a new key, once")
    creating.add_argument("--name", required=True, help="who it is for")
    creating.add_argument("--scopes", default="admin", help="separated by commas (admin)")
    key_actions.add_parser("list", help="print the keys without their text")
    revoking = key_actions.add_parser("revoke", help="make a key useless")
    revoking.add_argument("id", help="as `list` prints it")
    login = actions.add_parser("login", help="print a link that signs you in to the operator's pages, once")
    login.add_argument("--url", help="where your browser reaches the bridge; default: listen.public_url")
    login.add_argument("--end-sessions", action="store_true", help="sign everyone out instead")
    bridge_campaigns.register(actions)


def run(args: argparse.Namespace) -> int:
    """Serves until stopped, or does one thing to the database."""
    if args.action in bridge_campaigns.ACTIONS:
        return bridge_campaigns.run(args)
    from vox.fleet.bridge.settings import load
    from vox.http.server import run as run_loop

    environment = dict(os.environ)
    given = {"listen.port": args.port, "listen.host": args.host, "storage.url": args.database}
    named = args.config or (Path(found) if (found := environment.get("VOX_BRIDGE_CONFIG")) else None)
    usual = Path("bridge.json")
    loaded = load(
        named or (usual if usual.exists() else None),
        environment,
        {key: value for key, value in given.items() if value is not None},
    )
    if args.action == "migrate":
        return run_loop(_migrate(loaded.settings))
    if args.action == "key":
        return run_loop(_keys(loaded.settings, args))
    if args.action == "login":
        return run_loop(_login(loaded.settings, args))
    return run_loop(serve_bridge(loaded.settings, environment, warnings=loaded.warnings))


async def serve_bridge(
    settings: "BridgeSettings", environment: Mapping[str, str], *, warnings: Sequence[str] = ()
) -> int:
    """Serves until SIGTERM or SIGINT."""
    import secrets
    from contextlib import AsyncExitStack
    from random import Random

    import httpx2

    from vox.fleet.bridge.app import create_app
    from vox.fleet.bridge.server import Bridge, Parts
    from vox.http.server import Server
    from vox.runtime.clock import SystemClock
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped
    from vox.runtime.logging import configure, get_logger
    from vox.runtime.metrics import Metrics

    configure(settings.logging.level, settings.logging.json_lines)
    log = get_logger(__name__)
    for warning in warnings:
        log.warning(warning)
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.listen.drain_timeout_ms / 1000)
    chance = Random(secrets.randbits(256))  # noqa: S311  draws and pauses; what must not be guessed comes from secrets
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient())
        bridge = Bridge(settings, Parts(clock, Metrics(process=True), lifecycle, chance, http, environment))
        await stack.enter_async_context(bridge)
        server = await stack.enter_async_context(Server(create_app(bridge), settings.listen.host, settings.listen.port))
        bridge.address = server.address
        if bridge.first_key is not None:
            print(f"The first administrator's API key, shown this once: {bridge.first_key.text}", flush=True)
        if not settings.listen.public_url:
            log.warning("listen.public_url is not set: carriers reach the bridge only where it listens")
        freeze_startup_objects()
        await run_until_stopped(lifecycle, partial(log.info, "bridge ready", address=server.address))
    return 0


async def _migrate(settings: "BridgeSettings") -> int:
    from vox.fleet.database.opening import open_database
    from vox.runtime.logging import configure

    configure(settings.logging.level, settings.logging.json_lines)
    async with open_database(settings.storage.url.get_secret_value()):
        print("The database is up to date.")
    return 0


async def _login(settings: "BridgeSettings", args: argparse.Namespace) -> int:
    from vox.fleet.accounts.operator_sessions import LINK_TTL_S, OperatorSessions
    from vox.fleet.database.opening import opened_beside_a_bridge
    from vox.runtime.clock import SystemClock
    from vox.runtime.logging import configure
    from vox.stores.sql import SqlDatabase

    configure(settings.logging.level, settings.logging.json_lines)
    database = SqlDatabase(settings.storage.url.get_secret_value())
    async with opened_beside_a_bridge(database):
        sessions = OperatorSessions(database, SystemClock())
        if args.end_sessions:
            print(f"Sessions ended: {await sessions.end_all()}")
            return 0
        listen = settings.listen
        host = "127.0.0.1" if listen.host in {"0.0.0.0", "::", ""} else listen.host  # noqa: S104  compared, not bound
        base = args.url or listen.public_url or f"http://{f'[{host}]' if ':' in host else host}:{listen.port}"
        print(f"Open this in your browser within {LINK_TTL_S // 60} minutes; it works once:", flush=True)
        print(f"{base.rstrip('/')}/#sign-in={await sessions.create_link()}")
    return 0


async def _keys(settings: "BridgeSettings", args: argparse.Namespace) -> int:
    from vox.fleet.accounts.api_keys import ApiKeys
    from vox.fleet.database.opening import opened_beside_a_bridge
    from vox.runtime.clock import SystemClock
    from vox.runtime.logging import configure
    from vox.stores.sql import SqlDatabase

    configure(settings.logging.level, settings.logging.json_lines)
    database = SqlDatabase(settings.storage.url.get_secret_value())
    async with opened_beside_a_bridge(database):
        keys = ApiKeys(database, SystemClock())
        if args.key_action == "create":
            new = await keys.create(args.name, [scope for scope in args.scopes.split(",") if scope])
            print(new.text)
        elif args.key_action == "list":
            for key in await keys.list():
                print(
                    f"{key.id:24} {'revoked' if key.revoked_at_ms else 'valid':8} {','.join(key.scopes):32} {key.name}"
                )
        else:
            await keys.revoke(args.id)
            print(f"{args.id} is revoked.")
    return 0
