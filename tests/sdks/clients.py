"""The published clients under the command of a test: the same commands and the same reports for each."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.e2e.chromium import FLAGS, PROGRAM
from tests.reference import ROOT
from tests.require import require
from tests.sdks.namespaces import Host
from tests.sdks.tones import PacketEar, tone_file
from tests.time_limits import WAIT_S, time_limit

HERE = Path(__file__).parent
INSTALLED = ROOT / ".make" / "sdks"
BROWSER_DIST = INSTALLED / "javascript" / "node_modules" / "livekit-client" / "dist"
GO_CLIENT = INSTALLED / "go-client"
PAGE = "<!doctype html><meta charset=utf-8><title>LiveKit client</title><link rel=icon href=data:,><body><script src=/livekit-client.umd.js></script><script src=/client.js></script>"
SDKS = ("javascript", "python", "go")
CLOSE_HZ = 15


class Client:
    """One member of a room by one of the SDKs."""

    def __init__(self, sdk: str, folder: Path) -> None:
        self.sdk = sdk
        self.identity = ""
        self.events: list[dict[str, Any]] = []
        self._folder = folder
        self._changed = asyncio.Condition()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ears: dict[str, PacketEar] = {}
        self._write: Callable[[str], Any] | None = None

    async def do(self, command: str, **arguments: Any) -> Any:
        """One command and its result.

        Raises:
            AssertionError: the SDK refused; the message is its own.
        """
        assert self._write is not None
        number = len(self._answers) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        sent = self._write(json.dumps({"id": number, "do": command, **arguments}))
        if sent is not None:
            await sent
        try:
            async with time_limit(WAIT_S / 3):
                return await answer
        except TimeoutError:
            raise AssertionError(f"{self.sdk}: {command} was not done\n{self.last()}") from None

    def last(self, since: int = 0) -> str:
        """The last reports, for messages."""
        lines = [json.dumps(one) for one in self.events[since:] if one.get("event") not in ("opus", "quality", "video")]
        return "\n".join(lines[-20:])

    async def join(self, url: str, token: str, *, version: int, **options: Any) -> str:
        """Joins; the identity that the server gave."""
        joined = await self.do("join", url=url, token=token, version=version, **options)
        self.identity = joined["identity"]
        return self.identity

    async def publish(self, hz: int) -> str:
        """Publishes a tone as the microphone; the track's SID."""
        tone = (
            {"packets": str(await asyncio.to_thread(tone_file, self._folder, hz))} if self.sdk == "go" else {"hz": hz}
        )
        return (await self.do("publish", **tone))["sid"]

    def mark(self) -> int:
        """Where the reports are now, for `since`."""
        return len(self.events)

    async def until(self, event: str, *, since: int = 0, **fields: Any) -> dict[str, Any]:
        """Waits for a report with these fields, among those from `since` on.

        Raises:
            AssertionError: it did not come; the message has the last of those that did.
        """
        return await self.until_any(
            event,
            lambda one: all(one.get(key) == value for key, value in fields.items()),
            since=since,
            told=str(fields),
        )

    async def until_any(
        self, event: str, accept: Callable[[Mapping[str, Any]], bool], *, since: int = 0, told: str = ""
    ) -> dict[str, Any]:
        """Waits for a report of that kind that is acceptable, among those from `since` on."""

        def found() -> dict[str, Any] | None:
            return next((one for one in self.events[since:] if one.get("event") == event and accept(one)), None)

        try:
            async with time_limit(WAIT_S / 3), self._changed:
                await self._changed.wait_for(found)
        except TimeoutError:
            raise AssertionError(f"{self.sdk}: no {event} {told} in:\n{self.last(since)}") from None
        one = found()
        assert one is not None
        return one

    async def hears(self, sender: str, hz: int, *, since: int = 0) -> None:
        """Waits until the tone of that member is as expected; 0 is silence. Tones are told when they change, and twice a second."""
        await self.until_any(
            "tone", lambda one: one["sender"] == sender and abs(one["hz"] - hz) <= (CLOSE_HZ if hz else 0), since=since,
            told=f"of {hz} Hz from {sender}",
        )  # fmt: skip

    async def gaps(self) -> dict[str, list[tuple[int, int]]]:
        """By sender: where silence of 60 ms and longer began, in ms of the client's clock, and how many ms it took."""
        if self.sdk == "go":
            return {sender: list(ear.gaps) for sender, ear in self._ears.items()}
        return {
            sender: [(start, length) for start, length in all_of] for sender, all_of in (await self.do("gaps")).items()
        }

    async def take(self, line: str) -> None:
        """One line that the client wrote."""
        report = json.loads(line)
        if "id" in report:
            answer = self._answers[report["id"]]
            if not answer.done():
                if "error" in report:
                    answer.set_exception(AssertionError(f"{self.sdk}: {report['error']}"))
                else:
                    answer.set_result(report["result"])
            return
        async with self._changed:
            self.events.append(report)
            if report["event"] == "opus":
                ear = self._ears.setdefault(report["sender"], PacketEar())
                for hz in ear.hear(report.pop("packets")):
                    self.events.append({"event": "tone", "sender": report["sender"], "sid": report["sid"], "hz": hz})
            self._changed.notify_all()

    def ended(self) -> None:
        """The client is gone: whoever waits for an answer hears of it."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(AssertionError(f"{self.sdk}: the client ended"))

    async def opened(self, write: Callable[[str], Any]) -> None:
        """The client can be written to now."""
        async with self._changed:
            self._write = write
            self._changed.notify_all()

    async def until_open(self) -> None:
        """Waits for the client to start."""
        async with time_limit(), self._changed:
            await self._changed.wait_for(lambda: self._write is not None)


@contextlib.asynccontextmanager
async def open_client(sdk: str, folder: Path, host: Host) -> AsyncGenerator[Client, None]:
    """A client on that machine, in no room yet."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    opening = _open_page if sdk == "javascript" else _open_program
    async with opening(sdk, folder, host) as client:
        yield client


@contextlib.asynccontextmanager
async def _open_program(sdk: str, folder: Path, host: Host) -> AsyncGenerator[Client, None]:
    if sdk == "go":
        require(GO_CLIENT.exists(), "LiveKit's Go client", "run .ci/sdks (needs go)")
        command = (str(GO_CLIENT),)
    else:
        require(
            find_spec("livekit") is not None and find_spec("livekit.rtc") is not None,
            "LiveKit's Python client",
            "pip install livekit",
        )
        command = (sys.executable, str(HERE / "python" / "driver.py"))
    with (folder / f"{sdk}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *host.namespace.command(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, limit=1 << 20
        )
    client = Client(sdk, folder)
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def read() -> None:
        while line := await stdout.readline():
            await client.take(line.decode())
        client.ended()

    reading = asyncio.create_task(read())
    try:
        await client.opened(lambda line: stdin.write(line.encode() + b"\n"))
        yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        async with time_limit():
            await process.wait()
            await reading


@contextlib.asynccontextmanager
async def _open_page(sdk: str, folder: Path, host: Host) -> AsyncGenerator[Client, None]:
    require(PROGRAM is not None, "Chromium", "apt-get install chromium")
    require(
        BROWSER_DIST.exists() and shutil.which("node") is not None, "LiveKit's npm package", "run .ci/sdks (needs node)"
    )
    assert PROGRAM is not None
    client = Client(sdk, folder)
    files = await asyncio.to_thread(_files)

    def answer(_: ServerConnection, request: Request) -> Response | None:
        if request.path == "/socket":
            return None
        body = files.get(request.path)
        kind = "text/javascript" if request.path.endswith(".js") else "text/html; charset=utf-8"
        headers = Headers({"content-type": kind, "content-length": str(len(body or b"")), "connection": "close"})
        return Response(200 if body else 404, "OK" if body else "Not Found", headers, body or b"")

    async def talk(connection: ServerConnection) -> None:
        await client.opened(connection.send)
        async for line in connection:
            await client.take(str(line))

    listener = await host.namespace.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    async with serve(talk, sock=listener, process_request=answer, max_size=None, compression=None):
        with (folder / "chromium.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *host.namespace.command(PROGRAM, *FLAGS, f"--user-data-dir={folder / 'chromium'}", url),
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            await client.until_open()
            yield client
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            async with time_limit():
                await process.wait()


def _files() -> dict[str, bytes]:
    files = {"/": PAGE.encode(), "/client.js": (HERE / "javascript" / "client.js").read_bytes()}
    return files | {
        f"/{name}": (BROWSER_DIST / name).read_bytes()
        for name in ("livekit-client.umd.js", "livekit-client.e2ee.worker.js")
    }
