"""`vox directory`: the relay directory, and commands that ask one."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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


def run(args: argparse.Namespace) -> int:
    """Loads the configuration and serves until told to stop."""
    from vox.directory.settings import load  # noqa: PLC0415  heavy, and not needed for `vox --help`
    from vox.runtime.serving import run as run_loop  # noqa: PLC0415

    environment = dict(os.environ)
    given = {"server.port": args.port, "server.host": args.host}
    named = args.config or (Path(found) if (found := environment.get("RELAY_DIRECTORY_CONFIG")) else None)
    usual = [path for path in (Path("directory.json"), Path("config/directory.json")) if path.exists()]
    loaded = load(
        named or (usual[0] if usual else None),
        environment,
        {key: value for key, value in given.items() if value is not None},
    )
    return run_loop(serve_directory(loaded.settings, warnings=loaded.warnings))


async def serve_directory(settings: "DirectorySettings", *, warnings: Sequence[str] = ()) -> int:
    """Serves until SIGTERM or SIGINT."""
    from random import SystemRandom  # noqa: PLC0415  not needed for `vox --help`

    from vox.directory.app import create_app  # noqa: PLC0415  heavy, and not needed for `vox --help`
    from vox.directory.server import Directory, Parts  # noqa: PLC0415
    from vox.runtime.clock import SystemClock  # noqa: PLC0415
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped  # noqa: PLC0415
    from vox.runtime.logging import configure, get_logger  # noqa: PLC0415
    from vox.runtime.metrics import Metrics  # noqa: PLC0415
    from vox.runtime.serving import Server  # noqa: PLC0415

    configure(settings.logs.level, settings.logs.json_lines)
    log = get_logger(__name__)
    for warning in warnings:
        log.warning(warning)
    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.server.drain_timeout_ms / 1000)
    directory = Directory(settings, Parts(clock, Metrics(process=True), lifecycle, SystemRandom()))
    host = "127.0.0.1" if settings.server.host == "localhost" else settings.server.host
    async with directory, Server(create_app(directory), host, settings.server.port) as server:
        shown = host if host.strip("0.:") else "localhost"
        log.info("directory ready", address=f"http://{shown}:{server.port}", relays=len(directory.registry))
        await run_until_stopped(lifecycle)
    return 0
