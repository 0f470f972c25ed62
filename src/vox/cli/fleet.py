"""`vox fleet`: restarts call workers without a dropped call, says how they are, and configures nginx for them."""

import argparse
import asyncio
import json
import os
import shlex
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

RUNTIME: Final = Path("/run/voxcore")
"""`RuntimeDirectory=` of the units in deploy/systemd."""
RESTART: Final = "systemctl restart voxcore@{number}"
RESTART_TIMEOUT_S: Final = 300.0
WORKERS_HELP: Final = "as in 8001-8004 or 10.0.0.2:8001-8004; default: VOXCORE_WORKERS (4) from 8001 on"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its own commands."""
    parser = subparsers.add_parser("fleet", help="restart call workers, see how they are, configure nginx for them")
    commands = parser.add_subparsers(dest="fleet_command", metavar="COMMAND", title="commands", required=True)
    _add_restart(commands)
    status = commands.add_parser("status", help="show every worker, its calls and its free slots")
    status.add_argument("workers", nargs="*", metavar="WORKERS", help=WORKERS_HELP)
    status.add_argument("--runtime", type=Path, default=RUNTIME, metavar="FOLDER", help="of workers that drain")
    status.add_argument("--bridge", metavar="URL", help="ask this bridge for the workers that it knows instead")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(action=_status)
    nginx = commands.add_parser("nginx", help="print the nginx configuration for these workers")
    nginx.add_argument("workers", nargs="*", metavar="WORKERS", help=WORKERS_HELP)
    nginx.add_argument("--name", default="voxcore", help="begins the names of its groups")
    nginx.add_argument("--listen", default="80", help="where nginx listens")
    nginx.add_argument("--server-name", default="_", help="the public host name")
    nginx.set_defaults(action=_nginx)
    _add_unit_commands(commands)


def _add_restart(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    restart = commands.add_parser("restart", help="restart the workers one after another, without dropping a call")
    restart.add_argument("workers", nargs="*", metavar="WORKERS", help=WORKERS_HELP)
    restart.add_argument(
        "--command",
        default=RESTART,
        dest="restart_command",
        help=f"what restarts a worker; {{port}}, {{host}} and {{number}} (the port less 8000) are filled in;"
        f" default: {RESTART}",
    )
    restart.add_argument("--room-secs", type=float, default=600.0, help="how long to wait for a free slot elsewhere")
    restart.add_argument("--ready-secs", type=float, default=180.0, help="how long a worker may take to be ready")
    restart.add_argument("--watch-secs", type=float, default=10.0, help="how long to watch each for failures")
    restart.set_defaults(action=_restart)


def _add_unit_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    supervise = commands.add_parser("supervise", help="run a worker as the main process of a systemd unit")
    supervise.add_argument("worker", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the worker")
    supervise.set_defaults(action=_supervise)
    detach = commands.add_parser("detach", help="let a worker outlive the restart of its unit (for ExecStop)")
    detach.add_argument("unit", help="the unit, as in voxcore@1.service")
    detach.add_argument("main_pid", type=int, metavar="MAINPID", help="the unit's main process")
    detach.add_argument(
        "--keep-secs", type=float, default=3700, metavar="SECONDS", help="how long it may take when the machine stops"
    )
    detach.set_defaults(action=_detach)
    retire = commands.add_parser("retire", help="tell replaced workers to leave the port (for ExecStartPost)")
    retire.add_argument("unit", help="the unit whose worker is ready")
    retire.set_defaults(action=_retire)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    return int(args.action(args))


def _addresses(args: argparse.Namespace) -> list[str]:
    from vox.errors import UsageError
    from vox.fleet.operations.addresses import worker_addresses

    if args.workers:
        return worker_addresses(args.workers)
    number = os.environ.get("VOXCORE_WORKERS", "4")
    if not number.isascii() or not number.isdigit() or not int(number):
        raise UsageError(
            f"VOXCORE_WORKERS is {number!r}", code="bad_worker_address", hint="set it to the number of workers"
        )
    return worker_addresses([f"8001-{8000 + int(number)}"])


def _restart(args: argparse.Namespace) -> int:
    from vox.fleet.operations.asking import Asker
    from vox.fleet.operations.rolling import Patience, Roller
    from vox.runtime.clock import SystemClock

    addresses = _addresses(args)
    patience = Patience(args.room_secs, args.ready_secs, args.watch_secs)

    async def roll() -> None:
        async with Asker() as asks:
            roller = Roller(asks, _restarting(args.restart_command), SystemClock(), patience, _say)
            await roller.roll(addresses)

    asyncio.run(roll())
    print(f"{len(addresses)} workers restarted")
    return 0


def _restarting(template: str) -> Callable[[str], Coroutine[Any, Any, None]]:
    from vox.errors import DependencyError, UsageError

    async def restart(address: str) -> None:
        host, _, port = address.rpartition(":")
        try:
            command = shlex.split(template.format(port=port, host=host, number=int(port) - 8000))
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(
                f"--command cannot be filled in: {template}", code="bad_command", hint="use {port}, {host}, {number}"
            ) from error
        if not command:
            raise UsageError(
                "--command is empty", code="bad_command", hint="leave it out, or say what restarts a worker"
            )
        try:
            process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        except OSError as error:
            raise UsageError(
                f"{command[0]} cannot be run: {error.strerror}", code="bad_command", hint="see --command"
            ) from error
        try:
            async with asyncio.timeout(RESTART_TIMEOUT_S):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            code = await process.wait()
        if code:
            raise DependencyError(
                f"`{shlex.join(command)}` ended with {code}",
                code="restart_failed",
                hint="see its output and the worker's log; the workers behind it run on as they were",
            )

    return restart


def _status(args: argparse.Namespace) -> int:
    from vox.errors import UsageError
    from vox.fleet.operations.asking import Asker
    from vox.fleet.operations.reports import Row, as_json, table

    if args.bridge and args.workers:
        raise UsageError(
            "WORKERS and --bridge are both given", code="bad_worker_address", hint="a bridge knows its workers"
        )
    addresses = [] if args.bridge else _addresses(args)
    sockets = sorted(args.runtime.glob("*/*.sock"))  # FOLDER/NUMBER/PROCESS.sock

    async def ask() -> list[Row]:
        async with Asker() as asks:
            if args.bridge:
                return await asks.fleet_rows(args.bridge)
            rows = await asks.rows(addresses)
            known = {row.report.worker_pid for row in rows if row.report is not None}
            behind = await asks.private_rows(sockets)
            return rows + [row for row in behind if row.report is not None and row.report.worker_pid not in known]

    rows = asyncio.run(ask())
    print(json.dumps([as_json(row) for row in rows]) if args.json else table(rows))
    return 0 if all(row.report is not None for row in rows) else 1


def _nginx(args: argparse.Namespace) -> int:
    from vox.fleet.operations.nginx import nginx_site

    print(nginx_site(_addresses(args), name=args.name, listen=args.listen, server_name=args.server_name), end="")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _supervise(args: argparse.Namespace) -> int:
    from vox.fleet.operations.supervisor import supervise

    command = args.worker[1:] if args.worker[:1] == ["--"] else args.worker
    return supervise(command, os.environ)


def _detach(args: argparse.Namespace) -> int:
    from vox.fleet.operations.scopes import detach
    from vox.runtime.clock import SystemClock

    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    scope = detach(
        args.unit,
        args.main_pid,
        keep_s=args.keep_secs,
        sockets=Path(folder) if folder else None,
        clock=SystemClock(),
        sleep=time.sleep,
    )
    print(f"{args.unit}: " + (f"goes on as {scope}" if scope else "drains in its unit"))
    return 0


def _retire(args: argparse.Namespace) -> int:
    from vox.fleet.operations.scopes import retire

    for scope in retire(args.unit):
        print(f"{scope}: told to leave the port")
    return 0
