"""Starts a real OpenID provider: the npm package `oidc-provider`, installed by .ci/npm."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.require import require
from tests.time_limits import time_limit

INSTALLED = Path(__file__).parents[2] / ".make" / "oidc-provider"
SOURCE = Path(__file__).parent / "oidc_provider" / "provider.js"


@contextlib.asynccontextmanager
async def oidc_provider(client_id: str, secret: str, redirect_url: str) -> AsyncGenerator[str, None]:
    """The issuer of a provider that knows one client and lets anyone in by any name."""
    is_there = (INSTALLED / "node_modules" / "oidc-provider").exists() and shutil.which("node") is not None
    require(is_there, "the npm package oidc-provider", "run .ci/npm (needs node)")
    script = INSTALLED / SOURCE.name
    await asyncio.to_thread(shutil.copyfile, SOURCE, script)
    process = await asyncio.create_subprocess_exec(
        *("node", script, client_id, secret, redirect_url),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with time_limit():
            while not (line := (await process.stdout.readline()).decode().strip()).startswith("http://"):
                assert process.returncode is None, "the provider does not start"
        yield line
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
