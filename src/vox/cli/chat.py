"""`vox chat`, and bare `vox`: the community server, and what its administrator does from a shell."""

import argparse
import asyncio
import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from vox.cli import chat_data
from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.chat.config.settings import ChatSettings
    from vox.stores.sql import SqlDatabase


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser("chat", help="serve a community: messages, roles, files, events")
    add_flags(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="instead of serving")
    admin = actions.add_parser("admin", help="manage users with all permissions")
    verbs = admin.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="create an administrator; asks for the password, or reads it from stdin")
    create.add_argument("username", help="user name; an existing user becomes administrator")
    actions.add_parser("migrate", help="update the database's tables and exit")
    chat_data.add_actions(actions)
    doctor = actions.add_parser("doctor", help="check address, proxy, socket, clock, files and tables of a community")
    doctor.add_argument("--json", action="store_true", help="print one JSON array instead of a table")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of bare `vox`, which `vox chat` shares."""
    parser.add_argument("--host", help="bind address ($VOX_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="bind port ($VOX_PORT, else 8000; 0 picks a free one)")
    parser.add_argument("--database-url", help="database ($VOX_DATABASE_URL, else sqlite+aiosqlite:///vox.db)")
    parser.add_argument("--redis-url", help="Redis that several processes share ($VOX_REDIS_URL)")
    parser.add_argument(
        "--workers", type=int, help="number of server processes ($VOX_WORKERS, else 1); more than 1 needs Redis"
    )
    parser.add_argument("--reload", action="store_true", help="restart when the source changes, for development")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Serves until told to stop, or does what the action says."""
    from vox.chat.config.settings import load_chat_settings
    from vox.http.server import run as run_loop
    from vox.runtime.logging import configure, get_logger

    names = {
        "host": "http_host",
        "port": "http_port",
        "database_url": "database_url",
        "redis_url": "redis_url",
        "workers": "workers",
    }
    flags = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    given: dict[str, Any] = {names[name]: value for name, value in flags.items()}
    action = getattr(args, "action", None)
    if action == "doctor":
        from vox.cli.chat_doctor import run_chat_doctor

        return run_chat_doctor(given, is_json=args.json)
    loaded = load_chat_settings(dict(os.environ), given)
    settings = loaded.settings
    configure(settings.log_threshold, settings.log_format == "json")
    if not getattr(args, "worker", None):
        for warning in loaded.warnings:
            get_logger(__name__).warning(warning)
    if action == "admin":
        return _create_administrator(settings, args.username)
    if action == "migrate":
        return _migrate(settings)
    if action in chat_data.ACTIONS:
        return chat_data.run_action(action, settings, args)
    if args.reload:
        return _reload(settings, given)
    if settings.workers > 1 and args.worker is None:
        from vox.cli.workers import supervise

        if not settings.redis_bus_url.get_secret_value():
            raise UsageError(
                f"{settings.workers} workers need Redis to act as one server",
                code="workers_need_redis",
                hint="set VOX_REDIS_URL or --redis-url, or use one worker",
            )
        address = (settings.http_host, settings.http_port)
        return run_loop(supervise(*address, settings.workers, flags, drain_timeout_s=settings.drain_timeout_s))
    return run_loop(serve_chat(settings, worker=args.worker))


async def serve_chat(settings: "ChatSettings", *, worker: int | None = None) -> int:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: the server's.
        worker: its number among several processes on one port; None where it is alone.
    """
    from vox.chat.app import make_app
    from vox.chat.server import Parts
    from vox.http.server import Server
    from vox.runtime.clock import SystemClock
    from vox.runtime.gc_freeze import freeze_startup_objects
    from vox.runtime.lifecycle import Lifecycle, run_until_stopped
    from vox.runtime.logging import get_logger
    from vox.runtime.metrics import Metrics

    clock = SystemClock()
    lifecycle = Lifecycle(clock, settings.drain_timeout_s)
    app = make_app(settings, Parts(clock, Metrics(process=True), lifecycle))
    async with Server(
        app,
        settings.http_host,
        settings.http_port,
        trusted_proxies=",".join(settings.trusted_proxies),
        reuse_port=worker is not None,
    ) as server:
        freeze_startup_objects()
        number = 0 if worker is None else worker
        ready = partial(get_logger(__name__).info, "chat ready", address=server.address, worker=number)
        watching = asyncio.create_task(_drain_with_parent(lifecycle.drain)) if worker is not None else None
        await run_until_stopped(lifecycle, ready)
        await app.server.drain()
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})
    return 0


async def _drain_with_parent(drain: Callable[[], None]) -> None:
    """Drains when the supervising process is gone, because nothing else would end this one."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  the kernel gives no notice
        await asyncio.sleep(1.0)
    drain()


def _create_administrator(settings: "ChatSettings", username: str) -> int:
    from vox.chat.identity.admin_bootstrap import create_administrator

    if sys.stdin.isatty():
        password = getpass.getpass(f"Password for {username}: ")
        if getpass.getpass("Again: ") != password:
            raise UsageError("the two passwords differ", code="invalid_value", hint="try again")
    else:
        password = sys.stdin.readline().rstrip("\n")
    print(create_administrator(settings, username, password))
    return 0


def _migrate(settings: "ChatSettings") -> int:
    from vox.chat.database.migrations.prepare import prepare

    with _opened(settings) as database:
        prepare(database)
    print("The database is up to date.")
    return 0


@contextlib.contextmanager
def _opened(settings: "ChatSettings") -> "Generator[SqlDatabase]":
    from vox.stores.sql import SqlDatabase

    database = SqlDatabase(settings.database_url.get_secret_value())
    database.open()
    try:
        yield database
    finally:
        database.close()


def _reload(settings: "ChatSettings", given: dict[str, Any]) -> int:
    import uvicorn

    if url := given.get("database_url"):
        os.environ["VOX_DATABASE_URL"] = url
    uvicorn.run("vox.api.app:create_app", factory=True, host=settings.http_host, port=settings.http_port, reload=True)
    return 0
