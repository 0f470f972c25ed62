"""`vox directory`: the relay directory, and commands that ask one."""

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vox.cli.directory_joining import COMMANDS, add_commands

if TYPE_CHECKING:
    from vox.directory.settings import DirectorySettings


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("directory", help="keep the list of relays and find the nearest healthy ones")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="JSON or YAML; default: $RELAY_DIRECTORY_CONFIG, else directory.json",
    )
    parser.add_argument("--port", type=int, help="bind port (0 picks a free one)")
    parser.add_argument("--host", help="bind address")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="instead of serving")
    actions.add_parser("migrate", help="update the database's tables and exit")
    listing = _asking(actions, "list", "print healthy relays, nearest first")
    listing.add_argument("--lat", type=float, help="latitude in degrees")
    listing.add_argument("--lon", type=float, help="longitude in degrees")
    listing.add_argument("--limit", type=int, default=10, help="largest number of relays (10)")
    adding = _asking(actions, "register", "add a relay, or renew it")
    adding.epilog = f"{adding.epilog} A join token is read from $VOX_DIRECTORY_JOIN_TOKEN."
    for name, what in (
        ("name", "name that people see"),
        ("relay-url", "where clients connect"),
        ("public-key", "base64"),
    ):
        adding.add_argument(f"--{name}", required=True, help=what)
    adding.add_argument("--lat", type=float, required=True, help="latitude in degrees")
    adding.add_argument("--lon", type=float, required=True, help="longitude in degrees")
    adding.add_argument("--features", default="", help="features of the relay, separated by commas")
    adding.add_argument("--region", default="unknown", help="region code")
    adding.add_argument("--capacity", type=int, default=1000, help="largest number of connections (1000)")
    draining = _asking(actions, "drain", "take a relay out of the lists; running sessions continue")
    draining.add_argument("id", help="the relay's id")
    draining.add_argument("--resume", action="store_true", help="put the relay back into the lists")
    draining.add_argument("--maintenance", action="store_true", help="failures are expected while it is drained")
    draining.add_argument("--reason", default="", help="the reason, shown with its status")
    draining.add_argument("--until", type=_time, metavar="TIME", help="when it comes back (2030-01-01T06:00:00Z)")
    add_commands(actions, _asking)
    for asking, what in (
        (adding, "is made, readable by you only, where it is missing"),
        (draining, "as it registered"),
    ):
        asking.add_argument("--key-file", type=Path, metavar="FILE", help=f"sign with the Ed25519 key in there; {what}")


def run(args: argparse.Namespace) -> int:
    """Serves until stopped, migrates the tables, or sends a request to a running directory."""
    if args.action not in {None, "migrate"}:
        return asyncio.run(_ask(args))
    from vox.directory.settings import load
    from vox.http.server import run as run_loop

    environment = dict(os.environ)
    given = {"server.port": args.port, "server.host": args.host}
    named = args.config or (Path(found) if (found := environment.get("RELAY_DIRECTORY_CONFIG")) else None)
    usual = [path for path in (Path("directory.json"), Path("config/directory.json")) if path.exists()]
    loaded = load(
        named or (usual[0] if usual else None),
        environment,
        {key: value for key, value in given.items() if value is not None},
    )
    if args.action == "migrate":
        return run_loop(_migrate(loaded.settings))
    return run_loop(serve_directory(loaded.settings, warnings=loaded.warnings))


async def serve_directory(settings: "DirectorySettings", *, warnings: Sequence[str] = ()) -> int:
    """Serves until SIGTERM or SIGINT."""
    import secrets
    from random import Random

    from vox.directory.app import create_app
    from vox.directory.server import Directory, Parts
    from vox.http.server import Server
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
    lifecycle = Lifecycle(clock, settings.server.drain_timeout_ms / 1000)
    chance = Random(secrets.randbits(256))  # noqa: S311  jitter and draws; what must not be guessed comes from secrets
    directory = Directory(settings, Parts(clock, Metrics(process=True), lifecycle, chance))
    async with directory, Server(create_app(directory), settings.server.host, settings.server.port) as server:
        freeze_startup_objects()
        ready = partial(log.info, "directory ready", address=server.address, relays=len(directory.registry))
        await run_until_stopped(lifecycle, ready)
    return 0


async def _migrate(settings: "DirectorySettings") -> int:
    from vox.directory.database.opening import database_of, opened
    from vox.runtime.logging import configure

    configure(settings.logs.level, settings.logs.json_lines)
    async with opened(database_of(settings.database), settings.database.path):
        print("The database is up to date.")
    return 0


def _asking(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text)
    parser.add_argument(
        "--url",
        default=os.environ.get("VOX_DIRECTORY_URL", "http://127.0.0.1:8090"),
        help="the directory ($VOX_DIRECTORY_URL, else http://127.0.0.1:8090)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.epilog = "An API key is read from $VOX_DIRECTORY_KEY."
    return parser


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)  # ValueError is argparse's own way to refuse
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("add the time zone: Z or +01:00")
    return moment


async def _ask(args: argparse.Namespace) -> int:
    from vox.clients.directory import DirectoryClient
    from vox.security.key_file import read_key_file

    key_file: Path | None = getattr(args, "key_file", None)
    pair = read_key_file(key_file, is_made=args.action == "register") if key_file is not None else None
    api_key = os.environ.get("VOX_DIRECTORY_KEY", "")
    async with DirectoryClient(args.url, api_key=api_key, key_pair=pair) as client:
        if args.action == "list":
            relays = await client.relays(latitude=args.lat, longitude=args.lon, limit=args.limit)
            if args.json:
                print(json.dumps([{name: getattr(one, name) for name in one.__struct_fields__} for one in relays]))
                return 0
            for relay in relays:
                away = f"{relay.distance_km:8.0f} km" if relay.distance_km is not None else ""
                print(
                    f"{relay.name[:24]:24} {relay.id:36} {relay.region:12} {relay.current_connections:6}/{relay.capacity:<6} {away}  {relay.url}"
                )
            return 0
        if args.action in COMMANDS:
            await COMMANDS[args.action](client, args)
            return 0
        if args.action == "register":
            answer = await client.register(
                {
                    "name": args.name,
                    "url": args.relay_url,
                    "latitude": args.lat,
                    "longitude": args.lon,
                    "region": args.region,
                    "capacity": args.capacity,
                    "public_key": args.public_key,
                    "features": [name for name in args.features.split(",") if name],
                    "join_token": os.environ.get("VOX_DIRECTORY_JOIN_TOKEN", ""),
                }
            )
        else:
            answer = await client.drain(
                args.id,
                is_draining=not args.resume,
                is_maintenance=args.maintenance,
                reason=args.reason,
                until=args.until,
            )
        print(
            json.dumps(answer)
            if args.json
            else f"{answer['id']} {answer['state']}{' draining' if answer['draining'] else ''}"
            f"{', waits for approval' if answer.get('approval') == 'waiting' else ''}"
        )
    return 0
