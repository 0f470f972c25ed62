"""Every line of the document on scaling call workers, as printed, on a machine with systemd and nginx, under live calls.

Blocks are files of tests/e2e/user_documents. What changes here is what a test must not do: ports, and the address of the
second server. docs/operations/tested-deployment.md lists the test of each line.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e import user_documents as documents
from tests.e2e.agents import FAKES
from tests.e2e.fleet_workers import BIN, Workers, on_the_line, traffic, workers, write_env
from tests.e2e.programs import accepts, program
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit

NGINX_UNIT = """
[Unit]
DefaultDependencies=no
[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'
ExecReload=/usr/sbin/nginx -g 'daemon on; master_process on;' -s reload
"""
"""As Debian has it, less what does not matter here."""
NGINX_MAIN = """
user root; worker_processes 1; pid /run/nginx.pid; error_log {folder}/nginx.log; events {{}}
http {{
    access_log off; {temporary}
    include {folder}/nginx/workers.conf;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass         http://voxcore_workers;
            proxy_http_version 1.1;
            proxy_set_header   Upgrade $http_upgrade;
            proxy_set_header   Connection "upgrade";
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""
SECOND_SERVER = "127.0.0.2"
LIVE_CALLS = 24


class Site:
    """The workers behind nginx."""

    def __init__(self, fleet: Workers, port: int) -> None:
        self.fleet = fleet
        self.phone = f"ws://127.0.0.1:{port}/telephony/ws"

    async def run(self, name: str) -> str:
        """A block of the document in a shell. The pause between restarts is left out: nothing depends on it."""
        return await self.fleet.run(f"sleep() {{ :; }}\n{documents.text(name)}")

    def upstream(self, name: str) -> None:
        """Puts a block of the document where nginx reads it."""
        text = documents.text(name).replace("10.0.0.2", SECOND_SERVER)
        text = text.replace(":800", f":{self.fleet.base // 10}")
        (self.fleet.folder / "nginx" / "workers.conf").write_text(text)

    async def status(self, number: int) -> str:
        """What systemd shows of a worker."""
        return await self.fleet.systemd.shown(f"voxcore@{number}", "StatusText")


@contextlib.asynccontextmanager
async def site(folder: Path) -> AsyncGenerator[Site]:
    """A machine with nginx that knows no worker yet."""
    require(shutil.which("nginx", path="/usr/sbin") is not None, "nginx", "apt-get install nginx")
    port = free_port()
    (folder / "nginx").mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx" / "nginx.conf").write_text(NGINX_MAIN.format(folder=folder, port=port, temporary=temporary))
    units, mounts = {"nginx.service": NGINX_UNIT}, {"/etc/nginx": folder / "nginx"}
    async with workers(folder, units=lambda _: units, mounts=mounts) as fleet:
        yield Site(fleet, port)


async def hold_calls(stack: contextlib.AsyncExitStack, url: str, number: int) -> None:
    """So many callers who stay until the stack is left; each asserts that nothing else ended its call."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(number):
            tasks.create_task(stack.enter_async_context(on_the_line(url)))


@pytest.mark.timeout(420)
async def test_the_document_from_its_first_line_to_its_last_under_live_calls(tmp_path: Path):
    async with site(tmp_path) as one, contextlib.AsyncExitStack() as callers:
        fleet = one.fleet
        await fleet.run("systemctl start voxcore@1 voxcore@2")

        # Increase calls per worker: .env, then all workers at once
        await hold_calls(callers, fleet.phone(1), 2)
        write_env(tmp_path, **documents.variables("fleet_calls.env"), VOXCORE_WORKERS="2")
        await one.run("fleet_restart_all.sh")
        assert "of 8" in await one.status(1)
        assert "of 8" in await one.status(2)

        # Add workers: units, ports, reload, number
        await one.run("fleet_add_workers.sh")
        assert await fleet.systemd.shown("voxcore@5", "UnitFileState") == "enabled"
        await fleet.run("systemctl start voxcore@3 voxcore@4")
        one.upstream("fleet_nginx_workers.conf")
        await fleet.run("systemctl start nginx")
        async with traffic(one.phone) as calls:
            await hold_calls(callers, one.phone, LIVE_CALLS)
            assert "successful" in await one.run("fleet_nginx_reload.sh")
            write_env(tmp_path, **documents.variables("fleet_calls.env"), VOXCORE_WORKERS="6")

            # Restart one at a time: the block drops calls elsewhere
            await one.run("fleet_restart_loop.sh")
            assert len(await fleet.scopes()) >= 4, "each worker of before drains with its calls"

            # The same by one command
            command = "sh -c 'systemctl restart voxcore@$(({port} - " + str(fleet.base) + "))'"
            rolled = await fleet.run(
                f'{BIN}/vox fleet restart --watch-secs 0 --command "{command}"'.replace("$((", r"\$((")
                + f" {fleet.base + 5}-{fleet.base + 6}"
            )
            assert "2/2" in rolled
            assert "2 workers restarted" in rolled

            # Add a server: its workers in the block, reload
            folder = tmp_path / "second"
            folder.mkdir()
            async with second_server(folder, fleet.base + 1):
                one.upstream("fleet_nginx_servers.conf")
                assert "successful" in await one.run("fleet_nginx_reload.sh")
                async with time_limit(), contextlib.AsyncExitStack() as more:
                    # nginx's processes of before may take a call for a moment; then the new server has its share
                    while '"call started"' not in (folder / "vox.log").read_text():
                        await hold_calls(more, one.phone, 1)
                one.upstream("fleet_nginx_workers.conf")
                await one.run("fleet_nginx_reload.sh")
        assert calls.failures == []
        assert calls.placed > 4
    # Every caller's `on_the_line` has asserted that the caller alone ended the call


@contextlib.asynccontextmanager
async def second_server(folder: Path, port: int) -> AsyncGenerator[None]:
    """The first worker of another server."""
    (folder / "config.json").write_text(json.dumps({"json_logs": True, **FAKES}))
    command = (
        str(BIN / "vox"), "worker", "--host", SECOND_SERVER, "--port", str(port), "--config", "config.json",
    )  # fmt: skip
    async with program(folder, *command, environment={"MAX_CONCURRENT_CALLS": "8"}):
        await accepts(port, SECOND_SERVER)
        yield


def test_the_units_are_valid(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    require(analyze is not None, "systemd-analyze", "apt-get install systemd")
    for source in (Path(__file__).parents[2] / "deploy" / "systemd").glob("vox[cb]*"):
        text = source.read_text().replace("/opt/vox/.venv/bin", str(BIN)).replace("User=vox", f"User={os.geteuid()}")
        (tmp_path / source.name).write_text(text)
    for name in ("voxcore@1.service", "voxbridge.service"):
        verified = subprocess.run(
            [str(analyze), "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (verified.returncode, verified.stderr) == (0, ""), name
