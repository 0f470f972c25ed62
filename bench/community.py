"""A community of 5,000 members, 200 feeds and a million messages: import rate, start-up time, memory, and search, on both databases.

    PYTHONPATH=. python bench/community.py [--messages 1000000] [--members 5000] [--channels 200] [--origin discord]
        [--engines sqlite,postgresql] [--folder FOLDER]

Writes an export archive (`export_archives.py`), imports it with `vox chat import` into an empty database, starts `vox chat` on it,
and searches as members do: one word that is common, two words, and a part of a word. Import and server are processes of their own.
Run it on an idle machine; the PostgreSQL is a fresh cluster with its default settings, but for fsync.
"""

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from bench.export_archives import WORDS, Size, write_discord, write_slack
from tests.e2e.postgres import postgres

from vox.clients.server_process import free_port, serving, usage
from vox.runtime.clock import SystemClock

SEARCHES = 300
GOAL_START_S = 5.0
GOAL_SEARCH_MS = 200.0
PASSWORD = "correct horse battery"  # noqa: S105  of a server that lives for minutes
QUIET = {"VOX_RATE_LIMIT_SCALE": "0", "VOX_PASSWORD_MEMORY_KIB": "1024", "VOX_LOG_LEVEL": "warning"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One database's figures."""

    engine: str
    import_s: float
    import_cpu_s: float
    import_mb: float
    database_mb: float
    start_s: float
    server_mb: float
    searches_ms: dict[str, tuple[float, float]]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--origin", choices=("discord", "slack"), default="discord")
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--folder", type=Path, help="where the archive is kept for the next run; else it is temporary")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vox-community-") as temporary:
        folder: Path = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{args.origin}-{args.members}-{args.channels}-{args.messages}.zip"
        if not archive.exists():
            began = time.perf_counter()
            size = Size(args.members, args.channels, args.messages, files=200, threads=200)
            (write_discord if args.origin == "discord" else write_slack)(archive, size)
            print(
                f"archive: {archive.stat().st_size / 1e6:,.0f} MB in {time.perf_counter() - began:,.0f} s",
                file=sys.stderr,
            )
        found = [measured(engine, args, archive, Path(temporary)) for engine in args.engines.split(",")]
    print(table(args, found))


def measured(engine: str, args: argparse.Namespace, archive: Path, folder: Path) -> Measured:
    """The figures of one database."""
    own = folder / engine
    own.mkdir()
    with database(engine, own) as url:
        given = {**os.environ, **QUIET, "VOX_DATABASE_URL": url, "VOX_STORAGE_PATH": str(own / "uploads")}
        command = [sys.executable, "-m", "vox", "chat", "admin", "create", "root"]
        subprocess.run(command, env=given, input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "vox",
            "chat",
            "import",
            args.origin,
            str(archive),
            "--report",
            str(own / "skipped"),
        ]
        importing = subprocess.Popen(command, env=given, stdout=sys.stderr, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(importing.pid, 0)
        if status:
            raise SystemExit(f"the import ended with {status}")
        import_s, cpu_s = time.perf_counter() - began, used.ru_utime + used.ru_stime
        size = sum(file.stat().st_size for file in own.glob("vox.db*")) if engine == "sqlite" else _bytes_of(url)
        start_s, memory, searches = asyncio.run(served(given, own))
    return Measured(engine, import_s, cpu_s, used.ru_maxrss / 1024, size / 1e6, start_s, memory, searches)


@contextlib.contextmanager
def database(engine: str, folder: Path) -> Generator[str]:
    """The URL of an empty database."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'vox.db'}"
        return
    with postgres() as url:
        yield url


async def served(given: dict[str, str], folder: Path) -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Seconds until the server answers, its memory in MB, and p50 and p99 of the searches in milliseconds."""
    port = free_port()
    origin, command = f"http://127.0.0.1:{port}", [sys.executable, "-m", "vox", "chat", "--port", str(port)]
    began = time.perf_counter()
    async with serving(
        command, ready_url=f"{origin}/ready", clock=SystemClock(), log=folder / "log", environment=given
    ) as pid:
        start_s = time.perf_counter() - began
        used = usage(pid)
        async with httpx2.AsyncClient(base_url=f"{origin}/api/v1", timeout=30) as http:
            login = await http.post("/auth/login", json={"username": "root", "password": PASSWORD})
            headers = {"authorization": f"Bearer {login.json()['token']}"}
            searches = {
                kind: await searched(http, headers, kind) for kind in ("one word", "two words", "part of a word")
            }
        return start_s, (used.rss_bytes if used else 0) / 1e6, searches


async def searched(http: httpx2.AsyncClient, headers: dict[str, str], kind: str) -> tuple[float, float]:
    """p50 and p99 of one kind of search, in milliseconds."""
    chance, taken = random.Random(7), list[float]()  # noqa: S311  a generator of test data
    for _ in range(SEARCHES):
        words = chance.sample(WORDS, 2)
        query: dict[str, Any] = {
            "one word": {"query": words[0]},
            "two words": {"query": " ".join(words)},
            "part of a word": {"query": words[0][: max(2, len(words[0]) - 1)]},
        }[kind]
        began = time.perf_counter()
        reply = await http.get("/messages/search", params=query, headers=headers)
        taken.append((time.perf_counter() - began) * 1000)
        if not reply.is_success:
            raise SystemExit(f"a search failed: {reply.status_code} {reply.text}")
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.99)]


def table(args: argparse.Namespace, found: list[Measured]) -> str:
    """The figures as Markdown."""
    lines = [
        f"{args.members:,} members, {args.channels:,} feeds, {args.messages:,} messages from an archive of {args.origin}",
        "",
        "| database | import, messages/s | import CPU s | peak MB | database MB | start s | server MB | one word p50 / p99 ms | two | part |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        searches = " | ".join(f"{p50:.1f} / {p99:.1f}" for p50, p99 in one.searches_ms.values())
        lines.append(
            f"| {one.engine} | {args.messages / one.import_s:,.0f} | {one.import_cpu_s:,.0f} | {one.import_mb:,.0f} |"
            f" {one.database_mb:,.0f} | {one.start_s:.1f} | {one.server_mb:,.0f} | {searches} |"
        )
        worst = max(p99 for _, p99 in one.searches_ms.values())
        if one.start_s > GOAL_START_S or worst > GOAL_SEARCH_MS:
            lines.append(f"\n{one.engine} misses a goal: start {one.start_s:.1f} s, search p99 {worst:.0f} ms")
    return "\n".join(lines)


def _bytes_of(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
