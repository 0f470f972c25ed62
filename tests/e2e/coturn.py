"""A coturn of its own for a test: a TURN server on the loopback interface that takes time-limited credentials."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit


@contextlib.asynccontextmanager
async def turn_server(folder: Path, secret: str) -> AsyncGenerator[str, None]:
    """The server's address as `turn:HOST:PORT`."""
    program = shutil.which("turnserver")
    require(program is not None, "coturn", "apt-get install coturn")
    assert program is not None
    port = free_port()
    options = [
        "-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=127.0.0.1", f"--listening-port={port}",
        "--relay-ip=127.0.0.1", "--min-port=49200", "--max-port=49300", "--allow-loopback-peers",
        "--use-auth-secret", f"--static-auth-secret={secret}", "--realm=vox.test", "--fingerprint",
        f"--pidfile={folder / 'turn.pid'}", "--log-file=stdout", f"--userdb={folder / 'turn.db'}",
    ]  # fmt: skip
    with (folder / "turn.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, *options, stdout=log, stderr=subprocess.STDOUT)
    try:
        async with time_limit():
            while not await _listens(port):
                assert process.returncode is None, (folder / "turn.log").read_text()[-2000:]
                await asyncio.sleep(0.05)
        yield f"turn:127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
