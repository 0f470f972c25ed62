"""Further tabs of a browser that is open already: they share its storage, and so its login."""

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import AsyncGenerator
from pathlib import Path

from websockets.asyncio.client import connect

from tests.e2e.chromium import Page
from tests.e2e.web.visitors import Visitor
from tests.time_limits import WAIT_S


@contextlib.asynccontextmanager
async def tab(folder: Path, url: str) -> AsyncGenerator[Visitor, None]:
    """A new tab, closed at the end; at the end the page must have raised no exception.

    Args:
        folder: of the browser's visitor.
        url: where it goes.
    """
    port = (folder / "chromium" / "DevToolsActivePort").read_text().split()[0]
    devtools = f"http://127.0.0.1:{port}/json"
    made = json.loads(await _read(f"{devtools}/new?about:blank", "PUT"))
    async with connect(made["webSocketDebuggerUrl"], max_size=None) as socket:
        page = Page(socket)
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        visitor = Visitor(page)
        await visitor.go(url)
        yield visitor
    await _read(f"{devtools}/close/{made['id']}")
    assert [json.loads(error) for error in page.errors if error.startswith("{")] == []


async def sockets(chat_http: str) -> int:
    """How many sockets the server's gateway has."""
    text = await _read(f"{chat_http}/metrics")
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("vox_gateway_connections"))


async def _read(url: str, method: str = "GET") -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read() -> str:
        with opener.open(urllib.request.Request(url, method=method), timeout=WAIT_S) as answer:  # noqa: S310  addresses of this machine
            return answer.read().decode()

    return await asyncio.to_thread(read)
