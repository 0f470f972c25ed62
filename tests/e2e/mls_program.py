"""MLS clients that run a published library (`tests/e2e/mls_client`), each in a process of its own."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.reference import ROOT
from tests.require import require
from tests.time_limits import time_limit

SOURCE = Path(__file__).parent / "mls_client" / "client.js"
INSTALLED = ROOT / ".make" / "mls-client"
LINE_BYTES = 1 << 20


class MlsClient:
    """One client with one group.

    Args:
        process: runs the library.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, op: str, **more: Any) -> dict[str, Any]:
        """Carries out an operation of `client.js`; fails where the library did."""
        answer = await self.attempt(op, **more)
        assert "error" not in answer, f"{op}: {answer['error']}"
        return answer

    async def attempt(self, op: str, **more: Any) -> dict[str, Any]:
        """Carries out an operation, whose error may be the answer."""
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        writer.write(json.dumps({"op": op, **more}).encode() + b"\n")
        async with time_limit():
            return json.loads(await reader.readline())


@contextlib.asynccontextmanager
async def mls_client() -> AsyncGenerator[MlsClient, None]:
    """A client without keys."""
    is_there = (INSTALLED / "node_modules" / "ts-mls").is_dir() and shutil.which("node") is not None
    require(is_there, "an MLS library for Node", "run .ci/npm (needs node)")
    program = INSTALLED / "client.js"
    await asyncio.to_thread(shutil.copyfile, SOURCE, program)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("node", program, stdin=pipe, stdout=pipe, limit=LINE_BYTES)
    try:
        yield MlsClient(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with time_limit():
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
