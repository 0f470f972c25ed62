"""Proxies and Prometheus for tests: real processes on free ports, with configurations of this repository."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.e2e.certificates import Pair
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S, time_limit


@contextlib.asynccontextmanager
async def program(
    folder: Path, *command: str, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Path, None]:
    """A program that runs while the block does; gives the file of what it prints."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=output, stderr=output, env={**os.environ, "HOME": str(folder), **(environment or {})}
        )  # fmt: skip
    try:
        yield log
        assert process.returncode is None, log.read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        async with time_limit():
            await process.wait()


async def accepts(port: int, host: str = "127.0.0.1") -> None:
    """Waits until something listens on a port."""
    async with time_limit():
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def nginx(folder: Path, servers: str, port: int) -> AsyncGenerator[None, None]:
    """Nginx with what stands inside `http`, when it accepts connections on the port."""
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    require(found is not None, "nginx", "apt-get install nginx")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; {user} pid {folder}/nginx.pid; error_log stderr; events {{}}"
        f" http {{ access_log off; {temporary}\n{servers}\n}}\n"
    )
    async with program(folder, str(found), "-p", str(folder), "-c", str(file)):
        await accepts(port)
        yield


def agent_site(text: str, pair: Pair, *, ports: Sequence[int], plain: int, secure: int) -> str:
    """`deploy/nginx/vox-agent.conf` for these instances, certificates and ports.

    Raises:
        AssertionError: the file has no place for one of them any more.
    """
    first, second = ports
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{first}"),
        ("127.0.0.1:8081", f"127.0.0.1:{second}"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
        ("/etc/letsencrypt/live/agent.example.com/fullchain.pem", str(pair.cert)),
        ("/etc/letsencrypt/live/agent.example.com/privkey.pem", str(pair.key)),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextlib.asynccontextmanager
async def caddy(folder: Path, site: str, port: int, **environment: str) -> AsyncGenerator[None, None]:
    """Caddy with these sites, without its own certificates and its administration."""
    found = shutil.which("caddy")
    require(found is not None, "Caddy", "apt-get install caddy")
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
    command = (str(found), "run", "--adapter", "caddyfile", "--config", "Caddyfile")
    async with program(folder, *command, environment=environment):
        await accepts(port)
        yield


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: series with their labels and value.

        Raises:
            AssertionError: Prometheus does not take the expression.
        """
        async with httpx2.AsyncClient(timeout=WAIT_S) as http:
            answer = await http.post(f"http://127.0.0.1:{self.port}/api/v1/query", data={"query": expression})
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body}"
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    async def values(self, expression: str, label: str) -> dict[str, float]:
        """The query's value for each value of a label."""
        return {each["metric"].get(label, ""): float(each["value"][1]) for each in await self.query(expression)}

    async def until(self, expression: str, condition: Callable[[list[float]], bool]) -> None:
        """Waits until the query's values are as expected."""
        async with time_limit():
            while not condition([float(each["value"][1]) for each in await self.query(expression)]):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def prometheus(folder: Path, scrape_configs: Sequence[Mapping[str, Any]]) -> AsyncGenerator[Prometheus, None]:
    """A Prometheus that scrapes twice a second."""
    found = shutil.which("prometheus")
    require(found is not None, "Prometheus", "apt-get install prometheus")
    file, port = folder / "prometheus.yml", free_port()
    interval = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    file.write_text(yaml.safe_dump({"global": interval, "scrape_configs": [*scrape_configs]}))
    command = (
        str(found), f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
    )  # fmt: skip
    async with program(folder, *command):
        await accepts(port)
        yield Prometheus(port)


def queries(dashboard: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Title and expression of every query of a Grafana dashboard, with its variables filled in."""
    found: list[tuple[str, str]] = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
            assert not re.search(r"\$\w", expression), f"{panel['title']}: an unknown variable in {expression}"
            found.append((panel["title"], expression))
    return found
