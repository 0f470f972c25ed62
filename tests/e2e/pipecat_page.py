"""A page of another origin that runs Pipecat's published client, bundled from the packages that `.ci/run` installs."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.chromium import Page
from tests.reference import ROOT
from tests.require import require
from tests.time_limits import time_limit

SOURCE = Path(__file__).parent / "pipecat_client"
INSTALLED = ROOT / ".make" / "pipecat-client"
PAGE = b"<!doctype html><meta charset=utf-8><title>Pipecat client</title><link rel=icon href=data:,><script src=/client.js></script>"


class Events:
    """What the client on the page was told, from the last look on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._looked = 0

    async def until(self, name: str, times: int = 1) -> list[tuple[str, Any]]:
        """Waits for an event and gives those up to it, name and data each."""
        end: int = await self._page.evaluate(f"pipecat.until({self._looked}, {name!r}, {times})")
        found = await self._page.evaluate(f"pipecat.events.slice({self._looked}, {end})")
        self._looked = end
        return [(name, data) for name, data in found]


async def bundle(folder: Path) -> bytes:
    """The client with everything it imports, as one script."""
    esbuild = INSTALLED / "node_modules" / ".bin" / "esbuild"
    require(esbuild.exists() and shutil.which("node") is not None, "Pipecat's npm packages", "run .ci/npm (needs node)")
    target = folder / "client.js"
    entry = INSTALLED / "client.js"
    await asyncio.to_thread(shutil.copyfile, SOURCE / "client.js", entry)
    process = await asyncio.create_subprocess_exec(
        *(esbuild, entry, "--bundle", "--format=iife", "--log-level=error", f"--outfile={target}"),
        stdout=subprocess.DEVNULL,
    )
    async with time_limit():
        assert await process.wait() == 0
    return await asyncio.to_thread(target.read_bytes)


@contextlib.asynccontextmanager
async def client_page(folder: Path, recordings: Mapping[str, bytes]) -> AsyncGenerator[str, None]:
    """The address of the page; recordings are WAV files by name, served beside it."""
    files = {"/": (PAGE, "text/html"), "/client.js": (await bundle(folder), "text/javascript")}
    files |= {f"/{name}.wav": (wav, "audio/wav") for name, wav in recordings.items()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            body, kind = files.get(path, (b"", "text/plain"))
            status = "200 OK" if path in files else "404 Not Found"
            head = (
                f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
