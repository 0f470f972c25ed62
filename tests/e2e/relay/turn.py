"""A coturn on a machine of its own, with credentials that expire."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.require import require
from tests.sdks.namespaces import Host
from tests.time_limits import time_limit

PORT = 3478
SECRET = "shared-with-the-relay"


@contextlib.asynccontextmanager
async def turn_server(folder: Path, host: Host) -> AsyncGenerator[str, None]:
    """Its address as `turn:HOST:PORT`."""
    program = shutil.which("turnserver")
    require(program is not None, "coturn", "apt-get install coturn")
    options = [
        "-n", "--no-cli", "--no-tls", "--no-dtls", f"--listening-ip={host.address}", f"--listening-port={PORT}",
        f"--relay-ip={host.address}", "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=vox.test",
        f"--pidfile={folder / 'turn.pid'}", "--log-file=stdout", f"--userdb={folder / 'turn.db'}",
    ]  # fmt: skip
    with (folder / "turn.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *host.namespace.command(str(program), *options), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        await host.namespace.answers(host.address, PORT)
        yield f"turn:{host.address}:{PORT}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        async with time_limit():
            await process.wait()
