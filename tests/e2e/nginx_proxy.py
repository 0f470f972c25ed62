"""A real nginx in front of servers under test: every request to the next of them."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit


@contextlib.asynccontextmanager
async def nginx_in_front_of(folder: Path, ports: Sequence[int]) -> AsyncGenerator[int]:
    """Balances over the servers at these ports of the loopback interface, upgrades included; gives the port to ask.

    Args:
        folder: for its files.
        ports: of the servers; one that refuses the connection is passed over.
    """
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    require(nginx is not None, "nginx", "apt-get install nginx")
    port, servers = free_port(), "".join(f"server 127.0.0.1:{each};" for each in ports)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(f"""
        daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; events {{}}
        http {{
            access_log off; {temporary}
            upstream voxray_upstream {{ {servers} }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass         http://voxray_upstream;
                    proxy_http_version 1.1;
                    proxy_set_header   Host $http_host;
                    proxy_set_header   Upgrade $http_upgrade;
                    proxy_set_header   Connection "upgrade";
                    proxy_read_timeout 3600s;
                }}
            }}
        }}
    """)
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(nginx), "-p", str(folder), "-c", str(folder / "nginx.conf"), stdout=output, stderr=output,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        async with time_limit():
            while not await _listens(port):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        async with time_limit():
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
