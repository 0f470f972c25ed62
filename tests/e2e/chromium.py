"""Drives a headless Chromium over its DevTools protocol: enough to open a page, click, read and take a picture."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.agents import until
from tests.require import require
from tests.time_limits import time_limit

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        self.workers: list[str] = []
        """Sessions of the page's workers, newest last, from `Target.setAutoAttach` on."""

    async def call(self, method: str, session: str = "", /, **params: Any) -> dict[str, Any]:
        """One command and its result; exceptions of the page on the way are kept in `errors`.

        Args:
            method: of the DevTools protocol.
            session: of a worker, in place of the page.
            params: of the method.
        """
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        await self._socket.send(json.dumps({**command, "sessionId": session} if session else command))
        async with time_limit():
            while True:
                message = json.loads(await self._socket.recv())
                if message.get("method") == "Runtime.exceptionThrown":
                    self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:500])
                if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                    self.errors.append(message["params"]["entry"]["text"])
                if message.get("method") == "Target.attachedToTarget":
                    self.workers.append(message["params"]["sessionId"])
                if message.get("id") == self._number:
                    assert "error" not in message, message["error"]
                    return message["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def wait_for(self, expression: str) -> Any:
        """Polls the page until the expression is true, and returns its value.

        A TypeError counts as not yet: while a page is loaded, what the expression asks for is not there.
        """
        tripped: Any = None
        try:
            async with time_limit():
                while True:
                    result = await self.call(
                        "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
                    )
                    tripped = result.get("exceptionDetails")
                    if tripped is None and (value := result["result"].get("value")):
                        return value
                    assert tripped is None or tripped.get("exception", {}).get("className") == "TypeError", tripped
                    await asyncio.sleep(0.05)
        except TimeoutError:
            assert tripped is None, tripped
            raise

    async def click(self, selector: str) -> None:
        """A real mouse click in the middle of an element."""
        box = await self.evaluate(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)

    async def press(self, key: str) -> None:
        """A key with a name, such as `Tab` or `Enter`."""
        code = {"Enter": 13, "Tab": 9, "Escape": 27}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def show_as(self, width: int, *, height: int = 900, scheme: str = "light", motion: str = "") -> None:
        """Lays the page out for a screen of that width, and for what its user prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def type(self, text: str) -> None:
        """Types into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def screenshot(self, path: Path) -> None:
        """A PNG of what is seen."""
        picture = base64.b64decode((await self.call("Page.captureScreenshot"))["data"])
        await asyncio.to_thread(path.write_bytes, picture)


@contextlib.asynccontextmanager
async def open_page(
    folder: Path, url: str, *, microphone: Path | None = None, flags: Sequence[str] = ()
) -> AsyncGenerator[Page, None]:
    """A fresh browser on that page; `microphone` is a WAV file that its microphone plays once."""
    require(PROGRAM is not None, "Chromium", "apt-get install chromium")
    assert PROGRAM is not None
    profile = folder / "chromium"
    microphones = [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, *FLAGS, *flags, *microphones, f"--user-data-dir={profile}", "--window-size=900,1000", "about:blank"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        await until(lambda: port_file.exists() and len(port_file.read_text().split()) > 1)
        port, browser = port_file.read_text().split()
        async with connect(f"ws://127.0.0.1:{port}{browser}", max_size=None) as root:
            await root.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
            targets = json.loads(await root.recv())["result"]["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        async with connect(f"ws://127.0.0.1:{port}/devtools/page/{tab}", max_size=None) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log"):
                await page.call(f"{domain}.enable")
            await page.call("Page.navigate", url=url)
            await page.wait_for("document.readyState === 'complete'")
            yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
